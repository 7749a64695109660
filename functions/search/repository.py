"""The SQL of search; the same statements on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.search.cursors import Position
from functions.search.plates import ESCAPE, PlateTest, after
from functions.shared.formats import ANY, DEFAULT
from functions.shared.tables import Camera, Correction, Detection, Group, PassageObservation


@dataclass(frozen=True)
class Filters:
    """What a list of detections is narrowed by; None and () narrow nothing. `start` is in, `end` is out."""

    plate: PlateTest | None = None
    camera_ids: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    vehicle_types: tuple[str, ...] = ()
    final: bool | None = None
    group_ids: tuple[str, ...] = ()
    colors: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    plate_formats: tuple[str, ...] = ()
    uncertain: bool | None = None
    corrected: bool | None = None


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


async def detection_for_update(session: AsyncSession, detection_id: str) -> Detection | None:
    """A detection that no other transaction changes until this one ends."""
    asked = select(Detection).where(Detection.id == detection_id).with_for_update()
    return (await session.scalars(asked)).one_or_none()


@dataclass(frozen=True)
class CorrectionFilters:
    """As `Filters`, of corrections by the time they were made."""

    camera_ids: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    source: str | None = None


async def corrections(
    session: AsyncSession, filters: CorrectionFilters, behind: Position | None, limit: int
) -> list[Correction]:
    """Corrections, newest first, behind a position."""
    table = Correction
    asked = select(table).order_by(table.created_at.desc(), table.id.desc()).limit(limit)
    if filters.camera_ids:
        asked = asked.where(table.camera_id.in_(filters.camera_ids))
    if filters.start is not None:
        asked = asked.where(table.created_at >= filters.start)
    if filters.end is not None:
        asked = asked.where(table.created_at < filters.end)
    if filters.source is not None:
        asked = asked.where(table.source == filters.source)
    if behind is not None:
        at = literal(behind.started_at, table.created_at.type)
        asked = asked.where(table.created_at <= at, or_(table.created_at < at, table.id < behind.id))
    return list(await session.scalars(asked))


async def corrections_of(session: AsyncSession, detection_id: str) -> list[Correction]:
    """In order of time."""
    asked = select(Correction).where(Correction.detection_id == detection_id)
    return list(await session.scalars(asked.order_by(Correction.created_at, Correction.id)))


async def correction(session: AsyncSession, correction_id: str) -> Correction | None:
    return (await session.scalars(select(Correction).where(Correction.id == correction_id))).one_or_none()


@dataclass(frozen=True)
class CameraRules:
    """What a camera says of its plates; `min_confidence` None is the platform's own."""

    formats: tuple[str, ...]
    min_confidence: float | None


async def camera_rules(session: AsyncSession, camera_id: str) -> CameraRules:
    asked = select(Camera.min_confidence, Group.plate_formats).outerjoin(Group, Group.id == Camera.group_id)
    row = (await session.execute(asked.where(Camera.id == camera_id))).one_or_none()
    return CameraRules(DEFAULT, None) if row is None else CameraRules(tuple(row[1] or DEFAULT), row[0])


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    table = Detection
    conditions: list[ColumnElement[bool]] = [] if filters.plate is None else _plate(filters.plate)
    several = (
        (table.camera_id, filters.camera_ids), (table.vehicle_type, filters.vehicle_types),
        (table.color, filters.colors), (table.direction, filters.directions),
    )  # fmt: skip
    conditions += [column.in_(wanted) for column, wanted in several if wanted]
    either = ((table.final, filters.final), (table.uncertain, filters.uncertain), (table.corrected, filters.corrected))
    conditions += [column.is_(wanted) for column, wanted in either if wanted is not None]
    if filters.group_ids:
        conditions.append(table.camera_id.in_(select(Camera.id).where(Camera.group_id.in_(filters.group_ids))))
    if filters.plate_formats:
        conditions.append(_formats(filters.plate_formats))
    if filters.start is not None:
        conditions.append(table.started_at >= filters.start)
    if filters.end is not None:
        conditions.append(table.started_at < filters.end)
    return conditions


def _formats(names: tuple[str, ...]) -> ColumnElement[bool]:
    """`any` stands for a plate of no format."""
    free = and_(Detection.plate.is_not(None), Detection.plate_format.is_(None)) if ANY in names else false()
    return or_(Detection.plate_format.in_(names), free)


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
