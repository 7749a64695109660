"""The SQL of how well a camera's plates are read, hour by hour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, cast, delete, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.contracts import now
from functions.shared.tables import Detection, Lease, PassageObservation, StandingAlarm

SAMPLE = 60
"""Passages whose plates are measured."""


@dataclass(frozen=True)
class HourCount:
    """Passages that began within an hour (`at`, UTC): all, those with a plate, and of these the uncertain ones."""

    at: datetime
    passages: int
    plates: int
    uncertain: int


async def hours(session: AsyncSession, camera_id: str, start: datetime, end: datetime) -> list[HourCount]:
    """The hours of [start, end) in which something passed, in order."""
    hour = _hour(session, Detection.started_at)
    has_plate = cast(Detection.plate.is_not(None), Integer)
    unsure = cast(Detection.plate.is_not(None) & Detection.uncertain, Integer)
    asked = (
        select(hour, func.count(), func.sum(has_plate), func.sum(unsure))
        .where(
            Detection.camera_id == camera_id,
            Detection.started_at >= literal(start, Detection.started_at.type),
            Detection.started_at < literal(end, Detection.started_at.type),
        )
        .group_by(hour)
        .order_by(hour)
    )
    return [
        HourCount(_utc(at), count, int(plates), int(unsure))
        for at, count, plates, unsure in await session.execute(asked)
    ]


def _hour(session: AsyncSession, column: Any) -> ColumnElement[Any]:
    if session.get_bind().dialect.name == "postgresql":
        return func.date_trunc("hour", column, "UTC")
    return func.strftime("%Y-%m-%d %H:00:00", column)


def _utc(value: datetime | str) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


async def plate_boxes(session: AsyncSession, camera_id: str, since: datetime) -> Sequence[list[float]]:
    """Boxes of plates in the camera's newest passages, [x1, y1, x2, y2] in px of the frame."""
    newest = (
        select(Detection.id)
        .where(
            Detection.camera_id == camera_id, Detection.plate.is_not(None),
            Detection.started_at >= literal(since, Detection.started_at.type),
        )
        .order_by(Detection.started_at.desc())
        .limit(SAMPLE)
    )  # fmt: skip
    asked = select(PassageObservation.plate_box).where(
        PassageObservation.detection_id.in_(newest), PassageObservation.plate.is_not(None)
    )
    return [box for box in await session.scalars(asked) if box]


_ALARM = "camera-reading:"


def name_of(camera_id: str) -> str:
    """The name of the standing alarm of a camera's reading."""
    return f"{_ALARM}{camera_id}"


async def standing_of(session: AsyncSession, camera_id: str) -> StandingAlarm | None:
    """For whoever changes it: kept from others until the commit."""
    asked = select(StandingAlarm).where(StandingAlarm.name == name_of(camera_id)).with_for_update()
    return (await session.scalars(asked)).one_or_none()


async def standing(session: AsyncSession, camera_ids: Iterable[str] | None = None) -> dict[str, list[str]]:
    """What stands, as codes, by camera; of all where none are named."""
    asked = select(StandingAlarm).where(StandingAlarm.name.startswith(_ALARM, autoescape=True))
    if camera_ids is not None:
        asked = select(StandingAlarm).where(StandingAlarm.name.in_([name_of(one) for one in camera_ids]))
    rows = await session.scalars(asked)
    found = {row.name.removeprefix(_ALARM): list((row.details or {}).get("verdicts", [])) for row in rows}
    return {camera_id: codes for camera_id, codes in found.items() if codes}


async def forget_others(session: AsyncSession, camera_ids: Iterable[str]) -> None:
    """Of cameras that are switched off or gone nothing stands."""
    mine = StandingAlarm.name.startswith(_ALARM, autoescape=True)
    kept = {name_of(camera_id) for camera_id in camera_ids}
    gone = [name for name in await session.scalars(select(StandingAlarm.name).where(mine)) if name not in kept]
    await session.execute(delete(StandingAlarm).where(StandingAlarm.name.in_(gone)))


async def is_due(session: AsyncSession, lease: str) -> bool:
    """Whether nobody holds a lease."""
    row = await session.get(Lease, lease)
    return row is None or row.until < now()
