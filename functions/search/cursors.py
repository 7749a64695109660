"""Cursors of the list of detections: where a page ended, as opaque text. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import NamedTuple

from functions.shared.errors import InvalidInput

_FORM = re.compile(r"^([12]):(?:(\d{1,4}):)?(\d{1,18}):([0-9a-f]{32})$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST = 100


class Position(NamedTuple):
    """The last row of a page: its time (to the microsecond) and id; in a list by likeness its score in thousandths."""

    started_at: datetime
    id: str
    score: int | None = None


def encode(position: Position) -> str:
    micros = round((position.started_at - _EPOCH).total_seconds() * 1_000_000)
    head = "1" if position.score is None else f"2:{position.score}"
    return base64.urlsafe_b64encode(f"{head}:{micros}:{position.id}".encode()).decode().rstrip("=")


def decode(cursor: str, *, scored: bool = False) -> Position:
    """Raises InvalidInput for what `encode` never wrote, or wrote for a list in another order."""
    wrong = InvalidInput("cursor: take it from next_cursor as it is", field="cursor")
    if len(cursor) > LONGEST:
        raise wrong
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        raise wrong from None
    found = _FORM.match(text)
    if found is None or scored != (found[1] == "2") or scored != (found[2] is not None):
        raise wrong
    try:
        at = datetime.fromtimestamp(int(found[3]) // 1_000_000, UTC).replace(microsecond=int(found[3]) % 1_000_000)
    except (OverflowError, ValueError, OSError):
        raise wrong from None
    return Position(at, found[4], int(found[2]) if scored else None)
