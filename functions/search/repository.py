"""The SQL of search; the same statements on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.search.cursors import Position
from functions.search.plates import ESCAPE, PlateTest, after
from functions.shared.tables import Camera, Detection, PassageObservation


@dataclass(frozen=True)
class Filters:
    """What a list of detections is narrowed by; None and () narrow nothing. `start` is in, `end` is out."""

    plate: PlateTest | None = None
    camera_ids: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    vehicle_type: str | None = None
    final: bool | None = None


@dataclass(frozen=True)
class Found:
    detection: Detection
    camera_name: str | None


async def detections(session: AsyncSession, filters: Filters, behind: Position | None, limit: int) -> list[Found]:
    """Detections, newest first, behind a position."""
    conditions = _conditions(filters)
    if behind is not None:
        at, row_id = literal(behind.started_at, Detection.started_at.type), behind.id
        # The first half bounds the index, the second breaks ties.
        conditions.append(Detection.started_at <= at)
        conditions.append(or_(Detection.started_at < at, Detection.id < row_id))
    asked = (
        select(Detection, Camera.name)
        .outerjoin(Camera, Camera.id == Detection.camera_id)
        .where(and_(True, *conditions))
        .order_by(Detection.started_at.desc(), Detection.id.desc())
        .limit(limit)
    )
    return [Found(row, name) for row, name in await session.execute(asked)]


async def detection(session: AsyncSession, detection_id: str) -> Found | None:
    asked = select(Detection, Camera.name).outerjoin(Camera, Camera.id == Detection.camera_id)
    row = (await session.execute(asked.where(Detection.id == detection_id))).one_or_none()
    return None if row is None else Found(row[0], row[1])


async def observations(session: AsyncSession, detection_id: str) -> Sequence[PassageObservation]:
    """In order of time."""
    table = PassageObservation
    asked = select(table).where(table.detection_id == detection_id).order_by(table.captured_at, table.id)
    return list(await session.scalars(asked))


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    table = Detection
    conditions: list[ColumnElement[bool]] = [] if filters.plate is None else _plate(filters.plate)
    if filters.camera_ids:
        conditions.append(table.camera_id.in_(filters.camera_ids))
    if filters.start is not None:
        conditions.append(table.started_at >= filters.start)
    if filters.end is not None:
        conditions.append(table.started_at < filters.end)
    if filters.vehicle_type is not None:
        conditions.append(table.vehicle_type == filters.vehicle_type)
    if filters.final is not None:
        conditions.append(table.final.is_(filters.final))
    return conditions


def _plate(test: PlateTest) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if test.exact is not None:
        conditions.append(Detection.plate == test.exact)
    if test.prefix is not None:
        conditions += _range(Detection.plate, test.prefix)
    if test.suffix is not None:
        conditions += _range(Detection.plate_reversed, test.suffix[::-1])
    if test.like is not None:
        conditions.append(Detection.plate.like(test.like, escape=ESCAPE))
    return conditions


def _range(column: Any, prefix: str) -> list[ColumnElement[bool]]:
    # A range, not LIKE: SQLite's LIKE with ESCAPE never uses an index.
    return [column >= prefix, column < after(prefix)]
