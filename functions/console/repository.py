"""The console's questions to the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.scope import Scope
from functions.shared.tables import Camera, Detection


async def last_detection_at(session: AsyncSession, scope: Scope) -> datetime | None:
    """When the passage that began last before a camera of the scope was last seen."""
    seen = select(Detection.ended_at).where(scope.cameras(Detection.camera_id))
    newest = seen.order_by(Detection.started_at.desc(), Detection.id.desc()).limit(1)
    found: datetime | None = await session.scalar(newest)
    return found


async def cameras_of(session: AsyncSession, scope: Scope) -> frozenset[str]:
    """The ids of the cameras of a scope, those that were deleted too."""
    return frozenset(await session.scalars(select(Camera.id).where(scope.cameras(Camera.id))))
