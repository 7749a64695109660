"""The SQL of passages. Plain functions that take a session; the transaction is the caller's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from functions.post_processing.passages import MISSES, PARKED_MEMORY_S, Passage, Sighting
from functions.shared.contracts import FrameMeta, now
from functions.shared.inference import Box, Candidate
from functions.shared.tables import Camera, Detection, OutboxMessage, PassageObservation, ProcessedFrame

# Passages of a camera that a frame is held against, the latest first.
MOST_PASSAGES = 100


@dataclass(frozen=True)
class OpenPassage:
    """A passage that may be over. `touched_at` is the wall clock of its last change."""

    id: str
    camera_id: str
    ended_at: datetime
    touched_at: datetime


async def lock_camera(session: AsyncSession, camera_id: str) -> None:
    """Wait for every other transaction about this camera: two frames must not both open the same passage.

    PostgreSQL holds an advisory lock until the transaction ends; SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(f"gtv-passages:{camera_id}".encode()).digest()[:8], "big", signed=True)
        await session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": key})


async def is_processed(session: AsyncSession, frame_id: str) -> bool:
    found = await session.scalar(select(ProcessedFrame.id).where(ProcessedFrame.id == frame_id))
    return found is not None


async def mark_processed(session: AsyncSession, meta: FrameMeta) -> None:
    """Raises IntegrityError when another worker has read the frame meanwhile."""
    row = ProcessedFrame(id=meta.id, camera_id=meta.camera_id, captured_at=meta.captured_at, processed_at=now())
    session.add(row)
    await session.flush()


async def min_confidence(session: AsyncSession, camera_id: str) -> float | None:
    found: float | None = await session.scalar(select(Camera.min_confidence).where(Camera.id == camera_id))
    return found


async def seen_since(session: AsyncSession, camera_id: str, at: datetime) -> datetime:
    """The time before which a vehicle was last seen that more than MISSES frames up to `at` have missed."""
    frames = (
        select(ProcessedFrame.captured_at)
        .where(ProcessedFrame.camera_id == camera_id, ProcessedFrame.captured_at < at)
        .order_by(ProcessedFrame.captured_at.desc())
        .limit(1)
        .offset(MISSES)
    )
    found: datetime | None = await session.scalar(frames)
    return found or at - timedelta(seconds=PARKED_MEMORY_S)


async def newest_frame(session: AsyncSession, camera_id: str) -> datetime | None:
    newest = select(ProcessedFrame.captured_at).where(ProcessedFrame.camera_id == camera_id)
    found: datetime | None = await session.scalar(newest.order_by(ProcessedFrame.captured_at.desc()).limit(1))
    return found


async def passages_near(session: AsyncSession, camera_id: str, at: datetime, gap_s: float) -> list[Passage]:
    """Passages of a camera that a frame of time `at` may belong to.

    Those within the gap come with their observations, those longer out of sight (parked, perhaps) without.
    """
    gap = timedelta(seconds=gap_s)
    near = (
        select(Detection)
        .where(
            Detection.camera_id == camera_id,
            Detection.ended_at >= at - timedelta(seconds=PARKED_MEMORY_S),
            Detection.started_at <= at + gap,
        )
        .order_by(Detection.ended_at.desc())
        .limit(MOST_PASSAGES)
    )
    rows = list(await session.scalars(near))
    seen = await sightings_of(session, [row.id for row in rows if row.ended_at >= at - gap])
    return [_passage(row, tuple(seen.get(row.id, ()))) for row in rows]


async def sightings_of(session: AsyncSession, detection_ids: Sequence[str]) -> dict[str, list[Sighting]]:
    """Observations by detection, in order of time."""
    if not detection_ids:
        return {}
    table = PassageObservation
    found = await session.scalars(
        select(table).where(table.detection_id.in_(detection_ids)).order_by(table.captured_at, table.id)
    )
    by_detection: dict[str, list[Sighting]] = {}
    for row in found:
        by_detection.setdefault(row.detection_id, []).append(_sighting(row))
    return by_detection


async def detection(session: AsyncSession, detection_id: str) -> Detection:
    found: Detection = (await session.scalars(select(Detection).where(Detection.id == detection_id))).one()
    return found


def add_sighting(session: AsyncSession, detection_id: str, sighting: Sighting) -> None:
    reading = sighting.reading
    session.add(
        PassageObservation(
            id=sighting.id, detection_id=detection_id, frame_id=sighting.frame_id, captured_at=sighting.at,
            vehicle_type=sighting.vehicle_type, vehicle_confidence=sighting.vehicle_confidence,
            vehicle_box=box_row(sighting.vehicle_box), plate=reading.text if reading else None,
            plate_confidence=reading.confidence if reading else None, plate_format=sighting.plate_format,
            plate_box=box_row(sighting.plate_box), candidates=candidate_rows(sighting.candidates),
            snapshot_key=sighting.snapshot_key, plate_snapshot_key=sighting.plate_snapshot_key,
        )
    )  # fmt: skip


async def drop_sighting(session: AsyncSession, sighting: Sighting) -> None:
    await session.execute(delete(PassageObservation).where(PassageObservation.id == sighting.id))


async def open_passages(session: AsyncSession, unseen_since: datetime, limit: int = 500) -> list[OpenPassage]:
    """Passages that are not final and were last seen before a time, the longest unseen first."""
    table = Detection
    asked = select(table.id, table.camera_id, table.ended_at, table.updated_at).where(
        table.final.is_(False), table.ended_at < unseen_since
    )
    rows = await session.execute(asked.order_by(table.ended_at).limit(limit))
    return [OpenPassage(*row) for row in rows]


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


def with_sightings(passage: Passage, sightings: Iterable[Sighting]) -> Passage:
    return replace(passage, sightings=tuple(sightings))


def _passage(row: Detection, sightings: tuple[Sighting, ...]) -> Passage:
    return Passage(
        id=row.id, started_at=row.started_at, ended_at=row.ended_at, vehicle_type=row.vehicle_type,
        candidates=_candidates(row.candidates), last_box=_box(row.last_box), stationary=row.stationary,
        sightings=sightings,
    )  # fmt: skip


def _sighting(row: PassageObservation) -> Sighting:
    return Sighting(
        id=row.id, frame_id=row.frame_id, at=row.captured_at, vehicle_type=row.vehicle_type,
        vehicle_confidence=row.vehicle_confidence, vehicle_box=_box(row.vehicle_box), plate_box=_box(row.plate_box),
        plate_format=row.plate_format, candidates=_candidates(row.candidates), snapshot_key=row.snapshot_key,
        plate_snapshot_key=row.plate_snapshot_key,
    )  # fmt: skip


def box_row(box: Box | None) -> list[float] | None:
    return None if box is None else [round(value, 1) for value in (box.x1, box.y1, box.x2, box.y2)]


def candidate_rows(candidates: Iterable[Candidate]) -> list[dict[str, Any]]:
    return [{"text": item.text, "confidence": round(item.confidence, 4)} for item in candidates]


def _box(row: Sequence[float] | None) -> Box | None:
    return None if row is None else Box(x1=row[0], y1=row[1], x2=row[2], y2=row[3])


def _candidates(rows: Iterable[dict[str, Any]]) -> tuple[Candidate, ...]:
    return tuple(Candidate.model_validate(row) for row in rows)
