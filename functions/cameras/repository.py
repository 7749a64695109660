"""The SQL of cameras and groups. A deleted camera keeps its row, without its address: detections name its id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.tables import Camera, Group


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


async def group(session: AsyncSession, group_id: str, *, for_update: bool = False) -> Group | None:
    found = select(Group).where(Group.id == group_id)
    return (await session.scalars(found.with_for_update() if for_update else found)).first()


async def groups_after(session: AsyncSession, group_id: str, limit: int) -> Sequence[Group]:
    """Groups behind an id, in the order of their ids."""
    return (await session.scalars(select(Group).where(Group.id > group_id).order_by(Group.id).limit(limit))).all()


async def used_group_ids(session: AsyncSession, prefix: str) -> set[str]:
    return set(await session.scalars(select(Group.id).where(Group.id.startswith(prefix, autoescape=True))))


async def existing_groups(session: AsyncSession, group_ids: Iterable[str]) -> set[str]:
    """Those of the ids that are groups. In a transaction they cannot be deleted until it ends (FOR SHARE)."""
    found = select(Group.id).where(Group.id.in_(sorted(set(group_ids)))).order_by(Group.id)
    return set(await session.scalars(found.with_for_update(read=True)))


async def cameras_by_group(session: AsyncSession, group_ids: Iterable[str]) -> dict[str, int]:
    """How many cameras that are not deleted each of the groups has; a group without any is left out."""
    found = (
        select(Camera.group_id, func.count())
        .where(Camera.group_id.in_(sorted(set(group_ids))), Camera.deleted_at.is_(None))
        .group_by(Camera.group_id)
    )
    return {group_id: count for group_id, count in await session.execute(found) if group_id is not None}
