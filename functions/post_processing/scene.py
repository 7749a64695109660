"""What is stored of a camera around a frame, brought together for the derivation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from functions.post_processing import repository
from functions.post_processing.derivation import Known, Scene
from functions.post_processing.joining import MISSES, PARKED_MEMORY_S, SAME_ROAD, Look
from functions.post_processing.looks import is_stationary
from functions.post_processing.rows import box_of
from functions.post_processing.sightings import Sighting, remembered
from functions.post_processing.tracker import Frame
from functions.shared.inference import Box
from functions.shared.tables import Detection, ProcessedFrame

# Passages of a camera that a frame is held against, the latest first.
MOST_PASSAGES = 200
_REMEMBERED = 5000


@dataclass(frozen=True)
class Stored:
    """A Scene with the rows of its passages, by id."""

    scene: Scene
    rows: dict[str, Detection]


class Scenes:
    """Gathers scenes. Observations never change but for their passage and pictures, so what was read of them once is
    kept in memory; each answer is told from the rows."""

    def __init__(self, gap_s: float, horizon_s: float) -> None:
        self._gap_s, self._horizon = gap_s, timedelta(seconds=horizon_s)
        self._kept: OrderedDict[str, Sighting] = OrderedDict()

    async def around(self, session: AsyncSession, frame: Frame, camera_id: str) -> Stored:
        """The scene of a frame that is not recorded yet. Frames captured more than the horizon after it stay as they
        are: they are that far apart only where old pictures are handed in."""
        until = frame.at + self._horizon
        after = await repository.frames_after(session, frame, camera_id, until)
        before = await repository.times_before(session, camera_id, frame.at, MISSES + 1)
        oldest = frame.at - timedelta(seconds=PARKED_MEMORY_S)
        near = await repository.detections_between(session, camera_id, oldest, until, MOST_PASSAGES)
        missed = before[MISSES] if len(before) > MISSES else oldest
        in_sight = min(frame.at - timedelta(seconds=self._gap_s), missed)
        hot = [row for row in near if row.ended_at >= in_sight]
        known = await self._known(session, hot)
        later = [_frame(row.id, row, known) for row in after]
        places = [place for item in (frame, *later) for place in item.look.places]
        returning = [row for row in near if row.ended_at < in_sight and self._may_return(row, frame, places)]
        known += await self._known(session, returning)
        looks = await self._looks(session, camera_id, frame, known)
        rows = {row.id: row for row in (*hot, *returning)}
        return Stored(Scene(frame, tuple(later), tuple(known), tuple(before), looks), rows)

    def _may_return(self, row: Detection, frame: Frame, places: Iterable[Box]) -> bool:
        """Whether a passage that was missed may go on: one that stood, where something is seen now."""
        last = box_of(row.last_box)
        if not row.stationary or last is None:
            return False
        lately = row.ended_at >= frame.at - timedelta(seconds=2 * self._gap_s)
        return lately or any(last.iou(place) >= SAME_ROAD for place in places)

    async def _looks(
        self, session: AsyncSession, camera_id: str, frame: Frame, known: Sequence[Known]
    ) -> tuple[Look, ...]:
        """What was seen since a vehicle that stands was seen last."""
        ends = []
        for each in known:
            before = [item for item in each.sightings if (item.at, item.frame_id) < frame.order]
            if before and is_stationary(remembered(before)[0]):
                ends.append(before[-1].at)
        if not ends:
            return ()
        found = await repository.looks_between(session, camera_id, min(ends), frame)
        return tuple(Look(at, places) for at, places in found)

    async def _known(self, session: AsyncSession, rows: Sequence[Detection]) -> list[Known]:
        if not rows:
            return []
        listed = await repository.observation_keys(session, [row.id for row in rows])
        found = {item.id: self._kept[item.id] for item in listed if item.id in self._kept}
        missing = [item.id for item in listed if item.id not in found]
        fresh = {item.id: item for item in await repository.observations(session, missing)} if missing else {}
        found |= fresh
        by_detection: dict[str, list[Sighting]] = {}
        for name, detection_id, key, plate_key in listed:
            sighting = found[name]
            if (sighting.snapshot_key, sighting.plate_snapshot_key) != (key, plate_key):
                sighting = replace(sighting, snapshot_key=key, plate_snapshot_key=plate_key)
            by_detection.setdefault(detection_id, []).append(sighting)
        self._keep(fresh)
        return [Known(row.id, (not row.corrected, row.id), tuple(by_detection.get(row.id, ()))) for row in rows]

    def _keep(self, fresh: dict[str, Sighting]) -> None:
        self._kept.update(fresh)
        while len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)


def _frame(name: str, row: ProcessedFrame, known: Iterable[Known]) -> Frame:
    held = tuple(item for each in known for item in each.sightings if item.frame_id == name)
    return Frame(name, row.captured_at, (*held, *repository.rest_of(row)))
