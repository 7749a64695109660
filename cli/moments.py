"""Times as people give them to the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from functions.shared.errors import InvalidInput

HELP = "a time (2026-11-22T10:00, a zone may follow), a day (2026-11-22), or how long ago (90m, 36h, 7d)"
_AGO = re.compile(r"(\d{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def moment(text: str, field: str) -> str:
    """RFC 3339 in UTC. A time without a zone is this machine's own. Raises InvalidInput naming the field."""
    ago = _AGO.fullmatch(text.strip())
    try:
        at = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])}) if ago else datetime.fromisoformat(text)
        return at.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise InvalidInput(f"{field}: {text!r} is neither {HELP}", field=field) from None


TIME = "a time (2026-11-22T10:00, a zone may follow) or a day (2026-11-22)"


def time_or_none(text: str | None, field: str) -> str | None:
    """As `moment`, of what may lie ahead: 7d could be meant either way, and is refused."""
    if text is not None and _AGO.fullmatch(text.strip()):
        raise InvalidInput(f"{field}: {text!r} is not {TIME}", field=field)
    return moment_or_none(text, field)


def moment_or_none(text: str | None, field: str) -> str | None:
    return None if text is None else moment(text, field)


# How these options were called first; scripts may have them.
OldFrom = Annotated[str | None, typer.Option("--since", hidden=True, help="The former name of --from.")]
OldTo = Annotated[str | None, typer.Option("--until", hidden=True, help="The former name of --to.")]


def span(begin: str | None, end: str | None) -> dict[str, str | None]:
    """The filters `from` and `to` of a list. Raises InvalidInput naming the wrong one."""
    return {"from": moment_or_none(begin, "from"), "to": moment_or_none(end, "to")}
