"""The SQL of `cameras`. A deleted camera keeps its row, without its address: detections go on naming its id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.tables import Camera


async def camera(session: AsyncSession, camera_id: str, *, for_update: bool = False) -> Camera | None:
    """A camera that is not deleted."""
    found = select(Camera).where(Camera.id == camera_id, Camera.deleted_at.is_(None))
    return (await session.scalars(found.with_for_update() if for_update else found)).first()


async def cameras_after(
    session: AsyncSession, camera_id: str, limit: int, *, enabled: bool | None = None, group_id: str | None = None
) -> Sequence[Camera]:
    """Cameras that are not deleted, behind an id, in the order of their ids."""
    found = select(Camera).where(Camera.id > camera_id, Camera.deleted_at.is_(None))
    if enabled is not None:
        found = found.where(Camera.enabled.is_(enabled))
    if group_id is not None:
        found = found.where(Camera.group_id == group_id)
    return (await session.scalars(found.order_by(Camera.id).limit(limit))).all()


async def living(session: AsyncSession) -> Sequence[Camera]:
    return (await session.scalars(select(Camera).where(Camera.deleted_at.is_(None)).order_by(Camera.id))).all()


async def used_ids(session: AsyncSession, prefixes: Iterable[str] = ("",)) -> set[str]:
    """Ids, of deleted cameras too, that begin with one of the prefixes."""
    found: set[str] = set()
    for prefix in set(prefixes):
        rows = await session.scalars(select(Camera.id).where(Camera.id.startswith(prefix, autoescape=True)))
        found.update(rows)
    return found


async def deleted(session: AsyncSession, camera_id: str) -> bool:
    found = select(Camera.id).where(Camera.id == camera_id, Camera.deleted_at.is_not(None))
    return (await session.scalars(found)).first() is not None
