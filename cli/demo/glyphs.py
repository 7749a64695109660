"""The 36 characters of a number plate as strokes of our own: polylines and arcs in a box 1 wide and 2 high (y down).

The shapes follow what number plates need, not one typeface: 0 is narrower than O, Q has a tail that crosses, 1 has a
flag, I has none.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Point = tuple[float, float]
Image = npt.NDArray[Any]
"""uint8: height x width, or height x width x channels (B, G, R and perhaps alpha)."""


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float) -> list[Point]:
    """Points of an ellipse from `start` to `end` degrees; 0 is right, 90 is down."""
    count = max(4, round(abs(end - start) / 9))
    angles = [math.radians(start + (end - start) * step / count) for step in range(count + 1)]
    return [(cx + rx * math.cos(angle), cy + ry * math.sin(angle)) for angle in angles]


def _oval(left: float, right: float, radius: float) -> list[Point]:
    """A closed upright slot of the full height."""
    middle = (left + right) / 2
    rx = (right - left) / 2
    top, bottom = _arc(middle, radius, rx, radius, 180, 360), _arc(middle, 2 - radius, rx, radius, 0, 180)
    return [*top, *bottom, top[0]]


def _bowl(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """The round right side of B, D, P, R: from the stem at the top to the stem at the bottom."""
    ry = (bottom - top) / 2
    rx = min(ry, (right - left) * 0.75)
    return [(left, top), *_arc(right - rx, top + ry, rx, ry, -90, 90), (left, bottom)]


@functools.cache
def strokes(character: str) -> tuple[tuple[Point, ...], ...]:
    """The strokes of one of A-Z, 0-9, hyphen. Raises KeyError for any other character."""
    return tuple(tuple(stroke) for stroke in _LETTERS[character])


_CURVE_C = [*_arc(0.5, 0.55, 0.5, 0.55, -25, -180), *_arc(0.5, 1.45, 0.5, 0.55, 180, 25)]
_SIX = [(0.82, 0.0), (0.3, 0.75), *_arc(0.5, 1.42, 0.47, 0.58, 205, -155)]
_LETTERS: dict[str, list[list[Point]]] = {
    "A": [[(0, 2), (0.5, 0), (1, 2)], [(0.17, 1.4), (0.83, 1.4)]],
    "B": [[(0, 0), (0, 2)], _bowl(0, 0, 0.9, 0.93), _bowl(0, 0.93, 1, 2)],
    "C": [_CURVE_C],
    "D": [[(0, 0), (0, 2)], [(0, 0), *_arc(0.4, 0.62, 0.6, 0.62, -90, 0), *_arc(0.4, 1.38, 0.6, 0.62, 0, 90), (0, 2)]],
    "E": [[(0.95, 0), (0, 0), (0, 2), (0.95, 2)], [(0, 0.95), (0.82, 0.95)]],
    "F": [[(0.95, 0), (0, 0), (0, 2)], [(0, 0.98), (0.8, 0.98)]],
    "G": [[*_CURVE_C[:-3], (1, 1.5), (1, 1.08), (0.58, 1.08)]],
    "H": [[(0, 0), (0, 2)], [(1, 0), (1, 2)], [(0, 0.98), (1, 0.98)]],
    "I": [[(0.5, 0), (0.5, 2)]],
    "J": [[(0.85, 0), *_arc(0.45, 1.52, 0.4, 0.48, 0, 165)]],
    "K": [[(0, 0), (0, 2)], [(0.95, 0), (0, 1.2)], [(0.36, 0.8), (1, 2)]],
    "L": [[(0, 0), (0, 2), (0.92, 2)]],
    "M": [[(0, 2), (0, 0), (0.55, 1.15), (1.1, 0), (1.1, 2)]],
    "N": [[(0, 2), (0, 0), (1, 2), (1, 0)]],
    "O": [_oval(-0.04, 1.04, 0.62)],
    "P": [[(0, 0), (0, 2)], _bowl(0, 0, 1, 1.1)],
    "Q": [_oval(-0.04, 1.04, 0.62), [(0.55, 1.38), (1.08, 2.0)]],
    "R": [[(0, 0), (0, 2)], _bowl(0, 0, 0.98, 1.05), [(0.48, 1.05), (1, 2)]],
    "S": [
        [
            *_arc(0.5, 0.52, 0.46, 0.52, -20, -180),
            *_arc(0.5, 0.52, 0.46, 0.45, 180, 100),
            *_arc(0.5, 1.43, 0.5, 0.48, -80, 0),
            *_arc(0.5, 1.43, 0.5, 0.57, 0, 160),
        ]
    ],
    "T": [[(-0.05, 0), (1.05, 0)], [(0.5, 0), (0.5, 2)]],
    "U": [[(0, 0), *_arc(0.5, 1.45, 0.5, 0.55, 180, 0), (1, 0)]],
    "V": [[(-0.03, 0), (0.5, 2), (1.03, 0)]],
    "W": [[(-0.1, 0), (0.22, 2), (0.55, 0.6), (0.88, 2), (1.2, 0)]],
    "X": [[(0, 0), (1, 2)], [(1, 0), (0, 2)]],
    "Y": [[(0, 0), (0.5, 1.05), (1, 0)], [(0.5, 1.05), (0.5, 2)]],
    "Z": [[(0.03, 0), (0.97, 0), (0, 2), (1, 2)]],
    "0": [_oval(0.07, 0.93, 0.48)],
    "1": [[(0.22, 0.42), (0.58, 0), (0.58, 2)]],
    "2": [[*_arc(0.5, 0.52, 0.46, 0.52, 195, 375), (0.02, 2), (1, 2)]],
    "3": [[*_arc(0.48, 0.5, 0.44, 0.5, 200, 440), (0.38, 0.96)], [*_arc(0.48, 1.44, 0.5, 0.56, -95, 155)]],
    "4": [[(0.62, 0), (0, 1.45), (1.02, 1.45)], [(0.74, 0.9), (0.74, 2)]],
    "5": [[(0.9, 0), (0.14, 0), (0.08, 0.9), *_arc(0.47, 1.38, 0.5, 0.62, -130, 150)]],
    "6": [_SIX],
    "7": [[(0.02, 0), (0.98, 0), (0.36, 2)]],
    "8": [_arc(0.5, 0.48, 0.42, 0.48, 0, 360), _arc(0.5, 1.46, 0.49, 0.54, 0, 360)],
    "9": [[(1 - x, 2 - y) for x, y in _SIX]],
    "-": [[(0.2, 1.05), (0.8, 1.05)]],
}
ALPHABET = frozenset(_LETTERS)
_WIDE = {"M": 1.1, "W": 1.1}
_SPAN = {"M": 1.1, "W": 1.3}
_SHIFT = 4


def draw_text(
    canvas: Image, text: str, box: tuple[float, float, float, float], color: tuple[int, int, int], weight: float = 0.27
) -> None:
    """Draws `text` into `box` (left, top, right, bottom in pixels), a cell of equal width for each character.

    `weight` is the stroke's width in units of half the height. Spaces leave a gap; other unknown characters raise
    KeyError.
    """
    left, top, right, bottom = box
    cell = (right - left) / max(1, len(text))
    unit = (bottom - top) / (2 + weight)
    thickness = max(1, round(weight * unit))
    for position, character in enumerate(text):
        if character == " ":
            continue
        wide = _WIDE.get(character, 1.0)
        scale = min(unit, cell * 0.74, (cell - thickness) * 0.98 / _SPAN.get(character, 1.0))
        x0 = left + (position + 0.5) * cell - scale * wide / 2
        y0 = top + thickness / 2
        for stroke in strokes(character):
            points = np.array([(x0 + x * scale, y0 + y * unit) for x, y in stroke]) * (1 << _SHIFT)
            cv2.polylines(canvas, [points.round().astype(np.int32)], False, color, thickness, cv2.LINE_AA, shift=_SHIFT)
