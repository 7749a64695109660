"""The rule: one frame in; observations joined into passages, voted, proved by pictures, recorded once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.post_processing import metrics, passages, repository, snapshots
from functions.post_processing.doubles import without_cut_plates, without_doubles
from functions.post_processing.passages import Passage, Rules, Sighting
from functions.post_processing.voting import Vote, vote
from functions.shared import logs
from functions.shared.config import ReaderSettings
from functions.shared.contracts import Candidate, DetectionRecorded, FrameMeta, new_id, now
from functions.shared.db import Database
from functions.shared.errors import GTVisionError, Rejected
from functions.shared.inference import FrameReading, Inference, Observation
from functions.shared.outbox import enqueue
from functions.shared.store import Store
from functions.shared.tables import Detection

log = logs.get("reader")
# What guards against repeats: frames are redelivered within minutes, and 100 cameras read 360,000 of them an hour.
FRAMES_KEPT, MESSAGES_KEPT = timedelta(hours=1), timedelta(days=1)
_BATCH, _BATCHES = 500, 100
_TRIES = 5
_LONGEST_PLATE, _LONGEST_ID, _FIRST_YEAR = 16, 100, 2000
# Clocks differ; a frame from further ahead has a wrong one, and its passage would not end until then.
AHEAD = timedelta(seconds=60)


class Outcome(StrEnum):
    """What became of a frame."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    TOO_OLD = "too_old"
    IN_FUTURE = "in_future"


@dataclass(frozen=True)
class Change:
    """One observation with the passage it joins (`known`) or opens, as the passage stands with it."""

    detection_id: str
    known: bool
    sighting: Sighting
    sightings: tuple[Sighting, ...]
    vote: Vote | None
    shown: Sighting


class _PicturesWanted(Exception):
    """The transaction found that more pictures must be stored first."""

    def __init__(self, changes: Sequence[Change]) -> None:
        super().__init__()
        self.changes = changes


