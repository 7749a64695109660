"""The pictures of one plate that the readers see, and what their colours say about its format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

HEIGHT = 48
WIDTH = 160


@dataclass(frozen=True)
class View:
    """How one view is cut: from the corners or the upright box, with margins in parts of its width and height
    (negative cuts into it), and how much its vote counts.
    """

    corners: bool
    left: float
    top: float
    right: float
    bottom: float
    weight: float = 1.0


VIEWS = (
    View(True, 0.03, 0.04, 0.03, 0.04),
    View(True, 0.02, -0.16, 0.02, 0.06),
    View(False, 0.04, 0.06, 0.04, 0.06, 0.6),
    View(True, 0.08, 0.10, 0.08, 0.10),
    View(True, 0.00, -0.08, 0.00, 0.00),
    View(True, 0.05, -0.22, 0.05, 0.10),
)


SLOT_HEIGHT = 64
SLOT_WIDTH = 128
SLOT_VIEWS = (
    View(True, 0.03, 0.05, 0.03, 0.05),
    View(False, 0.05, 0.07, 0.05, 0.07),
    View(True, 0.09, 0.12, 0.09, 0.12),
    View(False, 0.14, 0.14, 0.14, 0.14, 0.7),
    View(True, 0.00, 0.00, 0.00, 0.00),
    View(False, -0.02, -0.02, -0.02, -0.02, 0.7),
)
"""What plate_reader sees: the whole plate, one row or two."""
MORE_SLOT_VIEWS = (
    View(True, 0.08, 0.02, -0.01, 0.05),
    View(True, -0.01, 0.05, 0.08, 0.02),
    View(True, 0.04, 0.12, 0.04, -0.01),
    View(True, 0.04, -0.02, 0.04, 0.12),
    View(False, 0.10, 0.03, 0.00, 0.08, 0.7),
    View(False, 0.00, 0.08, 0.10, 0.03, 0.7),
    View(True, 0.06, 0.08, 0.12, 0.00),
    View(True, 0.12, 0.00, 0.06, 0.08),
)
"""What it sees besides of plates that are still doubtful then: off to a side, since what a character is mistaken for
hangs on where its strokes fall between the pixels.
"""
ALL_SLOT_VIEWS = SLOT_VIEWS + MORE_SLOT_VIEWS
SIFT_VIEW = View(True, 0.06, 0.06, 0.06, 0.06)
"""What it sees of a box that may be no plate."""
SHRINKS = ((0.83, 0.83), (0.68, 0.68), (0.7, 0.5), (0.87, 0.66))
"""Parts of a box's width and height: boxes about motorcycles' plates, and close-ups, are often far too large."""
SHRUNK_VIEWS = tuple(View(True, (w - 1) / 2, (h - 1) / 2, (w - 1) / 2, (h - 1) / 2) for w, h in SHRINKS)
CLOSE_UP_VIEWS = (View(True, 0, 0, 0, 0), View(True, -0.18, -0.18, -0.18, -0.18))
"""What it sees of a whole picture that may be a plate."""


@dataclass(frozen=True)
class RowsView:
    """How one view of a plate of two rows is cut, in parts of the plate's height: the upper row from `top` to
    `middle` + `lap`, the lower from `middle` - `lap` to `bottom`; laid side by side they make one line.
    """

    top: float
    middle: float
    bottom: float
    lap: float = 0.03
    weight: float = 1.0

    @property
    def whole(self) -> View:
        """Both rows, before they are parted."""
        return View(True, 0.02, -self.top, 0.02, self.bottom - 1)


ROWS_VIEWS = (
    RowsView(0.18, 0.55, 0.98),
    RowsView(0.10, 0.50, 0.98),
    RowsView(0.20, 0.58, 1.02),
    RowsView(0.14, 0.52, 0.94),
    RowsView(0.05, 0.46, 0.96),
    RowsView(0.24, 0.62, 1.00),
)
"""Old and Mercosul motorcycle plates: a strip with the town or the band, three letters, four characters."""


LEVELS, LEAST_SPREAD = (20.0, 235.0), 20.0
"""Where a view's darkest and lightest hundredths are put, and the least that they are taken to be apart, in levels."""


def spread(cut: Array) -> Array:
    """The cut (uint8) with its levels spread: what is washed out, in the shade or of red paint gets its contrast."""
    levels = cut.astype(np.float32)
    low, high = np.percentile(levels.mean(axis=2), (1, 99))
    gain = (LEVELS[1] - LEVELS[0]) / max(LEAST_SPREAD, float(high - low))
    return np.asarray(np.clip((levels - low) * gain + LEVELS[0], 0, 255), np.uint8)


