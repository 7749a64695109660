"""How alike two plate texts are, in the eyes of a reader that mistakes characters. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from functions.shared.inference import Candidate, FormatLattice, PlateFormat
from functions.shared.plates import confusions, edit_distance

# Letters and digits that differ by a stroke, as single frames misread them; what is searched by is a little stricter.
_COUSINS = ("UV", "MNHW", "CG", "EF", "PR", "KX", "VY", "JU", "O0C", "38", "17", "QJ", "GQ", "DB", "TY", "LE", "69")
COUSIN = 0.6
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
# No plate of the table of formats is longer, or without a digit.
_LONGEST = 8


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

    @property
    def is_lettering(self) -> bool:
        """Whether it is hardly a plate: of no format, and without a digit or too long."""
        text = self.text
        return self.format is None and (len(text) > _LONGEST or not any(character.isdigit() for character in text))


_COST = confusions(_COUSINS, COUSIN)


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
    """Weighted edit distance: substitutions by how easily they are mistaken.

    >>> distance("ABC1D23", "ABC1D23"), distance("ABC1O23", "ABC1D23"), distance("ABC1X23", "ABC1D23")
    (0.0, 0.3, 1.0)
    """
    return edit_distance(one, other, _COST)


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
