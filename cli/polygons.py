"""Polygons as the command line takes them: "0.1,0.4 0.9,0.4 0.5,1"."""

from __future__ import annotations

from collections.abc import Sequence

from functions.shared.errors import InvalidInput

HELP = 'Corners "X,Y X,Y X,Y" in parts of the picture\'s width and height, e.g. "0,0.4 1,0.4 1,1 0,1"; may be repeated.'


def polygons(option: str, given: Sequence[str] | None) -> list[list[list[float]]] | None:
    """The polygons of an option that may stand several times; None when it was not given. Raises InvalidInput."""
    return [_corners(option, text) for text in given] if given else None


def _corners(option: str, text: str) -> list[list[float]]:
    try:
        return [[float(x), float(y)] for x, y in (corner.split(",") for corner in text.split())]
    except ValueError:
        raise InvalidInput(
            f'{option} takes corners "X,Y X,Y X,Y", a point in the numbers and a space between corners: {text[:60]!r}',
            field=option,
        ) from None
