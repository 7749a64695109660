"""Frames to observations. Every step runs once for all frames of a batch: vehicles and plates, corners, characters.

The models are called through one function, so the same file serves Triton (requests to its own server)
and the embedded engine (sessions in process).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import decoding, geometry, pictures, views

Array = NDArray[Any]
Infer = Callable[[str, Array], Awaitable[Array]]
"""(model, uint8 [n, H, W, 3] RGB) -> float32 [n, ...]. n is at most the model's entry in MAX_BATCH."""

MAX_BATCH = {"vehicle_detector": 8, "plate_detector": 8, "plate_corners": 16, "plate_ocr": 32}
VEHICLE_TYPES = ("car", "motorcycle", "bus", "truck")


@dataclass(frozen=True)
class Options:
    """What a caller may trade of accuracy for cost.

    `views`: how many cuts of a plate may be read; the rest of them only when the first do not agree.
    `fallback`: whether corners are looked for in the vehicles of a frame where no plate was found.
    """

    views: int = len(views.VIEWS)
    fallback: bool = True
    vehicle_score: float = 0.25
    plate_score: float = 0.25


@dataclass
class _Plate:
    """A plate on its way: the detector's box [4] and score, its corners [4, 2] (the box's until better are known)."""

    found: Array
    score: float
    corners: Array
    texts: list[decoding.Text] = field(default_factory=list)
    best: Array | None = None

    @property
    def outline(self) -> Array:
        """The corners of the reading that won."""
        return self.corners if self.best is None else self.best


@dataclass
class _Frame:
    picture: Array
    fit: pictures.Fit
    vehicles: Array
    plates: list[_Plate]

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


async def read_frames(
    frames: Sequence[bytes], infer: Infer, options: Options | Sequence[Options] | None = None
) -> list[dict[str, Any] | pictures.UnreadablePicture]:
    """Each frame's observations as a JSON-ready dict, or the error of that frame alone, in order.

    Errors of `infer` are errors of the whole batch and go to the caller.
    """
    settings = _spread(options, len(frames))
    clock = Clock()
    results: list[dict[str, Any] | pictures.UnreadablePicture] = []
    open_frames: list[tuple[int, _Frame, Options]] = []
    for index, data in enumerate(frames):
        try:
            picture = pictures.decode(data)
        except pictures.UnreadablePicture as error:
            results.append(error)
            continue
        fit = pictures.fit_for_detection(*picture.shape[:2])
        open_frames.append((index, _Frame(picture, fit, np.zeros((0, 6)), []), settings[index]))
        results.append({})
    clock.lap("decode")
    await _detect([(frame, option) for _, frame, option in open_frames], infer)
    clock.lap("detect")
    await _find_corners([frame for _, frame, _ in open_frames], infer)
    await _fall_back([frame for _, frame, option in open_frames if option.fallback and not frame.plates], infer)
    clock.lap("corners")
    await _read_plates([(frame, option) for _, frame, option in open_frames], infer)
    clock.lap("read")
    share = {name: round(spent / max(1, len(open_frames)), 2) for name, spent in clock.spent.items()}
    for index, frame, _ in open_frames:
        results[index] = _described(frame, share)
    return results


def _spread(options: Options | Sequence[Options] | None, count: int) -> list[Options]:
    if options is None or isinstance(options, Options):
        return [options or Options()] * count
    return list(options)


