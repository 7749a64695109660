"""The SQL of passages. Plain functions that take a session; the transaction is the caller's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, delete, func, literal, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from functions.post_processing import rows
from functions.post_processing.looks import Size
from functions.post_processing.sightings import Sighting
from functions.post_processing.tracker import Frame
from functions.shared import partitions
from functions.shared.contracts import FrameMeta, least_id, now
from functions.shared.inference import Box
from functions.shared.tables import Detection, OutboxMessage, PassageObservation, ProcessedFrame

# What stands in sight for longer begins a passage anew.
LONGEST = timedelta(days=3)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class OpenPassage:
    """A passage that may be over. `touched_at` is the wall clock of its last change. Two that are equal are the same
    passage, unchanged; `newest_frame` is what its camera has sent since.
    """

    id: str
    camera_id: str
    ended_at: datetime
    touched_at: datetime
    observations: int
    newest_frame: datetime | None = field(compare=False)


async def is_processed(session: AsyncSession, frame_id: str) -> bool:
    found = await session.scalar(select(ProcessedFrame.id).where(ProcessedFrame.id == frame_id))
    return found is not None


async def mark_processed(
    session: AsyncSession, meta: FrameMeta, frame: Frame, size: Size, rest: Iterable[Sighting]
) -> None:
    """Raises IntegrityError when another worker has read the frame meanwhile.

    `rest` are the sightings that no passage holds; a frame that is read later but was captured earlier may change that.
    """
    seen = {
        "size": list(size),
        "places": [rows.box_row(place) for place in frame.look.places],
        "rest": [rows.spare_row(item) for item in rest],
    }
    row = ProcessedFrame(
        id=meta.id, camera_id=meta.camera_id, captured_at=meta.captured_at, processed_at=now(), seen=seen
    )
    session.add(row)
    await session.flush()


async def change_rest(session: AsyncSession, frame_id: str, rest: Iterable[Sighting]) -> None:
    row = (await session.scalars(select(ProcessedFrame).where(ProcessedFrame.id == frame_id))).one()
    row.seen = {**(row.seen or {}), "rest": [rows.spare_row(item) for item in rest]}


class Shot(NamedTuple):
    """A frame that was read."""

    id: str
    at: datetime
    seen: Mapping[str, Any] | None


async def frames_around(
    session: AsyncSession, camera_id: str, at: datetime, until: datetime, count: int
) -> list[Shot]:  # fmt: skip
    """The frames of a camera captured from a time on and until another, and the last `count` before; in order."""
    found = await session.execute(_AROUND, {"camera": camera_id, "at": at, "until": until, "skipped": count - 1})
    return [Shot(*row) for row in found]


def _around() -> Select[str, datetime, Any]:
    table = ProcessedFrame
    own = table.camera_id == bindparam("camera")
    before = select(table.captured_at).where(own, table.captured_at < bindparam("at"))
    first = before.order_by(table.captured_at.desc()).limit(1).offset(bindparam("skipped")).scalar_subquery()
    # Where there are not so many, all of the few before.
    since = func.coalesce(first, literal(_EVER, table.captured_at.type))
    within = table.captured_at >= since, table.captured_at <= bindparam("until")
    asked = select(table.id, table.captured_at, table.seen).where(own, *within)
    return asked.order_by(table.captured_at, table.id)


_AROUND = _around()


async def looks_between(
    session: AsyncSession, camera_id: str, spans: Sequence[tuple[datetime, datetime]], frame: Frame
) -> list[tuple[datetime, tuple[Box, ...]]]:
    """What the frames before a frame showed where, after the first time of any span and until its second.

    Frames of older versions do not tell.
    """
    table = ProcessedFrame
    within = or_(*(and_(table.captured_at > after, table.captured_at <= until) for after, until in spans))
    asked = select(table.captured_at, table.id, table.seen).where(
        table.camera_id == camera_id, table.captured_at <= frame.at, within
    )
    found = (await session.execute(asked)).all()
    return [(at, places_of(seen)) for at, name, seen in found if seen is not None and (at, name) < frame.order]


async def newest_look(session: AsyncSession, camera_id: str) -> tuple[Box, ...]:
    """What the newest frame of a camera showed where."""
    table = ProcessedFrame
    asked = select(table.seen).where(table.camera_id == camera_id).order_by(table.captured_at.desc(), table.id.desc())
    return places_of(await session.scalar(asked.limit(1)) or {})


def places_of(seen: Mapping[str, Any]) -> tuple[Box, ...]:
    found = (rows.box_of(row) for row in seen.get("places", ()))
    return tuple(place for place in found if place is not None)


def rest_of(shot: Shot) -> tuple[Sighting, ...]:
    return tuple(rows.spare_of(item, shot.id, shot.at) for item in (shot.seen or {}).get("rest", ()))


async def size_of_frame(session: AsyncSession, frame_id: str) -> Size | None:
    """Width and height of a frame that was read lately."""
    seen = await session.scalar(select(ProcessedFrame.seen).where(ProcessedFrame.id == frame_id))
    size = (seen or {}).get("size")
    return (int(size[0]), int(size[1])) if size else None


class Standing(NamedTuple):
    """A passage that stood when it was last seen."""

    id: str
    ended_at: datetime
    place: Box
    is_plate: bool


async def standing(
    session: AsyncSession, camera_id: str, after: datetime, until: datetime, limit: int
) -> list[Standing]:  # fmt: skip
    """Passages of a camera that stood when they were last seen, between two times; the latest first."""
    values = {"camera": camera_id, "after": after, "until": until, "most": limit}
    found = await session.execute(*_lately(session, _STANDING, after, values))
    boxes = [(name, at, rows.box_of(box), kind) for name, at, box, kind in found]
    return [Standing(name, at, box, kind is None) for name, at, box, kind in boxes if box is not None]


async def detections_between(
    session: AsyncSession, camera_id: str, after: datetime, until: datetime, others: Sequence[str], limit: int
) -> list[Detection]:
    """Passages of a camera that were in sight between two times, the latest first, after `others`, by id.

    None that is over LONGEST old.
    """
    values = {"camera": camera_id, "after": after, "until": until, "most": limit}
    found = list(await session.scalars(*_lately(session, _BETWEEN, after, values)))
    if others:
        found += await session.scalars(select(Detection).where(Detection.id.in_(others)).order_by(Detection.id))
    return found


# Each frame asks these, so they are built once.
_OF_CAMERA = Detection.camera_id == bindparam("camera")
_STANDING = (
    select(Detection.id, Detection.ended_at, Detection.last_box, Detection.vehicle_type)
    .where(_OF_CAMERA, Detection.stationary, Detection.last_box.is_not(None))
    .where(Detection.ended_at >= bindparam("after"), Detection.ended_at < bindparam("until"))
    .order_by(Detection.ended_at.desc(), Detection.id)
    .limit(bindparam("most"))
)
_BETWEEN = (
    select(Detection)
    .where(_OF_CAMERA, Detection.ended_at >= bindparam("after"), Detection.started_at <= bindparam("until"))
    .order_by(Detection.ended_at.desc(), Detection.id)
    .limit(bindparam("most"))
)


_DAYS: dict[Any, Any] = {
    asked: asked.where(Detection.id >= bindparam("first_id"), Detection.id < bindparam("last_id"))
    for asked in (_STANDING, _BETWEEN)
}


def _lately(session: AsyncSession, asked: Any, after: datetime, values: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A question for the latest detections and its values: of a table by days, these few alone are looked into."""
    if session.get_bind().dialect.name != "postgresql":
        return asked, values
    first, last = min(after, now()) - LONGEST, now() + partitions.SKEW
    return _DAYS[asked], {**values, "first_id": least_id(first), "last_id": least_id(last)}