class FrameService:
    """Reads frames. All state is in the database and the store, so any number of these may work side by side."""

    def __init__(self, settings: ReaderSettings, db: Database, store: Store, inference: Inference) -> None:
        self.settings, self.db, self._store, self.inference = settings, db, store, inference

    async def read(self, meta: FrameMeta, jpeg: bytes) -> Outcome:
        """Record what a frame shows. A frame that was read before changes nothing.

        Raises Rejected for a frame without a sound id or time, BrokenImage for bytes that are no picture, and what
        inference, database and store raise when they are away; then nothing is recorded and the frame may be given
        again.
        """
        useless = self._useless(meta)
        if useless is not None:
            metrics.DROPPED.labels(useless).inc()
            return useless
        async with self.db.read() as session:
            known = await repository.is_processed(session, meta.id)
        if known:
            return self._duplicate()
        with metrics.INFERENCE_SECONDS.time():
            reading = await self.inference.read(jpeg)
        sightings = sightings_of(meta, reading)
        outcome = await self._settle(meta, jpeg, sightings)
        if outcome is Outcome.RECORDED:
            metrics.READ.inc()
            metrics.STORED_SECONDS.observe(max(0.0, (now() - _since(meta)).total_seconds()))
        return outcome

    def _useless(self, meta: FrameMeta) -> Outcome | None:
        """Why a frame is not worth reading. Raises Rejected for one that could not be recorded."""
        if len(meta.id) > _LONGEST_ID or not meta.id.isprintable() or meta.captured_at.year < _FIRST_YEAR:
            raise Rejected(f"a frame's id has at most {_LONGEST_ID} characters, its time lies after {_FIRST_YEAR}")
        if meta.captured_at > now() + AHEAD:
            return Outcome.IN_FUTURE
        late = (now() - _since(meta)).total_seconds() > self.settings.frame_max_age_s
        return Outcome.TOO_OLD if late else None

    def _duplicate(self) -> Outcome:
        metrics.DROPPED.labels("duplicate").inc()
        return Outcome.DUPLICATE

    async def _settle(self, meta: FrameMeta, jpeg: bytes, sightings: list[Sighting]) -> Outcome:
        """Store the pictures that are wanted, then record all in one transaction.

        Which pictures are wanted is found without a lock, so that none is held while the store is asked. Where
        another worker changes the passages in between, the transaction gives up and asks for what it misses.
        """
        stored: set[str] = set()
        if sightings:
            async with self.db.read() as session:
                planned = await self._plan(session, meta, sightings)
            await self._store_pictures(meta, jpeg, planned, stored)
        for _ in range(_TRIES):
            try:
                return await self._record(meta, sightings, stored)
            except _PicturesWanted as wanted:
                await self._store_pictures(meta, jpeg, wanted.changes, stored)
            except IntegrityError:
                async with self.db.read() as session:
                    if not await repository.is_processed(session, meta.id):
                        raise
                return self._duplicate()
        raise RuntimeError("the passages of a camera would not hold still")

    async def _record(self, meta: FrameMeta, sightings: list[Sighting], stored: set[str]) -> Outcome:
        async with self.db.transaction() as session:
            await repository.lock_camera(session, meta.camera_id)
            if await repository.is_processed(session, meta.id):
                return self._duplicate()
            changes = await self._plan(session, meta, sightings)
            wanted = [change for change in changes if _wants_pictures(change, stored)]
            if wanted:
                raise _PicturesWanted(wanted)
            await repository.mark_processed(session, meta)
            threshold = await self._threshold(session, meta.camera_id)
            spare = await _write(session, meta, changes, threshold)
        await self._delete_pictures(spare)
        metrics.OBSERVATIONS.labels("joined").inc(sum(change.known for change in changes))
        metrics.OBSERVATIONS.labels("opened").inc(sum(not change.known for change in changes))
        metrics.OBSERVATIONS.labels("ignored").inc(len(sightings) - len(changes))
        return Outcome.RECORDED

    async def _threshold(self, session: AsyncSession, camera_id: str) -> float:
        of_camera = await repository.min_confidence(session, camera_id)
        return self.settings.min_plate_confidence if of_camera is None else of_camera

    async def _plan(self, session: AsyncSession, meta: FrameMeta, sightings: list[Sighting]) -> list[Change]:
        if not sightings:
            return []
        gap_s = self.settings.passage_gap_s
        near = await repository.passages_near(session, meta.camera_id, meta.captured_at, gap_s)
        rules = Rules(gap_s, await repository.seen_since(session, meta.camera_id, meta.captured_at))
        joined = passages.assign(near, sightings, rules)
        back = [passage.id for passage in joined if passage is not None and not passage.sightings]
        earlier = await repository.sightings_of(session, back)
        changes = []
        for sighting, passage in zip(sightings, joined, strict=True):
            if passage is not None and not passage.sightings:
                passage = repository.with_sightings(passage, earlier.get(passage.id, ()))
            if passage is not None or sighting.worth_opening:
                changes.append(_change(passage, sighting))
        return changes

    async def _store_pictures(self, meta: FrameMeta, jpeg: bytes, changes: Sequence[Change], stored: set[str]) -> None:
        wanted = [change.sighting for change in changes if _wants_pictures(change, stored)]
        if not wanted:
            return
        made = await asyncio.to_thread(_pictures, jpeg, wanted)
        for sighting, (vehicle, plate) in zip(wanted, made, strict=True):
            assert sighting.snapshot_key is not None
            await self._store.put(sighting.snapshot_key, vehicle)
            if plate is not None and sighting.plate_snapshot_key is not None:
                await self._store.put(sighting.plate_snapshot_key, plate)
            stored.add(sighting.snapshot_key)

    async def sweep(self, *, idle: bool) -> int:
        """Close the passages that have ended; returns how many. `idle`: no frame waits to be read."""
        unseen_since = now() - timedelta(seconds=self.settings.passage_gap_s)
        async with self.db.read() as session:
            candidates = await repository.open_passages(session, unseen_since)
            newest = {
                camera_id: await repository.newest_frame(session, camera_id)
                for camera_id in {item.camera_id for item in candidates}
            }
        closed = 0
        for item in candidates:
            clock = passages.Clock(now(), newest[item.camera_id], idle)
            gap_s, age_s = self.settings.passage_gap_s, self.settings.frame_max_age_s
            if passages.is_over(item.ended_at, item.touched_at, clock, gap_s, age_s):
                closed += await self._close(item)
        return closed

    async def _close(self, item: repository.OpenPassage) -> bool:
        async with self.db.transaction() as session:
            await repository.lock_camera(session, item.camera_id)
            row = await repository.close_passage(session, item)
            if row is None:
                return False
            spare = await repository.forget_spare_pictures(session, row)
            enqueue(session, recorded(row))
        metrics.PASSAGES.labels("none" if row.plate is None else "uncertain" if row.uncertain else "read").inc()
        await self._delete_pictures(spare)
        return True

    async def _delete_pictures(self, keys: Sequence[str]) -> None:
        """After the commit that let go of them; one that cannot be deleted now is left to the retention."""
        for key in keys:
            try:
                await self._store.delete(key)
            except GTVisionError as error:
                log.warning("spare_picture_stays", key=key, reason=error.message)

    async def forget(self) -> None:
        """Delete what only guards against repeats, in small batches, when its time is over."""
        tasks = ((repository.forget_frames, FRAMES_KEPT), (repository.forget_messages, MESSAGES_KEPT))
        for forget, kept in tasks:
            for _ in range(_BATCHES):
                async with self.db.transaction() as session:
                    gone = await forget(session, now() - kept, _BATCH)
                if gone < _BATCH:
                    break


