"""The SQL of the brake on guessing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.tables import SignInTry


async def locked(session: AsyncSession, key: str, at: datetime) -> SignInTry:
    """The row of a key, made where there is none, and kept from others till the transaction's end."""
    facts = {"key": key, "since": at, "last_at": at, "failures": 0, "strikes": 0}
    of_dialect = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    await session.execute(of_dialect(SignInTry).values(facts).on_conflict_do_nothing())
    asked = select(SignInTry).where(SignInTry.key == key).with_for_update()
    return (await session.scalars(asked)).one()


async def give_back(session: AsyncSession, key: str) -> None:
    less = case((SignInTry.failures > 0, SignInTry.failures - 1), else_=0)
    await session.execute(update(SignInTry).where(SignInTry.key == key).values(failures=less))


async def forget(session: AsyncSession, key: str) -> None:
    await session.execute(delete(SignInTry).where(SignInTry.key == key))


async def drop_before(session: AsyncSession, since: datetime) -> None:
    await session.execute(delete(SignInTry).where(SignInTry.since < since))
