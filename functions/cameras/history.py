"""How one camera fared over a time: its spans, and the share of the time in which it could see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from functions.cameras import span_rows
from functions.cameras.schemas import History, HistoryQuery, Span
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import InvalidInput
from functions.shared.tables import Camera, CameraSpan

LONGEST = timedelta(days=92)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
SEEN = ("online", "degraded")


async def history(context: Context, camera: Camera, query: HistoryQuery) -> History:
    """Of a camera that the caller may see. Raises InvalidInput for a time that is none, or longer than LONGEST."""
    at = now()
    for name, moment in (("to", query.until), ("from", query.since)):
        if moment is not None and moment < EARLIEST:
            raise InvalidInput(f"{name} lies before {EARLIEST.year}, when there was nothing to see", field=name)
    until = min(query.until or at, at)
    since = query.since or until - timedelta(days=1)
    if since >= until:
        raise InvalidInput("from must be before to, and in the past", field="from")
    if until - since > LONGEST:
        raise InvalidInput(f"the time is longer than {LONGEST.days} days; ask for parts of it", field="from")
    async with context.db.read() as session:
        rows = await span_rows.between(session, camera.id, since, until)
    # Before it was registered nothing was to be seen.
    began = min(max(since, camera.created_at), until)
    spans = [span for row in rows if (span := _cut(row, began, until)) is not None]
    seen, off = _seconds(spans, until, *SEEN), _seconds(spans, until, "disabled")
    whole = (until - began).total_seconds()
    wanted = whole - off
    return History(
        camera_id=camera.id, since=since, until=until, spans=spans, seen_s=round(seen, 3),
        disabled_s=round(off, 3), blind_s=round(max(0.0, wanted - seen), 3),
        uptime=round(min(1.0, seen / wanted), 5) if wanted > 0 else None,
    )  # fmt: skip


def seconds_of(rows: Sequence[CameraSpan], since: datetime, until: datetime, *states: str) -> float:
    """How long the spans, cut to a time, were in one of the states."""
    return _seconds([span for row in rows if (span := _cut(row, since, until)) is not None], until, *states)


def _cut(row: CameraSpan, since: datetime, until: datetime) -> Span | None:
    """The part of a span within the time; it lasts (`ended_at` null) only where it truly does."""
    started = max(row.started_at, since)
    ended = row.ended_at if row.ended_at is None or row.ended_at <= until else until
    if started >= (ended or until):
        return None
    return Span.model_validate(
        {"state": row.state, "reason_code": row.reason_code, "started_at": started, "ended_at": ended}
    )


def _seconds(spans: list[Span], until: datetime, *states: str) -> float:
    return sum(
        ((span.ended_at or until) - span.started_at).total_seconds() for span in spans if span.state in states
    )  # fmt: skip
