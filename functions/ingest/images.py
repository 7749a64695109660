"""What a picture is, told from its first bytes: nothing is decoded before its size is known to be sane. Pure."""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

from functions.shared.errors import BrokenImage

# 8K UHD, lying or standing; the least is what a plate reader could still use.
LONGEST_SIDE, SHORTER_SIDE, LEAST_SIDE = 7680, 4320, 16
JPEG_QUALITY = 92
_PNG = b"\x89PNG\r\n\x1a\n"
# Start-of-frame markers carry the size; C4, C8 and CC are of another kind (ITU-T T.81, table B.1).
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers without a length, and no marker at all. Before the frame header no encoder writes one; a decoder passes over
# them, so that it would see another header than the one that is checked here.
_BARE_MARKERS = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})
# A progressive JPEG has about ten scans. Each costs a pass over the whole picture, however few bytes it has.
MAX_SCANS = 64


class Kind(NamedTuple):
    format: Literal["jpeg", "png"]
    width: int
    height: int


def kind_of(data: bytes) -> Kind:
    """Format and size of a JPEG or PNG from its header. Raises BrokenImage."""
    if data.startswith(b"\xff\xd8\xff"):
        width, height = _jpeg_size(data)
        return Kind("jpeg", width, height)
    if data.startswith(_PNG) and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return Kind("png", width, height)
    raise BrokenImage("that is neither a JPEG nor a PNG", field="frame")


def measured(data: bytes) -> Kind:
    """`kind_of`, and its size is one that is taken. Raises BrokenImage."""
    kind = kind_of(data)
    _check_size(kind)
    return kind


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        if marker == 0xFF:
            at += 1
            continue
        if marker in _BARE_MARKERS:
            break
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        at += 2 + max(2, length)
    raise BrokenImage("the JPEG has no frame header", field="frame")


def as_jpeg(data: bytes) -> tuple[bytes, int, int]:
    """The picture as a JPEG that decodes, with its width and height; a PNG is encoded anew.

    Raises BrokenImage for what is no picture, is cut off, or is larger than 8K or smaller than 16 pixels. Blocks
    for some 10 ms a megapixel.
    """
    # Loaded at the first picture: the function is up, and refuses what it must, a third of a second sooner.
    import cv2
    import numpy as np

    kind = measured(data)
    if kind.format == "jpeg":
        _check_whole(data)
    # A JPEG goes on as it came: an eighth of its size is enough to know that it decodes, at 1/64 of the memory.
    how = cv2.IMREAD_REDUCED_GRAYSCALE_8 if kind.format == "jpeg" else cv2.IMREAD_COLOR
    image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    if image is None:
        raise BrokenImage("the picture cannot be decoded", field="frame")
    if kind.format == "jpeg":
        return data, kind.width, kind.height
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise BrokenImage("the picture cannot be encoded as JPEG", field="frame")
    return bytes(encoded.tobytes()), kind.width, kind.height


def _check_whole(data: bytes) -> None:
    if b"\xff\xd9" not in data[-65536:]:
        raise BrokenImage("the JPEG is cut off: its end is missing", field="frame")
    if data.count(b"\xff\xda") > MAX_SCANS:
        raise BrokenImage(f"the JPEG has over {MAX_SCANS} scans; save it as a baseline JPEG", field="frame")


def _check_size(kind: Kind) -> None:
    long, short = max(kind.width, kind.height), min(kind.width, kind.height)
    if long > LONGEST_SIDE or short > SHORTER_SIDE:
        raise BrokenImage(
            f"the picture has {kind.width} x {kind.height} pixels; the most is {LONGEST_SIDE} x {SHORTER_SIDE}",
            field="frame",
        )
    if short < LEAST_SIDE:
        raise BrokenImage(
            f"the picture has {kind.width} x {kind.height} pixels; the least side is {LEAST_SIDE}", field="frame"
        )
