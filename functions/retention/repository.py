"""The SQL of retention's own tables: rules, legal holds, runs, leases, standing alarms; and of what a run must know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from functions.retention.due import in_force
from functions.shared.contracts import now
from functions.shared.tables import (
    Camera,
    Detection,
    Group,
    Lease,
    LegalHold,
    LookupCount,
    RetentionRule,
    RetentionRun,
    StandingAlarm,
    User,
)

RUNNING = "running"


async def rules(session: AsyncSession) -> list[RetentionRule]:
    asked = select(RetentionRule).order_by(RetentionRule.class_name, RetentionRule.group_id)
    return list(await session.scalars(asked))


async def rule(session: AsyncSession, class_name: str, group_id: str) -> RetentionRule | None:
    return await session.get(RetentionRule, (class_name, group_id))


async def group_is_there(session: AsyncSession, group_id: str) -> bool:
    return await session.get(Group, group_id) is not None


async def cameras(session: AsyncSession) -> Sequence[tuple[str, str | None, int | None]]:
    """Id, group and own days (where the register knows them) of every camera, deleted ones too."""
    own = getattr(Camera, "retention_days", None)
    asked = select(Camera.id, Camera.group_id, literal(None) if own is None else own)
    return [(row[0], row[1], row[2]) for row in await session.execute(asked)]


async def holds(
    session: AsyncSession, behind: tuple[datetime, str] | None, limit: int, *, every: bool
) -> list[LegalHold]:
    """Newest first, behind a place; `every`: also those that are over."""
    asked = select(LegalHold).order_by(LegalHold.created_at.desc(), LegalHold.id.desc()).limit(limit)
    if not every:
        asked = asked.where(in_force(now()))
    if behind is not None:
        at = literal(behind[0], LegalHold.created_at.type)
        asked = asked.where(or_(LegalHold.created_at < at, and_(LegalHold.created_at == at, LegalHold.id < behind[1])))
    return list(await session.scalars(asked))


async def hold_for_update(session: AsyncSession, hold_id: str) -> LegalHold | None:
    return (await session.scalars(select(LegalHold).where(LegalHold.id == hold_id).with_for_update())).one_or_none()


async def detection_is_there(session: AsyncSession, detection_id: str) -> bool:
    return await session.scalar(select(Detection.id).where(Detection.id == detection_id)) is not None


async def camera_is_there(session: AsyncSession, camera_id: str) -> bool:
    return await session.scalar(select(Camera.id).where(Camera.id == camera_id)) is not None


async def runs(
    session: AsyncSession, kind: str | None, behind: tuple[datetime, str] | None, limit: int
) -> list[RetentionRun]:
    """Newest first, behind a place."""
    table = RetentionRun
    asked = select(table).order_by(table.started_at.desc(), table.id.desc()).limit(limit)
    if kind is not None:
        asked = asked.where(table.kind == kind)
    if behind is not None:
        at = literal(behind[0], table.started_at.type)
        asked = asked.where(or_(table.started_at < at, and_(table.started_at == at, table.id < behind[1])))
    return list(await session.scalars(asked))


async def run(session: AsyncSession, run_id: str) -> RetentionRun | None:
    return await session.get(RetentionRun, run_id)


async def write_run(session: AsyncSession, run_id: str, **values: Any) -> None:
    await session.execute(update(RetentionRun).where(RetentionRun.id == run_id).values(**values))


async def end_stale_runs(session: AsyncSession, but: str) -> None:
    """Runs that no process is at any more: whoever holds their lease calls this."""
    leased = and_(RetentionRun.kind != "erase", RetentionRun.dry_run.is_(False))
    stale = and_(leased, RetentionRun.state == RUNNING, RetentionRun.id != but)
    values = {"state": "stopped", "ended_at": now(), "message": "its process ended before it did; the next run goes on"}
    await session.execute(update(RetentionRun).where(stale).values(values))


async def last_started(session: AsyncSession, kind: str, *, failed: bool = False) -> datetime | None:
    """When the last run that deletes began; `failed`: of those that failed."""
    state = RetentionRun.state == "failed" if failed else RetentionRun.state != "failed"
    asked = select(func.max(RetentionRun.started_at)).where(
        RetentionRun.kind == kind, RetentionRun.dry_run.is_(False), state
    )
    found: datetime | None = await session.scalar(asked)
    return found


async def first_user_since(session: AsyncSession) -> datetime | None:
    """When the platform began, by its first user."""
    found: datetime | None = await session.scalar(select(func.min(User.created_at)))
    return found


async def give_lease_back(session: AsyncSession, name: str, holder: str) -> None:
    await session.execute(delete(Lease).where(Lease.name == name, Lease.holder == holder))


async def alarm(session: AsyncSession, name: str) -> StandingAlarm | None:
    return (
        await session.scalars(select(StandingAlarm).where(StandingAlarm.name == name).with_for_update())
    ).one_or_none()


async def lookups_since(session: AsyncSession, hour: datetime, day: datetime) -> list[tuple[str, str, int, int]]:
    """User, name, look-ups in the hour and in the day, most in the day first."""
    table = LookupCount
    in_hour = func.coalesce(func.sum(table.lookups).filter(table.bucket > hour), 0)
    in_day = func.sum(table.lookups)
    asked = select(table.user_id, func.max(table.username), in_hour, in_day).where(table.bucket > day)
    asked = asked.group_by(table.user_id).order_by(in_day.desc(), table.user_id).limit(200)
    return [(row[0], row[1], int(row[2]), int(row[3])) for row in await session.execute(asked)]


async def forget_lookups(session: AsyncSession, user_id: str) -> int:
    done = await session.execute(
        delete(LookupCount).where(LookupCount.user_id == user_id).returning(LookupCount.bucket)
    )
    return len(done.all())
