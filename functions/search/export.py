"""A list of detections as CSV, written while it is read."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from functions.search import cursors, listed, looking, service
from functions.search.filters import Filters
from functions.search.looking import Look
from functions.search.plates import normalised
from functions.search.repository import Found
from functions.search.schemas import ExportQuery
from functions.shared import masking
from functions.shared.context import Context
from functions.shared.tokens import Principal

COLUMNS = (
    "id", "started_at", "ended_at", "camera_id", "camera_name", "plate", "score", "plate_read", "plate_confidence",
    "plate_format", "uncertain", "corrected", "type", "type_confidence", "color", "color_confidence", "direction",
)  # fmt: skip
_PAGE = 500
# A spreadsheet runs what begins so.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Export:
    """`rows` come out; `more`: there are further ones than the limit let through."""

    text: AsyncIterator[str]
    rows: int
    more: bool


async def export(context: Context, query: ExportQuery, who: Principal) -> Export:
    """What the same question to the list would show. Raises InvalidInput, NotFound, Forbidden.

    The row in the audit log says how many rows and plates go out, so they are counted before the first does.
    """
    look = looking.look_of(context, who, query.reason, by_plate=True)
    filters = service.filters_of(context, query, look)
    rows, plates = 0, set[str]()
    async with context.db.read() as session:
        filters = await listed.narrowed(context, session, query, filters, look)
        async for found in _pages(session, query, filters, query.limit + 1):
            rows += len(found)
            plates.update(each.detection.plate for each in found if each.detection.plate is not None)
    more, rows = rows > query.limit, min(rows, query.limit)
    subject = normalised(query.plate) if query.plate is not None else ""
    details = {**service.asked_of(query), "count": rows, "plates": len(plates)}
    if who.scope.groups is not None:
        details["groups"] = sorted(who.scope.groups)
    await looking.record(context, look, "detections.export", subject, details)
    return Export(_text(context, query, filters, look), rows, more)


async def _text(context: Context, query: ExportQuery, filters: Filters, look: Look) -> AsyncIterator[str]:
    yield _line(COLUMNS)
    hidden = look.hides(context)
    async with context.db.read() as session:
        async for found in _pages(session, query, filters, query.limit):
            yield "".join(_line(_row(each, hidden=hidden)) for each in found)


async def _pages(
    session: AsyncSession, query: ExportQuery, filters: Filters, limit: int
) -> AsyncIterator[Sequence[Found]]:
    behind: cursors.Position | None = None
    while limit > 0:
        wanted = min(limit, _PAGE)
        found = await service.rows_of(session, query, filters, behind, wanted)
        yield found
        # Rows of earlier pages are not kept in memory.
        session.expunge_all()
        if len(found) < wanted:
            return
        limit -= wanted
        last = found[-1]
        behind = cursors.Position(last.detection.started_at, last.detection.id, last.score)


def _row(found: Found, *, hidden: bool) -> list[object]:
    row = found.detection
    plate, read = row.plate, service.plate_read(row)
    if hidden:
        plate, read = masking.masked(plate), masking.masked(read)
    return [
        row.id, row.started_at.isoformat().replace("+00:00", "Z"), row.ended_at.isoformat().replace("+00:00", "Z"),
        row.camera_id, found.camera_name, plate, None if found.score is None else found.score / 1000, read,
        row.plate_confidence, row.plate_format, row.uncertain, row.corrected, row.vehicle_type, row.vehicle_confidence,
        row.color, row.color_confidence, row.direction,
    ]  # fmt: skip


def _line(values: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([cell(value) for value in values])
    return text.getvalue()


def cell(value: object) -> str:
    """A value as CSV has it; what a spreadsheet would run as a formula is made text by an apostrophe.

    >>> cell("=1+1"), cell(True), cell(None), cell(0.5)
    ("'=1+1", 'true', '', '0.5')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not isinstance(value, int | float) else text
