"""A frame's observations as JSON: each plate with its vehicle or none, then the vehicles without a plate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import colors, geometry, joint
from .decoding import Array
from .frame import Frame, Plate

VEHICLE_TYPES = ("car", "motorcycle", "bus", "truck")


def described(frame: Frame, timings: dict[str, float]) -> dict[str, Any]:
    """The answer for one frame. Plates come first, those of a format before others, the largest, which is the nearest,
    before smaller ones. A text of no format on a vehicle whose own plate was read for certain is lettering: left out.
    """
    read = sorted((plate for plate in frame.plates if plate.reading is not None), key=_rank, reverse=True)
    boxes = [np.clip(geometry.bounds(plate.outline), 0, (*frame.size, *frame.size)) for plate in read]
    bound = geometry.bind(boxes, [row[:4] for row in frame.vehicles], [plate.convincing for plate in read])
    pairs = zip(read, bound, strict=True)
    known = [frame.vehicles[other][:4] for plate, other in pairs if other is not None and plate.convincing]
    scene = colors.Scene(frame.picture)
    observations = [
        {
            "vehicle": None if other is None else _vehicle(frame.vehicles[other], scene, box),
            "plate": _plate(plate, plate.reading, box),
        }
        for plate, box, other in zip(read, boxes, bound, strict=True)
        if plate.reading is not None and not (other is None and _is_lettering(plate, box, known))
    ]
    observations += [
        {"vehicle": _vehicle(row, scene, None), "plate": None}
        for other, row in enumerate(frame.vehicles)
        if other not in bound
    ]
    width, height = frame.size
    return {"width": width, "height": height, "observations": observations, "timings_ms": timings}


def _is_lettering(plate: Plate, box: Array, known: Sequence[Array]) -> bool:
    """Whether it fits no format and lies on one of the vehicles [4] whose plates are known."""
    first = plate.reading.texts[0] if plate.reading else None
    return first is not None and first.format is None and any(geometry.inside(box, one) >= 0.9 for one in known)


def _rank(plate: Plate) -> tuple[bool, float]:
    width, height = plate.found[2:4] - plate.found[:2]
    return plate.convincing, float(width * height)


def _vehicle(row: Array, scene: colors.Scene, plate: Array | None) -> dict[str, Any]:
    color, sure = scene.color(row[:4], plate)
    return {
        "type": VEHICLE_TYPES[int(row[5])],
        "confidence": round(float(row[4]), 4),
        "box": _box(row),
        "color": color,
        "color_confidence": None if color is None else round(sure, 4),
    }


def _plate(plate: Plate, reading: joint.Reading, box: Array) -> dict[str, Any]:
    first = reading.texts[0]
    return {
        "text": first.text,
        "confidence": round(first.confidence, 4),
        "format": first.format,
        "rows": reading.rows,
        "box": _box(box),
        "cut": None if plate.cut is None else _box(plate.cut),
        "corners": [[round(float(x), 2), round(float(y), 2)] for x, y in plate.outline],
        "candidates": [
            {"text": text.text, "confidence": round(text.confidence, 4), "format": text.format}
            for text in reading.texts
        ],
        "lattice": {
            name: {"log": round(log, 4), "places": joint.listed(places)}
            for name, (log, places) in reading.lattice.items()
        },
        "detector_confidence": round(plate.score, 4),
    }


def _box(row: Array) -> dict[str, float]:
    return {name: round(float(value), 2) for name, value in zip(("x1", "y1", "x2", "y2"), row[:4], strict=True)}
