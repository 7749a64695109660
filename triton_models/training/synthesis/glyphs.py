"""Characters of number plates as strokes of our own, in faces that vary: no font file is needed to draw a plate.

A stroke is a polyline along the middle of the pen in a box 1 wide and 2 high, y down. A Face holds what varies from one
plate to the next. Two families are drawn: OLD as on the grey plates (even, rounded oblongs, plain I), FE as on Mercosul
plates (forgery-impeding shapes: the I has bars, the O is rounder than the 0, the M and the W meet in the middle).
MIXED draws every variant, so that a reader that learns from it learns what a character is, not one typeface.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Point = tuple[float, float]
Strokes = list[list[Point]]

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CHARACTERS = DIGITS + LETTERS
FAMILIES = ("old", "fe", "mixed")
_SHIFT = 4
_SHARP = math.cos(math.radians(35))


@dataclass(frozen=True)
class Face:
    """How characters are drawn.

    `weight`: the pen's width in units of half a character's height. `aspect`: a character's width over its height.
    `radius`: how high the round ends of an O are, 0..1. `square`: whether the pen's ends are square.
    `apex`: how far down an M's (up a W's) middle reaches, 0..1. `swell`: how much wider an O is than a 0.
    `variants`: for a few characters which of several shapes. `jitter`: how far points stray. `glyphs`: masks of another
    face's characters (uint8), taken instead of strokes where given.
    """

    weight: float = 0.3
    aspect: float = 0.62
    radius: float = 0.5
    square: bool = True
    apex: float = 0.58
    swell: float = 0.0
    variants: dict[str, int] = field(default_factory=dict)
    jitter: float = 0.0
    glyphs: dict[str, Array] | None = None

    def variant(self, name: str) -> int:
        return self.variants.get(name, 0)


_OLD_VARIANTS = {"I": 0, "J": 0, "1": 0, "3": 0, "4": 0, "6": 0, "A": 0, "G": 0, "K": 0, "Q": 0, "7": 0, "2": 0}
_FE_CHOICES = {"I": (1,), "J": (1, 1, 0), "1": (1, 0, 2), "3": (0, 1), "4": (0, 1), "6": (1, 0), "A": (1, 0)}
_FE_CHOICES |= {
    "G": (0, 1),
    "K": (1, 0),
    "Q": (1, 0),
    "7": (0, 1),
    "2": (0, 1),
    "B": (0, 1),
    "0": (0, 0, 0, 1),
    "P": (0, 0, 1),
    "M": (0, 0, 1),
    "W": (0, 1, 2),
    "V": (0, 1),
    "Y": (0, 1),
}
_ALL_CHOICES = {"I": (0, 1), "J": (0, 1, 2), "1": (0, 1, 2), "3": (0, 1), "4": (0, 1), "6": (0, 1), "A": (0, 1)}
_ALL_CHOICES |= {
    "G": (0, 1),
    "K": (0, 1),
    "Q": (0, 1),
    "7": (0, 1),
    "2": (0, 1),
    "B": (0, 1),
    "0": (0, 0, 0, 0, 1),
    "P": (0, 0, 0, 1),
    "M": (0, 1),
    "W": (0, 1, 2),
    "V": (0, 1),
    "Y": (0, 1),
}


def random_face(rng: np.random.Generator, family: str) -> Face:
    """A face of one of FAMILIES. Raises KeyError for another name."""
    uniform = rng.uniform
    if family == "old":
        chosen = dict(_OLD_VARIANTS)
        for name in ("1", "4", "6", "A", "G", "K", "Q", "2", "7"):
            if rng.random() < 0.15:
                chosen[name] = int(rng.choice(_ALL_CHOICES[name]))
        return Face(
            uniform(0.25, 0.36),
            uniform(0.54, 0.7),
            uniform(0.34, 0.56),
            True,
            uniform(0.45, 0.8),
            uniform(0, 0.03),
            chosen,
            0.012,
        )
    choices = {"fe": _FE_CHOICES, "mixed": _ALL_CHOICES}[family]
    chosen = {name: int(rng.choice(options)) for name, options in choices.items()}
    if family == "fe":
        return Face(
            uniform(0.23, 0.33),
            uniform(0.5, 0.66),
            uniform(0.42, 0.75),
            rng.random() < 0.8,
            uniform(0.4, 0.7),
            uniform(0.03, 0.1),
            chosen,
            0.015,
        )
    return Face(
        uniform(0.2, 0.38),
        uniform(0.45, 0.75),
        uniform(0.3, 0.95),
        rng.random() < 0.6,
        uniform(0.35, 1.0),
        uniform(0.0, 0.1),
        chosen,
        0.025,
    )


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


def character_strokes(character: str, face: Face) -> Strokes:
    """The strokes of one of CHARACTERS or of the hyphen in a face of strokes."""
    return _SHAPES[character](face)


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


@functools.cache
def _unit_arc(start: float, end: float) -> list[Point]:
    count = max(3, round(abs(end - start) / 12))
    angles = [math.radians(start + (end - start) * step / count) for step in range(count + 1)]
    return [(math.cos(angle), math.sin(angle)) for angle in angles]


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float) -> list[Point]:
    """Points of an ellipse from `start` to `end` degrees; 0 is right, 90 is down."""
    return [(cx + rx * x, cy + ry * y) for x, y in _unit_arc(start, end)]


def _slot(left: float, right: float, radius: float) -> list[Point]:
    middle, rx = (left + right) / 2, (right - left) / 2
    top, bottom = _arc(middle, radius, rx, radius, 180, 360), _arc(middle, 2 - radius, rx, radius, 0, 180)
    return [*top, *bottom, top[0]]


def _bowl(top: float, right: float, bottom: float) -> list[Point]:
    """The round right side of B, P, R, from the stem and back to it."""
    ry = (bottom - top) / 2
    rx = min(ry * 0.95, right * 0.7)
    return [(0, top), *_arc(right - rx, top + ry, rx, ry, -90, 90), (0, bottom)]


def _a(f: Face) -> Strokes:
    bar, half = 1.38, 0.5
    if f.variant("A"):
        return [[(0, 2), (0.36, 0), (0.64, 0), (1, 2)], [(0.12, bar), (0.88, bar)]]
    return [[(0, 2), (half, 0), (1, 2)], [(0.17, bar), (0.83, bar)]]


def _b(f: Face) -> Strokes:
    waist = 0.93 if f.variant("B") == 0 else 0.82
    upper = 0.93 if f.variant("B") == 0 else 0.85
    stub = -0.06 if f.variant("B") else 0.0
    return [[(0, 0), (0, 2)], [(stub, 0), *_bowl(0, upper, waist)[1:]], [*_bowl(waist, 1, 2)[:-1], (stub, 2)]]


def _c(f: Face) -> Strokes:
    r, end = min(f.radius, 0.55), 0.57
    return [[(1, end), *_arc(0.5, r, 0.5, r, 0, -180), *_arc(0.5, 2 - r, 0.5, r, 180, 0), (1, 2 - end)]]


def _d(f: Face) -> Strokes:
    r = min(0.75, f.radius + 0.1)
    return [[(0, 0), (0, 2)], [(0, 0), *_arc(0.45, r, 0.55, r, -90, 0), *_arc(0.45, 2 - r, 0.55, r, 0, 90), (0, 2)]]


def _g(f: Face) -> Strokes:
    r = min(f.radius, 0.55)
    body = [(1, 0.55), *_arc(0.5, r, 0.5, r, 0, -180), *_arc(0.5, 2 - r, 0.5, r, 180, 0), (1, 1.12), (0.58, 1.12)]
    return [body, [(1, 1.12), (1, 2)]] if f.variant("G") else [body]


def _i(f: Face) -> Strokes:
    if f.variant("I"):
        return [[(0.5, 0), (0.5, 2)], [(0.15, 0), (0.85, 0)], [(0.15, 2), (0.85, 2)]]
    return [[(0.5, 0), (0.5, 2)]]


def _j(f: Face) -> Strokes:
    r = min(f.radius, 0.6)
    hook = [(0.92, 0), (0.92, 2 - r), *_arc(0.46, 2 - r, 0.46, r, 0, 180)]
    if f.variant("J") == 0:
        hook = [(0.95, 0), (0.95, 2 - r), *_arc(0.5, 2 - r, 0.45, r, 0, 165)]
        return [hook]
    reach = 0.3 if f.variant("J") == 1 else 0.1
    return [[(reach, 0), *hook]]


def _k(f: Face) -> Strokes:
    if f.variant("K"):
        return [[(0, 0), (0, 2)], [(0.95, 0), (0.1, 0.98), (1, 2)]]
    return [[(0, 0), (0, 2)], [(0.95, 0), (0, 1.22)], [(0.36, 0.78), (1, 2)]]


def _m(f: Face) -> Strokes:
    foot = 0.07 if f.variant("M") else 0.0
    return [[(-foot, 2), (foot, 0), (0.5, 2 * f.apex), (1 - foot, 0), (1 + foot, 2)]]


def _w(f: Face) -> Strokes:
    foot = (0.22, 0.12, 0.04)[f.variant("W")]
    return [[(0, 0), (foot, 2), (0.5, 2 - 2 * min(f.apex, 0.85)), (1 - foot, 2), (1, 0)]]


def _v(f: Face) -> Strokes:
    if f.variant("V"):
        return [[(0, 0), (0.4, 2), (0.6, 2), (1, 0)]]
    return [[(0, 0), (0.5, 2), (1, 0)]]


def _y(f: Face) -> Strokes:
    fork = 1.02 if f.variant("Y") == 0 else 0.8
    return [[(0, 0), (0.5, fork), (1, 0)], [(0.5, fork), (0.5, 2)]]


def _o(f: Face) -> Strokes:
    return [_slot(-f.swell, 1 + f.swell, min(1.0, f.radius + 3.5 * f.swell))]


def _zero(f: Face) -> Strokes:
    inset = 0.03 + 0.8 * f.swell
    ring = _slot(inset, 1 - inset, f.radius)
    return [ring[len(ring) // 4 + 2 :] + ring[1 : len(ring) // 4 - 1]] if f.variant("0") else [ring]


def _p(f: Face) -> Strokes:
    bowl = _bowl(0, 1, 1.08)
    return [[(0, 0), (0, 2)], [*bowl[:-1], (0.2, 1.08)] if f.variant("P") else bowl]


def _q(f: Face) -> Strokes:
    tail = [(0.5, 1.4), (1.04, 2.06)] if f.variant("Q") == 0 else [(0.55, 1.3), (0.95, 1.9)]
    return [*_o(f), tail]


def _s(f: Face) -> Strokes:
    r = min(0.5, f.radius)
    top = [(0.98, 0.55), *_arc(0.5, r, 0.48, r, 0, -180)]
    middle = [*_arc(0.4, 0.58, 0.38, 0.38, 180, 95), *_arc(0.6, 1.36, 0.4, 0.4, -90, 0)]
    return [[*top, *middle, *_arc(0.5, 2 - r, 0.5, r, 0, 180), (0, 1.42)]]


def _u(f: Face) -> Strokes:
    r = f.radius
    return [[(0, 0), *_arc(0.5, 2 - r, 0.5, r, 180, 0), (1, 0)]]


def _one(f: Face) -> Strokes:
    if f.variant("1") == 0:
        return [[(0.28, 0.3), (0.56, 0.02), (0.56, 2)]]
    flag = [[(0.1, 0.62), (0.6, 0.02), (0.6, 2)]]
    return flag if f.variant("1") == 1 else [*flag, [(0.2, 2), (1, 2)]]


def _two(f: Face) -> Strokes:
    r = min(0.55, f.radius + 0.05)
    top = [(0.02, 0.6), *_arc(0.5, r, 0.48, r, 180, 360)]
    if f.variant("2"):
        return [[*top, (0.98, 0.78), (0.02, 1.9), (0.02, 2), (1, 2)]]
    return [[*top, *_arc(0.4, 0.62, 0.58, 0.62, 10, 48), (0.02, 1.85), (0.02, 2), (1, 2)]]


def _three(f: Face) -> Strokes:
    r = min(0.5, f.radius)
    if f.variant("3"):
        return [[(0.05, 0), (0.95, 0), (0.42, 0.8), *_arc(0.48, 1.4, 0.5, 0.6, -80, 90), (0.0, 1.9)]]
    lower = [*_arc(0.5, 1.42, 0.5, 0.46, -90, 0), *_arc(0.5, 2 - r, 0.5, r, 0, 180), (0, 1.5)]
    return [
        [(0.02, 0.5), *_arc(0.5, r, 0.46, r, 180, 360), *_arc(0.55, 0.58, 0.41, 0.38, 0, 90), (0.35, 0.96)],
        [(0.4, 0.96), *lower],
    ]


def _four(f: Face) -> Strokes:
    if f.variant("4"):
        return [[(0.5, 0), (0, 1.45), (1, 1.45)], [(0.72, 0.85), (0.72, 2)]]
    return [[(0.74, 2), (0.74, 0.02), (0.66, 0.02), (0, 1.5), (1, 1.5)]]


def _five(f: Face) -> Strokes:
    r = min(0.55, f.radius + 0.05)
    return [
        [
            (0.95, 0),
            (0.08, 0),
            (0.06, 0.92),
            *_arc(0.5, 1.34, 0.5, 0.5, -140, 0),
            *_arc(0.5, 2 - r, 0.5, r, 0, 180),
            (0, 1.55),
        ]
    ]


def _six(f: Face) -> Strokes:
    r = min(0.55, f.radius + 0.05)
    if f.variant("6"):
        return [[(0.8, 0), (0.3, 0.72), *_arc(0.5, 1.42, 0.5, 0.58, 200, -160)]]
    ring = [*_arc(0.5, 1.32, 0.5, 0.48, 180, 360), *_arc(0.5, 2 - r, 0.5, r, 0, 180), (0, 1.3)]
    return [[(0.96, 0.5), *_arc(0.5, r, 0.47, r, -5, -180), (0, 1.5)], ring]


def _seven(f: Face) -> Strokes:
    if f.variant("7"):
        return [[(0, 0), (0.98, 0), (0.98, 0.15), (0.5, 1.1), (0.4, 2)]]
    return [[(0, 0), (0.98, 0), (0.98, 0.12), (0.34, 2)]]


def _eight(f: Face) -> Strokes:
    narrow = 0.45 if f.radius < 0.5 else 0.42
    return [_arc(0.5, 0.47, narrow, 0.47, 0, 360), _arc(0.5, 1.46, 0.5, 0.54, 0, 360)]


def _plain(strokes: Strokes) -> Callable[[Face], Strokes]:
    return lambda face: strokes


_SHAPES: dict[str, Callable[[Face], Strokes]] = {
    "A": _a, "B": _b, "C": _c, "D": _d, "G": _g, "I": _i, "J": _j, "K": _k, "M": _m, "O": _o, "P": _p, "Q": _q,
    "S": _s, "U": _u, "W": _w, "0": _zero, "1": _one, "2": _two, "3": _three, "4": _four, "5": _five, "6": _six,
    "7": _seven, "8": _eight,
    "E": _plain([[(1, 0), (0, 0), (0, 2), (1, 2)], [(0, 0.96), (0.86, 0.96)]]),
    "F": _plain([[(1, 0), (0, 0), (0, 2)], [(0, 1.0), (0.82, 1.0)]]),
    "H": _plain([[(0, 0), (0, 2)], [(1, 0), (1, 2)], [(0, 0.98), (1, 0.98)]]),
    "L": _plain([[(0, 0), (0, 2), (0.95, 2)]]),
    "N": _plain([[(0, 2), (0, 0), (1, 2), (1, 0)]]),
    "R": lambda f: [[(0, 0), (0, 2)], _bowl(0, 0.98, 1.04), [(0.46, 1.04), (1, 2)]],
    "T": _plain([[(0, 0), (1, 0)], [(0.5, 0), (0.5, 2)]]),
    "V": _v,
    "X": _plain([[(0, 0), (1, 2)], [(1, 0), (0, 2)]]),
    "Y": _y,
    "Z": _plain([[(0.02, 0), (0.98, 0), (0.98, 0.1), (0.02, 1.9), (0.02, 2), (1, 2)]]),
    "9": lambda f: [[(1 - x, 2 - y) for x, y in stroke] for stroke in _six(f)],
    "-": _plain([[(0.2, 1.0), (0.8, 1.0)]]),
}  # fmt: skip
