"""Which stored plates an entry may have meant: whole ones, and beginnings or ends, each of which an index finds. Pure.

No plate that the entry matches is missed; those found beside them are left to the matching itself. A fuzzy entry is
divided in the middle: of what it is away from a plate, one half has at the most half. So the plate begins with what the
first half may be read as, or ends with what the second half may.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from functions.alerts.patterns import ANY, ONE, Entry
from functions.shared.plates import CONFUSABLE, FIFTHS, MISSING, STRANGER, twins

# More whole plates than this are not looked up one by one.
_MOST_TEXTS = 400
_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_ROUNDING = 1e-9
# A twin differs in the fifth character of seven alone: what stands before it, and behind it, is the same.
_BEFORE, _BEHIND = 4, 2
_COSTS = {
    char: [(other, CONFUSABLE.get((char, other), STRANGER)) for other in _CHARACTERS if other != char]
    for char in _CHARACTERS
}


class Candidates(NamedTuple):
    """Whole plates, and (beginning, end) of others, one of which is empty; both: any plate."""

    texts: tuple[str, ...]
    ends: tuple[tuple[str, str], ...]


def candidates(entry: Entry, *, with_twins: bool) -> Candidates:
    """The plates that may match an entry, themselves or (`with_twins`) by their twins."""
    if entry.kind == "exact":
        return Candidates(_with_twins([entry.pattern], with_twins), ())
    if entry.kind == "wildcard":
        return Candidates((), (_end_of_wildcard(entry.pattern, with_twins),))
    # Below these each character is another one at the most, and none is missing.
    if entry.tolerance < min(STRANGER, MISSING):
        texts = readings(entry.pattern, entry.tolerance, _MOST_TEXTS)
        if texts is not None:
            return Candidates(_with_twins(sorted(texts), with_twins), ())
    return Candidates((), tuple(dict.fromkeys(_ends_of_fuzzy(entry, with_twins))))


def _with_twins(texts: list[str], with_twins: bool) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*texts, *(twin for text in texts for twin in twins(text) if with_twins)]))


def _end_of_wildcard(pattern: str, with_twins: bool) -> tuple[str, str]:
    """What is literal at the beginning or the end, whichever is longer."""
    parts = pattern.replace(ONE, ANY).split(ANY)
    head, tail = parts[0], parts[-1]
    if with_twins:
        head, tail = head[:_BEFORE], tail[-_BEHIND:]
    return (head, "") if len(head) >= len(tail) else ("", tail)


def _ends_of_fuzzy(entry: Entry, with_twins: bool) -> Iterator[tuple[str, str]]:
    middle, half = len(entry.pattern) // 2, entry.tolerance / 2
    heads = {head[:_BEFORE] if with_twins else head for head in readings(entry.pattern[:middle], half) or ()}
    tails = set(readings(entry.pattern[middle:], half) or ())
    if with_twins:
        tails |= {
            tail[: -_BEHIND - 1] + FIFTHS[tail[-_BEHIND - 1]] + tail[-_BEHIND:]
            for tail in tails
            if len(tail) > _BEHIND and tail[-_BEHIND - 1] in FIFTHS
        }
    # What begins with AB1 begins with AB: it is found already.
    yield from ((head, "") for head in sorted(heads) if not any(head[:size] in heads for size in range(len(head))))
    yield from (("", tail) for tail in sorted(tails) if not any(tail[at:] in tails for at in range(1, len(tail) + 1)))


def readings(text: str, left: float, most: int | None = None) -> set[str] | None:
    """Every text within a distance (`plates.distance`) of one; None where there are more than `most`."""
    found: dict[tuple[str, int], float] = {}
    waiting = [("", 0, left + _ROUNDING)]
    whole: set[str] = set()
    while waiting:
        made, at, rest = waiting.pop()
        if found.get((made, at), -1.0) >= rest:
            continue
        found[made, at] = rest
        if at == len(text):
            whole.add(made)
            if most is not None and len(whole) > most:
                return None
        else:
            waiting.append((made + text[at], at + 1, rest))
            waiting += [(made + other, at + 1, rest - cost) for other, cost in _COSTS[text[at]] if cost <= rest]
            if rest >= MISSING:
                waiting.append((made, at + 1, rest - MISSING))
        if rest >= MISSING:
            waiting += [(made + char, at, rest - MISSING) for char in _CHARACTERS]
    return whole
