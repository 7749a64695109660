"""A user's own YOLOv8 model as one of the detectors."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cli.models import repository as disk
from cli.models.catalog import IMPORTABLE, by_name
from functions.shared.errors import InvalidInput, Misconfigured, NotFound

if TYPE_CHECKING:
    import onnx

_PLATE_WORDS = ("plate", "placa", "lp")


def import_model(file: Path, name: str, repository: Path) -> disk.Entry:
    """Make `file` (.onnx or .pt) the model `name` of the repository and return its record.

    A .pt is a pickle that Ultralytics executes: import only files that you trust. Raises NotFound,
    InvalidInput when it is no YOLOv8 detector with fitting classes, Misconfigured without ultralytics.
    """
    if name not in IMPORTABLE:
        raise InvalidInput(f"--as takes {' or '.join(IMPORTABLE)}, not {name}", field="as")
    if not file.is_file():
        raise NotFound(f"there is no file {file}")
    export = _load(file)
    _check_opset(export)
    from cli.models import yolo

    names = yolo.names_of(export)
    classes = yolo.vehicle_classes(names) if name == "vehicle_detector" else plate_classes(names)
    content = bytes(yolo.servable(export, classes, name).SerializeToString())
    _prove(content, name)
    raw = file.read_bytes()
    entry = disk.Entry(
        source=file.name,
        version="imported",
        source_sha256=hashlib.sha256(raw).hexdigest(),
        licence=next((prop.value for prop in export.metadata_props if prop.key == "license"), "unknown"),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        build=None,
    )
    with disk.locked(repository):
        disk.lay_out(repository)
        disk.put(repository, name, content, entry)
    return entry


def plate_classes(names: dict[int, str]) -> dict[int, int]:
    """The classes that are plates, all given out as 0: the only one, or those whose name says plate or placa."""
    if len(names) <= 1:
        return {next(iter(names), 0): 0}
    found = {index: 0 for index, name in names.items() if any(word in name.lower() for word in _PLATE_WORDS)}
    if not found:
        raise InvalidInput(
            f"none of the model's classes is a plate: {', '.join(sorted(names.values())[:8])}", field="file"
        )
    return found


def _load(file: Path) -> onnx.ModelProto:
    import onnx

    if file.suffix == ".onnx":
        try:
            return onnx.load(str(file))
        except Exception as error:
            # onnx lets through what protobuf raises, and the file system for external data.
            raise InvalidInput(f"{file.name} is no ONNX model: {error}", field="file") from error
    if file.suffix == ".pt":
        return _export(file)
    raise InvalidInput(f"{file.name} ends neither in .onnx nor in .pt", field="file")


def _export(file: Path) -> onnx.ModelProto:
    """Ultralytics' own export, made beside a copy so that nothing is left next to the user's file."""
    import onnx

    try:
        from ultralytics import YOLO
    except ImportError:
        raise Misconfigured(
            "a .pt needs the package ultralytics, which brings PyTorch",
            mend="pip install 'gt-vision[import]', or export the model to .onnx elsewhere",
        ) from None
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "model.pt"
        shutil.copyfile(file, copy)
        try:
            made = YOLO(str(copy)).export(format="onnx", opset=17, simplify=False)
        except Exception as error:
            # Ultralytics raises whatever its parts raise.
            raise InvalidInput(f"ultralytics cannot export {file.name}: {error}", field="file") from error
        return onnx.load(str(made))


def _check_opset(export: onnx.ModelProto) -> None:
    version = next((opset.version for opset in export.opset_import if opset.domain in ("", "ai.onnx")), 0)
    if version < 13:
        raise InvalidInput(f"the export is of opset {version}; export it again with opset 17", field="file")


def _prove(content: bytes, name: str) -> None:
    """Run the new model once, at a size and batch that the export did not have."""
    import numpy as np
    import onnxruntime

    model = by_name(name)
    pictures = np.zeros((2, *model.sample, 3), np.uint8)
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        session.run([model.output], {"images": pictures})
    except Exception as error:
        # ONNX Runtime's errors have no common base but Exception.
        raise InvalidInput(f"the model does not run after it was made servable: {error}", field="file") from error
