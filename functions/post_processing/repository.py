"""The SQL of passages. Plain functions that take a session; the transaction is the caller's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, select, update
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


async def frames_after(session: AsyncSession, frame: Frame, camera_id: str, until: datetime) -> list[ProcessedFrame]:
    """Frames that were captured after one, but read before it."""
    table = ProcessedFrame
    asked = select(table).where(table.camera_id == camera_id, table.captured_at >= frame.at, table.captured_at <= until)
    found = await session.scalars(asked.order_by(table.captured_at, table.id))
    return [row for row in found if (row.captured_at, row.id) > frame.order]


async def times_before(session: AsyncSession, camera_id: str, at: datetime, count: int) -> list[datetime]:
    """When the last frames before a time were captured, the latest first."""
    captured = select(ProcessedFrame.captured_at).where(
        ProcessedFrame.camera_id == camera_id, ProcessedFrame.captured_at < at
    )
    return list(await session.scalars(captured.order_by(ProcessedFrame.captured_at.desc()).limit(count)))


async def looks_between(
    session: AsyncSession, camera_id: str, after: datetime, frame: Frame
) -> list[tuple[datetime, tuple[Box, ...]]]:
    """What the frames after a time and before a frame showed where. Frames of older versions do not tell."""
    table = ProcessedFrame
    asked = select(table.captured_at, table.id, table.seen).where(
        table.camera_id == camera_id, table.captured_at > after, table.captured_at <= frame.at
    )
    found = (await session.execute(asked)).all()
    return [(at, places_of(seen)) for at, name, seen in found if seen is not None and (at, name) < frame.order]


def places_of(seen: Mapping[str, list[list[float]]]) -> tuple[Box, ...]:
    found = (rows.box_of(row) for row in seen.get("places", ()))
    return tuple(place for place in found if place is not None)


def rest_of(row: ProcessedFrame) -> tuple[Sighting, ...]:
    return tuple(rows.spare_of(item, row.id, row.captured_at) for item in (row.seen or {}).get("rest", ()))


async def size_of_frame(session: AsyncSession, frame_id: str) -> Size | None:
    """Width and height of a frame that was read lately."""
    seen = await session.scalar(select(ProcessedFrame.seen).where(ProcessedFrame.id == frame_id))
    size = (seen or {}).get("size")
    return (int(size[0]), int(size[1])) if size else None


async def detections_between(
    session: AsyncSession, camera_id: str, after: datetime, until: datetime, limit: int
) -> list[Detection]:
    """Passages of a camera that were in sight between two times, the latest first; none that is over LONGEST old."""
    table = Detection
    asked = select(table).where(table.camera_id == camera_id, table.ended_at >= after, table.started_at <= until)
    if session.get_bind().dialect.name == "postgresql":
        # Each frame asks this: of a table by days, these few alone are looked into.
        first, last = min(after, now()) - LONGEST, now() + partitions.SKEW
        asked = asked.where(table.id >= least_id(first), table.id < least_id(last))
    return list(await session.scalars(asked.order_by(table.ended_at.desc(), table.id).limit(limit)))


class Keys(NamedTuple):
    """Of an observation what may change: its detection and the keys of its pictures."""

    id: str
    detection_id: str
    snapshot_key: str | None
    plate_snapshot_key: str | None


async def observation_keys(session: AsyncSession, detection_ids: Sequence[str]) -> list[Keys]:
    """In order of time."""
    table = PassageObservation
    asked = select(table.id, table.detection_id, table.snapshot_key, table.plate_snapshot_key)
    found = await session.execute(
        asked.where(table.detection_id.in_(detection_ids)).order_by(table.captured_at, table.frame_id, table.id)
    )
    return [Keys(*row) for row in found]


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
    """Passages that are not final and were last seen before a time, the longest unseen first."""
    table = Detection
    frame = ProcessedFrame
    newest = select(frame.captured_at).where(frame.camera_id == table.camera_id).order_by(frame.captured_at.desc())
    asked = select(
        table.id, table.camera_id, table.ended_at, table.updated_at, table.observation_count,
        newest.limit(1).scalar_subquery(),
    ).where(table.final.is_(False), table.ended_at < unseen_since)  # fmt: skip
    found = await session.execute(asked.order_by(table.ended_at).limit(limit))
    return [OpenPassage(*row) for row in found]


async def close_passage(session: AsyncSession, passage: OpenPassage) -> Detection | None:
    """Mark a passage final; None when it was seen again, or closed, since it was judged."""
    asked = select(Detection).where(Detection.id == passage.id, Detection.final.is_(False))
    row = (await session.scalars(asked)).one_or_none()
    if row is None or row.ended_at != passage.ended_at:
        return None
    row.final, row.updated_at = True, now()
    return row


async def forget_spare_pictures(session: AsyncSession, row: Detection) -> list[str]:
    """Keys of the pictures that no longer stand for a detection; its observations let go of them."""
    table = PassageObservation
    spare = list(
        await session.scalars(
            select(table).where(
                table.detection_id == row.id, table.snapshot_key.is_not(None), table.snapshot_key != row.snapshot_key
            )
        )
    )
    keys = [key for item in spare for key in (item.snapshot_key, item.plate_snapshot_key) if key is not None]
    for item in spare:
        item.snapshot_key = item.plate_snapshot_key = None
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
