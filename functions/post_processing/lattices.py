"""Joint decoding: the lattices of many readings summed, and the texts that they together speak for. Pure.

A lattice says for each format how likely it is, and for each place under it how likely each character is. Frames that
show the same plate add up their logarithms, each weighed; what a place does not list has LEAST_LISTED. The sum is a
lattice again, so its best texts and the total of all texts are found exactly, place by place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, log

from functions.post_processing.plates import FormatEvidence, Lattice, Place
from functions.shared.formats import ANY, PATTERNS
from functions.shared.inference import LEAST_LISTED

CHARACTERS = {"L": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "N": "0123456789"}
CHARACTERS["X"] = CHARACTERS["N"] + CHARACTERS["L"]
FLOOR = log(LEAST_LISTED)
# The powers between which a lattice is brought to the calibrated probability of its text.
_LEAST_POWER, _MOST_POWER, _STEPS = 0.05, 1.5, 14


@dataclass(frozen=True)
class Summed:
    """The sum of lattices under one format: `log` of the format, and of every character of each place. Free texts of
    each length are summed for themselves, with the format 'any'.
    """

    format: str
    log: float
    places: tuple[Mapping[str, float], ...]

    @property
    def total(self) -> float:
        """ln of the sum over all texts of the format."""
        return self.log + sum(logsumexp(place.values()) for place in self.places)

    def of(self, text: str) -> float:
        """ln of one text's share, -inf for a text that is not of the format."""
        if len(text) != len(self.places):
            return -inf
        return self.log + sum(place.get(char, -inf) for place, char in zip(self.places, text, strict=True))

    def best(self, count: int) -> list[str]:
        """The likeliest texts, best first: the best beginnings at each place hold the best texts, since places add."""
        beginnings = [(0.0, "")]
        for place in self.places:
            options = sorted(place.items(), key=lambda item: (-item[1], item[0]))[:count]
            longer = [(value + more, text + char) for value, text in beginnings for char, more in options]
            beginnings = sorted(longer, key=lambda item: (-item[0], item[1]))[:count]
        return [text for _, text in beginnings]


def logsumexp(values: Iterable[float]) -> float:
    """ln of the sum of the exponentials; -inf of nothing."""
    given = list(values)
    most = max(given, default=-inf)
    return most if most == -inf else most + log(sum(exp(value - most) for value in given))


def known(lattice: Lattice) -> Lattice:
    """The formats of a lattice that have a pattern and a place for each of its characters; 'any' has each length."""
    return tuple(item for item in lattice if len(_pattern(item)) == len(item.places) > 0)


def _pattern(item: FormatEvidence) -> str:
    return "X" * len(item.places) if item.format == ANY else PATTERNS.get(item.format, "")


def summed(lattices: Sequence[tuple[Lattice, float]]) -> list[Summed]:
    """The weighted sum of lattices, by format, likeliest first. `lattices` must be `known`.

    Formats of one pattern allow the same texts: the likelier of them stands for both. A format that one reading was
    not asked for has the least that is listed there, and says nothing of the characters.
    """
    kinds = sorted({(item.format, _pattern(item)) for lattice, _ in lattices for item in lattice})
    found = [_summed(name, pattern, lattices) for name, pattern in kinds]
    found.sort(key=lambda item: (-item.log, item.format, len(item.places)))
    patterns: dict[str, Summed] = {}
    for item in found:
        patterns.setdefault("X" * len(item.places) if item.format == ANY else PATTERNS[item.format], item)
    return list(patterns.values())


def _summed(name: str, pattern: str, lattices: Sequence[tuple[Lattice, float]]) -> Summed:
    logs = 0.0
    places = [dict.fromkeys(CHARACTERS[kind], 0.0) for kind in pattern]
    for lattice, weight in lattices:
        item = next((item for item in lattice if (item.format, _pattern(item)) == (name, pattern)), None)
        logs += weight * _format_log(lattice, item)
        if item is not None:
            for total, place in zip(places, item.places, strict=True):
                _add(total, place, weight)
    return Summed(name, logs, tuple(places))


def _add(total: dict[str, float], place: Place, weight: float) -> None:
    listed = dict(place)
    for char in total:
        total[char] += weight * max(FLOOR, listed.get(char, FLOOR))


def _format_log(lattice: Lattice, item: FormatEvidence | None) -> float:
    """ln P(format | reading), prior included, never below the floor."""
    if item is None:
        return FLOOR
    return max(FLOOR, item.log - logsumexp(other.log for other in lattice))


@lru_cache(maxsize=4096)
def power(lattice: Lattice, text: str, confidence: float) -> float:
    """The power that a lattice is raised to so that its text has its calibrated probability (temperature scaling,
    Guo et al. 2017, one reading at a time): a reader whose characters are too sure of themselves is softened.

    1 where the text is not the lattice's own best: then its probability was not told from the lattice alone.
    """
    if not 0 < confidence < 1 or best_text(lattice) != text:
        return 1.0
    low, high = _LEAST_POWER, _MOST_POWER
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _probability(lattice, text, middle) < confidence else (low, middle)
    return (low + high) / 2


def best_text(lattice: Lattice) -> str | None:
    """The likeliest text of one reading's lattice."""
    found = summed([(lattice, 1.0)])
    return max((item.of(text), text) for item in found for text in item.best(1))[1] if found else None


def _probability(lattice: Lattice, text: str, exponent: float) -> float:
    found = summed([(lattice, exponent)])
    return exp(logsumexp(item.of(text) for item in found) - logsumexp(item.total for item in found))
