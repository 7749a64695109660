"""The SQL of `auth`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.tables import RefreshToken, SigningKey, Table, User


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


async def retire_keys(session: AsyncSession, at: datetime) -> None:
    await session.execute(update(SigningKey).where(SigningKey.retired_at.is_(None)).values(retired_at=at))


async def drop_keys(session: AsyncSession, retired_before: datetime) -> None:
    await session.execute(delete(SigningKey).where(SigningKey.retired_at < retired_before))


async def user(session: AsyncSession, user_id: str) -> User | None:
    return await session.get(User, user_id)


async def user_named(session: AsyncSession, username: str) -> User | None:
    return (await session.scalars(select(User).where(User.username == username))).first()


async def holds(session: AsyncSession, seen: User) -> bool:
    """Whether a user is enabled and has the password seen before; a change waits till the transaction's end."""
    same = select(User.id).where(User.id == seen.id, User.password_hash == seen.password_hash, User.disabled.is_(False))
    return (await session.scalars(same.with_for_update(read=True))).first() is not None


async def users_after(session: AsyncSession, user_id: str, limit: int) -> Sequence[User]:
    return (await session.scalars(select(User).where(User.id > user_id).order_by(User.id).limit(limit))).all()


async def count_users(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(User)) or 0


async def other_active_admins(session: AsyncSession, user_id: str) -> int:
    others = select(func.count()).where(User.role == "admin", User.disabled.is_(False), User.id != user_id)
    return await session.scalar(others) or 0


async def refresh_row(session: AsyncSession, token_id: str) -> RefreshToken | None:
    return await session.get(RefreshToken, token_id)


async def use_refresh(session: AsyncSession, token_id: str, at: datetime) -> bool:
    """Mark a refresh token as used; False when it was used or revoked before. One of two at once gets True."""
    fresh = RefreshToken.used_at.is_(None) & RefreshToken.revoked_at.is_(None)
    done = await session.execute(
        update(RefreshToken).where(RefreshToken.id == token_id, fresh).values(used_at=at).returning(RefreshToken.id)
    )
    return done.first() is not None


async def revoke_family(session: AsyncSession, family: str, at: datetime) -> None:
    alive = RefreshToken.revoked_at.is_(None)
    await session.execute(
        update(RefreshToken).where(RefreshToken.family == family, alive).values(revoked_at=at)
    )  # fmt: skip


async def revoke_user(session: AsyncSession, user_id: str, at: datetime) -> None:
    alive = RefreshToken.revoked_at.is_(None)
    await session.execute(
        update(RefreshToken).where(RefreshToken.user_id == user_id, alive).values(revoked_at=at)
    )  # fmt: skip


async def drop_expired(session: AsyncSession, before: datetime) -> None:
    await session.execute(delete(RefreshToken).where(RefreshToken.expires_at < before))