class Keys(NamedTuple):
    """Of an observation what may change: its detection, and whether it still has its pictures."""

    id: str
    detection_id: str
    pictured: bool


async def observation_keys(session: AsyncSession, detection_ids: Sequence[str]) -> list[Keys]:
    """In order of time."""
    found = await session.execute(_KEYS, {"passages": list(detection_ids)})
    return [Keys(*row) for row in found]


_KEYS = (
    select(PassageObservation.id, PassageObservation.detection_id, PassageObservation.snapshot_key.is_not(None))
    .where(PassageObservation.detection_id.in_(bindparam("passages", expanding=True)))
    .order_by(PassageObservation.captured_at, PassageObservation.frame_id, PassageObservation.id)
)


async def observations(session: AsyncSession, ids: Sequence[str]) -> list[Sighting]:
    columns = PassageObservation.__table__.columns
    found = await session.execute(select(*columns).where(columns.id.in_(ids)))
    names = columns.keys()
    return [rows.sighting_of(dict(zip(names, row, strict=True))) for row in found]


def add_sighting(session: AsyncSession, detection_id: str, sighting: Sighting) -> None:
    session.add(PassageObservation(detection_id=detection_id, **rows.row_of(sighting)))


async def move_sightings(session: AsyncSession, detection_id: str, ids: Sequence[str]) -> None:
    table = PassageObservation
    await session.execute(update(table).where(table.id.in_(ids)).values(detection_id=detection_id))


