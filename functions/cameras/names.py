"""Ids made from names, and cursors made from ids: alike for cameras and groups."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterable

from functions.cameras.fields import RESERVED
from functions.shared.contracts import CAMERA_ID
from functions.shared.errors import InvalidInput


def folded(text: str) -> str:
    """Without accents and case, so that `praca` finds `Praça`."""
    letters = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()


def slug(name: str, otherwise: str = "camera") -> str:
    """An id made from a name: `Praça da Sé, saída 2` gives `praca-da-se-saida-2`."""
    text = re.sub(r"[^a-z0-9]+", "-", folded(name)).strip("-")[:56].strip("-") or otherwise
    return f"{text}-1" if text in RESERVED else text


def free_id(name: str, used: Iterable[str], otherwise: str = "camera") -> str:
    """The name's slug, with the first number that makes it new."""
    base, taken = slug(name, otherwise), used if isinstance(used, set) else set(used)
    number = 2
    candidate = base
    while candidate in taken:
        candidate, number = f"{base}-{number}", number + 1
    return candidate


def encode_cursor(last_id: str) -> str:
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> str:
    """The id that a page begins behind. Raises InvalidInput."""
    if not cursor:
        return ""
    try:
        last_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        last_id = ""
    if not re.fullmatch(CAMERA_ID, last_id):
        raise InvalidInput("the cursor is none that a list gave", field="cursor")
    return last_id
