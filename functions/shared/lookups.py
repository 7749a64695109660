"""How much one person looks up: counted with each audit row, so that many processes count together.

A look-up counts once, and once more for each further `PLATES_OF_ONE` plates that it showed. Windows slide by spans of
five minutes. A list is a look-up where somebody chose what it shows; the newest few of all are the live page's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from prometheus_client import Counter
from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared import logs
from functions.shared.config import FunctionSettings
from functions.shared.contracts import now
from functions.shared.errors import Throttled
from functions.shared.tables import AuditRow, LookupCount

log = logs.get("lookups")
ALARM = "privacy.bulk_lookups"
# Acts by which a person learns where a vehicle was.
ACTIONS = frozenset({
    "detections.search", "detections.show", "detections.route", "detections.companions", "detections.export",
    "detections.evidence", "detections.reveal", "detections.replay", "corrections.search", "privacy.report",
    "hotlists.preview", "hotlists.entries", "hotlists.export_entries", "alerts.search",
})  # fmt: skip
PLATES_OF_ONE = 20
# Rows of a list that nobody narrowed, as pages ask for them by themselves, again and again.
NEWEST = 50
SPAN = timedelta(minutes=5)
# Under which `AsyncSession.info` keeps the limits (`Database.open`).
INFO = "lookup_limits"
REFUSED = Counter("gtv_lookups_refused_total", "Look-ups refused since somebody was over the limit")
ALARMS = Counter("gtv_bulk_lookup_alarms_total", "Alarms on bulk look-ups", ["window"])
Window = Literal["hour", "day"]
WINDOWS: tuple[tuple[Window, timedelta], ...] = (("hour", timedelta(hours=1)), ("day", timedelta(days=1)))


_A: dict[Window, str] = {"hour": "an hour", "day": "a day"}


@dataclass(frozen=True)
class Limits:
    """Look-ups by window above which there is an alarm, 0 for none; `stop`: more are refused."""

    hour: int = 0
    day: int = 0
    stop: bool = False

    @classmethod
    def of(cls, settings: FunctionSettings) -> Limits:
        return cls(settings.bulk_lookups_hour, settings.bulk_lookups_day, settings.bulk_lookups_stop)

    def of_window(self, window: Window) -> int:
        return self.hour if window == "hour" else self.day


@dataclass(frozen=True)
class Over:
    user_id: str
    username: str
    window: Window
    lookups: int
    limit: int


def weight(plates: Any) -> int:
    """What a look-up that showed so many plates counts."""
    shown = plates if isinstance(plates, int) and not isinstance(plates, bool) else 1
    return max(1, math.ceil(shown / PLATES_OF_ONE))


def is_lookup(rows: int, plates: int, *, narrowed: bool, newest: int = NEWEST) -> bool:
    """Whether a list that showed so many rows, with so many plates, has to be recorded.

    `narrowed`: by a time, a camera, any filter, or a cursor; whoever may choose them can step over all there is.
    `newest`: rows that a page of the console asks for by itself.

    >>> is_lookup(50, 44, narrowed=False), is_lookup(51, 44, narrowed=False), is_lookup(1, 1, narrowed=True)
    (False, True, True)
    >>> is_lookup(200, 0, narrowed=True)
    False
    """
    return plates > 0 and (narrowed or rows > newest)


def bucket_of(at: datetime) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // SPAN.total_seconds() * SPAN.total_seconds(), UTC)


async def count(session: AsyncSession, user_id: str, username: str, plates: Any) -> list[Over]:
    """Count a look-up; the windows whose limit it crossed and that nobody was told of yet.

    To be called while the head of the audit log is held: then nobody else counts. Raises Throttled where the person
    is over a limit already and look-ups are to stop.
    """
    limits: Limits = session.info.get(INFO, Limits())
    at = now()
    before = await totals(session, user_id, at)
    if limits.stop:
        await _require_room(session, user_id, limits, at, before)
    row = await session.get(LookupCount, (user_id, bucket_of(at)))
    if row is None:
        row = LookupCount(user_id=user_id, bucket=bucket_of(at), username=username, lookups=0)
        session.add(row)
    row.lookups += weight(plates)
    await session.flush()
    after = {window: counted + weight(plates) for window, counted in before.items()}
    return [
        over for window, span in WINDOWS if (over := await _crossed(session, row, (window, span), limits, after, at))
    ]


async def totals(session: AsyncSession, user_id: str, at: datetime) -> dict[Window, int]:
    """Look-ups of one person by window, in one question: everybody else's wait for the log's head meanwhile."""
    # A span that began before the window counts as a whole.
    table = LookupCount
    of_windows = [func.sum(case((table.bucket > at - span - SPAN, table.lookups), else_=0)) for _, span in WINDOWS]
    longest = max(span for _, span in WINDOWS)
    asked = select(*of_windows).where(table.user_id == user_id, table.bucket > at - longest - SPAN)
    found = (await session.execute(asked)).one()
    return {window: int(counted or 0) for (window, _), counted in zip(WINDOWS, found, strict=True)}


async def _crossed(
    session: AsyncSession, row: LookupCount, of: tuple[Window, timedelta], limits: Limits, after: dict[Window, int],
    at: datetime,
) -> Over | None:  # fmt: skip
    window, span = of
    limit, looked_up = limits.of_window(window), after[window]
    if not limit or looked_up <= limit or await _told(session, row.user_id, window, at - span):
        return None
    ALARMS.labels(window).inc()
    return Over(row.user_id, row.username, window, looked_up, limit)


async def _told(session: AsyncSession, user_id: str, window: Window, since: datetime) -> bool:
    asked = select(AuditRow.details).where(
        AuditRow.action == ALARM, AuditRow.subject == user_id, AuditRow.at > since
    )  # fmt: skip
    return any(details.get("window") == window for details in await session.scalars(asked))


async def _require_room(
    session: AsyncSession, user_id: str, limits: Limits, at: datetime, before: dict[Window, int]
) -> None:
    for window, span in WINDOWS:
        limit = limits.of_window(window)
        if not limit or before[window] <= limit:
            continue
        first = await session.scalar(
            select(func.min(LookupCount.bucket)).where(
                LookupCount.user_id == user_id, LookupCount.bucket > at - span - SPAN
            )
        )
        wait = max(60, math.ceil(((first or at) + span + SPAN - at).total_seconds()))
        REFUSED.inc()
        log.warning("lookup_refused", user_id=user_id, window=window, limit=limit)
        raise Throttled(
            f"you are over the {limit} look-ups that one person may make in {_A[window]}",
            retry_after=wait, window=window, limit=limit,
            mend="wait, or ask an administrator to allow you more (gtvision privacy allow)",
        )  # fmt: skip