async def _batched(model: str, images: Sequence[Array], infer: Infer) -> list[Array]:
    """The model's result for each picture: those of one shape go together, in batches that the model takes."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(images):
        groups.setdefault(image.shape, []).append(index)
    most = MAX_BATCH[model]
    chunks = [places[at : at + most] for places in groups.values() for at in range(0, len(places), most)]
    answers = await asyncio.gather(*(infer(model, np.stack([images[index] for index in chunk])) for chunk in chunks))
    results: list[Array] = [np.zeros(0)] * len(images)
    for chunk, answer in zip(chunks, answers, strict=True):
        for index, row in zip(chunk, answer, strict=True):
            results[index] = row
    return results


async def _detect(frames: Sequence[tuple[_Frame, Options]], infer: Infer) -> None:
    laid = [pictures.letterbox(frame.picture, frame.fit) for frame, _ in frames]
    vehicles, plates = await asyncio.gather(
        _batched("vehicle_detector", laid, infer), _batched("plate_detector", laid, infer)
    )
    for (frame, option), vehicle_rows, plate_rows in zip(frames, vehicles, plates, strict=True):
        frame.vehicles = geometry.detections(vehicle_rows, frame.fit.back, frame.size, option.vehicle_score, 0.6)
        found = geometry.detections(plate_rows, frame.fit.back, frame.size, option.plate_score, 0.45)
        frame.plates = [_Plate(row[:4], float(row[4]), geometry.box_corners(row)) for row in found]


CORNER_WINDOW = (96, 208)
"""Height and width of what plate_corners sees of a plate. At twice the plate's width the plate is about as wide as
those of its training (Silva and Jung: 40 to 208 of 208 pixels)."""
VEHICLE_WINDOW = (288, 288)


async def _find_corners(frames: Sequence[_Frame], infer: Infer) -> None:
    height, width = CORNER_WINDOW
    wanted: list[tuple[_Plate, pictures.Fit]] = []
    cuts: list[Array] = []
    for frame in frames:
        for plate in frame.plates:
            around = geometry.of_aspect(geometry.grown(plate.found, 1.7, 1.9), width / height)
            cut, fit = pictures.window(frame.picture, around, height, width)
            wanted.append((plate, fit))
            cuts.append(cut)
    if not cuts:
        return
    for (plate, fit), cells in zip(wanted, await _batched("plate_corners", cuts, infer), strict=True):
        quads, _ = geometry.quads(cells, 0.35)
        for quad in quads:
            corners = fit.back(quad)
            if geometry.is_plate_shaped(corners) and geometry.inside(geometry.bounds(corners), plate.found) > 0.6:
                plate.corners = corners
                break


async def _fall_back(frames: Sequence[_Frame], infer: Infer) -> None:
    """Corners straight from the vehicles, largest first, where the plate detector found nothing."""
    height, width = VEHICLE_WINDOW
    wanted: list[tuple[_Frame, pictures.Fit]] = []
    cuts: list[Array] = []
    for frame in frames:
        large = [row for row in frame.vehicles if min(row[2] - row[0], row[3] - row[1]) >= 96]
        large.sort(key=lambda row: -float((row[2] - row[0]) * (row[3] - row[1])))
        for row in large[:2]:
            cut, fit = pictures.window(frame.picture, geometry.of_aspect(row[:4], width / height), height, width)
            wanted.append((frame, fit))
            cuts.append(cut)
    if not cuts:
        return
    for (frame, fit), cells in zip(wanted, await _batched("plate_corners", cuts, infer), strict=True):
        quads, scores = geometry.quads(cells, 0.6)
        for quad, score in zip(quads, scores, strict=True):
            corners = fit.back(quad)
            box = np.clip(geometry.bounds(corners), 0, (*frame.size, *frame.size))
            if geometry.is_plate_shaped(corners) and (box[2:] - box[:2] >= (12, 4)).all():
                frame.plates.append(_Plate(box, float(score), corners))
                break


SURE = 0.97
FIRST_VIEWS = 2
CUT_OFF = 0.3
TWO_ROWS = 1.9
"""A plate that is less than so many times as wide as high may have two rows (motorcycles: 1.2 to 1.4)."""


@dataclass
class _Job:
    """One way to read one plate: in one row, or in two."""

    frame: _Frame
    plate: _Plate
    views: Sequence[views.View | views.RowsView]
    seen: list[Array] = field(default_factory=list)
    texts: list[decoding.Text] = field(default_factory=list)

    @property
    def sure(self) -> bool:
        return bool(self.texts) and self.texts[0].confidence >= SURE and self.texts[0].format is not None

    @property
    def corners(self) -> Array:
        """Of the whole plate."""
        return _whole_corners(self.plate) if isinstance(self.views[0], views.RowsView) else self.plate.corners

    def cut(self, view: views.View | views.RowsView) -> Array:
        if isinstance(view, views.RowsView):
            return views.rectify_rows(self.frame.picture, self.corners, view)
        corners = self.plate.corners if view.corners else geometry.box_corners(self.plate.found)
        return views.rectify(self.frame.picture, corners, view)

    def settle(self, found: decoding.Lattices, symbols: Array) -> None:
        """Let the views vote."""
        weights = np.array([view.weight for view in self.views[: len(self.seen)]])
        prior = format_prior(*views.band(self.frame.picture, self.corners))
        self.texts = decoding.read(symbols, found, weights, prior)


def _whole_corners(plate: _Plate) -> Array:
    """The corners where they cover what was found, else those of the box: on plates of two rows, the network, which
    learnt from cars, may mark a single row.
    """
    covered = geometry.overlaps(geometry.bounds(plate.corners)[None], plate.found[None])[0, 0]
    return plate.corners if covered > 0.55 else geometry.box_corners(plate.found)


def _jobs(frame: _Frame, option: Options) -> list[_Job]:
    """One job a plate, and a second one for those that may have two rows."""
    jobs: list[_Job] = []
    for plate in frame.plates:
        jobs.append(_Job(frame, plate, views.VIEWS[: option.views]))
        width, height = plate.found[2:4] - plate.found[:2]
        if width < TWO_ROWS * height:
            jobs.append(_Job(frame, plate, views.ROWS_VIEWS[: option.views]))
    return jobs


async def _read_plates(frames: Sequence[tuple[_Frame, Options]], infer: Infer) -> None:
    """Read the first views of every plate, then the others of those plates that are not sure yet."""
    jobs = [job for frame, option in frames for job in _jobs(frame, option)]
    for start, stop in ((0, FIRST_VIEWS), (FIRST_VIEWS, len(views.VIEWS))):
        settled = {id(job.plate) for job in jobs if job.sure}
        wanted = [(job, view) for job in jobs if id(job.plate) not in settled for view in job.views[start:stop]]
        if not wanted:
            break
        answers = await _batched("plate_ocr", [job.cut(view) for job, view in wanted], infer)
        for (job, _), symbols in zip(wanted, answers, strict=True):
            job.seen.append(symbols)
        _settle(list({id(job): job for job, _ in wanted}.values()))
    for job in jobs:
        if _better(job.texts, job.plate.texts):
            job.plate.texts = job.texts
            job.plate.best = job.corners
    for frame, _ in frames:
        _doubt_cut_off(frame)


def _doubt_cut_off(frame: _Frame) -> None:
    """A free text at the picture's edge is most likely a part of a plate: let it count little."""
    width, height = frame.size
    for plate in frame.plates:
        x1, y1, x2, y2 = plate.found[:4]
        if plate.texts and plate.texts[0].format is None and (min(x1, y1) < 4 or x2 > width - 4 or y2 > height - 4):
            plate.texts = [replace(text, confidence=text.confidence * CUT_OFF) for text in plate.texts]


