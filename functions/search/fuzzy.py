"""Plates that a reader, or a witness, may have meant by another: which to look for, and how near each is. Pure.

Folded (`plates.fold`: each character that has a twin stands for its class), all plates within a distance of 1 are few
hundred texts, whatever is stored: an index answers each at once, and none is missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from functions.shared.plates import CONFUSABLE, MISSING, STRANGER, distance, fold

# One character that is simply wrong, missing or too many; or two that differ by a stroke; or three twins.
FARTHEST = 1.0
_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_CLASSES = "".join(sorted({fold(char) for char in _CHARACTERS}))


def _costs() -> dict[str, dict[str, float]]:
    """The least cost from a class to another, over their members."""
    table: dict[str, dict[str, float]] = {one: {} for one in _CLASSES}
    for (a, b), cost in CONFUSABLE.items():
        one, other = fold(a), fold(b)
        if one != other:
            table[one][other] = min(cost, table[one].get(other, STRANGER))
    return table


_COUSINS = _costs()


@lru_cache(maxsize=256)
def neighbours(plate: str, farthest: float = FARTHEST) -> frozenset[str]:
    """The folded texts of all plates within a distance of `plate`, and a few beyond it: what is found is measured."""
    folded = fold(plate)
    return frozenset({folded, *_near(folded, farthest, 0), *_other_length(folded, farthest)})


def _near(folded: str, left: float, start: int) -> Iterator[str]:
    """Texts of the same length that cost at the most `left`, changed at `start` or behind."""
    for place in range(start, len(folded)):
        own = folded[place]
        for char in _CLASSES:
            cost = _COUSINS.get(own, {}).get(char, STRANGER)
            if char == own or cost > left:
                continue
            changed = folded[:place] + char + folded[place + 1 :]
            yield changed
            yield from _near(changed, left - cost, place + 1)


def _other_length(folded: str, left: float) -> Iterator[str]:
    if left < MISSING:
        return
    for place in range(len(folded) + 1):
        if place < len(folded):
            yield folded[:place] + folded[place + 1 :]
        for char in _CLASSES:
            yield folded[:place] + char + folded[place:]


def score(asked: str, found: str) -> float:
    """How alike two plates are, 0..1: each character that is wholly wrong takes its share of the longer one.

    >>> score("ABC1D23", "ABC1D23"), score("ABC1D23", "A8C1O23"), score("ABC1D23", "ABC1D24")
    (1.0, 0.914, 0.857)
    """
    return round(max(0.0, 1.0 - distance(asked, found) / max(len(asked), len(found), 1)), 3)
