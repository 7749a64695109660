"""The model repository on disk: configuration and code from the source tree, weights and their record beside them."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cli.wheels import sha256_of
from functions.shared.errors import Misconfigured

SOURCE = Path(__file__).resolve().parents[2] / "triton_models"
"""The repository of the source tree, whose configuration and code every other one copies."""
MANIFEST = "manifest.json"


class Entry(BaseModel):
    """Where one model's file came from. `build` is the maker's version; an imported file has none."""

    model_config = ConfigDict(frozen=True)

    source: str
    version: str
    source_sha256: str
    licence: str
    size: int
    sha256: str
    build: int | None


class Manifest(BaseModel):
    """What lies in a repository, by model."""

    models: dict[str, Entry] = {}


def weights_path(repository: Path, model: str) -> Path:
    return repository / model / "1" / "model.onnx"


def read_manifest(repository: Path) -> Manifest:
    """The record of what was put there; empty when there is none or it cannot be read."""
    try:
        return Manifest.model_validate_json((repository / MANIFEST).read_bytes())
    except (FileNotFoundError, ValidationError):
        return Manifest()


def put(repository: Path, model: str, content: bytes, entry: Entry) -> None:
    """Write a model's file and its record; each appears whole or not at all."""
    _write_whole(weights_path(repository, model), content)
    manifest = read_manifest(repository)
    manifest.models[model] = entry
    text = json.dumps(manifest.model_dump(), indent=2, sort_keys=True)
    _write_whole(repository / MANIFEST, text.encode())


def is_intact(repository: Path, model: str, entry: Entry | None) -> bool:
    """Whether the file on disk is the recorded one, byte for byte."""
    path = weights_path(repository, model)
    return (
        entry is not None and path.is_file() and path.stat().st_size == entry.size and sha256_of(path) == entry.sha256
    )


def lay_out(repository: Path) -> None:
    """Copy configuration and code into a repository other than the source tree's own."""
    if repository.resolve() == SOURCE:
        return
    if not (SOURCE / "alpr" / "config.pbtxt").is_file():
        raise Misconfigured(
            f"{SOURCE} holds no model repository to copy from", mend="run from a checkout of the source tree"
        )
    repository.mkdir(parents=True, exist_ok=True)
    ignored = shutil.ignore_patterns("*.onnx", "manifest.*", "__pycache__", ".gitignore")
    shutil.copytree(SOURCE, repository, ignore=ignored, dirs_exist_ok=True)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say in plain words that a folder cannot be written: full disk, missing rights."""
    try:
        yield
    except OSError as error:
        raise Misconfigured(
            f"{error.filename or folder} cannot be written: {error.strerror or error}",
            mend="free some space, or choose a folder that you may write",
        ) from error


@contextmanager
def locked(repository: Path) -> Iterator[None]:
    """One writer at a time, also across processes. Raises Misconfigured when the folder cannot be written."""
    with writing(repository):
        repository.mkdir(parents=True, exist_ok=True)
        with (repository / "manifest.lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.part")
    try:
        scratch.write_bytes(content)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
