"""Cursors of lists that run by time and id, as opaque text. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime

from functions.shared.errors import InvalidInput

_FORM = re.compile(r"1:(\d{1,18}):([0-9a-f]{32})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WRONG = "cursor: take it from next_cursor as it is"


def encode(at: datetime, row_id: str) -> str:
    delta = at - _EPOCH
    micros = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    return base64.urlsafe_b64encode(f"1:{micros}:{row_id}".encode()).decode().rstrip("=")


def decode(cursor: str | None) -> tuple[datetime, str] | None:
    """Raises InvalidInput for what `encode` never wrote."""
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        found = _FORM.fullmatch(text)
        if found is None or len(cursor) > 100:
            raise ValueError
        seconds, micros = divmod(int(found[1]), 1_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros), found[2]
    except (binascii.Error, UnicodeError, ValueError, OverflowError, OSError):
        raise InvalidInput(_WRONG, field="cursor") from None
