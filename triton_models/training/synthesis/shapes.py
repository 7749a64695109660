"""The 36 characters and the hyphen as strokes of our own: polylines along the middle of the pen in a box 1 wide and 2
high, y down, as a Face wants them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from .faces import Face

Point = tuple[float, float]
Strokes = list[list[Point]]


def character_strokes(character: str, face: Face) -> Strokes:
    """The strokes of one of CHARACTERS or of the hyphen in a face of strokes."""
    return _SHAPES[character](face)


@functools.cache
def _unit_arc(start: float, end: float) -> list[Point]:
    count = max(3, round(abs(end - start) / 12))
    angles = [math.radians(start + (end - start) * step / count) for step in range(count + 1)]
    return [(math.cos(angle), math.sin(angle)) for angle in angles]


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float) -> list[Point]:
    """Points of an ellipse from `start` to `end` degrees; 0 is right, 90 is down."""
    return [(cx + rx * x, cy + ry * y) for x, y in _unit_arc(start, end)]


def _over(f: Face, left: float, right: float, ry: float, top: float = 0.0) -> list[Point]:
    """Over the top from left to right: two round corners, flat between them unless they meet."""
    rx = min(f.corner, 0.5) * (right - left)
    if f.chamfer:
        ry = min(ry, 0.34)
        return [(left, top + ry), (left + rx, top), (right - rx, top), (right, top + ry)]
    return [*_arc(left + rx, top + ry, rx, ry, 180, 270), *_arc(right - rx, top + ry, rx, ry, 270, 360)]


def _under(f: Face, left: float, right: float, ry: float, bottom: float = 2.0) -> list[Point]:
    """Below from right to left, as _over."""
    rx = min(f.corner, 0.5) * (right - left)
    if f.chamfer:
        ry = min(ry, 0.34)
        return [(right, bottom - ry), (right - rx, bottom), (left + rx, bottom), (left, bottom - ry)]
    return [*_arc(right - rx, bottom - ry, rx, ry, 0, 90), *_arc(left + rx, bottom - ry, rx, ry, 90, 180)]


def _ring(f: Face, across: tuple[float, float], down: tuple[float, float], ry: float) -> list[Point]:
    top = _over(f, *across, ry, down[0])
    return [*top, *_under(f, *across, ry, down[1]), top[0]]


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
    return [[(1, end), *_over(f, 0, 1, r)[::-1], *_under(f, 0, 1, r)[::-1], (1, 2 - end)]]


def _d(f: Face) -> Strokes:
    rx, ry = min(0.6, max(0.42, f.corner + 0.1)), min(0.75, max(0.34, f.radius + 0.1))
    if f.chamfer:
        return [[(0, 0), (0, 2)], [(0, 0), (1 - rx, 0), (1, ry), (1, 2 - ry), (1 - rx, 2), (0, 2)]]
    return [[(0, 0), (0, 2)], [(0, 0), *_arc(1 - rx, ry, rx, ry, -90, 0), *_arc(1 - rx, 2 - ry, rx, ry, 0, 90), (0, 2)]]


def _g(f: Face) -> Strokes:
    r = min(f.radius, 0.55)
    body = [(1, 0.55), *_over(f, 0, 1, r)[::-1], *_under(f, 0, 1, r)[::-1], (1, 1.12), (0.58, 1.12)]
    return [body, [(1, 1.12), (1, 2)]] if f.variant("G") else [body]


def _i(f: Face) -> Strokes:
    if f.variant("I"):
        return [[(0.5, 0), (0.5, 2)], [(0.15, 0), (0.85, 0)], [(0.15, 2), (0.85, 2)]]
    return [[(0.5, 0), (0.5, 2)]]


def _j(f: Face) -> Strokes:
    r = min(f.radius, 0.6)
    hook = [(0.94, 0), *_under(f, 0.04, 0.94, r)]
    if f.variant("J") == 0:
        return [hook]
    return [[(0.3 if f.variant("J") == 1 else 0.1, 0), *hook]]


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
    return [_ring(f, (-f.swell, 1 + f.swell), (0, 2), min(1.0, f.radius + 3.5 * f.swell))]


def _zero(f: Face) -> Strokes:
    inset = 0.03 + 0.8 * f.swell
    ring = _ring(f, (inset, 1 - inset), (0, 2), f.radius)
    if f.variant("0") and not f.chamfer:
        return [ring[len(ring) // 4 + 2 :] + ring[1 : len(ring) // 4 - 1]]
    return [ring]


def _p(f: Face) -> Strokes:
    bowl = _bowl(0, 1, 1.08)
    return [[(0, 0), (0, 2)], [*bowl[:-1], (0.2, 1.08)] if f.variant("P") else bowl]


def _q(f: Face) -> Strokes:
    tail = [(0.5, 1.4), (1.04, 2.06)] if f.variant("Q") == 0 else [(0.55, 1.3), (0.95, 1.9)]
    return [*_o(f), tail]


def _s(f: Face) -> Strokes:
    r = min(0.5, f.radius)
    top = [(0.98, 0.55), *_over(f, 0.02, 0.98, r)[::-1]]
    middle = [*_arc(0.4, 0.58, 0.38, 0.38, 180, 95), *_arc(0.6, 1.36, 0.4, 0.4, -90, 0)]
    return [[*top, *middle, *_under(f, 0, 1, r), (0, 1.42)]]


def _u(f: Face) -> Strokes:
    return [[(0, 0), *_under(f, 0, 1, f.radius)[::-1], (1, 0)]]


def _one(f: Face) -> Strokes:
    if f.variant("1") == 0:
        return [[(0.28, 0.3), (0.56, 0.02), (0.56, 2)]]
    if f.variant("1") == 3:
        return [[(0.38, 0.16), (0.52, 0.0), (0.52, 2)]]
    flag = [[(0.1, 0.62), (0.6, 0.02), (0.6, 2)]]
    return flag if f.variant("1") == 1 else [*flag, [(0.2, 2), (1, 2)]]


def _two(f: Face) -> Strokes:
    r = min(0.55, f.radius + 0.05)
    top = [(0.02, 0.6), *_over(f, 0.02, 0.98, r)]
    if f.variant("2"):
        return [[*top, (0.98, 0.78), (0.02, 1.9), (0.02, 2), (1, 2)]]
    return [[*top, *_arc(0.4, 0.62, 0.58, 0.62, 10, 48), (0.02, 1.85), (0.02, 2), (1, 2)]]


def _three(f: Face) -> Strokes:
    r = min(0.5, f.radius)
    if f.variant("3"):
        return [[(0.05, 0), (0.95, 0), (0.42, 0.8), *_arc(0.48, 1.4, 0.5, 0.6, -80, 90), (0.0, 1.9)]]
    upper = [(0.02, 0.5), *_over(f, 0.04, 0.96, r), *_arc(0.55, 0.58, 0.41, 0.38, 0, 90), (0.35, 0.96)]
    lower = [(0.4, 0.96), *_arc(0.5, 1.42, 0.5, 0.46, -90, 0), *_under(f, 0, 1, r), (0, 1.5)]
    return [upper, lower]


def _four(f: Face) -> Strokes:
    if f.variant("4"):
        return [[(0.5, 0), (0, 1.45), (1, 1.45)], [(0.72, 0.85), (0.72, 2)]]
    return [[(0.74, 2), (0.74, 0.02), (0.66, 0.02), (0, 1.5), (1, 1.5)]]


def _five(f: Face) -> Strokes:
    r = min(0.55, f.radius + 0.05)
    bowl = [*_arc(0.5, 1.34, 0.5, 0.5, -140, 0), *_under(f, 0, 1, r), (0, 1.55)]
    return [[(0.95, 0), (0.08, 0), (0.06, 0.92), *bowl]]


def _six(f: Face) -> Strokes:
    """With a hook, round with a slanting stem, with a stem that only leans over at the top, or with hardly a hook."""
    kind = f.variant("6")
    if kind == 1:
        return [[(0.8, 0), (0.3, 0.72), *_arc(0.5, 1.42, 0.5, 0.58, 200, -160)]]
    ring = _ring(f, (0, 1), (0.84, 2), min(0.5, f.radius))
    if kind == 2:
        return [[(0.68, 0), *_arc(0.62, 0.75, 0.62, 0.75, -100, -180), (0, 1.3)], ring]
    if kind == 3:
        return [[*_over(f, 0.0, 0.9, min(0.34, f.radius))[::-1], (0, 1.5)], ring]
    return [[(0.96, 0.5), *_over(f, 0.03, 0.97, min(0.55, f.radius + 0.05))[::-1], (0, 1.5)], ring]


def _seven(f: Face) -> Strokes:
    if f.variant("7"):
        return [[(0, 0), (0.98, 0), (0.98, 0.15), (0.5, 1.1), (0.4, 2)]]
    return [[(0, 0), (0.98, 0), (0.98, 0.12), (0.34, 2)]]


def _eight(f: Face) -> Strokes:
    narrow = 0.05 if f.radius < 0.5 else 0.08
    upper = _ring(f, (narrow, 1 - narrow), (0, 0.94), min(0.47, f.radius))
    return [upper, _ring(f, (0, 1), (0.94, 2), min(0.53, f.radius + 0.05))]


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
