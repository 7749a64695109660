"""What the steps of the pipeline hand on: a frame with its vehicles and plates, what was asked of it, model calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from . import formats, geometry, pictures
from .decoding import Array
from .joint import Reading

MAX_BATCH = {"vehicle_detector": 8, "plate_detector": 8, "plate_corners": 16, "plate_ocr": 32, "plate_reader": 16}
OUTPUTS = {
    "vehicle_detector": ("detections",),
    "plate_detector": ("detections",),
    "plate_corners": ("cells",),
    "plate_ocr": ("symbols",),
    "plate_reader": ("places", "layout"),
}
Infer = Callable[[str, Array], Awaitable[Sequence[Array]]]
"""(model, uint8 [n, H, W, 3] RGB) -> float32 [n, ...] for each name of OUTPUTS. n is at most the entry of MAX_BATCH."""
MOST_VIEWS = 6
DOUBTFUL = 0.25
"""The least probability of a text of a format with which a faint plate is kept."""


@dataclass(frozen=True)
class Options:
    """What a caller wants of a frame, and what accuracy it may trade for cost.

    `views`: how many cuts of a plate may be read; the rest of them only when the first do not agree.
    `fallback`: whether vehicles on which no plate was found are searched once more.
    `formats`: names of formats.TABLE, the first wins a tie; with 'any' alone every plate is read freely.
    `min_plate_height`: plates that are lower, in pixels of the frame, are not read; their vehicle stays.
    """

    views: int = MOST_VIEWS
    fallback: bool = True
    formats: tuple[str, ...] = formats.DEFAULT
    min_plate_height: float = 0.0
    vehicle_score: float = 0.25
    plate_score: float = 0.25

    def __post_init__(self) -> None:
        formats.chosen(self.formats)


@dataclass
class Plate:
    """A plate on its way: the detector's box [4] and score, its corners [4, 2] (the box's until `cornered`). A `faint`
    one scored too low to be believed unless the readers see a plate there; `plain`: they see one in all views.
    `cut` [4]: what they looked at, once read.
    """

    found: Array
    score: float
    corners: Array
    cornered: bool = False
    faint: bool = False
    plain: bool = False
    reading: Reading | None = None
    best: Array | None = None
    cut: Array | None = None
    _whole: tuple[Array, Array, Array] | None = field(default=None, repr=False)

    @classmethod
    def in_box(cls, row: Array, least: float) -> Plate:
        """From a detector's row (x1, y1, x2, y2, score, ...); below the score `least` it is faint."""
        return cls(row[:4], float(row[4]), geometry.box_corners(row), faint=float(row[4]) < least)

    def move(self, box: Array) -> None:
        """Put the plate into another box [4]; what was known of its corners is forgotten."""
        self.found = np.asarray(box, np.float32)
        self.corners, self.cornered = geometry.box_corners(self.found), False

    @property
    def convincing(self) -> bool:
        """Whether it was read as a plate of a format, more likely so than not."""
        first = self.reading.texts[0] if self.reading else None
        return first is not None and first.format is not None and first.confidence >= 0.5

    @property
    def believed(self) -> bool:
        """Whether it stays: a faint one only if its text convinces, or if there plainly is a plate of a format, though
        its characters are doubtful.
        """
        first = self.reading.texts[0] if self.reading else None
        doubtful = self.plain and first is not None and first.format is not None and first.confidence >= DOUBTFUL
        return not self.faint or self.convincing or doubtful

    @property
    def outline(self) -> Array:
        """The corners of the reading that won."""
        return self.corners if self.best is None else self.best

    @property
    def whole(self) -> Array:
        """The corners where they cover what was found, else those of the box: on plates of two rows, the network, which
        learnt from cars, may mark a single row.
        """
        if self._whole is None or self._whole[0] is not self.corners or self._whole[1] is not self.found:
            covered = geometry.overlaps(geometry.bounds(self.corners)[None], self.found[None])[0, 0]
            whole = self.corners if covered > 0.55 else geometry.box_corners(self.found)
            self._whole = self.corners, self.found, whole
        return self._whole[2]

    @property
    def height(self) -> float:
        """Pixels from the upper edge to the lower, along the plate's sides."""
        whole = self.whole
        left, right = whole[3] - whole[0], whole[2] - whole[1]
        return float((np.linalg.norm(left) + np.linalg.norm(right)) / 2)

    @property
    def aspect(self) -> float:
        """How many times as wide as high."""
        whole = self.whole
        upper, lower = whole[1] - whole[0], whole[2] - whole[3]
        return float((np.linalg.norm(upper) + np.linalg.norm(lower)) / 2) / max(1.0, self.height)


@dataclass
class Frame:
    """One decoded picture. `vehicles` [n, 6]: x1, y1, x2, y2, score, index in VEHICLE_TYPES."""

    picture: Array
    fit: pictures.Fit
    options: Options
    vehicles: Array = field(default_factory=lambda: np.zeros((0, 6), np.float32))
    plates: list[Plate] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.shape[1], self.picture.shape[0]


class Clock:
    """Milliseconds of each step."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.spent[name] = self.spent.get(name, 0.0) + (now - self._last) * 1000
        self._last = now


async def batched(model: str, images: Sequence[Array], infer: Infer) -> list[tuple[Array, ...]]:
    """The model's results for each picture: those of one shape go together, in batches that the model takes."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(images):
        groups.setdefault(image.shape, []).append(index)
    most = MAX_BATCH[model]
    chunks = [places[at : at + most] for places in groups.values() for at in range(0, len(places), most)]
    answers = await asyncio.gather(*(infer(model, np.stack([images[index] for index in chunk])) for chunk in chunks))
    results: list[tuple[Array, ...]] = [()] * len(images)
    for chunk, answer in zip(chunks, answers, strict=True):
        for row, index in enumerate(chunk):
            results[index] = tuple(output[row] for output in answer)
    return results
