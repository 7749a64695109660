"""What legal holds keep of the log of who did what."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import ColumnElement, Text, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.retention.due import in_force
from functions.shared.contracts import now
from functions.shared.tables import AuditRow, LegalHold


async def first_named(session: AsyncSession, cutoff: datetime) -> int | None:
    """The number of the first row older than a time that a hold in force names; None where there is none."""
    names = sorted({
        name for hold in await session.scalars(select(LegalHold).where(in_force(now()))) for name in _names(hold)
    })  # fmt: skip
    if not names:
        return None
    found: int | None = await session.scalar(
        select(func.min(AuditRow.seq)).where(AuditRow.at < cutoff, _about(names))
    )  # fmt: skip
    return found


def _names(hold: LegalHold) -> set[str]:
    """A camera stands for the hold only where nothing closer does: else all that was ever done about it were kept."""
    near = {name for name in (hold.plate, hold.twin, hold.detection_id) if name}
    return near or {name for name in (hold.camera_id,) if name}


def _about(names: list[str]) -> ColumnElement[bool]:
    details = cast(AuditRow.details, Text)
    said = [details.contains(json.dumps(name), autoescape=True) for name in names]
    return or_(AuditRow.subject.in_(names), *said)
