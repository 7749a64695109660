"""The model repository on disk: configuration and code from the source tree, weights and their record beside them."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cli.models.catalog import OWN
from cli.wheels import sha256_of
from functions.shared.errors import Misconfigured

SOURCE = Path(__file__).resolve().parents[2] / "triton_models"
"""The repository of the source tree, whose configuration and code every other one copies."""
MANIFEST = "manifest.json"
Precision = Literal["fp32", "int8"]


class Entry(BaseModel):
    """Where one model's file came from. `build` is the maker's version; an imported file has none, nor has one in int8,
    of which `made_from` is the hash of the float32 file.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    version: str
    source_sha256: str
    licence: str
    size: int
    sha256: str
    build: int | None
    precision: Precision = "fp32"
    made_from: str | None = None


class Calibration(BaseModel):
    """The pictures that a quantisation was measured on. `sha256` is that of the list of their hashes; `held_back` of
    them only judged: `kept` is the share of the float32 detector's boxes that the new one finds there too.
    """

    model_config = ConfigDict(frozen=True)

    origin: Literal["folder", "cameras", "demo"]
    pictures: int
    held_back: int
    sha256: str
    kept: dict[str, float | None]


class Variant(BaseModel):
    """What a whole repository was built as, from one of float32 models. `input` is one of `sizes.INPUTS`."""

    model_config = ConfigDict(frozen=True)

    precision: Precision
    input: str
    made_at: datetime
    weight_bits: int | None = None
    calibration: Calibration | None = None


class Manifest(BaseModel):
    """What lies in a repository, by model; `variant` where the whole was built by `gtvision models build`."""

    models: dict[str, Entry] = {}
    variant: Variant | None = None


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
    _write_manifest(repository, manifest)


def put_variant(repository: Path, variant: Variant) -> None:
    """Record what the whole repository is."""
    manifest = read_manifest(repository)
    manifest.variant = variant
    _write_manifest(repository, manifest)


def _write_manifest(repository: Path, manifest: Manifest) -> None:
    text = json.dumps(manifest.model_dump(mode="json", exclude_none=False), indent=2, sort_keys=True)
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
    ignored = shutil.ignore_patterns("*.onnx", "manifest.*", "__pycache__", ".gitignore", "training")
    shutil.copytree(SOURCE, repository, ignore=ignored, dirs_exist_ok=True)
    for model in OWN:
        own, path = weights_path(SOURCE, model.name), weights_path(repository, model.name)
        if own.is_file() and not (path.is_file() and sha256_of(path) == sha256_of(own)):
            _write_whole(path, own.read_bytes())


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
