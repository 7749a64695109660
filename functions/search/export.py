"""A list of detections as CSV, made whole before it goes out: its hash is in the audit log before anybody has it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from functions.search import blindness, cursors, listed, looking, service
from functions.search.filters import Filters
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
# What the audit row of an export has besides the question.
NOT_ASKED = frozenset({"count", "plates", "groups", "sha256", "blind", "blind_window", "hotlists_whole"})
# A spreadsheet runs what begins so.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Export:
    """`data` is UTF-8 with `rows` lines behind its head; `more`: there are further ones than the limit let through.
    `blind`: how many times the asked cameras did not see, `blind_more` of more that were not counted."""

    data: bytes
    rows: int
    more: bool
    blind: int
    blind_more: bool
    hotlists_whole: bool | None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


async def export(context: Context, query: ExportQuery, who: Principal) -> Export:
    """What the same question to the list would show. Raises InvalidInput, NotFound, Forbidden.

    The row in the audit log says how many rows and plates go out, the file's SHA-256, and when the asked cameras did
    not see: no row of these times is no sign that nobody passed.
    """
    look = looking.look_of(context, who, query.reason, by_plate=True)
    filters = service.filters_of(context, query, look)
    text, plates, rows = io.StringIO(), set[str](), 0
    lines = csv.writer(text)
    lines.writerow(COLUMNS)
    async with context.db.read() as session:
        filters = await listed.narrowed(context, session, query, filters, look)
        told = await blindness.over(session, filters, query.start, query.end)
        async for found in _pages(session, query, filters, query.limit + 1):
            shown = found[: query.limit - rows]
            lines.writerows([cell(value) for value in _row(each, hidden=look.hides(context))] for each in shown)
            plates.update(each.detection.plate for each in shown if each.detection.plate is not None)
            more, rows = len(found) > len(shown), rows + len(shown)
    made = Export(
        text.getvalue().encode(), rows, more, len(told["blind"]), told["blind_window"].more, listed.whole_of(filters)
    )  # fmt: skip
    subject = normalised(query.plate) if query.plate is not None else ""
    details = {**service.asked_of(query), "count": rows, "plates": len(plates), **_of_file(made, told)}
    if who.scope.groups is not None:
        details["groups"] = sorted(who.scope.groups)
    await looking.record(context, look, "detections.export", subject, details)
    return made


def _of_file(made: Export, told: dict[str, Any]) -> dict[str, Any]:
    """What the audit log says of the file (`NOT_ASKED`)."""
    window = told["blind_window"].model_dump(mode="json")
    times = [each.model_dump(mode="json", exclude={"camera_name"}) for each in told["blind"]]
    lists = {} if made.hotlists_whole is None else {"hotlists_whole": made.hotlists_whole}
    return {"sha256": made.sha256, "blind": times, "blind_window": window, **lists}


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
