"""A derivation brought into the database: rows of detections and observations, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from functions.post_processing import repository
from functions.post_processing.cameras import CameraRules
from functions.post_processing.derivation import Derived, Passage
from functions.post_processing.looks import Size
from functions.post_processing.portrait import Portrait, is_wanted, portrait
from functions.post_processing.rows import box_row, candidate_rows
from functions.post_processing.scene import Stored
from functions.post_processing.sightings import Sighting, without_pictures
from functions.post_processing.snapshots import Hashes
from functions.shared.contracts import Candidate, DetectionRecorded, FrameMeta, new_id, now
from functions.shared.outbox import enqueue
from functions.shared.tables import Detection

# A plate less probable than this is no preview: far plates read as another text in each frame.
LEAST_TOLD = 0.1


@dataclass(frozen=True)
class Times:
    """The time now; no frame captured before `frontier` can come any more: what was crowded out before is deleted."""

    now: datetime
    frontier: datetime


@dataclass
class Written:
    """What a frame changed. `rows`: the passages of the scene, each with its row. `spare`: keys of pictures that
    nothing refers to any more."""

    rows: list[tuple[Passage, Detection]]
    spare: list[str]
    opened: int = 0
    previews: int = 0
    merged: int = 0
    regrouped: int = 0


class Recorder:
    """Writes what one frame changes, within the transaction of `session`."""

    def __init__(self, session: AsyncSession, stored: Stored, meta: FrameMeta, size: Size, rules: CameraRules) -> None:
        self._session, self._stored, self._meta, self._size, self._rules = session, stored, meta, size, rules

    async def write(self, derived: Derived, threshold: float, times: Times) -> Written:
        rows = [(passage, self._row(passage)) for passage in derived.passages]
        told = {row.id: _worth_telling(row) for _, row in rows}
        changed = [(passage, row) for passage, row in rows if passage.changed]
        drawn = [portrait(passage.sightings, self._size, self._rules.ask.formats) for passage, _ in changed]
        for (passage, row), drawing in zip(changed, drawn, strict=True):
            # A vehicle that had left is in sight after all: it leaves once more, and is told of once more.
            row.resumed = row.resumed or (row.final and drawing.ended_at > row.ended_at and not drawing.stationary)
            _fill(row, drawing, threshold)
            row.updated_at, row.settled = times.now, False
            row.observation_count += self._difference(passage)
        # Detections first: observations refer to them.
        await self._session.flush()
        done = Written(rows, spare=await self._place(changed, derived))
        done.spare += await self._forget(drawn, times)
        done.opened = sum(passage.id is None for passage, _ in changed)
        done.regrouped = sum(len(passage.gained) for passage, _ in changed) - len(self._new(changed))
        done.merged = await self._drop_merged(derived.merged, rows)
        for _, row in changed:
            plate = _worth_telling(row)
            if plate != told[row.id] and (plate is not None or row.final):
                enqueue(self._session, recorded(row))
                done.previews += told[row.id] is None
        return done

    def _new(self, changed: Iterable[tuple[Passage, Detection]]) -> list[Sighting]:
        own = self._stored.scene.frame.id
        return [item for passage, _ in changed for item in passage.gained if item.frame_id == own]

    def _row(self, passage: Passage) -> Detection:
        if passage.id is not None:
            return self._stored.rows[passage.id]
        first, at = passage.sightings[0], now()
        row = Detection(
            id=new_id(), camera_id=self._meta.camera_id, started_at=first.at, ended_at=first.at, final=False,
            stationary=False, observation_count=0, candidates=[], best_score=0.0, corrected=False, uncertain=False,
            settled=False, resumed=False,
            correlation_id=self._meta.correlation_id[:64], created_at=at, updated_at=at,
        )  # fmt: skip
        self._session.add(row)
        return row

    def _difference(self, passage: Passage) -> int:
        """How many sightings a passage has won, less those it has lost."""
        held = next((len(each.sightings) for each in self._stored.scene.known if each.id == passage.id), 0)
        return len(passage.sightings) - held

    async def _place(self, changed: Sequence[tuple[Passage, Detection]], derived: Derived) -> list[str]:
        """Give each observation to its passage: new ones and those that no passage held are added, others moved.

        Returns the keys of the pictures of those that no passage holds any more.
        """
        scene = self._stored.scene
        held = {item.id: item for each in scene.known for item in each.sightings}
        for passage, row in changed:
            moved = [item.id for item in passage.gained if item.id in held]
            if moved:
                await repository.move_sightings(self._session, row.id, moved)
            for item in passage.gained:
                if item.id not in held:
                    repository.add_sighting(self._session, row.id, item)
        left: list[Sighting] = []
        for frame in scene.later:
            rest = derived.rest.get(frame.id, ())
            if {item.id for item in rest} != {item.id for item in frame.sightings if item.id not in held}:
                await repository.change_rest(self._session, frame.id, rest)
                left += [held[item.id] for item in rest if item.id in held]
        await self._session.flush()
        if left:
            await repository.drop_sightings(self._session, [item.id for item in left])
        return keys_of(left)

    async def _forget(self, drawn: Iterable[Portrait], times: Times) -> list[str]:
        """Delete observations that were crowded out for good; returns the keys of their pictures."""
        gone = [item.sighting for drawing in drawn for item in drawing.dropped if item.at < times.frontier]
        if gone:
            await repository.drop_sightings(self._session, [item.id for item in gone])
        return keys_of(gone)

    async def _drop_merged(self, merged: Mapping[str, int], rows: Sequence[tuple[Passage, Detection]]) -> int:
        """Passages that turned out to be part of another: who was told of one is told which took its place."""
        for name, heir in merged.items():
            row, survivor = self._stored.rows[name], rows[heir][1]
            if row.corrected and not survivor.corrected:
                for column in ("plate", "plate_reversed", "plate_format", "uncertain", "corrected"):
                    setattr(survivor, column, getattr(row, column))
            if row.plate is not None or row.final:
                enqueue(self._session, recorded(row, replaced_by=survivor.id))
            await self._session.delete(row)
        return len(merged)


def _worth_telling(row: Detection) -> str | None:
    """The plate that an event tells of: of an open passage no mere guess, of a final one whatever was read."""
    guess = not (row.final or row.corrected) and (row.plate_confidence or 0.0) < LEAST_TOLD
    return None if guess else row.plate


def _fill(row: Detection, drawing: Portrait, threshold: float) -> None:
    """Bring a detection to what all its sightings together say. What a person said of it stays."""
    row.started_at, row.ended_at = drawing.started_at, drawing.ended_at
    row.last_box, row.stationary = box_row(drawing.last_place), drawing.stationary
    # A type or colour without a confidence is a person's.
    if row.vehicle_type is None or row.vehicle_confidence is not None:
        row.vehicle_type, row.vehicle_confidence = drawing.vehicle
    if row.color is None or row.color_confidence is not None:
        row.color, row.color_confidence = drawing.color
    row.direction = drawing.direction
    _fill_plate(row, drawing, threshold)
    shown = drawing.shown
    if shown is not None:
        row.box = box_row(shown.vehicle_box or shown.plate_box)
        row.best_score = shown.score
        row.snapshot_key, row.plate_snapshot_key = shown.snapshot_key, shown.plate_snapshot_key
        row.snapshot_sha256, row.plate_snapshot_sha256 = shown.snapshot_sha256, shown.plate_snapshot_sha256


def _fill_plate(row: Detection, drawing: Portrait, threshold: float) -> None:
    voted = drawing.vote
    row.plate_read = voted.text if voted else None
    row.plate_confidence = voted.confidence if voted else None
    row.candidates = candidate_rows(voted.candidates if voted else ())
    row.plate_rows = drawing.plate_rows
    if row.corrected:
        return
    row.plate, row.plate_format = row.plate_read, voted.format if voted else None
    row.plate_reversed = row.plate[::-1] if row.plate else None
    row.uncertain = voted is not None and voted.confidence < threshold


def wanted_pictures(derived: Derived, frame_id: str, stored: Mapping[str, Hashes]) -> list[Sighting]:
    """Sightings of a frame whose pictures are to be kept but are not stored yet."""
    return [
        item
        for passage in derived.passages
        for item in passage.gained
        if item.frame_id == frame_id and item.id not in stored and is_wanted(item, passage.sightings)
    ]


def with_stored_pictures(derived: Derived, frame_id: str, stored: Mapping[str, Hashes]) -> Derived:
    """The same, where sightings of the frame have the hashes of their stored pictures; the others refer to none."""

    def plain(item: Sighting) -> Sighting:
        if item.frame_id != frame_id:
            return item
        if item.id not in stored:
            return without_pictures(item)
        vehicle, plate = stored[item.id]
        return replace(item, snapshot_sha256=vehicle, plate_snapshot_sha256=plate)

    passages = tuple(
        replace(each, sightings=tuple(map(plain, each.sightings)), gained=tuple(map(plain, each.gained)))
        for each in derived.passages
    )
    rest = {name: tuple(map(plain, items)) for name, items in derived.rest.items()}
    return replace(derived, passages=passages, rest=rest)


def keys_of(sightings: Iterable[Sighting]) -> list[str]:
    keys = (key for item in sightings for key in (item.snapshot_key, item.plate_snapshot_key))
    return [key for key in keys if key is not None]


def recorded(row: Detection, replaced_by: str | None = None) -> DetectionRecorded:
    """The event that tells of a detection as it stands, or that another took its place: then it is never final."""
    box = row.box
    return DetectionRecorded(
        camera_id=row.camera_id, correlation_id=row.correlation_id, detection_id=row.id, started_at=row.started_at,
        ended_at=row.ended_at, final=row.final and replaced_by is None, vehicle_type=row.vehicle_type,
        vehicle_confidence=row.vehicle_confidence, color=row.color, color_confidence=row.color_confidence,
        direction=row.direction, plate=row.plate, plate_read=row.plate_read, plate_confidence=row.plate_confidence,
        plate_format=row.plate_format, plate_rows=row.plate_rows, corrected=row.corrected, uncertain=row.uncertain,
        candidates=tuple(Candidate(text=item["text"], confidence=item["confidence"]) for item in row.candidates),
        box=None if box is None else (box[0], box[1], box[2], box[3]), observations=row.observation_count,
        snapshot_key=row.snapshot_key, plate_snapshot_key=row.plate_snapshot_key, replaced_by=replaced_by,
    )  # fmt: skip
