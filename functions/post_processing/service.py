"""The rule: one frame in; observations joined into passages, voted, proved by pictures, recorded once.

What is recorded is a function of the set of frames that were read, whatever their order and whoever read them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.exc import IntegrityError

from functions.post_processing import closing, metrics, repository, snapshots
from functions.post_processing.cameras import CameraRules, Cameras
from functions.post_processing.derivation import derive
from functions.post_processing.lately import Lately
from functions.post_processing.recording import Recorder, Times, Written, wanted_pictures, with_stored_pictures
from functions.post_processing.scene import KnownFrame, Scenes
from functions.post_processing.seeing import Seen, seen_in
from functions.post_processing.sightings import Sighting
from functions.shared import logs
from functions.shared.config import ReaderSettings
from functions.shared.contracts import FrameMeta, now
from functions.shared.db import Database
from functions.shared.errors import GTVisionError, Rejected
from functions.shared.inference import Inference
from functions.shared.locks import lock_camera
from functions.shared.store import Store

log = logs.get("reader")
# What guards against repeats: frames are redelivered within minutes, and 100 cameras read 360,000 of them an hour.
FRAMES_KEPT, MESSAGES_KEPT = timedelta(hours=1), timedelta(days=1)
_BATCH, _BATCHES = 500, 100
_TRIES = 5
_LONGEST_ID, _FIRST_YEAR = 100, 2000
# Clocks differ; a frame from further ahead has a wrong one, and its passage would not end until then.
AHEAD = timedelta(seconds=60)
# What a frame may take, besides its age and inference, until it is recorded, s.
SLACK_S = 10.0

# Whether no frame of a camera waits to be read, whose newest that was read is of this time.
Quiet = Callable[[str, datetime | None], Awaitable[bool]]


class Outcome(StrEnum):
    """What became of a frame."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    TOO_OLD = "too_old"
    IN_FUTURE = "in_future"


class _PicturesWanted(Exception):
    """The transaction found that more pictures must be stored first."""

    def __init__(self, sightings: Sequence[Sighting]) -> None:
        super().__init__()
        self.sightings = sightings


