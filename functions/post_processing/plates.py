"""How alike two plate texts are, in the eyes of a reader that mistakes characters. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from functions.shared.inference import Candidate, PlateFormat

# Characters that plate readers take for each other, by what a mistake costs (1: no excuse). The first row is the
# digit and letter twins, the second the letters that differ by a stroke.
_TWINS = ("0ODQ", "1IL", "8B", "5S", "2Z", "6G", "4A", "7T")
_COUSINS = ("UV", "MNHW", "CG", "EF", "PR", "KX", "VY", "JU", "O0C", "38", "17", "QJ", "GQ", "DB", "TY", "LE", "69")
TWIN, COUSIN, STRANGER, MISSING = 0.3, 0.6, 1.0, 1.0
_OLD = re.compile(r"^[A-Z]{3}[0-9]{4}$")
_MERCOSUL = re.compile(r"^[A-Z]{3}[0-9][A-Z][0-9]{2}$")


class Reading(NamedTuple):
    """What one frame says of a plate: the candidates, best first, and the height of the plate in pixels."""

    candidates: tuple[Candidate, ...]
    height: float

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


def plate_format(text: str) -> PlateFormat | None:
    """The Brazilian format that a text has: LLLDDDD (until 2018) or LLLDLDD (Mercosul)."""
    if _OLD.match(text):
        return "br_old"
    return "br_mercosul" if _MERCOSUL.match(text) else None


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
        for one in ones
        for other in others
    )