def _since(meta: FrameMeta) -> datetime:
    """The time a frame's age counts from: a frame given by HTTP may be of any time, its wait began when it came."""
    return meta.occurred_at if meta.source == "ingest" else meta.captured_at


def sightings_of(meta: FrameMeta, reading: FrameReading) -> list[Sighting]:
    """The observations of a frame, each vehicle once, without fragments of plates."""
    whole = without_cut_plates(reading.observations, reading.width, reading.height)
    return [_sighting(meta, index, item) for index, item in enumerate(without_doubles(whole))]


def _sighting(meta: FrameMeta, index: int, observation: Observation) -> Sighting:
    vehicle, plate = observation.vehicle, observation.plate
    candidates = tuple(item for item in (plate.candidates if plate else ()) if 0 < len(item.text) <= _LONGEST_PLATE)
    vehicle_key, plate_key = snapshots.keys_of(meta.camera_id, meta.captured_at, meta.id, index)
    return Sighting(
        id=new_id(), frame_id=meta.id, at=meta.captured_at, vehicle_type=vehicle.type if vehicle else None,
        vehicle_confidence=vehicle.confidence if vehicle else None, vehicle_box=vehicle.box if vehicle else None,
        plate_box=plate.box if plate else None, plate_format=plate.format if plate else None, candidates=candidates,
        snapshot_key=vehicle_key, plate_snapshot_key=plate_key if plate else None,
    )  # fmt: skip


def _change(passage: Passage | None, sighting: Sighting) -> Change:
    before = passage.sightings if passage is not None else ()
    sightings = passages.with_sighting(before, sighting)
    result = vote([item.reading for item in sightings if item.reading is not None])
    shown = passages.best_shown(sightings, sighting, result.text if result else None)
    detection_id = passage.id if passage is not None else new_id()
    return Change(detection_id, passage is not None, sighting, sightings, result, shown)


def _wants_pictures(change: Change, stored: set[str]) -> bool:
    return change.shown is change.sighting and change.sighting.snapshot_key not in stored


def _pictures(jpeg: bytes, sightings: list[Sighting]) -> list[tuple[bytes, bytes | None]]:
    frame = snapshots.decode(jpeg)
    return [snapshots.pictures(frame, sighting) for sighting in sightings]


