"""A vehicle's picture without its plate, for those who see plates masked. Pure but for what OpenCV decodes.

A plate's place is painted over in its mean colour: what is only blurred or made of coarse squares can be read back by
trying plates until one gives the same squares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from functions.shared.errors import BrokenImage

# How post-processing cuts the picture out of the frame (its `snapshots`; a test holds the two together).
MARGIN, LONGEST_SIDE = 0.15, 1280
# Share of a plate's size that is painted over around it: boxes are a little off, and plates lean.
AROUND = 0.35
# Where no plate was found there may be one that people can read: then the whole picture has this many pixels across.
COARSE = 64
QUALITY = 85

Box = Sequence[float]
Place = tuple[int, int, int, int]


def places(size: tuple[int, int], shown: Box, plates: Sequence[Box]) -> list[Place]:
    """Where plates lie in a picture of `size` (width, height) that shows the box `shown` of the frame: x1, y1, x2, y2
    in pixels of the picture, with some room around. Boxes are in pixels of the frame."""
    aside, above = (shown[2] - shown[0]) * MARGIN, (shown[3] - shown[1]) * MARGIN
    left, top = int(max(0.0, shown[0] - aside)), int(max(0.0, shown[1] - above))
    least = most = 1.0
    if max(size) >= LONGEST_SIDE:
        # It was shrunk, nobody wrote down by how much, and the frame's edges may have cut it: between what a whole cut
        # and what one that ends with the vehicle would have been shrunk by. All of that is painted over.
        across, down = math.ceil(shown[2] + aside) - left, math.ceil(shown[3] + above) - top
        least = min(1.0, max(size[0] / max(1, across), size[1] / max(1, down)))
        most = min(1.0, size[0] / max(1.0, shown[2] - left), size[1] / max(1.0, shown[3] - top))
    found = []
    for x1, y1, x2, y2 in plates:
        wide, high = (x2 - x1) * AROUND, (y2 - y1) * AROUND
        place = (
            max(0, math.floor((x1 - wide - left) * least)), max(0, math.floor((y1 - high - top) * least)),
            min(size[0], math.ceil((x2 + wide - left) * most)), min(size[1], math.ceil((y2 + high - top) * most)),
        )  # fmt: skip
        if place[0] < place[2] and place[1] < place[3]:
            found.append(place)
    return found


def without_plates(jpeg: bytes, shown: Box | None, plate: Box | None, others: Sequence[Box]) -> bytes:
    """The picture with the vehicle's plate and `others` painted over; all of it coarse where the plate's place is not
    known. Raises BrokenImage."""
    import cv2
    import numpy as np

    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise BrokenImage("the picture cannot be decoded")
    height, width = image.shape[:2]
    if shown is None or plate is None:
        scale = COARSE / max(width, height)
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(cv2.resize(image, small, interpolation=cv2.INTER_AREA), (width, height))
    else:
        for x1, y1, x2, y2 in places((width, height), shown, [plate, *others]):
            part = image[y1:y2, x1:x2]
            part[:] = part.mean(axis=(0, 1)).astype(np.uint8)
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise BrokenImage("the picture cannot be encoded")
    return bytes(data.tobytes())
