"""What bodies and queries of several rooms are made of, and the patterns by which the API's document says their rules.

The patterns are for readers of the document: the rooms' own checks speak more clearly in an answer.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.config import JsonDict

# Of a body. 0, "no" and "off" are no answers to whether something shall be deleted; a query has nothing but texts.
Flag = Annotated[bool, Field(strict=True)]
_BLANK = r"\x00-\x20\x7f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Control characters, and what breaks a line beside them (`str.splitlines`).
_BROKEN = r"\x00-\x1f\x7f\x85\u2028\u2029"
# One line that does not begin with a space, and one that may also be empty.
LINE: JsonDict = {"pattern": rf"^[^{_BLANK}][^{_BROKEN}]*$"}
LINE_OF_THREE: JsonDict = {"pattern": rf"^[^{_BLANK}][^{_BROKEN}]+[^{_BLANK}]$"}
LINE_OR_NONE: JsonDict = {"pattern": rf"^[^{_BROKEN}]*$"}
URL: JsonDict = {"pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00-\x20\x7f]+$"}
_SEPARATOR = r"[ .\u00b7\u2022\u2010-\u2015\u2212-]*"
PLATE: JsonDict = {"pattern": rf"^{_SEPARATOR}([A-Za-z0-9]{_SEPARATOR}){{1,10}}$", "examples": ["ABC1D23"]}
# 1970 to 9997, or 2000 to 9997: far enough from the ends of time that no time zone pushes it over.
_YEAR = r"[2-8]\d{3}|9[0-8]\d\d|99[0-8]\d|999[0-7]"
MOMENT: JsonDict = {"pattern": rf"^(19[7-9]\d|{_YEAR})-"}
MOMENT_2000: JsonDict = {"pattern": rf"^({_YEAR})-"}


def one_line(text: str) -> str:
    """The text without what surrounds it. Raises ValueError for control characters and halves of surrogate pairs,
    which no database keeps, and for line breaks, the rare ones too: no header of a mail takes them."""
    if any(ord(letter) < 32 or letter in "\x7f\x85\u2028\u2029" for letter in text):
        raise ValueError("must be one line without control characters")
    return no_surrogates(text)


def no_surrogates(text: str) -> str:
    """The text without what surrounds it, in which lines may break. Raises ValueError for what is no character."""
    if any(0xD800 <= ord(letter) < 0xE000 for letter in text) or "\x00" in text:
        raise ValueError("holds what is no character")
    return text.strip()
