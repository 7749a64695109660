"""What a person types as a plate, as conditions that an index answers. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from functions.shared import plates
from functions.shared.errors import InvalidInput

Match = Literal["exact", "prefix", "wildcard", "fuzzy"]
LONGEST = 32
# Longer than any plate, and short enough that its neighbours are few (`fuzzy.neighbours`).
LONGEST_FUZZY = 10
ESCAPE = "/"
_WILD = "*?"


@dataclass(frozen=True)
class PlateTest:
    """Conditions on a plate, all of which must hold.

    `any_of` are whole plates, `prefix` and `suffix` literal beginnings and ends (ranges over the plate and over its
    reverse), `like` a pattern of SQL with ESCAPE.
    """

    any_of: tuple[str, ...] | None = None
    prefix: str | None = None
    suffix: str | None = None
    like: str | None = None


def normalised(text: str) -> str:
    """Upper case, without separators. Raises InvalidInput.

    >>> normalised(" abc-1d23 ")
    'ABC1D23'
    """
    plate = plates.normalise(text)
    if not plate:
        raise InvalidInput("plate: is empty", field="plate")
    if len(plate) > LONGEST or len(text) > 4 * LONGEST:
        raise InvalidInput(f"plate: is over {LONGEST} characters", field="plate")
    if not plate.isprintable():
        raise InvalidInput("plate: holds a control character", field="plate")
    return plate


def of_person(text: str, longest: int) -> str:
    """A plate as a person writes it down, e.g. `abc-1d23`. Raises InvalidInput."""
    plate = plates.normalise(text)
    foreign = any(char.isalnum() and not char.isascii() for char in text)
    if foreign or not (plate.isascii() and plate.isalnum()):
        raise InvalidInput("plate: holds only letters A-Z and digits, or is null for no plate", field="plate")
    if len(plate) > longest:
        raise InvalidInput(f"plate: is over {longest} characters", field="plate")
    return plate


def whole(text: str) -> str:
    """A whole plate as a path or a query names it. Raises InvalidInput."""
    plate = normalised(text)
    if any(char in _WILD for char in plate):
        raise InvalidInput("plate: must be a whole plate, without * and ?", field="plate")
    return plate


def with_twins(plate: str) -> tuple[str, ...]:
    """The plate, and what it is in the other numbering of Brazil."""
    return (plate, *plates.twins(plate))


def plate_test(text: str, match: Match) -> PlateTest:
    """The conditions that a plate and a way of matching ask for; of `fuzzy` there are none: its plates are looked up
    first (`ranking`). Raises InvalidInput."""
    plate = normalised(text)
    if match == "wildcard":
        return _wildcard(plate)
    if any(char in _WILD for char in plate):
        raise InvalidInput("plate: * and ? need match=wildcard", field="plate")
    if match == "fuzzy" and len(plate) > LONGEST_FUZZY:
        raise InvalidInput(f"plate: match=fuzzy takes {LONGEST_FUZZY} characters at the most", field="plate")
    return PlateTest(prefix=plate) if match == "prefix" else PlateTest(any_of=(plate,))


def _wildcard(plate: str) -> PlateTest:
    """`*` stands for any characters, `?` for one. What is literal at either end narrows the search by an index."""
    if not any(char in _WILD for char in plate):
        return PlateTest(any_of=(plate,))
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
