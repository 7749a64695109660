"""The formats that plates may have: L stands for a letter, N for a digit, upper row first.

The same table, with what tells the formats apart in a picture, belongs to the plate reader
(`triton_models/alpr/1/platereader/formats.json`); a test holds the two together. Sources: Contran resolutions 231/2007
and 969/2022 (Brazil), Mercosur resolution GMC 33/14 (AR, UY, PY since 2016-2019).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PATTERNS: dict[str, str] = {
    "br_old": "LLLNNNN",
    "br_mercosul": "LLLNLNN",
    "ar_old": "LLLNNN",
    "ar_mercosul": "LLNNNLL",
    "ar_moto_mercosul": "LNNNLLL",
    "uy_mercosul": "LLLNNNN",
    "py_old": "LLLNNN",
    "py_mercosul": "LLLLNNN",
    "py_moto_mercosul": "NNNLLLL",
}
DEFAULT = ("br_old", "br_mercosul")
# A text of no format: read as it stands, and marked.
ANY = "any"
NAMES = (*PATTERNS, ANY)
_CLASSES = {"L": "[A-Z]", "N": "[0-9]"}
_REGEXES = {name: re.compile("".join(_CLASSES[kind] for kind in pattern)) for name, pattern in PATTERNS.items()}


def format_of(text: str, allowed: Iterable[str] = DEFAULT) -> str | None:
    """The first of the allowed formats that a text has; None when it has none of them."""
    return next((name for name in allowed if name in _REGEXES and _REGEXES[name].fullmatch(text)), None)