async def drop_sightings(session: AsyncSession, ids: Sequence[str]) -> None:
    await session.execute(delete(PassageObservation).where(PassageObservation.id.in_(ids)))


async def open_passages(session: AsyncSession, unseen_since: datetime, limit: int = 500) -> list[OpenPassage]:
    """Passages whose end is still to be told and that were last seen before a time, the longest unseen first."""
    found = await session.execute(_OPEN, {"unseen_since": unseen_since, "most": limit})
    return [OpenPassage(*row) for row in found]


def _open() -> Select[str, str, datetime, datetime, int, datetime]:
    table, frame = Detection, ProcessedFrame
    newest = select(frame.captured_at).where(frame.camera_id == table.camera_id).order_by(frame.captured_at.desc())
    asked = select(
        table.id, table.camera_id, table.ended_at, table.updated_at, table.observation_count,
        newest.limit(1).scalar_subquery(),
    ).where(~table.settled, or_(~table.final, table.resumed), table.ended_at < bindparam("unseen_since"))  # fmt: skip
    return asked.order_by(table.ended_at).limit(bindparam("most"))


_OPEN = _open()


async def close_passage(session: AsyncSession, passage: OpenPassage) -> Detection | None:
    """Mark a passage final; None when it was seen again, or closed, since it was judged."""
    row = (await session.scalars(select(Detection).where(Detection.id == passage.id))).one_or_none()
    if row is None or row.ended_at != passage.ended_at or (row.final and not row.resumed):
        return None
    row.final, row.resumed, row.updated_at = True, False, now()
    return row


async def unsettled(session: AsyncSession, ended_before: datetime, limit: int) -> dict[str, list[str]]:
    """Ids of passages that were told as final and ended before a time, by camera; the oldest first."""
    table = Detection
    # As one condition: by `final` alone SQLite would walk all that ever passed.
    told = not_(or_(~table.final, table.resumed))
    asked = select(table.camera_id, table.id).where(~table.settled, told, table.ended_at < ended_before)
    found: dict[str, list[str]] = {}
    for camera_id, name in await session.execute(asked.order_by(table.ended_at).limit(limit)):
        found.setdefault(camera_id, []).append(name)
    return found


async def settle(session: AsyncSession, ids: Sequence[str], ended_before: datetime) -> list[str]:
    """Settle passages that are still as `unsettled` found them: their observations let go of the pictures that do not
    stand for them. Returns the keys of those pictures."""
    table, own = PassageObservation, Detection
    asked = select(own).where(own.id.in_(ids), own.final, ~own.resumed, own.ended_at < ended_before)
    found = {row.id: row for row in await session.scalars(asked)}
    pictured = select(table).where(table.detection_id.in_(found), table.snapshot_key.is_not(None))
    keys: list[str] = []
    for item in await session.scalars(pictured):
        if item.snapshot_key != found[item.detection_id].snapshot_key:
            keys += [key for key in (item.snapshot_key, item.plate_snapshot_key) if key is not None]
            item.snapshot_key = item.plate_snapshot_key = item.snapshot_sha256 = item.plate_snapshot_sha256 = None
    for row in found.values():
        row.settled = True
    return keys


async def forget_frames(session: AsyncSession, before: datetime, limit: int) -> int:
    """Delete up to `limit` rows of frames read before a time; returns how many."""
    old = select(ProcessedFrame.id).where(ProcessedFrame.processed_at < before).limit(limit)
    ids = list(await session.scalars(old))
    if ids:
        await session.execute(delete(ProcessedFrame).where(ProcessedFrame.id.in_(ids)))
    return len(ids)


async def forget_messages(session: AsyncSession, before: datetime, limit: int) -> int:
    """Delete up to `limit` outbox rows published before a time; returns how many."""
    table = OutboxMessage
    ids = list(await session.scalars(select(table.id).where(table.published_at < before).limit(limit)))
    if ids:
        await session.execute(delete(table).where(table.id.in_(ids)))
    return len(ids)
