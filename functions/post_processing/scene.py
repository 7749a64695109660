"""What is stored of a camera around a frame, brought together for the derivation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from functions.post_processing import repository
from functions.post_processing.derivation import Known, Scene
from functions.post_processing.joining import (
    LOOKED_S,
    MEMORY_S,
    MISSES,
    PARKED_MEMORY_S,
    SAME_ROAD,
    SIGN_MEMORY_S,
    Look,
)
from functions.post_processing.looks import is_stationary
from functions.post_processing.repository import Shot, Standing
from functions.post_processing.sightings import Sighting, remembered, without_pictures
from functions.post_processing.tracker import Frame
from functions.shared.inference import Box
from functions.shared.tables import Detection

# Passages of a camera that a frame is held against, the latest first.
MOST_PASSAGES = 200
# Of those that stood, the latest of a camera that may return.
MOST_STANDING = 300
_REMEMBERED = 5000


class KnownFrame(Exception):
    """The frame is recorded already."""


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
        """The scene of a frame. Frames captured more than the horizon after it stay as they are: they are that far
        apart only where old pictures are handed in.

        Raises KnownFrame for one that is recorded already.
        """
        until = frame.at + self._horizon
        shots = await repository.frames_around(session, camera_id, frame.at, until, MISSES + 1)
        if any(shot.id == frame.id for shot in shots):
            raise KnownFrame
        after = [shot for shot in shots if (shot.at, shot.id) > frame.order]
        before = [shot.at for shot in reversed(shots) if shot.at < frame.at][: MISSES + 1]
        gap = timedelta(seconds=self._gap_s)
        missed = before[MISSES] if len(before) > MISSES else frame.at - timedelta(seconds=MEMORY_S)
        in_sight = min(frame.at - gap, missed)
        places = [item.place for item in frame.sightings if item.place is not None]
        places += [place for shot in after for place in repository.places_of(shot.seen or {})]
        oldest = frame.at - timedelta(seconds=SIGN_MEMORY_S)
        stood = await repository.standing(session, camera_id, oldest, in_sight, MOST_STANDING) if places else []
        returning = [item.id for item in stood if _may_return(item, frame.at, 2 * gap, places)]
        near = await repository.detections_between(session, camera_id, in_sight, until, returning, MOST_PASSAGES)
        known = await self._known(session, near)
        later = [_frame(shot, known) for shot in after]
        newest = shots[-1].at if after else frame.at
        looks = await self._looks(session, camera_id, frame, known, newest - gap) if places else ()
        scene = Scene(frame, tuple(later), tuple(known), tuple(before), looks)
        return Stored(scene, {row.id: row for row in near})

    async def _looks(
        self, session: AsyncSession, camera_id: str, frame: Frame, known: Sequence[Known], missed: datetime
    ) -> tuple[Look, ...]:
        """What was seen in the time after a vehicle that stands, and has been away since `missed`, was seen last."""
        spans = []
        for each in known:
            before = [item for item in each.sightings if (item.at, item.frame_id) < frame.order]
            if not before or before[-1].at >= missed:
                continue
            kept, _ = remembered(before)
            if is_stationary(kept) and kept[-1].vehicle_type is not None:
                spans.append((kept[-1].at, kept[-1].at + timedelta(seconds=LOOKED_S)))
        if not spans:
            return ()
        found = await repository.looks_between(session, camera_id, spans, frame)
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
        for name, detection_id, pictured in listed:
            sighting = found[name] if pictured else without_pictures(found[name])
            by_detection.setdefault(detection_id, []).append(sighting)
        self._keep(fresh)
        return [Known(row.id, (not row.corrected, row.id), tuple(by_detection.get(row.id, ()))) for row in rows]

    def recorded(self, sightings: Iterable[Sighting]) -> None:
        """Remember what was committed: it need not be read back."""
        self._keep({item.id: item for item in sightings})

    def _keep(self, fresh: Mapping[str, Sighting]) -> None:
        self._kept.update(fresh)
        while len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)


def _may_return(item: Standing, at: datetime, lately: timedelta, places: Iterable[Box]) -> bool:
    """Whether a passage that was missed may go on: one that stood, where something is seen now."""
    away = at - item.ended_at
    if away <= lately:
        return True
    if away > timedelta(seconds=SIGN_MEMORY_S if item.is_plate else PARKED_MEMORY_S):
        return False
    return any(item.place.iou(place) >= SAME_ROAD for place in places)


def _frame(shot: Shot, known: Iterable[Known]) -> Frame:
    held = tuple(item for each in known for item in each.sightings if item.frame_id == shot.id)
    return Frame(shot.id, shot.at, (*held, *repository.rest_of(shot)))
