"""The SQL of who had a sighting in hand, of the audit log."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.tables import AuditRow

EXPORT = "detections.export"


async def acts_on(session: AsyncSession, detection_id: str, plate: str | None, limit: int) -> list[AuditRow]:
    """Acts whose subject is the sighting, and reveals of it, the newest; in order of time."""
    table = AuditRow
    mine = table.subject == detection_id
    # A reveal is kept under the plate that it showed.
    revealed = (table.action == "detections.reveal") & (table.subject == (plate or ""))
    asked = select(table).where(or_(mine, revealed)).order_by(table.seq.desc()).limit(limit)
    found = [row for row in await session.scalars(asked) if _is_about(row, detection_id)]
    return found[::-1]


def _is_about(row: AuditRow, detection_id: str) -> bool:
    return bool(row.subject == detection_id or row.details.get("detection_id") == detection_id)


async def exports_since(session: AsyncSession, at: datetime, limit: int) -> list[AuditRow]:
    """Exports that were made at or after a time, the newest first."""
    table = AuditRow
    asked = select(table).where(table.action == EXPORT, table.at >= at)
    return list(await session.scalars(asked.order_by(table.seq.desc()).limit(limit)))
