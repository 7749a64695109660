"""The SQL of `auth`: users, their sessions, the keys that sign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.tables import Group, RefreshToken, SigningKey, Table, User, UserGroup, UserSession


async def lock(session: AsyncSession, table: type[Table]) -> None:
    """Keep other writers off a table till the transaction's end, where a rule spans rows. SQLite has one writer."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text(f"LOCK TABLE {table.__tablename__} IN SHARE ROW EXCLUSIVE MODE"))


async def signing_key(session: AsyncSession) -> SigningKey | None:
    """The key that signs: the newest that is not retired."""
    active = select(SigningKey).where(SigningKey.retired_at.is_(None))
    return (await session.scalars(active.order_by(SigningKey.created_at.desc(), SigningKey.kid).limit(1))).first()


async def signing_keys(session: AsyncSession) -> Sequence[SigningKey]:
    return (await session.scalars(select(SigningKey).order_by(SigningKey.created_at.desc()))).all()


async def valid_keys(session: AsyncSession, at: datetime) -> Sequence[SigningKey]:
    """The key that signs and those whose tokens are not yet over, the newest first."""
    valid = or_(SigningKey.expires_at.is_(None), SigningKey.expires_at > at)
    return (await session.scalars(select(SigningKey).where(valid).order_by(SigningKey.created_at.desc()))).all()


async def retire_keys(session: AsyncSession, at: datetime, expires_at: datetime) -> None:
    await session.execute(update(SigningKey).where(SigningKey.retired_at.is_(None)).values(retired_at=at))
    await session.execute(update(SigningKey).where(SigningKey.expires_at.is_(None)).values(expires_at=expires_at))


async def drop_keys(session: AsyncSession, over_at: datetime | None) -> None:
    """Drop the retired keys that are over at a time; None: every retired one, whatever it signed."""
    gone = SigningKey.retired_at.is_not(None) if over_at is None else SigningKey.expires_at <= over_at
    await session.execute(delete(SigningKey).where(gone))


async def user(session: AsyncSession, user_id: str) -> User | None:
    return await session.get(User, user_id)


async def user_named(session: AsyncSession, username: str) -> User | None:
    return (await session.scalars(select(User).where(User.username == username))).first()


async def user_of_oidc(session: AsyncSession, issuer: str, subject: str) -> User | None:
    asked = select(User).where(User.oidc_issuer == issuer, User.oidc_subject == subject)
    return (await session.scalars(asked)).first()


async def holds(session: AsyncSession, seen: User) -> bool:
    """Whether a user is enabled and has the password seen before; a change waits till the transaction's end."""
    same = select(User.id).where(User.id == seen.id, User.password_hash == seen.password_hash, User.disabled.is_(False))
    return (await session.scalars(same.with_for_update(read=True))).first() is not None


async def users_after(session: AsyncSession, user_id: str, limit: int) -> Sequence[User]:
    return (await session.scalars(select(User).where(User.id > user_id).order_by(User.id).limit(limit))).all()


async def count_users(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(User)) or 0


async def other_active_admins(session: AsyncSession, user_id: str, active_since: datetime | None = None) -> int:
    """Admins besides one who are enabled; with `active_since` those that are not locked for want of use."""
    others = select(func.count()).where(User.role == "admin", User.disabled.is_(False), User.id != user_id)
    if active_since is not None:
        others = others.where(func.coalesce(User.active_at, User.created_at) >= active_since)
    return await session.scalar(others) or 0


async def groups_of(session: AsyncSession, user_ids: Iterable[str]) -> Mapping[str, list[str]]:
    """The groups of each user that has some, by id."""
    found: dict[str, list[str]] = {}
    asked = select(UserGroup).where(UserGroup.user_id.in_(list(user_ids))).order_by(UserGroup.group_id)
    for row in await session.scalars(asked):
        found.setdefault(row.user_id, []).append(row.group_id)
    return found


async def set_groups(session: AsyncSession, user_id: str, group_ids: Iterable[str]) -> None:
    await session.execute(delete(UserGroup).where(UserGroup.user_id == user_id))
    session.add_all(UserGroup(user_id=user_id, group_id=group_id) for group_id in sorted(set(group_ids)))
    await session.flush()


async def groups_there(session: AsyncSession, group_ids: Iterable[str]) -> set[str]:
    """Those of the ids that are groups."""
    return set(await session.scalars(select(Group.id).where(Group.id.in_(list(group_ids)))))


async def refresh_row(session: AsyncSession, token_id: str) -> RefreshToken | None:
    return await session.get(RefreshToken, token_id)


async def use_refresh(session: AsyncSession, token_id: str, at: datetime) -> bool:
    """Mark a refresh token as used; False when it was used before. One of two at once gets True."""
    done = await session.execute(
        update(RefreshToken)
        .where(RefreshToken.id == token_id, RefreshToken.used_at.is_(None))
        .values(used_at=at)
        .returning(RefreshToken.id)
    )
    return done.first() is not None


async def session_row(session: AsyncSession, session_id: str) -> UserSession | None:
    return await session.get(UserSession, session_id)


async def renew_session(session: AsyncSession, session_id: str, at: datetime, expires_at: datetime) -> bool:
    """Note that a session goes on; False where it has ended."""
    done = await session.execute(
        update(UserSession)
        .where(UserSession.id == session_id, UserSession.ended_at.is_(None))
        .values(seen_at=at, expires_at=expires_at)
        .returning(UserSession.id)
    )
    return done.first() is not None


async def sessions_of(session: AsyncSession, user_id: str, at: datetime) -> Sequence[UserSession]:
    """The sessions of a user that hold, the last seen first."""
    alive = (UserSession.user_id == user_id) & UserSession.ended_at.is_(None) & (UserSession.expires_at > at)
    return (await session.scalars(select(UserSession).where(alive).order_by(UserSession.seen_at.desc()))).all()


async def end_session(session: AsyncSession, session_id: str, at: datetime) -> bool:
    """End a session; False when it had ended."""
    done = await session.execute(
        update(UserSession)
        .where(UserSession.id == session_id, UserSession.ended_at.is_(None))
        .values(ended_at=at)
        .returning(UserSession.id)
    )
    return done.first() is not None


async def end_sessions_of(session: AsyncSession, user_id: str, at: datetime, but: str | None = None) -> int:
    """End the sessions of a user, but for one; returns how many."""
    ended = update(UserSession).where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
    if but is not None:
        ended = ended.where(UserSession.id != but)
    return len((await session.execute(ended.values(ended_at=at).returning(UserSession.id))).all())


async def knows_network(session: AsyncSession, username: str, network: str, since: datetime) -> bool:
    """Whether a user has signed in from a network since a time."""
    asked = (
        select(UserSession.id)
        .join(User, User.id == UserSession.user_id)
        .where(User.username == username, UserSession.network == network, UserSession.created_at > since)
    )
    return (await session.scalars(asked.limit(1))).first() is not None


async def drop_expired(session: AsyncSession, tokens_before: datetime, sessions_before: datetime) -> None:
    await session.execute(delete(RefreshToken).where(RefreshToken.expires_at < tokens_before))
    await session.execute(delete(UserSession).where(UserSession.expires_at < sessions_before))
