"""Where the vehicles and plates are: detection, corners, and second looks where a plate should be but was not found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from . import geometry, pictures
from .decoding import Array
from .frame import Frame, Infer, Plate, batched

CORNER_WINDOW = (96, 208)
"""Height and width of what plate_corners sees of a plate. At twice the plate's width the plate is about as wide as
those of its training (Silva and Jung: 40 to 208 of 208 pixels)."""
VEHICLE_WINDOW = (288, 288)
LOOK_WINDOW = (320, 320)
LOOKS = 2
"""How many vehicles of a frame are looked at again."""
LEAST_WIDTH = {0: 130, 1: 48, 2: 160, 3: 160}
"""Pixels across, by index in VEHICLE_TYPES, below which a plate on the vehicle could not be read: characters of some 7
pixels on a plate of 40 cm on a car of 1.8 m, of 20 cm on a motorcycle of 0.75 m."""
MOTORCYCLE = 1
BACKGROUND = 0.7
LEAST_ZOOM = 1.3
FAINT = 0.002
MOST_FAINT = 3
"""Where the plate detector is unsure (at night, on motorcycles, in infrared) its best boxes still lie on the plates,
and what else it marks mostly scores below a thousandth: the second reader decides."""
CLOSE_UP_WINDOW = (384, 640)
CLOSE_UP_SHARE = (0.62, 0.42)
"""A picture that is itself the crop of a plate is laid into the middle of a larger one, the whole of it this wide, and
less so: the detector knows plates with surroundings."""


async def detect(frames: Sequence[Frame], infer: Infer) -> None:
    """Vehicles and plates of each frame."""
    laid = [pictures.letterbox(frame.picture, frame.fit) for frame in frames]
    vehicles, plates = await asyncio.gather(
        batched("vehicle_detector", laid, infer), batched("plate_detector", laid, infer)
    )
    for frame, (vehicle_rows,), (plate_rows,) in zip(frames, vehicles, plates, strict=True):
        option = frame.options
        frame.vehicles = geometry.detections(vehicle_rows, frame.fit.back, frame.size, option.vehicle_score, 0.6)
        found = geometry.detections(plate_rows, frame.fit.back, frame.size, FAINT, 0.45)
        take(frame, found[found[:, 4] >= option.plate_score])
        if option.fallback:
            _take_faint(frame, found)


async def look_again(frames: Sequence[Frame], infer: Infer) -> None:
    """Second looks at the largest vehicles on which no plate was found, each at its own resolution."""
    wanted: list[tuple[Frame, pictures.Fit]] = []
    cuts: list[Array] = []
    for frame in frames:
        for row in _bare_vehicles(frame)[:LOOKS]:
            box = geometry.of_aspect(geometry.grown(row[:4], 1.06, 1.06), LOOK_WINDOW[1] / LOOK_WINDOW[0])
            cut, fit = pictures.window(frame.picture, box, *LOOK_WINDOW)
            if fit.scale >= LEAST_ZOOM * frame.fit.scale:
                wanted.append((frame, fit))
                cuts.append(cut)
    await _take_looks(wanted, cuts, infer)


async def look_at_close_ups(frames: Sequence[Frame], infer: Infer) -> None:
    """Pictures that may be the crop of one plate: looked at with room about them, and taken as a plate themselves."""
    wanted: list[tuple[Frame, pictures.Fit]] = []
    cuts: list[Array] = []
    for frame in frames:
        whole = np.array((0, 0, *frame.size), np.float32)
        for share in CLOSE_UP_SHARE:
            about = geometry.of_aspect(geometry.grown(whole, 1 / share, 1 / share), 640 / 384)
            cut, fit = pictures.window(frame.picture, about, *CLOSE_UP_WINDOW)
            wanted.append((frame, fit))
            cuts.append(cut)
        frame.plates.append(Plate(whole, 0.0, geometry.box_corners(whole), faint=True))
    await _take_looks(wanted, cuts, infer)


async def _take_looks(wanted: Sequence[tuple[Frame, pictures.Fit]], cuts: Sequence[Array], infer: Infer) -> None:
    for (frame, fit), (rows,) in zip(wanted, await batched("plate_detector", cuts, infer), strict=True):
        take_look(frame, geometry.detections(rows, fit.back, frame.size, FAINT, 0.45))


def take_look(frame: Frame, found: Array) -> None:
    """Take what a further look of the detector found [n, >=5], the best of what is faint included."""
    take(frame, found[found[:, 4] >= frame.options.plate_score])
    _take_faint(frame, found)


def take(frame: Frame, rows: Array) -> None:
    """Take what a look found [n, >=5], unless it is known already."""
    for row in rows:
        known = np.array([plate.found for plate in frame.plates]).reshape(-1, 4)
        if not len(known) or geometry.overlaps(row[None, :4], known).max() < 0.3:
            frame.plates.append(Plate.in_box(row, frame.options.plate_score))


def _take_faint(frame: Frame, rows: Array) -> None:
    """The best of what scored too low [n, >=5], where a plate is missing: on bare vehicles, or in the whole frame."""
    faint = [row for row in rows if row[4] < frame.options.plate_score]
    if any(not plate.faint for plate in frame.plates):
        bare = _bare_vehicles(frame)
        faint = [row for row in faint if any(geometry.inside(row[:4], vehicle[:4]) > 0.6 for vehicle in bare)]
    take(frame, np.array(faint[:MOST_FAINT]).reshape(-1, 6))


def _carries(vehicle: Array, plates: Sequence[Plate]) -> bool:
    return any(geometry.inside(plate.found, vehicle[:4]) > 0.6 for plate in plates)


def _bare_vehicles(frame: Frame) -> list[Array]:
    """Vehicles of a size at which a plate could be read, on which none was found for sure; the largest first.

    Those that are much smaller than one whose plate was found are background.
    """
    firm = [plate for plate in frame.plates if not plate.faint]
    carrying = [row for row in frame.vehicles if _carries(row, firm)]
    near = max((float(row[2] - row[0]) for row in carrying if int(row[5]) != MOTORCYCLE), default=0.0)
    bare = [
        row
        for row in frame.vehicles
        if row[2] - row[0] >= LEAST_WIDTH[int(row[5])]
        and (int(row[5]) == MOTORCYCLE or row[2] - row[0] >= BACKGROUND * near)
        and not _carries(row, firm)
    ]
    return sorted(bare, key=lambda row: -float((row[2] - row[0]) * (row[3] - row[1])))


def drop_doubles(frame: Frame) -> None:
    """Of plates that overlap, which further looks bring, only the one that was read best stays."""
    ranked = sorted(frame.plates, key=_worth, reverse=True)
    kept: list[Plate] = []
    for plate in ranked:
        box = plate.found
        if not any(max(geometry.inside(box, other.found), geometry.inside(other.found, box)) > 0.6 for other in kept):
            kept.append(plate)
    frame.plates = [plate for plate in frame.plates if any(plate is other for other in kept)]


def _worth(plate: Plate) -> tuple[bool, bool, float, float]:
    first = plate.reading.texts[0] if plate.reading else None
    sure = first.confidence if first else 0.0
    return first is not None, first is not None and first.format is not None, sure, plate.score


async def find_corners(frames: Sequence[Frame], infer: Infer) -> None:
    """The corners of each plate that is not read yet, where the network sees them."""
    height, width = CORNER_WINDOW
    plates = [(frame, plate) for frame in frames for plate in frame.plates if plate.reading is None]
    fits: list[pictures.Fit] = []
    cuts: list[Array] = []
    for frame, plate in plates:
        around = geometry.of_aspect(geometry.grown(plate.found, 1.7, 1.9), width / height)
        cut, fit = pictures.window(frame.picture, around, height, width)
        fits.append(fit)
        cuts.append(cut)
    for (_, plate), fit, (cells,) in zip(plates, fits, await batched("plate_corners", cuts, infer), strict=True):
        quads, _ = geometry.quads(cells, 0.35)
        for quad in quads:
            corners = fit.back(quad)
            if geometry.is_plate_shaped(corners) and geometry.inside(geometry.bounds(corners), plate.found) > 0.6:
                plate.corners, plate.cornered = corners, True
                break


async def corners_in_vehicles(frames: Sequence[Frame], infer: Infer) -> None:
    """Corners straight from the vehicles, largest first, where no look found a plate in the frame."""
    height, width = VEHICLE_WINDOW
    wanted: list[tuple[Frame, pictures.Fit]] = []
    cuts: list[Array] = []
    for frame in frames:
        large = [row for row in frame.vehicles if min(row[2] - row[0], row[3] - row[1]) >= 96]
        large.sort(key=lambda row: -float((row[2] - row[0]) * (row[3] - row[1])))
        for row in large[:LOOKS]:
            cut, fit = pictures.window(frame.picture, geometry.of_aspect(row[:4], width / height), height, width)
            wanted.append((frame, fit))
            cuts.append(cut)
    for (frame, fit), (cells,) in zip(wanted, await batched("plate_corners", cuts, infer), strict=True):
        quads, scores = geometry.quads(cells, 0.6)
        for quad, score in zip(quads, scores, strict=True):
            corners = fit.back(quad)
            box = np.clip(geometry.bounds(corners), 0, (*frame.size, *frame.size))
            if geometry.is_plate_shaped(corners) and (box[2:] - box[:2] >= (12, 4)).all():
                frame.plates.append(Plate(box, float(score), corners, cornered=True))
                break