class FrameService:
    """Reads frames. All state is in the database and the store, so any number of these may work side by side.

    `clock` is the time by which frames age and passages end.
    """

    def __init__(
        self, settings: ReaderSettings, db: Database, store: Store, inference: Inference,
        clock: Callable[[], datetime] = now,
    ) -> None:  # fmt: skip
        self.settings, self.db, self._store, self.inference, self._clock = settings, db, store, inference, clock
        # How long after a frame was captured one that was captured before it may still be recorded.
        self._late_s = settings.frame_max_age_s + settings.inference_timeout_s + SLACK_S
        self._cameras = Cameras(db)
        self._scenes = Scenes(settings.passage_gap_s, self._late_s)
        self._lately = Lately()
        self._endings = closing.Endings(settings)

    async def read(self, meta: FrameMeta, jpeg: bytes, *, fresh: bool = False) -> Outcome:
        """Record what a frame shows. A frame that was read before changes nothing.

        `fresh`: it is hardly one that was, so it is not asked before it is read.

        Raises Rejected for a frame without a sound id or time, BrokenImage for bytes that are no picture, and what
        inference, database and store raise when they are away; then nothing is recorded and the frame may be given
        again.
        """
        useless = self._useless(meta)
        if useless is not None:
            metrics.DROPPED.labels(useless).inc()
            return useless
        if not fresh and await self._is_known(meta):
            return self._duplicate()
        rules = await self._cameras.of(meta.camera_id)
        with metrics.INFERENCE_SECONDS.time(), metrics.step("inference"):
            reading = await self.inference.read(jpeg, rules.ask)
        for name, spent in reading.timings_ms.items():
            metrics.STEP_SECONDS.labels(f"inference: {name}").inc(spent / 1000)
        outcome = await self._settle(meta, jpeg, seen_in(meta, reading, rules.zones), rules)
        if outcome is Outcome.RECORDED:
            metrics.READ.inc()
            metrics.STORED_SECONDS.observe(max(0.0, (now() - _since(meta)).total_seconds()))
        return outcome

    def _useless(self, meta: FrameMeta) -> Outcome | None:
        """Why a frame is not worth reading. Raises Rejected for one that could not be recorded."""
        if len(meta.id) > _LONGEST_ID or not meta.id.isprintable() or meta.captured_at.year < _FIRST_YEAR:
            raise Rejected(f"a frame's id has at most {_LONGEST_ID} characters, its time lies after {_FIRST_YEAR}")
        if meta.captured_at > self._clock() + AHEAD:
            return Outcome.IN_FUTURE
        late = (self._clock() - _since(meta)).total_seconds() > self.settings.frame_max_age_s
        return Outcome.TOO_OLD if late else None

    async def _is_known(self, meta: FrameMeta) -> bool:
        with metrics.step("known"):
            async with self.db.read() as session:
                return await repository.is_processed(session, meta.id)

    def _duplicate(self) -> Outcome:
        metrics.DROPPED.labels("duplicate").inc()
        return Outcome.DUPLICATE

    async def _settle(self, meta: FrameMeta, jpeg: bytes, seen: Seen, rules: CameraRules) -> Outcome:
        """Store the pictures that are wanted, then record all in one transaction.

        Which pictures are wanted is guessed without a question, so that no lock is held while the store is asked.
        Where the passages say otherwise, the transaction gives up and asks for what it misses.
        """
        stored: dict[str, snapshots.Hashes] = {}
        await self._store_pictures(jpeg, self._lately.wanted(meta.camera_id, seen.frame), seen, stored)
        for _ in range(_TRIES):
            try:
                with metrics.step("record"):
                    await self._record(meta, seen, stored, rules)
            except _PicturesWanted as wanted:
                await self._store_pictures(jpeg, wanted.sightings, seen, stored)
            except KnownFrame:
                return self._duplicate()
            except IntegrityError:
                if not await self._is_known(meta):
                    raise
                return self._duplicate()
            else:
                self._lately.recorded(meta.camera_id, seen.frame)
                return Outcome.RECORDED
        raise RuntimeError("the passages of a camera would not hold still")

    async def _record(
        self, meta: FrameMeta, seen: Seen, stored: Mapping[str, snapshots.Hashes], rules: CameraRules
    ) -> None:
        async with self.db.transaction() as session:
            await lock_camera(session, meta.camera_id)
            around = await self._scenes.around(session, seen.frame, meta.camera_id)
            derived = derive(around.scene, self.settings.passage_gap_s)
            wanted = wanted_pictures(derived, meta.id, stored)
            if wanted:
                raise _PicturesWanted(wanted)
            derived = with_stored_pictures(derived, meta.id, stored)
            await repository.mark_processed(session, meta, seen.frame, seen.size, derived.rest.get(meta.id, ()))
            recorder = Recorder(session, around, meta, seen.size, rules)
            written = await recorder.write(derived, self._threshold(rules), self._times())
            closed = closing.by_frame(
                session, written.rows, around.scene.newest_frame, seen.size, self.settings.passage_gap_s, self._clock()
            )
        self._scenes.recorded(item for each in derived.passages for item in each.gained if item.frame_id == meta.id)
        _count(written, meta, len(around.scene.later), len(seen.frame.sightings))
        closing.count(closed, self._clock())
        await self._delete_pictures(written.spare)

    def _threshold(self, rules: CameraRules) -> float:
        return self.settings.min_plate_confidence if rules.threshold is None else rules.threshold

    def _times(self) -> Times:
        return Times(self._clock(), self._clock() - timedelta(seconds=self._late_s))

    async def _store_pictures(
        self, jpeg: bytes, wanted: Sequence[Sighting], seen: Seen, stored: dict[str, snapshots.Hashes]
    ) -> None:
        if not wanted:
            return
        with metrics.step("pictures"):
            made = await asyncio.to_thread(_pictures, jpeg, wanted, seen)
        with metrics.step("store"):
            for sighting, (vehicle, plate) in zip(wanted, made, strict=True):
                assert sighting.snapshot_key is not None
                await self._store.put(sighting.snapshot_key, vehicle)
                if plate is not None and sighting.plate_snapshot_key is not None:
                    await self._store.put(sighting.plate_snapshot_key, plate)
                stored[sighting.id] = snapshots.hashes(vehicle, plate)

    async def sweep(self, *, idle: bool, quiet: Quiet | None = None) -> int:
        """Close passages that have ended; returns how many.

        `idle`: no frame of any camera waits to be read. `quiet` tells it of one camera, where others are busy.
        """

        async def camera_is_idle(item: repository.OpenPassage) -> bool:
            return idle or (quiet is not None and await quiet(item.camera_id, item.newest_frame))

        clock = self._clock()
        async with self.db.read() as session:
            waiting = await repository.open_passages(session, clock - closing.LEAST_UNSEEN)
            over = await self._endings.over(session, waiting, clock, camera_is_idle)
        closed = 0
        for item in over:
            closed += await self._close(item)
        return closed

    async def _close(self, item: closing.Over) -> bool:
        async with self.db.transaction() as session:
            await lock_camera(session, item.passage.camera_id)
            closed = await closing.close(session, item)
        if closed is not None:
            closing.count([closed], self._clock())
        return closed is not None

    async def settle(self) -> int:
        """Let go of the pictures that do not stand for their passage, once no frame can come that changes which do.

        Returns how many passages were looked at.
        """
        frontier = self._times().frontier - timedelta(seconds=self.settings.passage_gap_s)
        async with self.db.read() as session:
            found = await repository.unsettled(session, frontier, _BATCH)
        for camera_id, ids in found.items():
            async with self.db.transaction() as session:
                await lock_camera(session, camera_id)
                spare = await repository.settle(session, ids, frontier)
            await self._delete_pictures(spare)
        return sum(map(len, found.values()))

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


def _pictures(jpeg: bytes, wanted: Sequence[Sighting], seen: Seen) -> list[tuple[bytes, bytes | None]]:
    frame = snapshots.decode(jpeg)
    return [snapshots.pictures(frame, item, seen.plate_cuts.get(item.id)) for item in wanted]


def _count(written: Written, meta: FrameMeta, later: int, sightings: int) -> None:
    held = sum(item.frame_id == meta.id for passage, _ in written.rows for item in passage.gained)
    metrics.OBSERVATIONS.labels("opened").inc(written.opened)
    metrics.OBSERVATIONS.labels("joined").inc(max(0, held - written.opened))
    metrics.OBSERVATIONS.labels("ignored").inc(sightings - held)
    metrics.REGROUPED.labels("observation").inc(written.regrouped)
    metrics.REGROUPED.labels("passage").inc(written.merged)
    metrics.REDERIVED.inc(later > 0)
    for _ in range(written.previews):
        metrics.PREVIEW_SECONDS.observe(max(0.0, (now() - _since(meta)).total_seconds()))
