"""Polygons drawn on a camera's picture: what makes one that has an inside and an outside everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

Point = Sequence[float]
MAX_POLYGONS = 16
MIN_CORNERS, MAX_CORNERS = 3, 32
# In parts of the picture: two pixels of a 1920 x 1080 one. What is smaller was not meant.
MIN_AREA = 1e-6
_FLAT = 1e-12


def fault(corners: Sequence[Point]) -> str | None:
    """Why corners [x, y], joined in turn and the last to the first, are no simple polygon; None when they are.

    >>> fault([[0, 0], [1, 1], [1, 0], [0, 1]])
    'crosses itself: side 1 meets side 3'
    """
    places = {(corner[0], corner[1]) for corner in corners}
    if len(places) < len(corners):
        return "has the same corner twice; the last corner is joined to the first by itself"
    # A figure of eight may have no area by the formula: what is wrong with it is the crossing.
    crossing = _crossing(corners)
    if crossing is not None:
        return f"crosses itself: side {crossing[0] + 1} meets side {crossing[1] + 1}"
    if area(corners) < MIN_AREA:
        return "has no area: its corners lie on one line, or on one spot"
    return None


def area(corners: Sequence[Point]) -> float:
    """The area of a simple polygon, by the shoelace formula."""
    sides = zip(corners, [*corners[1:], corners[0]], strict=True)
    return abs(sum(one[0] * other[1] - other[0] * one[1] for one, other in sides)) / 2


def _crossing(corners: Sequence[Point]) -> tuple[int, int] | None:
    """The first two sides, by number, that meet where they should not."""
    count = len(corners)
    sides = [(corners[number], corners[(number + 1) % count]) for number in range(count)]
    for one, other in combinations(range(count), 2):
        if other == one + 1:
            wrong = _turns_back(sides[one][0], *sides[other])
        elif one == 0 and other == count - 1:
            wrong = _turns_back(sides[other][0], *sides[one])
        else:
            wrong = _meet(*sides[one], *sides[other])
        if wrong:
            return one, other
    return None


def _turn(a: Point, b: Point, c: Point) -> float:
    """Above zero when a, b, c turn one way, below when the other, zero on a line."""
    turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return 0.0 if abs(turn) < _FLAT else turn


def _turns_back(a: Point, b: Point, c: Point) -> bool:
    """Whether the side b-c lies on the side a-b that it follows."""
    ahead = (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1])
    return _turn(a, b, c) == 0 and ahead < 0


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the segments a-b and c-d have a point in common."""
    turns = (_turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b))
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    ends = zip(turns, ((a, b, c), (a, b, d), (c, d, a), (c, d, b)), strict=True)
    return any(turn == 0 and _within(*segment) for turn, segment in ends)


def _within(a: Point, b: Point, point: Point) -> bool:
    """Whether a point on the line of a-b lies between the two."""
    return all(min(a[axis], b[axis]) <= point[axis] <= max(a[axis], b[axis]) for axis in (0, 1))
