"""Characters of number plates drawn with a pen: no font file is needed to draw a plate."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .faces import CHARACTERS, DIGITS, LETTERS, Face, random_face
from .shapes import character_strokes

Array = NDArray[Any]
_SHIFT = 4
_SHARP = math.cos(math.radians(35))

__all__ = ["CHARACTERS", "DIGITS", "LETTERS", "Face", "draw_character", "random_face"]


def draw_character(mask: Array, character: str, box: tuple[float, float, float, float], face: Face) -> None:
    """Draws one of CHARACTERS, or a hyphen, white into `mask` [h, w] uint8, filling `box` (left, top, right, bottom).

    Raises KeyError for any other character.
    """
    if face.glyphs is not None and character in face.glyphs:
        _stamp(mask, face.glyphs[character], box)
        return
    left, top, right, bottom = box
    unit = (bottom - top) / (2 + face.weight)
    pen = max(1.0, face.weight * unit)
    across = max(1.0, right - left - pen)
    strokes = character_strokes(character, face)
    for number, stroke in enumerate(strokes):
        points = np.array(stroke, np.float64)
        points = np.stack([left + pen / 2 + points[:, 0] * across, top + pen / 2 + points[:, 1] * unit], axis=1)
        if face.jitter:
            points += _stray(character, number, len(points), face) * unit
        _pen(mask, points, pen, face.square, (top, bottom))


def _stray(character: str, number: int, count: int, face: Face) -> Array:
    """The same small shift for the same character of the same face, so that two Bs of a plate look alike."""
    seed = hash((ord(character), number, round(face.weight * 1e6), round(face.aspect * 1e6)))
    rng = np.random.default_rng(seed & 0xFFFFFFFF)
    shift = rng.normal(0, face.jitter, (1, 2))
    if count > 4:
        return np.repeat(shift, count, axis=0)
    return shift + rng.normal(0, face.jitter, (count, 2))


def _pen(mask: Array, points: Array, pen: float, square: bool, limits: tuple[float, float]) -> None:
    """One stroke of a pen `pen` wide. Square ends and mitred corners do not leave the rows `limits`."""
    scaled = np.round(points * (1 << _SHIFT)).astype(np.int32)
    cv2.polylines(mask, [scaled], False, 255, max(1, round(pen)), cv2.LINE_AA, shift=_SHIFT)
    if not square or len(points) < 2:
        return
    closed = abs(float(points[0, 0] - points[-1, 0])) + abs(float(points[0, 1] - points[-1, 1])) < 0.5
    if not closed:
        _cap(mask, points[1], points[0], pen, limits)
        _cap(mask, points[-2], points[-1], pen, limits)
    steps = np.diff(points, axis=0)
    steps = steps / np.maximum(np.hypot(steps[:, 0], steps[:, 1]), 1e-6)[:, None]
    for place in np.flatnonzero((steps[:-1] * steps[1:]).sum(axis=1) < _SHARP):
        _mitre(mask, points[place + 1], steps[place], steps[place + 1], pen, limits)


def _cap(mask: Array, inner: Array, end: Array, pen: float, limits: tuple[float, float]) -> None:
    along = end - inner
    along = along / max(1e-6, float(np.hypot(*along)))
    side = np.array([-along[1], along[0]]) * pen / 2
    out = along * pen / 2
    _fill(mask, np.array([end + side, end - side, end - side + out, end + side + out]), limits)


def _mitre(mask: Array, corner: Array, u: Array, v: Array, pen: float, limits: tuple[float, float]) -> None:
    """Fills the outside of a corner between the directions `u` and `v`, up to where the pen's edges meet."""
    turn = math.acos(max(-0.98, float(u @ v)))
    sign = -1.0 if u[0] * v[1] - u[1] * v[0] > 0 else 1.0
    side_u, side_v = sign * np.array([-u[1], u[0]]) * pen / 2, sign * np.array([-v[1], v[0]]) * pen / 2
    tip = corner + side_u + u * min(math.tan(turn / 2) * pen / 2, 1.6 * pen)
    _fill(mask, np.array([corner, corner + side_u, tip, corner + side_v]), limits)


def _fill(mask: Array, polygon: Array, limits: tuple[float, float]) -> None:
    polygon[:, 1] = np.clip(polygon[:, 1], limits[0], limits[1])
    cv2.fillConvexPoly(mask, np.round(polygon * (1 << _SHIFT)).astype(np.int32), 255, cv2.LINE_AA, _SHIFT)


def _stamp(mask: Array, glyph: Array, box: tuple[float, float, float, float]) -> None:
    """A glyph's mask scaled into `box`, cut where it leaves `mask`."""
    left, top, right, bottom = (round(value) for value in box)
    height, width = max(1, bottom - top), max(1, right - left)
    own = max(1, min(width, round(glyph.shape[1] * height / glyph.shape[0] * 1.15)))
    left += (width - own) // 2
    small = cv2.resize(glyph, (own, height), interpolation=cv2.INTER_AREA)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(mask.shape[1], left + own), min(mask.shape[0], top + height)
    if x1 > x0 and y1 > y0:
        part = mask[y0:y1, x0:x1]
        np.maximum(part, small[y0 - top : y1 - top, x0 - left : x1 - left], out=part)
