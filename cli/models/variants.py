"""Another repository from one of float32 models: detectors in int8, another input size, all else as it is."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.models import repository as disk
from cli.models import sizes
from cli.models.catalog import MODELS
from cli.models.fetch import Progress, fetch_models, silent
from cli.models.pictures import Image, Pictures
from functions.shared.contracts import now
from functions.shared.errors import InvalidInput, Misconfigured

DETECTORS = {"vehicle_detector": (0.25, 0.6), "plate_detector": (0.25, 0.45)}
"""The scores and overlaps that the plate reader itself asks of each."""
HELD_BACK = 4
"""Every so-manieth picture is not calibrated with but judged on."""
LEAST_KEPT = 0.9
_NOT_COPIED = ("__pycache__", "*.lock", "*.part", ".gitignore")


@dataclass(frozen=True)
class Made:
    """What was built. `kept`: by detector, the share of the float model's boxes that int8 finds on held-back pictures;
    None where those show none.
    """

    repository: Path
    variant: disk.Variant
    kept: dict[str, float | None]


def build(base: Path, out: Path, size: str, pictures: Pictures | None = None, progress: Progress = silent) -> Made:
    """Make `out` a complete repository: that of `base` with inputs of `size`, in int8 when `pictures` are given.

    An earlier variant in `out` is replaced, once the new one is whole. Raises InvalidInput for pictures that do not do,
    Misconfigured for folders that do not.
    """
    sizes.input_size(size)
    _require_target(base, out)
    fetch_models(base, progress)
    _require_float(base)
    scratch = out.with_name(f"{out.name}.part{os.getpid()}")
    with disk.writing(out):
        try:
            shutil.copytree(
                base, scratch, ignore=shutil.ignore_patterns("__pycache__", "*.lock", ".gitignore", "*.part")
            )
            sizes.write_sizes(scratch, size)
            variant, kept = _fill(scratch, size, pictures, progress)
            disk.put_variant(scratch, variant)
            _replace(scratch, out)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return Made(out, variant, kept)


def _require_target(base: Path, out: Path) -> None:
    if out.resolve() in (base.resolve(), disk.SOURCE):
        raise InvalidInput(f"{out} is where the models come from; choose another folder with --out", field="out")
    if out.resolve().is_relative_to(base.resolve()):
        raise InvalidInput(f"{out} lies in the repository that is copied; choose another with --out", field="out")
    if out.exists() and not out.is_dir():
        raise InvalidInput(f"{out} is a file; choose a folder with --out", field="out")
    if out.is_dir() and any(out.iterdir()) and disk.read_manifest(out).variant is None:
        raise InvalidInput(f"{out} holds something else than a variant; choose another with --out", field="out")


def _require_float(base: Path) -> None:
    manifest = disk.read_manifest(base)
    if manifest.variant is not None and manifest.variant.precision != "fp32":
        raise InvalidInput(f"{base} is a variant in {manifest.variant.precision}; build from the models that it was "
                           "made of", field="repository")  # fmt: skip
    for model in MODELS:
        if not disk.is_intact(base, model.name, manifest.models.get(model.name)):
            raise Misconfigured(f"{model.name} in {base} is not as recorded", mend="run: gtvision models fetch")


def _fill(
    scratch: Path, size: str, pictures: Pictures | None, progress: Progress
) -> tuple[disk.Variant, dict[str, float | None]]:
    """Quantise the detectors of the copied repository, and say what the variant is."""
    if pictures is None:
        return disk.Variant(precision="fp32", input=size, made_at=now()), {}
    from cli.models.quantize import weight_bits

    images, bits = pictures.decoded(), weight_bits()
    kept: dict[str, float | None] = {}
    for done, name in enumerate(DETECTORS):
        progress(f"quantise {name}", done, len(DETECTORS))
        kept[name] = _quantise(scratch, name, images, bits)
    calibration = disk.Calibration(
        origin=pictures.origin, pictures=len(images), held_back=len(images[HELD_BACK - 1 :: HELD_BACK]),
        sha256=pictures.sha256, kept=kept,
    )  # fmt: skip
    made = disk.Variant(precision="int8", input=size, made_at=now(), weight_bits=bits, calibration=calibration)
    return made, kept


def _quantise(repository: Path, name: str, images: Sequence[Image], bits: int) -> float | None:
    """Put the int8 detector in the float one's place; returns the share of boxes that it keeps. Raises InvalidInput."""
    from cli.models.quantize import quantised

    path = disk.weights_path(repository, name)
    before = path.read_bytes()
    held = list(range(HELD_BACK - 1, len(images), HELD_BACK))
    finder = Finder(repository, name)
    laid = [finder.laid(image) for image in images]
    content = quantised(before, [picture for index, picture in enumerate(laid) if index not in held], bits)
    kept = finder.kept(before, content, images, held)
    if kept is not None and kept < LEAST_KEPT:
        raise InvalidInput(
            f"{name} in int8 finds only {kept:.0%} of what it finds in float32: calibrate with other pictures, or stay "
            "with float32",
            field="images",
        )
    entry = disk.read_manifest(repository).models[name]
    facts = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "build": None, "precision": "int8"}
    disk.put(repository, name, content, entry.model_copy(update={**facts, "made_from": entry.sha256}))
    return kept


class Finder:
    """Runs a detector on pictures as the plate reader of a repository does."""

    def __init__(self, repository: Path, name: str) -> None:
        from functions.shared.inference_embedded import load_reader

        reader: Any = load_reader(repository)
        self._pictures, self._geometry = reader.pictures, reader.geometry
        self._name = name

    def laid(self, image: Image) -> Any:
        """The picture as the detector gets it: uint8 [H, W, 3] RGB."""
        return self._pictures.letterbox(image, self._pictures.fit_for_detection(*image.shape[:2]))

    def boxes(self, model: bytes, images: Sequence[Image]) -> list[Any]:
        """Suppressed rows (x1, y1, x2, y2, score, class) in pixels of each picture."""
        import onnxruntime

        score, overlap = DETECTORS[self._name]
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        found = []
        for image in images:
            fit = self._pictures.fit_for_detection(*image.shape[:2])
            (rows,) = session.run(["detections"], {"images": self._pictures.letterbox(image, fit)[None]})
            size = (image.shape[1], image.shape[0])
            found.append(self._geometry.detections(rows[0], fit.back, size, score, overlap))
        return found

    def kept(self, before: bytes, after: bytes, images: Sequence[Image], held: Sequence[int]) -> float | None:
        """See kept_share, on the pictures held back. Raises InvalidInput when no picture shows anything to find."""
        from cli.models.quantize import kept_share

        boxes = self.boxes(before, images)
        if not any(len(rows) and rows[:, 4].max() >= 0.5 for rows in boxes):
            what = self._name.split("_")[0]
            raise InvalidInput(
                f"none of the {len(images)} pictures shows a {what} that is surely one: give pictures with traffic",
                field="images",
            )
        judged = self.boxes(after, [images[index] for index in held])
        return kept_share([boxes[index] for index in held], judged, self._geometry.overlaps)


def _replace(scratch: Path, out: Path) -> None:
    """Put the whole repository in its place; what was there goes after it is no longer named so."""
    old = out.with_name(f"{out.name}.old{os.getpid()}")
    if out.exists():
        out.rename(old)
    scratch.rename(out)
    shutil.rmtree(old, ignore_errors=True)
