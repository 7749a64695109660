"""What follows from an answer: delivered, tried again and when, given up, or the endpoint disabled. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

from functions.shared.outbound import Answer

# Standard Webhooks' example schedule: the pause before each try, s. 75.6 hours in all.
SCHEDULE_S = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1
LONGEST_HOLD_S = 86_400.0
GONE = 410
# Answers by which a receiver asks for less: with Retry-After they hold everything back that waits for it.
_OVERLOADED = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Verdict:
    """`next_at` where it is tried again, `hold_until` where the endpoint asks to be left alone, `gone` for a 410."""

    state: Literal["delivered", "pending", "dead"]
    next_at: datetime | None = None
    hold_until: datetime | None = None
    gone: bool = False


def verdict(answer: Answer, tries: int, at: datetime, chance: float | None = None) -> Verdict:
    """`tries` counts this one; `chance` 0..1 places the pause within its jitter (None: at random)."""
    if answer.ok:
        return Verdict("delivered")
    if answer.status == GONE:
        return Verdict("dead", gone=True)
    asked = retry_after(answer.headers, at)
    hold = at + timedelta(seconds=asked) if asked is not None and answer.status in _OVERLOADED else None
    if tries >= len(SCHEDULE_S):
        return Verdict("dead", hold_until=hold)
    pause = max(jittered(SCHEDULE_S[tries], chance), asked or 0.0)
    return Verdict("pending", at + timedelta(seconds=pause), hold)


def jittered(seconds: float, chance: float | None = None) -> float:
    """Within a tenth of what the schedule says, so that what failed at once does not come back at once."""
    part = random.random() if chance is None else chance
    return seconds * (1 - JITTER + 2 * JITTER * part)


def retry_after(headers: Mapping[str, str], at: datetime) -> float | None:
    """Seconds that a receiver asks to wait (RFC 9110, 10.2.3: a number, or a date), at the most a day."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_HOLD_S)
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max(0.0, (when - at).total_seconds()), LONGEST_HOLD_S)
