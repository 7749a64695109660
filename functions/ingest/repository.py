"""The SQL of ingest."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.scope import Scope
from functions.shared.tables import Camera


async def camera_enabled(session: AsyncSession, camera_id: str, scope: Scope) -> bool | None:
    """Whether a camera is enabled; None when there is none of that id in the scope, or it was deleted."""
    asked = select(Camera.enabled).where(
        Camera.id == camera_id, Camera.deleted_at.is_(None), scope.grouped(Camera.group_id)
    )
    found: bool | None = await session.scalar(asked)
    return found
