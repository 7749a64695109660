"""The SQL of what search tells of cameras: where they are, and when they saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Float, Table, cast, null, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import ColumnElement

from functions.search import filters as narrowing
from functions.search.filters import Filters
from functions.shared.tables import Camera, CameraSpan


@dataclass(frozen=True)
class Place:
    """A camera and where it stands; `heading` in degrees from north."""

    id: str
    name: str
    location: str | None
    latitude: float | None
    longitude: float | None
    heading: float | None
    group_id: str | None
    created_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True)
class Span:
    """How a camera fared from one time to another; `ended_at` None: to this day."""

    camera_id: str
    state: str
    reason: str
    started_at: datetime
    ended_at: datetime | None


async def places(session: AsyncSession, filters: Filters, limit: int) -> list[Place]:
    """The cameras that filters name, by id; those that were deleted, too."""
    conditions: list[ColumnElement[bool]] = [Camera.id.in_(filters.camera_ids)] if filters.camera_ids else []
    conditions += narrowing.cameras(filters, Camera.id)
    return await _places(session, conditions, limit)


async def places_of(session: AsyncSession, camera_ids: Sequence[str]) -> dict[str, Place]:
    found = await _places(session, [Camera.id.in_(sorted(set(camera_ids)))], len(camera_ids))
    return {place.id: place for place in found}


async def _places(session: AsyncSession, conditions: Sequence[ColumnElement[bool]], limit: int) -> list[Place]:
    table: Table = Camera.__table__  # type: ignore[assignment]  # declared as FromClause
    columns = table.c
    asked = select(
        columns.id, columns.name, columns.location, columns.latitude, columns.longitude,
        columns.heading if "heading" in columns else _none(), columns.group_id, columns.created_at, columns.deleted_at,
    )  # fmt: skip
    rows = await session.execute(asked.where(*conditions).order_by(columns.id).limit(limit))
    return [Place(*row) for row in rows]


def _none() -> ColumnElement[float | None]:
    return cast(null(), Float)


async def spans(
    session: AsyncSession, camera_ids: Sequence[str], start: datetime, end: datetime, limit: int
) -> list[Span]:
    """What is known of cameras between two times, by camera and time."""
    table = CameraSpan
    asked = (
        select(table.camera_id, table.state, table.reason_code, table.started_at, table.ended_at)
        .where(table.camera_id.in_(camera_ids), table.started_at < end)
        .where(or_(table.ended_at.is_(None), table.ended_at > start))
        .order_by(table.camera_id, table.started_at)
        .limit(limit)
    )
    return [Span(*row) for row in await session.execute(asked)]
