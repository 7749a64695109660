"""Pictures of reads: made sure to be pictures, and the plate cut out where only its place is known. Blocks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from functions.ingest import images
from functions.ingest.reads_shapes import Read
from functions.shared.errors import BrokenImage

# Around the plate, in parts of its sides; plates are kept with some of what surrounds them.
_MARGIN = 0.15


@dataclass(frozen=True)
class Pictures:
    """`refused`: a picture came and is none. A read is kept without it: its sender could not mend it."""

    vehicle: bytes | None = None
    plate: bytes | None = None
    refused: bool = False

    @property
    def hashes(self) -> tuple[str | None, str | None]:
        """SHA-256 of the vehicle's and the plate's picture, in hex."""
        vehicle, plate = (each and hashlib.sha256(each).hexdigest() for each in (self.vehicle, self.plate))
        return vehicle or None, plate or None


def pictures_of(read: Read) -> Pictures:
    vehicle, refused = _jpeg(read.picture)
    plate, refused_plate = _jpeg(read.plate_picture)
    if plate is None and vehicle is not None and read.plate_box is not None and read.plate is not None:
        plate = _cut(vehicle, read.plate_box)
    return Pictures(vehicle, plate, refused or refused_plate)


def _jpeg(picture: bytes | None) -> tuple[bytes | None, bool]:
    if picture is None:
        return None, False
    try:
        return images.as_jpeg(picture)[0], False
    except BrokenImage:
        return None, True


def _cut(jpeg: bytes, box: tuple[float, float, float, float]) -> bytes | None:
    """The plate out of the picture; None where the box lies outside of it, or was measured in another size."""
    import cv2
    import numpy as np

    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return None
    height, width = image.shape[:2]
    if box[2] > width * 1.02 or box[3] > height * 1.02:
        return None
    across, down = (box[2] - box[0]) * _MARGIN, (box[3] - box[1]) * _MARGIN
    left, top = max(0, int(box[0] - across)), max(0, int(box[1] - down))
    part = image[top : int(box[3] + down) + 1, left : int(box[2] + across) + 1]
    if part.size == 0:
        return None
    done, encoded = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, images.JPEG_QUALITY])
    return bytes(encoded.tobytes()) if done else None
