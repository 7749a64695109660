"""The SQL of a plate's movements and of statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, and_, distinct, func, literal, literal_column, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from functions.search.cursors import Position
from functions.search.filters import Filters, conditions, is_postgres
from functions.shared.contracts import least_id
from functions.shared.partitions import SKEW
from functions.shared.tables import Detection


async def passages(
    session: AsyncSession, filters: Filters, after: Position | None, limit: int, *, newest: bool = False
) -> list[Detection]:
    """Passages in order of time, behind a position; or the newest ones, the latest first."""
    table = Detection
    asked = select(table).where(*conditions(session, filters)).limit(limit)
    if newest:
        return list(await session.scalars(asked.order_by(table.started_at.desc(), table.id.desc())))
    if after is not None:
        at = literal(after.started_at, table.started_at.type)
        asked = asked.where(table.started_at >= at, or_(table.started_at > at, table.id > after.id))
    return list(await session.scalars(asked.order_by(table.started_at, table.id)))


@dataclass(frozen=True)
class Met:
    plate: str
    meetings: int
    cameras: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Meeting:
    """What counts as seen together: at the same camera `within` of a passage, at least so many times."""

    within: timedelta
    at_least: int


async def companions(
    session: AsyncSession, seen: Sequence[Detection], meeting: Meeting, filters: Filters, limit: int
) -> list[Met]:
    """Plates that were near these passages, the most often first. `filters` bound what may be looked at."""
    if not seen:
        return []
    table, own = Detection, {row.plate for row in seen}
    near = union_all(*(_vicinity(row, meeting.within) for row in seen)).cte("near")
    met = func.count(distinct(near.c.id))
    asked = (
        select(table.plate, met, func.count(distinct(table.camera_id)), func.min(table.started_at),
               func.max(table.started_at))
        .join(near, and_(table.camera_id == near.c.camera_id, table.started_at.between(near.c.low, near.c.high)))
        .where(table.plate.is_not(None), table.plate.not_in(sorted(filter(None, own))), *conditions(session, filters))
        .group_by(table.plate).having(met >= meeting.at_least)
        .order_by(met.desc(), func.count(distinct(table.camera_id)).desc(), table.plate).limit(limit)
    )  # fmt: skip
    if is_postgres(session):
        asked = asked.where(table.id >= least_id(min(row.started_at for row in seen) - meeting.within - SKEW))
    found = await session.execute(asked)
    return [Met(plate, met, cameras, first, last) for plate, met, cameras, first, last in found if plate is not None]


def _vicinity(row: Detection, within: timedelta) -> Any:
    kind = Detection.started_at.type
    return select(
        literal(row.id).label("id"), literal(row.camera_id).label("camera_id"),
        literal(row.started_at - within, kind).label("low"), literal(row.started_at + within, kind).label("high"),
    )  # fmt: skip


class bucket_of(GenericFunction[str]):
    """The first characters of a time in UTC as text: `2026-05-04 12` of 13, `2026-05-04 12:30` of 16."""

    type = String()
    inherit_cache = True


@compiles(bucket_of, "sqlite")
def _sqlite_bucket(element: bucket_of, compiler: Any, **options: Any) -> str:
    at, length = element.clauses
    return f"substr({compiler.process(at, **options)}, 1, {compiler.process(length, **options)})"


@compiles(bucket_of, "postgresql")
def _postgres_bucket(element: bucket_of, compiler: Any, **options: Any) -> str:
    at, length = element.clauses
    text = f"to_char({compiler.process(at, **options)} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')"
    return f"substr({text}, 1, {compiler.process(length, **options)})"


HOURS, MINUTES = 13, 16
_COLUMNS = {"camera": Detection.camera_id, "type": Detection.vehicle_type, "color": Detection.color}


@dataclass(frozen=True)
class Bucket:
    """`at` as `bucket_of` writes it."""

    at: str
    key: str | None
    count: int
    with_plate: int


async def counts(session: AsyncSession, filters: Filters, by: str, width: int) -> list[Bucket]:
    """Passages by hour (or minute) and one column, `by` none of them."""
    bucket: ColumnElement[str] = bucket_of(Detection.started_at, _literally(width)).label("bucket")
    key: Any = _COLUMNS[by] if by in _COLUMNS else literal("")
    grouped = [bucket, *([key] if by in _COLUMNS else [])]
    asked = select(bucket, key, func.count(), func.count(Detection.plate)).where(*conditions(session, filters))
    return [Bucket(*row) for row in await session.execute(asked.group_by(*grouped))]


def _literally(width: int) -> ColumnElement[int]:
    """Written into the statement: PostgreSQL takes two parameters for two expressions, and would not group by one."""
    return literal_column(str(int(width)))
