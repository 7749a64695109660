"""The SQL of cameras and groups. A deleted camera keeps its row, without its address: detections name its id.

What a person asks is narrowed by their scope here, so that no rule above can forget it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.scope import EVERYTHING, Scope
from functions.shared.tables import Camera, Group


@dataclass(frozen=True)
class Narrow:
    """Which cameras a list has, as far as SQL can say."""

    scope: Scope
    enabled: bool | None = None
    group_id: str | None = None
    deleted: bool = False


def _cameras(scope: Scope, *, deleted: bool = False) -> Select[Camera]:
    there = Camera.deleted_at.is_not(None) if deleted else Camera.deleted_at.is_(None)
    return select(Camera).where(there, scope.grouped(Camera.group_id))


async def camera(
    session: AsyncSession, camera_id: str, scope: Scope, *, for_update: bool = False, deleted: bool = False
) -> Camera | None:
    """A camera of the scope that is there; with `deleted` one that was taken out."""
    found = _cameras(scope, deleted=deleted).where(Camera.id == camera_id)
    return (await session.scalars(found.with_for_update() if for_update else found)).first()


async def cameras_after(session: AsyncSession, camera_id: str, limit: int, narrow: Narrow) -> Sequence[Camera]:
    """Cameras behind an id, in the order of their ids."""
    found = _cameras(narrow.scope, deleted=narrow.deleted).where(Camera.id > camera_id)
    if narrow.enabled is not None:
        found = found.where(Camera.enabled.is_(narrow.enabled))
    if narrow.group_id is not None:
        found = found.where(Camera.group_id == narrow.group_id)
    return (await session.scalars(found.order_by(Camera.id).limit(limit))).all()


async def living(session: AsyncSession, scope: Scope = EVERYTHING) -> Sequence[Camera]:
    return (await session.scalars(_cameras(scope).order_by(Camera.id))).all()


async def locked(session: AsyncSession, camera_ids: Iterable[str], scope: Scope) -> dict[str, Camera]:
    """Those of the cameras that are there and in the scope, kept from others' changes until the commit."""
    found = _cameras(scope).where(Camera.id.in_(sorted(set(camera_ids)))).order_by(Camera.id)
    return {row.id: row for row in await session.scalars(found.with_for_update())}


async def used_ids(session: AsyncSession, prefixes: Iterable[str] = ("",)) -> set[str]:
    """Ids, of deleted cameras too, that begin with one of the prefixes. Of no scope: an id is given once."""
    found: set[str] = set()
    for prefix in set(prefixes):
        rows = await session.scalars(select(Camera.id).where(Camera.id.startswith(prefix, autoescape=True)))
        found.update(rows)
    return found


async def deleted(session: AsyncSession, camera_id: str) -> bool:
    found = select(Camera.id).where(Camera.id == camera_id, Camera.deleted_at.is_not(None))
    return (await session.scalars(found)).first() is not None


async def group(session: AsyncSession, group_id: str, scope: Scope, *, for_update: bool = False) -> Group | None:
    found = select(Group).where(Group.id == group_id, scope.grouped(Group.id))
    return (await session.scalars(found.with_for_update() if for_update else found)).first()


async def groups_after(session: AsyncSession, group_id: str, limit: int, scope: Scope) -> Sequence[Group]:
    """Groups behind an id, in the order of their ids."""
    found = select(Group).where(Group.id > group_id, scope.grouped(Group.id)).order_by(Group.id).limit(limit)
    return (await session.scalars(found)).all()


async def used_group_ids(session: AsyncSession, prefix: str) -> set[str]:
    """Ids of groups, and of groups that are gone but whose deleted cameras still have them, that begin so."""
    own = select(Group.id).where(Group.id.startswith(prefix, autoescape=True))
    kept = select(Camera.group_id).where(Camera.group_id.startswith(prefix, autoescape=True))
    return {found for found in (*await session.scalars(own), *await session.scalars(kept)) if found is not None}


async def groups_of_cameras(session: AsyncSession, group_ids: Iterable[str]) -> set[str]:
    """Those of the ids that a camera has, also one that was deleted."""
    found = select(Camera.group_id).where(Camera.group_id.in_(sorted(set(group_ids)))).distinct()
    return {group_id for group_id in await session.scalars(found) if group_id is not None}


async def existing_groups(session: AsyncSession, group_ids: Iterable[str], scope: Scope) -> set[str]:
    """Those of the ids that are groups of the scope. In a transaction they cannot be deleted until it ends."""
    wanted = Group.id.in_(sorted(set(group_ids)))
    found = select(Group.id).where(wanted, scope.grouped(Group.id)).order_by(Group.id)
    return set(await session.scalars(found.with_for_update(read=True)))


async def cameras_by_group(session: AsyncSession, group_ids: Iterable[str]) -> dict[str, int]:
    """How many cameras that are not deleted each of the groups has; a group without any is left out."""
    found = (
        select(Camera.group_id, func.count())
        .where(Camera.group_id.in_(sorted(set(group_ids))), Camera.deleted_at.is_(None))
        .group_by(Camera.group_id)
    )
    return {group_id: count for group_id, count in await session.execute(found) if group_id is not None}