def _settle(jobs: Sequence[_Job]) -> None:
    """All views of all jobs through one forward-backward, then each job's vote."""
    stacked = np.stack([symbols for job in jobs for symbols in job.seen])
    found = decoding.lattices(decoding.with_twins(stacked))
    at = 0
    for job in jobs:
        rows = slice(at, at + len(job.seen))
        at = rows.stop
        job.settle(decoding.Lattices(found.marginals[rows], found.evidence[rows]), stacked[rows])


def _better(texts: Sequence[decoding.Text], others: Sequence[decoding.Text]) -> bool:
    """Whether one way to read a plate beats another: a text of a format goes before a free one, then the surer."""
    if not texts or not others:
        return bool(texts)
    one, other = texts[0], others[0]
    return (one.format is not None, one.confidence) > (other.format is not None, other.confidence)


def format_prior(blue: float, dark: float) -> Array:
    """Log prior of (br_old, br_mercosul) from the plate's top strip: a blue or dark band speaks for Mercosul.

    The thresholds come from OpenALPR-BR, whose plates are all of the old format: blueness of at most 0.03 there,
    darkness of at most 0.51 (shadows, holders).
    """
    seen = max((blue - 0.08) / 0.04, (dark - 0.58) / 0.06)
    return np.array([0.0, float(np.clip(seen, -1.5, 4.0))])


def _described(frame: _Frame, timings: dict[str, float]) -> dict[str, Any]:
    """The frame as JSON: each plate with its vehicle or none, then the vehicles without a plate."""
    read = [plate for plate in frame.plates if plate.texts]
    boxes = [np.clip(geometry.bounds(plate.outline), 0, (*frame.size, *frame.size)) for plate in read]
    bound = geometry.bind(boxes, [row[:4] for row in frame.vehicles])
    observations = [
        {"vehicle": None if other is None else _vehicle(frame.vehicles[other]), "plate": _plate(plate, box)}
        for plate, box, other in zip(read, boxes, bound, strict=True)
    ]
    observations += [
        {"vehicle": _vehicle(row), "plate": None} for other, row in enumerate(frame.vehicles) if other not in bound
    ]
    width, height = frame.size
    return {"width": width, "height": height, "observations": observations, "timings_ms": timings}


def _vehicle(row: Array) -> dict[str, Any]:
    return {"type": VEHICLE_TYPES[int(row[5])], "confidence": round(float(row[4]), 4), "box": _box(row)}


def _plate(plate: _Plate, box: Array) -> dict[str, Any]:
    first = plate.texts[0]
    return {
        "text": first.text,
        "confidence": round(first.confidence, 4),
        "format": first.format,
        "box": _box(box),
        "corners": [[round(float(x), 2), round(float(y), 2)] for x, y in plate.outline],
        "candidates": [{"text": text.text, "confidence": round(text.confidence, 4)} for text in plate.texts],
        "detector_confidence": round(plate.score, 4),
    }


def _box(row: Array) -> dict[str, float]:
    return {name: round(float(value), 2) for name, value in zip(("x1", "y1", "x2", "y2"), row[:4], strict=True)}
