"""Where a plate is in the picture of its vehicle, and which plate of a picture is the detection's own.

Both pictures were cut from one frame, so the one lies in the other nearly pixel for pixel; only a vehicle larger than
LONGEST_SIDE was shrunk.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from functions.shared.inference import Box, FrameReading, PlateReading

LONGEST_SIDE = 1280
"""The longest side of a stored vehicle, px."""
PLATE_MARGIN = 0.1
"""Share of a plate's size that its stored picture shows around it. A test holds both to what stores the pictures."""
# Correlation (-1..1) from which a place is the plate's own; true places have 0.95 and more, others below 0.5.
LIKE = 0.7
# Standard deviation of grey levels below which a crop has nothing to be found by.
FLAT = 4.0
LEAST_SIDE = 6
_SHRUNK = tuple(float(scale) for scale in np.geomspace(1.0, 0.3, 18))
# The vehicle fills its picture but for the surroundings of 15 % a side: what shares less of that middle is another.
AROUND, OWN = 0.15, 0.5
Grey = NDArray[np.uint8]


def size_of(jpeg: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None for what is no picture."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE) if jpeg else None
    return None if image is None else (image.shape[1], image.shape[0])


def locate(picture: bytes, plate: bytes) -> Box | None:
    """The box of a plate's picture in its vehicle's, in pixels of the latter; None where it is not found."""
    whole, part = _grey(picture), _grey(plate)
    if whole is None or part is None or float(part.std()) < FLAT:
        return None
    scales = (1.0,) if max(whole.shape) < LONGEST_SIDE else _SHRUNK
    found = [place for scale in scales if (place := _best(whole, part, scale)) is not None]
    likeness, box = max(found, key=lambda place: place[0], default=(0.0, None))
    return box if likeness >= LIKE else None


def _best(whole: Grey, part: Grey, scale: float) -> tuple[float, Box] | None:
    width, height = round(part.shape[1] * scale), round(part.shape[0] * scale)
    if min(width, height) < LEAST_SIDE or width > whole.shape[1] or height > whole.shape[0]:
        return None
    shape: Any = part if scale == 1.0 else cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    _, likeness, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(whole, shape, cv2.TM_CCOEFF_NORMED))
    return float(likeness), Box(x1=x, y1=y, x2=x + width, y2=y + height)


def own_plate(reading: FrameReading, place: Box | None) -> PlateReading | None:
    """The detection's plate in a reading of its vehicle's picture; None where there is none.

    `place` is where the plate was; without it the plate must be on the vehicle that fills the picture, since a
    neighbour's may be in sight.
    """
    plates = [one.plate for one in reading.observations if one.plate is not None]
    if place is not None:
        own = [plate for plate in plates if _meets(plate.box, place)]
        return max(own, key=lambda plate: plate.box.iou(place), default=None)
    middle = _middle(reading)
    own = [
        one.plate
        for one in reading.observations
        if one.plate is not None and one.vehicle is not None and one.vehicle.box.iou(middle) >= OWN
    ]
    return max(own, key=lambda plate: plate.confidence, default=None)


def _meets(box: Box, place: Box) -> bool:
    """Whether the middle of one lies in the other: detectors cut plates more or less tightly."""
    return _holds(box, place) or _holds(place, box)


def _holds(box: Box, other: Box) -> bool:
    x, y = (other.x1 + other.x2) / 2, (other.y1 + other.y2) / 2
    return box.x1 <= x <= box.x2 and box.y1 <= y <= box.y2


def _middle(reading: FrameReading) -> Box:
    aside = reading.width * AROUND / (1 + 2 * AROUND)
    above = reading.height * AROUND / (1 + 2 * AROUND)
    return Box(x1=aside, y1=above, x2=reading.width - aside, y2=reading.height - above)


def tight(cut: Box) -> Box:
    """The plate in its picture, whose place is `cut`."""
    aside, above = (side * PLATE_MARGIN / (1 + 2 * PLATE_MARGIN) for side in (cut.width, cut.height))
    return Box(x1=cut.x1 + aside, y1=cut.y1 + above, x2=cut.x2 - aside, y2=cut.y2 - above)


def light_of(picture: bytes) -> str:
    """day, night or infrared (a picture without colour), by its brightness and saturation; a guess."""
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return ""
    _, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
    if float(saturation.mean()) < 6:
        return "infrared"
    return "night" if float(value.mean()) < 70 else "day"


def _grey(jpeg: bytes) -> Grey | None:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE) if jpeg else None
    return None if image is None else np.asarray(image, np.uint8)
