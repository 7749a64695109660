"""Bytes to pixels, and pixels to the sizes that the models take."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Picture = NDArray[np.uint8]

MAX_PIXELS = 40_000_000
MAX_SCANS = 64
"""A progressive JPEG has about ten; each costs a pass over the whole picture, however few bytes it has."""
BARE_MARKERS = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})
"""Markers without a length. A decoder passes over them and could then see another header than was checked."""
GREY = (114, 114, 114)
"""YOLO's own padding colour."""


@dataclass(frozen=True)
class Sizes:
    """What the detectors are given: a picture's long side in pixels, and the sides, ascending, that an input may have.

    Multiples of 32, the last of them the long side.
    """

    long_side: int = 640
    sides: tuple[int, ...] = (384, 480, 640)


def read_sizes(file: Path) -> Sizes:
    """The sizes of the model repository that this code lies in: `sizes.json` beside it, the standard without one.

    Raises ValueError for a file that says anything else.
    """
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError:
        return Sizes()
    sizes = Sizes(int(found["long_side"]), tuple(int(side) for side in found["sides"]))
    ascending = sorted(sizes.sides)
    if not ascending or ascending != list(sizes.sides) or any(side % 32 or side < 32 for side in ascending):
        raise ValueError(f"{file}: the sides must be multiples of 32, ascending")
    if ascending[-1] != sizes.long_side:
        raise ValueError(f"{file}: the last of the sides must be the long side, {sizes.long_side}")
    return sizes


SIZES = read_sizes(Path(__file__).resolve().parent.parent / "sizes.json")


class UnreadablePicture(ValueError):
    """The bytes are no picture that can be decoded whole."""


@dataclass(frozen=True)
class Fit:
    """How a picture was laid into a model's input: scaled by `scale`, then moved by (left, top) pixels."""

    height: int
    width: int
    scale: float
    left: float
    top: float

    def back(self, points: ArrayLike) -> NDArray[np.float32]:
        """Points [..., 2] of the input, in pixels of the picture."""
        return (np.asarray(points, np.float32) - (self.left, self.top)) / self.scale


def decode(data: bytes) -> Picture:
    """uint8 [H, W, 3] BGR. Raises UnreadablePicture for anything but a whole JPEG or PNG of sensible size."""
    width, height = picture_size(data)
    if width * height > MAX_PIXELS or min(width, height) < 16:
        raise UnreadablePicture(f"the picture has {width} x {height} pixels; 16 x 16 to {MAX_PIXELS} in all are taken")
    if data[:2] == b"\xff\xd8" and data.rfind(b"\xff\xd9", max(0, len(data) - 4096)) < 0:
        raise UnreadablePicture("the JPEG ends before its end marker")
    if data[:2] == b"\xff\xd8" and data.count(b"\xff\xda") > MAX_SCANS:
        raise UnreadablePicture(f"the JPEG has over {MAX_SCANS} scans")
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        picture = None
    if picture is None:
        raise UnreadablePicture("the picture cannot be decoded")
    return picture


def picture_size(data: bytes) -> tuple[int, int]:
    """(width, height) from the header alone, before any memory is spent on pixels."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if data[:2] != b"\xff\xd8":
        raise UnreadablePicture("the bytes are neither a JPEG nor a PNG")
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        if marker in BARE_MARKERS:
            break
        at += 2 + max(2, struct.unpack(">H", data[at + 2 : at + 4])[0])
    raise UnreadablePicture("the JPEG has no header that says its size")


def fit_for_detection(height: int, width: int, sizes: Sizes = SIZES) -> Fit:
    """The least input that holds the picture at `sizes.long_side` pixels on its long side: 384 x 640 for 16:9.

    The scale is that of a square letterbox, so nothing is lost but grey; few different shapes keep
    frames of many cameras together in one batch.
    """
    scale = sizes.long_side / max(height, width)
    inner_h, inner_w = round(height * scale), round(width * scale)
    input_h = next(side for side in sizes.sides if side >= inner_h)
    input_w = next(side for side in sizes.sides if side >= inner_w)
    return Fit(input_h, input_w, scale, (input_w - inner_w) // 2, (input_h - inner_h) // 2)


def letterbox(picture: Picture, fit: Fit) -> Picture:
    """The picture laid into `fit`, uint8 RGB [fit.height, fit.width, 3]."""
    inner_w = min(fit.width, max(1, round(picture.shape[1] * fit.scale)))
    inner_h = min(fit.height, max(1, round(picture.shape[0] * fit.scale)))
    method = cv2.INTER_AREA if fit.scale < 0.5 else cv2.INTER_LINEAR
    inner = cv2.resize(picture, (inner_w, inner_h), interpolation=method)
    laid = cv2.copyMakeBorder(
        inner,
        int(fit.top),
        fit.height - inner_h - int(fit.top),
        int(fit.left),
        fit.width - inner_w - int(fit.left),
        cv2.BORDER_CONSTANT,
        value=GREY,
    )
    return cv2.cvtColor(laid, cv2.COLOR_BGR2RGB)


def window(picture: Picture, box: ArrayLike, height: int, width: int) -> tuple[Picture, Fit]:
    """The part of the picture in `box` (x1, y1, x2, y2, may reach outside), scaled to height x width.

    Returns uint8 RGB and the Fit that leads back. The box must have the aspect of the target.
    """
    x1, y1, x2, y2 = (float(value) for value in np.asarray(box))
    scale = width / (x2 - x1)
    move = np.array([[scale, 0, -x1 * scale], [0, scale, -y1 * scale]], np.float32)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    source = picture
    if scale < 0.5:
        # warpAffine does not average: shrink the part first where it is much larger than the target.
        left, top = max(0, int(x1)), max(0, int(y1))
        part = picture[top : max(top + 1, int(y2) + 1), left : max(left + 1, int(x2) + 1)]
        small_w, small_h = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
        source = cv2.resize(part, (small_w, small_h), interpolation=cv2.INTER_AREA)
        move = np.array([[1, 0, (left - x1) * scale], [0, 1, (top - y1) * scale]], np.float32)
        method = cv2.INTER_LINEAR
    cut = cv2.warpAffine(source, move, (width, height), flags=method, borderMode=cv2.BORDER_CONSTANT, borderValue=GREY)
    return cv2.cvtColor(cut, cv2.COLOR_BGR2RGB), Fit(height, width, scale, -x1 * scale, -y1 * scale)