def rectify_rows(picture: Array, corners: Array, view: RowsView) -> Array:
    """The two rows of the plate between `corners` [4, 2] side by side, uint8 RGB [48, 160, 3]."""
    whole = view.whole
    share = view.bottom - view.top
    height = round(2.2 * HEIGHT)
    plate = rectify(picture, corners, whole, height, WIDTH // 2)
    split, lap = (view.middle - view.top) / share, view.lap / share
    upper = plate[: max(2, round((split + lap) * height))]
    lower = plate[min(height - 2, round((split - lap) * height)) :]
    halves = [cv2.resize(half, (WIDTH // 2, HEIGHT), interpolation=cv2.INTER_AREA) for half in (upper, lower)]
    return np.concatenate(halves, axis=1)


def outer(corners: Array, view: View) -> Array:
    """The part of the picture that a view of a plate between `corners` [4, 2] shows, as corners [4, 2]."""
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    low, high = (-view.left, -view.top), (1 + view.right, 1 + view.bottom)
    shown = np.array([[low, (high[0], low[1]), high, (low[0], high[1])]], np.float32)
    move = cv2.getPerspectiveTransform(square, np.ascontiguousarray(corners, np.float32))
    return np.asarray(cv2.perspectiveTransform(shown, move)[0])


def rectify(picture: Array, corners: Array, view: View, height: int = HEIGHT, width: int = WIDTH) -> Array:
    """The plate between `corners` [4, 2] as an upright uint8 RGB [height, width, 3] picture."""
    inner_w = width / (1 + view.left + view.right)
    inner_h = height / (1 + view.top + view.bottom)
    x, y = view.left * inner_w, view.top * inner_h
    target = np.array([[x, y], [x + inner_w, y], [x + inner_w, y + inner_h], [x, y + inner_h]], np.float32)
    source, corners = _shrunk(picture, corners.astype(np.float32), inner_w)
    move = cv2.getPerspectiveTransform(np.ascontiguousarray(corners), target)
    cut = cv2.warpPerspective(source, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(cut, cv2.COLOR_BGR2RGB))


def _shrunk(picture: Array, corners: Array, width: float) -> tuple[Array, Array]:
    """The picture's part about the corners, averaged down when it is over twice as wide as wanted."""
    across = max(float(np.linalg.norm(corners[1] - corners[0])), float(np.linalg.norm(corners[2] - corners[3])))
    if across < 2 * width:
        return picture, corners
    low = np.maximum(corners.min(axis=0) - 0.3 * across, 0).astype(int)
    high = (corners.max(axis=0) + 0.3 * across).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    size = (max(1, round(part.shape[1] * width / across)), max(1, round(part.shape[0] * width / across)))
    scale = (size[0] / part.shape[1], size[1] / part.shape[0])
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA), ((corners - low) * scale).astype(np.float32)


def slot(picture: Array, plate_corners: Array, box_corners: Array, view: View) -> Array:
    """The whole plate as plate_reader takes it, uint8 RGB [64, 128, 3]."""
    corners = plate_corners if view.corners else box_corners
    return rectify(picture, corners, view, SLOT_HEIGHT, SLOT_WIDTH)


def band(picture: Array, corners: Array, exact: bool = True) -> tuple[float, float]:
    """What stands for a Mercosul plate's blue band: (blueness, darkness) of the plate's top strip, against the rest.

    Blueness is how much blue leads red there, in parts of full scale; darkness is 1 - the strip's
    brightness over that of the plate's ground, which a camera in infrared sees too. Where the corners are not `exact`
    the bluest strip of the upper part counts, and nothing is said of darkness.
    """
    plate = rectify(picture, corners, View(True, 0, 0, 0, 0), 52, 160).astype(np.float32)
    below = plate[14:48, 8:152]
    ground = float(np.percentile(below.mean(axis=2), 75))
    below_lead = float(np.median(below[..., 2] - below[..., 0]))
    if not exact:
        rows = np.median(plate[:22, 24:136, 2] - plate[:22, 24:136, 0], axis=1)
        return (float(np.convolve(rows, np.full(5, 0.2), "valid").max()) - below_lead) / 255, 0.0
    strip = plate[3:9, 24:136]
    lead = float(np.median(strip[..., 2] - strip[..., 0])) - below_lead
    return lead / 255, 1 - float(np.median(strip.mean(axis=2))) / max(ground, 1)
