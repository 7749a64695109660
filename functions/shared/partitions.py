"""The days of the table `detections` on PostgreSQL: a partition each, made ahead; empty ones of the past go.

The key of the partitions is the id, which begins with the time it was made (`contracts.new_id`): a row is found by
its id in one partition, and what refers to it needs no second column. A row of no such time is in the default one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared import logs
from functions.shared.context import Context
from functions.shared.contracts import least_id, now
from functions.shared.db import Database
from functions.shared.errors import GTVisionError
from functions.shared.tasks import end

log = logs.get("partitions")
TABLE, DEFAULT = "detections", "detections_default"
# No passage starts later than this after its id was made: readers refuse frames from more than a minute ahead.
SKEW = timedelta(days=1)
AHEAD = timedelta(days=14)
# Frames of the past may still be handed in, so that a day just gone may yet get rows.
KEPT_EMPTY = timedelta(days=3)
EVERY_S = 6 * 3600.0
_LOCK = 0x677477
_DAY = timedelta(days=1)


def name_of(day: datetime) -> str:
    """
    >>> name_of(datetime(2026, 5, 4, tzinfo=UTC))
    'detections_p20260504'
    """
    return f"{TABLE}_p{day:%Y%m%d}"


def day_of(name: str) -> datetime | None:
    """The day of a partition; None for the default one."""
    try:
        return datetime.strptime(name, f"{TABLE}_p%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None


async def ensure(db: Database, at: datetime | None = None) -> list[str]:
    """Make the partitions of the days ahead of `at` that are missing, drop empty ones of the past; the names of both.

    Any number of processes may do it at once. Nothing is done on SQLite, nor where the table is not partitioned.
    """
    if db.dialect != "postgresql":
        return []
    today = (at or now()).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    wanted = [today + number * _DAY for number in range(AHEAD.days)]
    async with db.read() as session:
        held = await _held(session)
    past = [name for name in held if (day := day_of(name)) is not None and day < today - KEPT_EMPTY]
    if not held:
        return []
    missing = [day for day in wanted if name_of(day) not in held]
    changed = [name_of(day) for day in missing if await _make(db, day)]
    return changed + [name for name in past if await _drop(db, name)]


async def _held(session: AsyncSession) -> set[str]:
    """Names of the partitions; none where the table is a plain one, or not there."""
    asked = "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    found = await session.scalars(text(asked + "WHERE i.inhparent = to_regclass(:name)"), {"name": TABLE})
    return set(found)


async def _make(db: Database, day: datetime) -> bool:
    low, high = least_id(day), least_id(day + _DAY)
    async with db.transaction() as session:
        await _alone(session)
        if name_of(day) in await _held(session):
            return False
        stray = await session.scalar(
            text(f"SELECT 1 FROM {DEFAULT} WHERE id >= :low AND id < :high LIMIT 1"), {"low": low, "high": high}
        )
        if stray:
            # Moving them would need every row that refers to them; they are found where they are.
            log.warning("partition_not_made", day=f"{day:%Y-%m-%d}", reason="rows of that day are in the default one")
            return False
        bounds = f"FROM ('{low}') TO ('{high}')"
        await session.execute(text(f"CREATE TABLE {name_of(day)} PARTITION OF {TABLE} FOR VALUES {bounds}"))
    return True


async def _drop(db: Database, name: str) -> bool:
    async with db.transaction() as session:
        await _alone(session)
        if name not in await _held(session) or await _filled(session, name):
            return False
        await session.execute(text(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE"))
        if await _filled(session, name):
            return False
        await session.execute(text(f"ALTER TABLE {TABLE} DETACH PARTITION {name}"))
        await session.execute(text(f"DROP TABLE {name}"))
    return True


async def _filled(session: AsyncSession, name: str) -> bool:
    return bool(await session.scalar(text(f"SELECT 1 FROM {name} LIMIT 1")))


async def _alone(session: AsyncSession) -> None:
    """One process at a time; and rather not now than behind a long question, with everybody else waiting in line."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    await session.execute(text("SET LOCAL lock_timeout = '3s'"))


async def keep(db: Database) -> None:
    """`ensure`, where a failure is told and no more: without its own partition a row goes to the default one."""
    try:
        changed = await ensure(db)
        if changed:
            log.info("partitions_changed", names=changed)
    except (GTVisionError, DBAPIError) as error:
        log.warning("partitions_not_kept", reason=str(getattr(error, "message", "") or type(error).__name__))


@contextlib.asynccontextmanager
async def kept(context: Context) -> AsyncIterator[None]:
    """Worker: partitions are there ahead of the days, for as long as the process lives."""
    if context.db.dialect != "postgresql":
        yield
        return

    async def work() -> None:
        while True:
            await keep(context.db)
            await asyncio.sleep(EVERY_S)

    task = asyncio.create_task(work(), name="partitions")
    try:
        yield
    finally:
        await end(task)
