"""What a person types as a plate, as conditions that an index answers. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from functions.shared.errors import InvalidInput

Match = Literal["exact", "prefix", "wildcard"]
LONGEST = 32
ESCAPE = "/"
# What people write between the characters: spaces, hyphens and dashes, dots.
_SEPARATORS = re.compile(r"[\s.\-\u00b7\u2022\u2010-\u2015\u2212]+")
_WILD = "*?"


@dataclass(frozen=True)
class PlateTest:
    """Conditions on a plate, all of which must hold.

    `prefix` and `suffix` are literal beginnings and ends (ranges over the plate and over its reverse), `like` a
    pattern of SQL with ESCAPE.
    """

    exact: str | None = None
    prefix: str | None = None
    suffix: str | None = None
    like: str | None = None


def normalised(text: str) -> str:
    """Upper case, without separators. Raises InvalidInput.

    >>> normalised(" abc-1d23 ")
    'ABC1D23'
    """
    plate = _SEPARATORS.sub("", text).upper()
    if not plate:
        raise InvalidInput("plate: is empty", field="plate")
    if len(plate) > LONGEST or len(text) > 4 * LONGEST:
        raise InvalidInput(f"plate: is over {LONGEST} characters", field="plate")
    if not plate.isprintable():
        raise InvalidInput("plate: holds a control character", field="plate")
    return plate


def of_person(text: str, longest: int) -> str:
    """A plate as a person writes it down, e.g. `abc-1d23`. Raises InvalidInput."""
    plate = _SEPARATORS.sub("", text)
    if not (plate.isascii() and plate.isalnum()):
        raise InvalidInput("plate: holds only letters A-Z and digits, or is null for no plate", field="plate")
    if len(plate) > longest:
        raise InvalidInput(f"plate: is over {longest} characters", field="plate")
    return plate.upper()


def plate_test(text: str, match: Match) -> PlateTest:
    """The conditions that a plate and a way of matching ask for. Raises InvalidInput."""
    plate = normalised(text)
    if match == "wildcard":
        return _wildcard(plate)
    if any(char in _WILD for char in plate):
        raise InvalidInput("plate: * and ? need match=wildcard", field="plate")
    return PlateTest(exact=plate) if match == "exact" else PlateTest(prefix=plate)


def _wildcard(plate: str) -> PlateTest:
    """`*` stands for any characters, `?` for one. What is literal at either end narrows the search by an index."""
    if not any(char in _WILD for char in plate):
        return PlateTest(exact=plate)
    head = re.split(r"[*?]", plate, maxsplit=1)[0]
    tail = re.split(r"[*?]", plate)[-1]
    # A long beginning is the narrower range; both at once would only make the planner choose.
    prefix, suffix = (head, None) if len(head) >= len(tail) else (None, tail)
    return PlateTest(prefix=prefix or None, suffix=suffix or None, like=_pattern(plate))


def _pattern(plate: str) -> str:
    parts = {"*": "%", "?": "_"}
    escaped = {char: ESCAPE + char for char in ("%", "_", ESCAPE)}
    pattern = "".join(parts.get(char) or escaped.get(char, char) for char in plate)
    return re.sub("%{2,}", "%", pattern) if ESCAPE not in pattern else pattern


def after(prefix: str) -> str:
    """The least text behind all that begin with `prefix`, in the order of code points.

    >>> after("ABZ")
    'AB['
    """
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
