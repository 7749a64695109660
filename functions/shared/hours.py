"""Weekly hours in which a camera is read, as the register keeps them, capture obeys them and people write them.

    [{"days": ["mon", "tue", "wed", "thu", "fri"], "start": "06:00", "end": "22:00"}]    mon-fri 06:00-22:00

An `end` that is not after its `start` is on the day after. Hours are the city's own (`GTV_TIME_ZONE`), so they stay
where they are when clocks are changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from functions.shared.contracts import DAYS, Hours

_MINUTES_A_DAY = 24 * 60
_PART = re.compile(r"(?P<days>\S+)\s+(?P<start>\d{1,2}:\d{2})\s*-\s*(?P<end>\d{1,2}:\d{2})")
MOST = 32


def zone_of(name: str) -> ZoneInfo:
    """Raises ValueError for what is no time zone."""
    try:
        return _zone(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError; a folder's name an OSError
        raise ValueError(f"{name} is no time zone; write it like America/Sao_Paulo") from None


@lru_cache(maxsize=16)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def minutes(clock: str) -> int:
    """Minutes since midnight of HH:MM; 24:00 is the end of the day."""
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)


def cover(schedule: Sequence[Hours] | None, timezone: str, at: datetime) -> bool:
    """Whether a camera is read at a moment; one without hours always is.

    >>> from datetime import UTC
    >>> night = [Hours(days=("fri",), start="22:00", end="06:00")]
    >>> cover(night, "America/Sao_Paulo", datetime(2026, 11, 28, 8, 59, tzinfo=UTC))  # Saturday 05:59 there
    True
    """
    if not schedule:
        return True
    local = at.astimezone(zone_of(timezone))
    today, minute = local.weekday(), local.hour * 60 + local.minute
    return any(_within(hours, today, minute) for hours in schedule)


def _within(hours: Hours, today: int, minute: int) -> bool:
    start, end = minutes(hours.start), minutes(hours.end)
    own = DAYS[today] in hours.days
    if start < end:
        return own and start <= minute < end
    return (own and minute >= start) or (DAYS[today - 1] in hours.days and minute < end)


def parse(text: str) -> list[Hours]:
    """The hours of `mon-fri 06:00-22:00; sat,sun 08:00-12:00`; `always` or nothing is []. Raises ValueError.

    >>> parse("sat-mon 22:00-6:00")
    [Hours(days=('sat', 'sun', 'mon'), start='22:00', end='06:00')]
    """
    if text.strip().lower() in ("", "always"):
        return []
    found: list[Hours] = []
    for part in filter(None, (piece.strip() for piece in re.split(r"[;\n]", text.lower()))):
        if len(found) == MOST:
            raise ValueError(f"has more than {MOST} parts")
        read = _PART.fullmatch(part)
        if read is None:
            raise ValueError(f"cannot be read at {part[:40]!r}; write it like: mon-fri 06:00-22:00; sat 08:00-12:00")
        clocks = {name: read[name].rjust(5, "0") for name in ("start", "end")}
        found.append(Hours(days=_days(read["days"]), **clocks))
    return found


def written(schedule: Iterable[Hours]) -> str:
    """What `parse` reads as the same hours."""
    return "; ".join(f"{','.join(hours.days)} {hours.start}-{hours.end}" for hours in schedule)


def _days(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for piece in text.split(","):
        first, dash, last = piece.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"has no day {piece[:20]!r}; days are {', '.join(DAYS)}")
        begin = DAYS.index(first)
        count = (DAYS.index(last) - begin) % 7 + 1 if dash else 1
        found += [DAYS[(begin + step) % 7] for step in range(count)]
    return tuple(dict.fromkeys(found))
