"""Plate texts: one spelling, the twin in the other numbering, how alike two are to a reader that errs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

# What people write between the characters: spaces, hyphens and dashes, dots.
_SEPARATORS = re.compile(r"[\s.\-\u00b7\u2022\u2010-\u2015\u2212]+")
# Contran resolution 969/2022 (and 780/2019 before it): a plate of the old numbering (ABC1234) that is exchanged for a
# Mercosul one keeps its characters but for the fifth, a digit that becomes a letter: 0 A, 1 B, ... 9 J.
_FIFTH_LETTERS = "ABCDEFGHIJ"
# Either way round.
FIFTHS: Mapping[str, str] = dict(zip("0123456789" + _FIFTH_LETTERS, _FIFTH_LETTERS + "0123456789", strict=True))
_OLD, _MERCOSUL = re.compile(r"[A-Z]{3}[0-9]{4}"), re.compile(r"[A-Z]{3}[0-9][A-J][0-9]{2}")

# What an edit costs. A plate has room for some slips of a reader, but hardly for another character. TWIN: one shape as
# letter and as digit, what the tables of equivalents of other platforms hold (Genetec AutoVu's OCR equivalents, Flock's
# O to 0, CrumbVMS's O/0, I/1, S/5) and people report most (openalpr/openalpr 502, 606, 736). COUSIN: letters or digits
# that differ by a stroke or a gap in the faces of Brazil's plates (Mandatory until 2018, FE-Schrift since), as far or
# dirty plates are misread; post-processing joins passages by the same groups. By these values a tolerance of 1 takes
# three twins, two cousins, or one character that is simply wrong, missing or too many. All judgement.
TWIN, COUSIN, STRANGER, MISSING = 0.3, 0.5, 1.0, 1.0
_TWINS = ("0ODQ", "1IL", "8B", "5S", "2Z", "6G", "4A", "7T")
_COUSINS = ("UV", "MNHW", "CG", "EF", "PR", "KX", "VY", "JU", "0OC", "38", "17", "QG", "DB", "TY", "LE", "69")


def confusions(cousins: Sequence[str], cousin: float) -> dict[tuple[str, str], float]:
    """What a substitution costs less than STRANGER, by both characters, either way round: TWIN within a group of twins,
    `cousin` within one of `cousins`.
    """
    table: dict[tuple[str, str], float] = {}
    for groups, cost in ((cousins, cousin), (_TWINS, TWIN)):
        for group in groups:
            table.update({(a, b): cost for a in group for b in group if a != b})
    return table


# Twins are one class each: a plate in which each stands for its first is the same for all that cost but twins.
_FOLDS = {char: group[0] for group in _TWINS for char in group[1:]}
_FOLD = str.maketrans(_FOLDS)

CONFUSABLE: Mapping[tuple[str, str], float] = confusions(_COUSINS, COUSIN)
"""The cost of a substitution that is less than STRANGER, by both characters, either way round."""


def normalise(text: str) -> str:
    """Upper case and without separators; what is no plate at all stays what it is, for the caller to refuse.

    >>> normalise(" abc-1d23 "), normalise("abc 1*")
    ('ABC1D23', 'ABC1*')
    """
    return _SEPARATORS.sub("", text).upper()


def twins(plate: str) -> tuple[str, ...]:
    """The same plate in Brazil's other numbering: none or one. Of a Mercosul plate only what was an old one has one.

    >>> twins("ABC1234"), twins("ABC1C34"), twins("ABC1Z34")
    (('ABC1C34',), ('ABC1234',), ())
    """
    if _OLD.fullmatch(plate):
        return (plate[:4] + _FIFTH_LETTERS[int(plate[4])] + plate[5:],)
    if _MERCOSUL.fullmatch(plate):
        return (plate[:4] + str(_FIFTH_LETTERS.index(plate[4])) + plate[5:],)
    return ()


def registration(plate: str) -> str:
    """The one of a plate and its twin by which the vehicle is known: both numberings have the same.

    >>> registration("ABC1C34"), registration("ABC1234"), registration("ABC1Z34")
    ('ABC1234', 'ABC1234', 'ABC1Z34')
    """
    return min((plate, *twins(plate)))


def fold(plate: str) -> str:
    """The plate with each twin as the first of its class; plates that differ in twins alone fold to one text.

    >>> fold("ABC1D23"), fold("A8CIO23")
    ('48C1023', '48C1023')
    """
    return plate.translate(_FOLD)


def fold_sql(column: str) -> str:
    """`fold` as an expression of SQL that both databases know, for a generated column."""
    text = column
    for char, first in _FOLDS.items():
        text = f"replace({text}, '{char}', '{first}')"
    return text


@lru_cache(maxsize=65_536)
def distance(a: str, b: str) -> float:
    """Edit distance in which a substitution costs by how easily a reader makes it; symmetric.

    >>> distance("ABC1D23", "ABC1D23"), distance("ABC1O23", "ABC1D23"), distance("ABC1X23", "ABC1D23")
    (0.0, 0.3, 1.0)
    >>> distance("ABC123", "ABC1D23")
    1.0
    """
    return edit_distance(a, b, CONFUSABLE)


def edit_distance(a: str, b: str, costs: Mapping[tuple[str, str], float]) -> float:
    """By Wagner and Fischer: a substitution at its cost in `costs` or STRANGER, a character more or less MISSING."""
    row = [column * MISSING for column in range(len(b) + 1)]
    for index, char in enumerate(a, 1):
        before, row[0] = row[0], index * MISSING
        for column, wanted in enumerate(b, 1):
            swap = before + (0.0 if char == wanted else costs.get((char, wanted), STRANGER))
            before = row[column]
            row[column] = min(swap, row[column] + MISSING, row[column - 1] + MISSING)
    return round(row[-1], 6)
