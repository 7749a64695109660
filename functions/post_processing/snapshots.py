"""The pictures that prove a detection: the vehicle with some of its surroundings, and the plate as it was read."""

from __future__ import annotations

import hashlib
from datetime import datetime

import cv2
import numpy as np
from numpy.typing import NDArray

from functions.post_processing.sightings import Sighting
from functions.shared.errors import BrokenImage
from functions.shared.inference import Box, PlateReading
from functions.shared.store import image_key

Image = NDArray[np.uint8]
# SHA-256 of a stored vehicle's and plate's picture, in hex.
Hashes = tuple[str, str | None]
# Share of the vehicle's size that is shown around it; longest side and JPEG quality of the pictures.
MARGIN, LONGEST_SIDE, VEHICLE_QUALITY, PLATE_QUALITY = 0.15, 1280, 85, 95
# Share of the plate's size that its picture shows around it where the readers do not say what they looked at.
PLATE_MARGIN = 0.1


def keys_of(camera_id: str, at: datetime, frame_id: str, index: int) -> tuple[str, str]:
    """Keys of the vehicle's and the plate's picture of one observation.

    They follow from the frame alone: a frame that is delivered again overwrites its own pictures.
    """
    name = f"{at:%H%M%S}-{hashlib.sha256(frame_id.encode()).hexdigest()[:12]}-{index}"
    return image_key("vehicles", camera_id, at, name), image_key("plates", camera_id, at, name)


def decode(jpeg: bytes) -> Image:
    """The frame as BGR. Raises BrokenImage."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise BrokenImage("the frame is not an image that can be decoded")
    return np.asarray(image, np.uint8)


def plate_cut(plate: PlateReading) -> Box:
    """The upright part of the frame in which a plate was read: what the readers say that they looked at, else what
    holds its box and its corners, and a margin."""
    if plate.cut is not None:
        return plate.cut
    across, down = [x for x, _ in plate.corners], [y for _, y in plate.corners]
    box = plate.box
    x1, y1, x2, y2 = min(box.x1, *across), min(box.y1, *down), max(box.x2, *across), max(box.y2, *down)
    aside, above = PLATE_MARGIN * (x2 - x1), PLATE_MARGIN * (y2 - y1)
    return Box(x1=x1 - aside, y1=y1 - above, x2=x2 + aside, y2=y2 + above)


def pictures(frame: Image, sighting: Sighting, cut: Box | None) -> tuple[bytes, bytes | None]:
    """JPEGs of the vehicle and of the plate (None where none was read), whose part of the frame is `cut`."""
    place = sighting.place
    vehicle = encode(shrunk(crop(frame, place, MARGIN)) if place is not None else shrunk(frame), VEHICLE_QUALITY)
    plate = encode(crop(frame, cut, 0.0), PLATE_QUALITY) if cut is not None else None
    return vehicle, plate


def hashes(vehicle: bytes, plate: bytes | None) -> Hashes:
    return hashlib.sha256(vehicle).hexdigest(), None if plate is None else hashlib.sha256(plate).hexdigest()


def crop(frame: Image, box: Box, margin: float) -> Image:
    """The part of the frame in a box, widened by a share of its size on each side; at least one pixel."""
    height, width = frame.shape[:2]
    aside, above = box.width * margin, box.height * margin
    x1 = int(min(max(0.0, box.x1 - aside), width - 1))
    y1 = int(min(max(0.0, box.y1 - above), height - 1))
    x2 = int(min(max(x1 + 1.0, np.ceil(box.x2 + aside)), width))
    y2 = int(min(max(y1 + 1.0, np.ceil(box.y2 + above)), height))
    return frame[y1:y2, x1:x2]


def shrunk(image: Image) -> Image:
    longest = max(image.shape[:2])
    if longest <= LONGEST_SIDE:
        return image
    scale = LONGEST_SIDE / longest
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def encode(image: Image, quality: int) -> bytes:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise BrokenImage("a crop of the frame cannot be encoded")
    return bytes(data.tobytes())
