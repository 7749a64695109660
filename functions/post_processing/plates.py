"""How alike two plate texts are, in the eyes of a reader that mistakes characters. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from functions.shared.inference import Candidate, FormatLattice, PlateFormat

# Characters that plate readers take for each other, by what a mistake costs (1: no excuse). The first row is the
# digit and letter twins, the second the letters that differ by a stroke.
_TWINS = ("0ODQ", "1IL", "8B", "5S", "2Z", "6G", "4A", "7T")
_COUSINS = ("UV", "MNHW", "CG", "EF", "PR", "KX", "VY", "JU", "O0C", "38", "17", "QJ", "GQ", "DB", "TY", "LE", "69")
TWIN, COUSIN, STRANGER, MISSING = 0.3, 0.6, 1.0, 1.0
# Guesses of a list that are held against another list's, the best first.
_COMPARED = 5

Place = tuple[tuple[str, float], ...]


class FormatEvidence(NamedTuple):
    """`inference.FormatLattice` by name, so that it can be a key: characters with their logs for each place."""

    format: str
    log: float
    places: tuple[Place, ...]


Lattice = tuple[FormatEvidence, ...]
# Digits that are kept of a log probability.
_DIGITS = 3


class Reading(NamedTuple):
    """What one frame says of a plate: the candidates, best first, the height of the plate in pixels, the lattice."""

    candidates: tuple[Candidate, ...]
    height: float
    lattice: Lattice = ()
    format: PlateFormat | None = None

    @property
    def text(self) -> str:
        return self.candidates[0].text

    @property
    def confidence(self) -> float:
        return self.candidates[0].confidence


def _costs() -> dict[tuple[str, str], float]:
    table: dict[tuple[str, str], float] = {}
    for groups, cost in ((_COUSINS, COUSIN), (_TWINS, TWIN)):
        for group in groups:
            table.update({(a, b): cost for a in group for b in group if a != b})
    return table


_COST = _costs()


def lattice_of(given: Mapping[str, FormatLattice]) -> Lattice:
    """A reading's lattice as a key, formats by name, characters by likelihood, logs rounded as they are stored."""
    return tuple(
        FormatEvidence(name, round(item.log, _DIGITS), tuple(_place(place) for place in item.places))
        for name, item in sorted(given.items())
    )


def _place(logs: Mapping[str, float]) -> Place:
    rounded = ((character, round(value, _DIGITS)) for character, value in logs.items())
    return tuple(sorted(rounded, key=lambda item: (-item[1], item[0])))


@lru_cache(maxsize=65_536)
def distance(one: str, other: str) -> float:
    """Weighted edit distance (Wagner and Fischer): substitutions by how easily they are mistaken, gaps 1 each.

    >>> distance("ABC1D23", "ABC1D23"), distance("ABC1O23", "ABC1D23"), distance("ABC1X23", "ABC1D23")
    (0.0, 0.3, 1.0)
    """
    row = [column * MISSING for column in range(len(other) + 1)]
    for index, char in enumerate(one, 1):
        before, row[0] = row[0], index * MISSING
        for column, wanted in enumerate(other, 1):
            swap = before + (0.0 if char == wanted else _COST.get((char, wanted), STRANGER))
            before = row[column]
            row[column] = min(swap, row[column] + MISSING, row[column - 1] + MISSING)
    return round(row[-1], 6)


def nearest(ones: Sequence[Candidate], others: Sequence[Candidate]) -> float:
    """The least distance between two lists of candidates; a pair of doubtful texts pays for its doubt.

    What a candidate lacks to the best of its own list is added, so that a fifth guess does not make two
    different plates alike.
    """
    return min(
        distance(one.text, other.text)
        + 2 * max(0.0, ones[0].confidence - one.confidence)
        + 2 * max(0.0, others[0].confidence - other.confidence)
        for one in ones[:_COMPARED]
        for other in others[:_COMPARED]
    )
