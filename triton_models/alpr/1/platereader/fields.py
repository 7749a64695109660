"""Interlaced cameras: what moves is torn into two fields a few pixels apart, and the characters with it."""

from __future__ import annotations

import numpy as np

from . import geometry
from .decoding import Array

MOST = 6
"""Pixels that the fields may be apart."""
AGAIN = 0.8
"""How much of the difference between the fields must be left, at the most, where they are laid onto each other. Of
photographs by progressive cameras none has a shift that leaves less than all of it."""
ABOUT = 1.5
"""How many times the plate's width and height are looked at and mended."""
LEAST = 8
"""Pairs of rows below which nothing is said."""


def apart(part: Array) -> int:
    """Pixels that every second row of a picture (uint8 [h, w, 3]), the first included, lies to the right; 0 for none.

    A row is compared with the mean of those above and below it, which are of the other field.
    """
    grey = part.astype(np.float32).mean(axis=2)
    count = (grey.shape[0] - 3) // 2
    if count < LEAST or grey.shape[1] < 4 * MOST:
        return 0
    own = grey[2 : 2 + 2 * count : 2]
    other = ((grey[1 : 1 + 2 * count : 2] + grey[3 : 3 + 2 * count : 2]) / 2)[:, MOST:-MOST]
    width = other.shape[1]
    left = [float(np.abs(own[:, at : at + width] - other).mean()) for at in range(2 * MOST + 1)]
    best = int(np.argmin(left))
    return best - MOST if left[best] < AGAIN * left[MOST] else 0


def joined(picture: Array, box: Array) -> Array:
    """The picture itself, or a copy in which the fields about the box [4] lie on each other."""
    x1, y1, x2, y2 = geometry.grown(box[:4], ABOUT, ABOUT).round().astype(int)
    about = np.s_[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)]
    shift = apart(picture[about])
    if not shift:
        return picture
    mended = picture.copy()
    part = mended[about]
    part[::2] = np.roll(part[::2], -shift, axis=1)
    return mended
