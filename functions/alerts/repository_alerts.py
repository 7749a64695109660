"""The SQL of alerts, of the passages they are about, and of who is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.plates import twins
from functions.shared.scope import Scope
from functions.shared.tables import CLONED_LIST, Alert, AlertNotification, Camera, Detection, Hotlist, HotlistGroup

OPEN, ACKNOWLEDGED, WITHDRAWN = "open", "acknowledged", "withdrawn"


@dataclass(frozen=True)
class Passage:
    """A detection as it stands, and its camera."""

    row: Detection
    group_id: str | None
    camera_name: str | None
    latitude: float | None
    longitude: float | None


async def passage(session: AsyncSession, detection_id: str) -> Passage | None:
    found = await _passages(session, Detection.id == detection_id, 1)
    return found[0] if found else None


async def _passages(session: AsyncSession, condition: ColumnElement[bool], limit: int) -> list[Passage]:
    asked = (
        select(Detection, Camera.group_id, Camera.name, Camera.latitude, Camera.longitude)
        .outerjoin(Camera, Camera.id == Detection.camera_id)
        .where(condition)
        .order_by(Detection.started_at.desc(), Detection.id.desc())
        .limit(limit)
    )
    return [Passage(*row) for row in await session.execute(asked)]


def _both(plate: str) -> tuple[str, ...]:
    """A registration has one plate, but two numberings: a car with either is the same car."""
    return (plate, *twins(plate))


async def neighbours(session: AsyncSession, seen: Detection, window: timedelta, limit: int = 50) -> list[Passage]:
    """Ended passages of the same plate in either numbering, certainly read, at other cameras of known place, around
    the time of one."""
    table = Detection
    conditions = (
        table.plate.in_(_both(seen.plate or "")), table.started_at >= seen.started_at - window,
        table.started_at <= seen.ended_at + window, table.camera_id != seen.camera_id, table.final.is_(True),
        table.uncertain.is_(False), table.plate_format.is_not(None), Camera.latitude.is_not(None),
        Camera.longitude.is_not(None),
    )  # fmt: skip
    return await _passages(session, and_(*conditions), limit)


async def seen_elsewhere(session: AsyncSession, plate: str, camera_id: str, around: tuple[datetime, datetime]) -> bool:
    """Whether another camera saw a plate, in either numbering, within a time: cheap, before anything is locked."""
    table = Detection
    asked = select(table.id).where(
        table.plate.in_(_both(plate)), table.started_at >= around[0], table.started_at <= around[1],
        table.camera_id != camera_id,
    )  # fmt: skip
    return (await session.scalar(asked.limit(1))) is not None


def _about(detection_id: str) -> ColumnElement[bool]:
    return or_(Alert.detection_id == detection_id, Alert.other_detection_id == detection_id)


async def has_alerts(session: AsyncSession, detection_id: str) -> bool:
    return (await session.scalar(select(Alert.id).where(_about(detection_id)).limit(1))) is not None


async def alerts_of(session: AsyncSession, detection_id: str) -> list[Alert]:
    """The alerts that a passage raised or is the other half of, locked."""
    asked = select(Alert).where(_about(detection_id)).order_by(Alert.id).with_for_update()
    return list(await session.scalars(asked))


async def plate_of(session: AsyncSession, detection_id: str | None) -> str | None:
    found: str | None = await session.scalar(select(Detection.plate).where(Detection.id == detection_id))
    return found


async def clone_alert(session: AsyncSession, plate: str, around: tuple[datetime, datetime]) -> Alert | None:
    """An alert about the clone of a plate that was seen within a time."""
    asked = select(Alert).where(
        Alert.plate.in_(_both(plate)), Alert.hotlist_id == CLONED_LIST, Alert.seen_at >= around[0],
        Alert.seen_at <= around[1], Alert.withdrawn_at.is_(None),
    )  # fmt: skip
    return (await session.scalars(asked.order_by(Alert.id.desc()).limit(1).with_for_update())).one_or_none()


async def raised_before(session: AsyncSession, hotlist_id: str, detection_id: str) -> bool:
    asked = select(Alert.id).where(Alert.hotlist_id == hotlist_id, Alert.detection_id == detection_id)
    return (await session.scalar(asked)) is not None


async def hotlist_of(session: AsyncSession, hotlist_id: str) -> Hotlist | None:
    return (await session.scalars(select(Hotlist).where(Hotlist.id == hotlist_id))).one_or_none()


async def to_escalate(session: AsyncSession, at: datetime, limit: int = 50) -> list[Alert]:
    """Open alerts whose time is over; another process that looks at the same moment gets others."""
    asked = select(Alert).where(Alert.escalate_at <= at, Alert.state == OPEN).order_by(Alert.escalate_at).limit(limit)
    return list(await session.scalars(asked.with_for_update(skip_locked=True)))


@dataclass(frozen=True)
class AlertFilters:
    """What a list of alerts is narrowed by; None and () narrow nothing. `start` is in, `end` is out."""

    states: tuple[str, ...] = ()
    escalated: bool | None = None
    kinds: tuple[str, ...] = ()
    hotlist_ids: tuple[str, ...] = ()
    camera_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()
    plate: str | None = None
    min_priority: int | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class Shown:
    """An alert with what is shown beside it; `passage` None: the detection is gone."""

    alert: Alert
    camera_name: str | None
    passage: Detection | None


def _shown(scope: Scope, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(scope.cameras(Alert.camera_id), *conditions)


async def alerts(
    session: AsyncSession, scope: Scope, filters: AlertFilters, behind: str | None, limit: int
) -> list[Shown]:
    """Newest first, behind an id."""
    conditions = _conditions(filters)
    if behind is not None:
        conditions.append(Alert.id < behind)
    return await _with_passages(session, _shown(scope, *conditions), limit)


async def alert(session: AsyncSession, scope: Scope, alert_id: str) -> Shown | None:
    found = await _with_passages(session, _shown(scope, Alert.id == alert_id), 1)
    return found[0] if found else None


async def alert_for_update(session: AsyncSession, scope: Scope, alert_id: str) -> Alert | None:
    asked = select(Alert).where(_shown(scope, Alert.id == alert_id)).with_for_update()
    return (await session.scalars(asked)).one_or_none()


async def _with_passages(session: AsyncSession, condition: ColumnElement[bool], limit: int) -> list[Shown]:
    asked = (
        select(Alert, Camera.name, Detection)
        .outerjoin(Camera, Camera.id == Alert.camera_id)
        .outerjoin(Detection, Detection.id == Alert.detection_id)
        .where(condition)
        .order_by(Alert.id.desc())
        .limit(limit)
    )
    return [Shown(*row) for row in await session.execute(asked)]


async def cameras_in(session: AsyncSession, scope: Scope, camera_ids: Sequence[str]) -> dict[str, str]:
    """The names of those cameras that are in the scope."""
    asked = select(Camera.id, Camera.name).where(Camera.id.in_(camera_ids), scope.cameras(Camera.id))
    return {row[0]: row[1] for row in await session.execute(asked)}


async def count_open(session: AsyncSession, scope: Scope, most: int) -> tuple[int, int]:
    """Open alerts, at the most so many, and how many of them were escalated."""
    asked = select(Alert.escalated_at).where(_shown(scope, Alert.state == OPEN)).limit(most)
    found = list(await session.scalars(asked))
    return len(found), sum(at is not None for at in found)


def _conditions(filters: AlertFilters) -> list[ColumnElement[bool]]:
    several = (
        (Alert.state, filters.states), (Alert.kind, filters.kinds), (Alert.hotlist_id, filters.hotlist_ids),
        (Alert.camera_id, filters.camera_ids),
    )  # fmt: skip
    found: list[ColumnElement[bool]] = [column.in_(wanted) for column, wanted in several if wanted]
    if filters.group_ids:
        found.append(Alert.camera_id.in_(select(Camera.id).where(Camera.group_id.in_(filters.group_ids))))
    if filters.escalated is not None:
        found.append(Alert.escalated_at.is_not(None) if filters.escalated else Alert.escalated_at.is_(None))
    if filters.plate is not None:
        found.append(Alert.plate == filters.plate)
    if filters.min_priority is not None:
        found.append(Alert.priority >= filters.min_priority)
    if filters.start is not None:
        found.append(Alert.raised_at >= filters.start)
    if filters.end is not None:
        found.append(Alert.raised_at < filters.end)
    return found


# Who is told


async def notifications(session: AsyncSession, alert_id: str) -> list[AlertNotification]:
    asked = select(AlertNotification).where(AlertNotification.alert_id == alert_id)
    return list(await session.scalars(asked.order_by(AlertNotification.id)))


async def claim(session: AsyncSession, at: datetime, until: datetime, limit: int) -> list[AlertNotification]:
    """Notifications that are due, marked as being sent until a time; no other process gets them before."""
    table = AlertNotification
    asked = select(table).where(table.due_at <= at).order_by(table.due_at, table.id).limit(limit)
    rows = list(await session.scalars(asked.with_for_update(skip_locked=True)))
    for row in rows:
        row.status, row.attempts, row.due_at = "sending", row.attempts + 1, until
    return rows


async def alert_by_id(session: AsyncSession, alert_id: str) -> Alert | None:
    return (await session.scalars(select(Alert).where(Alert.id == alert_id))).one_or_none()


async def camera_name(session: AsyncSession, camera_id: str) -> str | None:
    found: str | None = await session.scalar(select(Camera.name).where(Camera.id == camera_id))
    return found


async def counts_at_both(session: AsyncSession, alert: Alert) -> bool:
    """Whether the list of an alert about a clone counts, as it is now, at both of its cameras."""
    hotlist = await hotlist_of(session, alert.hotlist_id)
    if hotlist is None or hotlist.all_groups:
        return hotlist is not None
    own = select(HotlistGroup.group_id).where(HotlistGroup.hotlist_id == hotlist.id)
    both = Camera.id.in_([alert.camera_id, alert.other_camera_id])
    return await session.scalar(select(func.count()).where(both, Camera.group_id.in_(own))) == 2


async def finish(session: AsyncSession, row: AlertNotification) -> None:
    """Write how sending went; what another process has taken up meanwhile is left to it."""
    table = AlertNotification
    values = {"status": row.status, "due_at": row.due_at, "error": row.error, "sent_at": row.sent_at}
    own = and_(table.id == row.id, table.attempts == row.attempts)
    await session.execute(update(table).where(own).values(**values))


async def due(session: AsyncSession, at: datetime) -> bool:
    """Whether anything is to be sent: asked often, and cheap."""
    asked = select(AlertNotification.id).where(AlertNotification.due_at <= at).limit(1)
    return (await session.scalar(asked)) is not None


async def escalation_due(session: AsyncSession, at: datetime) -> bool:
    asked = select(Alert.id).where(Alert.escalate_at <= at, Alert.state == OPEN).limit(1)
    return (await session.scalar(asked)) is not None
