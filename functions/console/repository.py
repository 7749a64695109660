"""The console's one question to the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.tables import Detection


async def last_detection_at(session: AsyncSession) -> datetime | None:
    """When the passage that began last was last seen."""
    newest = select(Detection.ended_at).order_by(Detection.started_at.desc(), Detection.id.desc()).limit(1)
    found: datetime | None = await session.scalar(newest)
    return found
