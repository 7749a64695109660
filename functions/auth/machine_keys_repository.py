"""The SQL of API keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.tables import ApiKey, ApiKeyGroup, User, UserGroup


async def key(session: AsyncSession, key_id: str) -> ApiKey | None:
    return await session.get(ApiKey, key_id, with_for_update=True)


async def keys_after(
    session: AsyncSession, user_id: str | None, key_id: str, limit: int
) -> Sequence[tuple[ApiKey, User]]:
    """Keys with their users, by id, behind one."""
    asked = select(ApiKey, User).join(User, User.id == ApiKey.user_id).where(ApiKey.id > key_id)
    if user_id is not None:
        asked = asked.where(ApiKey.user_id == user_id)
    return [(row.ApiKey, row.User) for row in await session.execute(asked.order_by(ApiKey.id).limit(limit))]


async def groups_of_keys(session: AsyncSession, key_ids: Iterable[str]) -> Mapping[str, list[str]]:
    """The groups of each key that has some, by id."""
    found: dict[str, list[str]] = {}
    for row in await session.scalars(select(ApiKeyGroup).where(ApiKeyGroup.key_id.in_(list(key_ids)))):
        found.setdefault(row.key_id, []).append(row.group_id)
    return found


async def set_groups(session: AsyncSession, key_id: str, group_ids: Iterable[str]) -> None:
    session.add_all(ApiKeyGroup(key_id=key_id, group_id=group_id) for group_id in sorted(set(group_ids)))
    await session.flush()


async def groups_of_user(session: AsyncSession, user: User) -> set[str] | None:
    """The groups that a user sees; None: every camera."""
    if user.all_groups:
        return None
    return set(await session.scalars(select(UserGroup.group_id).where(UserGroup.user_id == user.id)))
