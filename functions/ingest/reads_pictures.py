"""Pictures of reads: made sure to be pictures, and the plate cut out where only its place is known. Blocks."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from functions.ingest import images
from functions.ingest.reads_shapes import Read
from functions.shared.errors import BrokenImage

# Around the plate, in parts of its sides; plates are kept with some of what surrounds them.
_MARGIN = 0.15
# What the pictures of one request may cost: a picture of a few kB may have 33 megapixels, and 100 reads may show it.
MOST_PIXELS = 3 * images.LONGEST_SIDE * images.SHORTER_SIDE
"""Pixels decoded and encoded for one request: some seconds of one core."""
MOST_STORED = 32 * 1024 * 1024
"""Bytes of vehicles' pictures stored for one request. Each read has a copy, since a picture is deleted with its row."""


@dataclass(frozen=True)
class Pictures:
    """`refused`: a picture came and is none, or is more than a request may bring. The read is kept without it: its
    sender could not mend it."""

    vehicle: bytes | None = None
    plate: bytes | None = None
    refused: bool = False

    @property
    def hashes(self) -> tuple[str | None, str | None]:
        """SHA-256 of the vehicle's and the plate's picture, in hex."""
        vehicle, plate = (each and hashlib.sha256(each).hexdigest() for each in (self.vehicle, self.plate))
        return vehicle or None, plate or None


def pictures_of(reads: Sequence[Read | None], stop: threading.Event | None = None) -> list[Pictures]:
    """The pictures of each read of one request, none for None. Each distinct picture is decoded once.

    Within MOST_PIXELS and MOST_STORED: what is over is left out and refused. Once `stop` is set nothing more is begun,
    and what is left has no pictures.
    """
    drawing = _Drawing(stop or threading.Event())
    return [Pictures() if read is None else drawing.of(read) for read in reads]


@dataclass
class _Drawing:
    """The pictures of one request, and what of its allowance is left."""

    stop: threading.Event
    pixels: int = MOST_PIXELS
    stored: int = MOST_STORED
    jpegs: dict[bytes, bytes | None] = field(default_factory=dict)
    # The newest one alone: an 8K picture takes 100 MB.
    whole: tuple[bytes, Any] | None = None

    def of(self, read: Read) -> Pictures:
        vehicle, plate = self.jpeg(read.picture), self.jpeg(read.plate_picture)
        refused = (vehicle is None and read.picture is not None) or (plate is None and read.plate_picture is not None)
        if plate is None and vehicle is not None and read.plate_box is not None and read.plate is not None:
            plate = self.cut(vehicle, read.plate_box)
        if vehicle is not None and len(vehicle) > self.stored:
            vehicle, refused = None, True
        self.stored -= len(vehicle or b"")
        return Pictures(vehicle, plate, refused)

    def spend(self, pixels: int) -> bool:
        if self.stop.is_set() or pixels > self.pixels:
            return False
        self.pixels -= pixels
        return True

    def jpeg(self, picture: bytes | None) -> bytes | None:
        if picture is None:
            return None
        if picture not in self.jpegs:
            self.jpegs[picture] = self._jpeg(picture)
        return self.jpegs[picture]

    def _jpeg(self, picture: bytes) -> bytes | None:
        try:
            kind = images.measured(picture)
            return images.as_jpeg(picture)[0] if self.spend(kind.width * kind.height) else None
        except BrokenImage:
            return None

    def cut(self, jpeg: bytes, box: tuple[float, float, float, float]) -> bytes | None:
        """The plate out of the picture; None where the box lies outside of it, or was measured in another size."""
        import cv2

        image = self.image(jpeg)
        if image is None:
            return None
        height, width = image.shape[:2]
        if box[2] > width * 1.02 or box[3] > height * 1.02:
            return None
        across, down = (box[2] - box[0]) * _MARGIN, (box[3] - box[1]) * _MARGIN
        left, top = max(0, int(box[0] - across)), max(0, int(box[1] - down))
        part = image[top : int(box[3] + down) + 1, left : int(box[2] + across) + 1]
        if part.size == 0 or not self.spend(part.shape[0] * part.shape[1]):
            return None
        done, encoded = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, images.JPEG_QUALITY])
        return bytes(encoded.tobytes()) if done else None

    def image(self, jpeg: bytes) -> Any:
        """The decoded picture; None where it cannot be decoded or is too much."""
        import cv2
        import numpy as np

        if self.whole is None or self.whole[0] != jpeg:
            kind = images.measured(jpeg)
            fits = self.spend(kind.width * kind.height)
            self.whole = (jpeg, cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if fits else None)
        return self.whole[1]