async def _write(session: AsyncSession, meta: FrameMeta, changes: Sequence[Change], threshold: float) -> list[str]:
    """Write the changes of one frame: detections, observations, and an event for each plate that is new.

    Returns the keys of pictures that nothing refers to any more.
    """
    rows = [await _row(session, meta, change) for change in changes]
    plates = [row.plate for row in rows]
    for row, change in zip(rows, changes, strict=True):
        _fill(row, change, threshold)
    # Detections first: observations refer to them.
    await session.flush()
    spare: list[str] = []
    for row, change, before in zip(rows, changes, plates, strict=True):
        spare += await _observe(session, change)
        if row.plate is not None and row.plate != before:
            enqueue(session, recorded(row))
    return spare


async def _observe(session: AsyncSession, change: Change) -> list[str]:
    """Add the observation, and drop the least telling one where there are too many; returns its pictures' keys."""
    sighting = change.sighting
    if change.shown is not sighting:
        sighting = passages.without_pictures(sighting)
    repository.add_sighting(session, change.detection_id, sighting)
    spare = passages.crowded_out(change.sightings, change.shown)
    if spare is None or spare.id == sighting.id:
        return []
    await repository.drop_sighting(session, spare)
    return [key for key in (spare.snapshot_key, spare.plate_snapshot_key) if key is not None]


async def _row(session: AsyncSession, meta: FrameMeta, change: Change) -> Detection:
    if change.known:
        return await repository.detection(session, change.detection_id)
    row = Detection(
        id=change.detection_id, camera_id=meta.camera_id, started_at=meta.captured_at, ended_at=meta.captured_at,
        final=False, stationary=False, observation_count=0, candidates=[], correlation_id=meta.correlation_id[:64],
        created_at=now(), updated_at=now(),
    )  # fmt: skip
    session.add(row)
    return row


def _fill(row: Detection, change: Change, threshold: float) -> None:
    """Bring a detection to what all its observations together say."""
    sighting, shown, voted = change.sighting, change.shown, change.vote
    if sighting.at >= row.ended_at:
        row.last_box = repository.box_row(sighting.place)
    row.started_at, row.ended_at = min(row.started_at, sighting.at), max(row.ended_at, sighting.at)
    row.updated_at = now()
    row.observation_count += 1
    row.stationary = passages.is_stationary(change.sightings)
    row.vehicle_type, row.vehicle_confidence = passages.vehicle_of(change.sightings)
    row.plate = voted.text if voted else None
    row.plate_reversed = voted.text[::-1] if voted else None
    row.plate_confidence = voted.confidence if voted else None
    row.plate_format = voted.format if voted else None
    row.uncertain = voted is not None and voted.confidence < threshold
    row.candidates = repository.candidate_rows(voted.candidates if voted else ())
    row.box = repository.box_row(shown.vehicle_box or shown.plate_box)
    row.best_score = passages.score(shown)
    row.snapshot_key, row.plate_snapshot_key = shown.snapshot_key, shown.plate_snapshot_key


def recorded(row: Detection) -> DetectionRecorded:
    """The event that tells of a detection as it stands."""
    box = row.box
    return DetectionRecorded(
        camera_id=row.camera_id, correlation_id=row.correlation_id, detection_id=row.id, started_at=row.started_at,
        ended_at=row.ended_at, final=row.final, vehicle_type=row.vehicle_type,
        vehicle_confidence=row.vehicle_confidence, plate=row.plate, plate_confidence=row.plate_confidence,
        plate_format=row.plate_format, uncertain=row.uncertain,
        candidates=tuple(Candidate.model_validate(item) for item in row.candidates),
        box=None if box is None else (box[0], box[1], box[2], box[3]), observations=row.observation_count,
        snapshot_key=row.snapshot_key, plate_snapshot_key=row.plate_snapshot_key,
    )  # fmt: skip
