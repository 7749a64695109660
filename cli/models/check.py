"""Proof that a repository works: its files, each model on a picture, and a frame through all of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cli.models import repository as disk
from cli.models import sizes
from cli.models.catalog import MODELS, OWN, Model, OwnModel
from cli.wheels import sha256_of
from functions.shared.errors import GTVisionError
from functions.shared.inference import open_inference, probe_picture


@dataclass(frozen=True)
class Result:
    """One thing that was checked and what was seen."""

    name: str
    ok: bool
    detail: str


def check_repository(repository: Path) -> list[Result]:
    """Every check, also after one that failed; a frame is read only when all files hold."""
    manifest = disk.read_manifest(repository)
    results: list[Result] = []
    for model in MODELS:
        results.append(_check_file(repository, model, manifest.models.get(model.name)))
        if results[-1].ok:
            results.append(_check_model(repository, model))
    for own in OWN:
        results.append(_check_own(repository, own))
        if results[-1].ok:
            results.append(_check_model(repository, own))
    results.append(_check_input(repository, manifest.variant))
    if all(result.ok for result in results):
        results.append(_check_frame(repository))
    return results


def _check_file(repository: Path, model: Model, entry: disk.Entry | None) -> Result:
    path = disk.weights_path(repository, model.name)
    name = f"{model.name}: file"
    if not path.is_file():
        return Result(name, False, f"{path} is missing; run: gtvision models fetch")
    if entry is None:
        return Result(name, False, f"{path} is in no manifest; run: gtvision models fetch, or models import")
    if not disk.is_intact(repository, model.name, entry):
        return Result(name, False, f"{path} was changed since it was made; run: gtvision models fetch")
    return Result(name, True, f"{entry.size:,} bytes, sha256 {entry.sha256[:16]}, from {entry.source} {entry.version}")


def _check_own(repository: Path, model: OwnModel) -> Result:
    """A model of this project must be the one of the source tree, which the plate reader's figures were fitted on."""
    path, name = disk.weights_path(repository, model.name), f"{model.name}: file"
    if not path.is_file():
        return Result(name, False, f"{path} is missing; run: gtvision models fetch")
    found = sha256_of(path)
    if found != sha256_of(disk.weights_path(disk.SOURCE, model.name)):
        return Result(name, False, f"{path} is not the one of the source tree; run: gtvision models fetch")
    return Result(name, True, f"{path.stat().st_size:,} bytes, sha256 {found[:16]}, of this project")


def _check_input(repository: Path, variant: disk.Variant | None) -> Result:
    """Whether the plate reader lays pictures into the size that the repository is recorded to be built for."""
    name = sizes.name_of(repository)
    wanted = sizes.STANDARD if variant is None else variant.input
    if name is None:
        return Result("input size", False, f"{sizes.sizes_path(repository)} says none of {', '.join(sizes.INPUTS)}")
    if name != wanted:
        return Result("input size", False, f"the plate reader takes {name}, the manifest says {wanted}; build it again")
    return Result("input size", True, f"{name}: {sizes.INPUTS[name].text}")


def _check_model(repository: Path, model: Model | OwnModel) -> Result:
    """Load one model and run it on a batch of two pictures, and on each alone: the batch must change nothing."""
    import onnxruntime

    name = f"{model.name}: run"
    height, width = model.sample
    pictures = np.random.default_rng(7).integers(0, 256, (2, height, width, 3), np.uint8)
    try:
        session = onnxruntime.InferenceSession(
            str(disk.weights_path(repository, model.name)), providers=["CPUExecutionProvider"]
        )
        output = model.outputs[0] if isinstance(model, OwnModel) else model.output
        (together,) = session.run([output], {"images": pictures})
        alone = np.concatenate([session.run([output], {"images": pictures[i : i + 1]})[0] for i in range(2)])
    except Exception as error:
        # ONNX Runtime's errors have no common base but Exception.
        return Result(name, False, f"it does not run: {error}")
    apart = float(np.abs(together - alone).max())
    return Result(
        name, apart < 1e-2, f"{list(pictures.shape)} -> {list(together.shape)}; batch against single: {apart:.1e}"
    )


def _check_frame(repository: Path) -> Result:
    name = "alpr: a frame"
    try:
        reading = asyncio.run(_read(repository))
    except GTVisionError as error:
        return Result(name, False, error.message)
    return Result(name, True, reading)


async def _read(repository: Path) -> str:
    engine = open_inference(None, repository, timeout_s=60)
    try:
        reading = await engine.read(probe_picture())
    finally:
        await engine.close()
    return f"{reading.width} x {reading.height} pixels, {len(reading.observations)} observations"
