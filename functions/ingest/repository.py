"""The SQL of ingest."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.scope import Scope
from functions.shared.tables import Camera


async def camera_enabled(session: AsyncSession, camera_id: str, scope: Scope) -> bool | None:
    """Whether a camera is enabled; None when there is none of that id, it was deleted or is out of scope."""
    asked = select(Camera.enabled).where(Camera.id == camera_id, Camera.deleted_at.is_(None), scope.cameras(Camera.id))
    found: bool | None = await session.scalar(asked)
    return found
