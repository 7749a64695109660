"""When a passage has ended, and what is said then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from functions.post_processing import metrics, repository
from functions.post_processing.derivation import Passage
from functions.post_processing.joining import covers
from functions.post_processing.looks import (
    LEAVES_S,
    Clock,
    Size,
    Unseen,
    is_leaving,
    is_missed,
    is_over,
    is_stationary,
)
from functions.post_processing.recording import recorded
from functions.post_processing.repository import OpenPassage
from functions.post_processing.sightings import Sighting, remembered
from functions.post_processing.tracker import Frame
from functions.shared.config import ReaderSettings
from functions.shared.inference import Box
from functions.shared.outbox import enqueue
from functions.shared.tables import Detection

# A passage seen more lately than this cannot be over but by a frame, which closes it itself.
LEAST_UNSEEN = timedelta(seconds=LEAVES_S)

# Whether no frame of a passage's camera waits to be read.
Idle = Callable[[OpenPassage], Awaitable[bool]]


@dataclass(frozen=True)
class Over:
    passage: OpenPassage
    leaving: bool


@dataclass(frozen=True)
class Closed:
    row: Detection
    leaving: bool


def by_frame(
    session: AsyncSession, rows: Sequence[tuple[Passage, Detection]], newest: Frame, size: Size, gap_s: float,
    clock: datetime,
) -> list[Closed]:  # fmt: skip
    """Close, of the passages that a frame was held against, those that had left by the newest frame."""
    closed = []
    for passage, row in rows:
        if (row.final and not row.resumed) or row.ended_at >= newest.at:
            continue
        sight = Sight.of(remembered(passage.sightings)[0], size)
        unseen = sight.unseen(row.ended_at, row.updated_at, newest.look.places)
        if not is_missed(unseen, newest.at, gap_s):
            continue
        row.final, row.resumed, row.updated_at = True, False, clock
        enqueue(session, recorded(row))
        closed.append(Closed(row, leaving=sight.leaving))
    return closed


@dataclass(frozen=True)
class Sight:
    """How a passage was last seen."""

    leaving: bool
    moving: bool
    place: Box | None

    @classmethod
    def of(cls, sightings: Sequence[Sighting], size: Size) -> Sight:
        """`sightings`: those that a passage remembers, at least one."""
        return cls(is_leaving(sightings, size), not is_stationary(sightings), sightings[-1].place)

    def unseen(self, ended_at: datetime, touched_at: datetime, places: Iterable[Box]) -> Unseen:
        """`places`: what the newest frame shows."""
        hidden = self.place is not None and covers(self.place, places)
        return Unseen(ended_at, touched_at, self.leaving, self.moving, hidden)


class Endings:
    """Tells which open passages have ended. How one was last seen is asked of the database once after each change."""

    def __init__(self, settings: ReaderSettings) -> None:
        self._settings = settings
        self._sights: dict[OpenPassage, Sight | None] = {}

    async def over(
        self, session: AsyncSession, waiting: Sequence[OpenPassage], clock: datetime, idle: Idle
    ) -> list[Over]:
        """Those of all open passages that have ended."""
        kept, self._sights = self._sights, {}
        found = []
        for item in waiting:
            sight = self._sights[item] = kept[item] if item in kept else await _sight(session, item)
            unseen = await _unseen(session, item, sight)
            if await self._is_over(item, unseen, clock, idle):
                found.append(Over(item, unseen.leaving))
        return found

    async def _is_over(self, item: OpenPassage, unseen: Unseen, clock: datetime, idle: Idle) -> bool:
        """Whether frames wait is asked only where the answer decides."""
        busy, calm = (
            is_over(
                unseen, Clock(clock, item.newest_frame, calm), self._settings.passage_gap_s,
                self._settings.frame_max_age_s,
            )
            for calm in (False, True)
        )  # fmt: skip
        return busy or (calm and await idle(item))


async def _sight(session: AsyncSession, passage: OpenPassage) -> Sight | None:
    """None where its frames are forgotten."""
    listed = await repository.observation_keys(session, [passage.id])
    sightings, _ = remembered(await repository.observations(session, [item.id for item in listed]))
    size = await repository.size_of_frame(session, sightings[-1].frame_id) if sightings else None
    return None if size is None else Sight.of(sightings, size)


async def _unseen(session: AsyncSession, item: OpenPassage, sight: Sight | None) -> Unseen:
    if sight is None:
        return Unseen(item.ended_at, item.touched_at, leaving=False)
    missed = item.newest_frame is not None and item.newest_frame > item.ended_at
    places = await repository.newest_look(session, item.camera_id) if missed and sight.moving else ()
    return sight.unseen(item.ended_at, item.touched_at, places)


async def close(session: AsyncSession, item: Over) -> Closed | None:
    """Mark a passage final and say so; None when it was seen again, or closed, since it was judged."""
    row = await repository.close_passage(session, item.passage)
    if row is None:
        return None
    enqueue(session, recorded(row))
    return Closed(row, item.leaving)


def count(closed: Sequence[Closed], clock: datetime) -> None:
    for each in closed:
        row, how = each.row, "left" if each.leaving else "unseen"
        metrics.PASSAGES.labels("none" if row.plate is None else "uncertain" if row.uncertain else "read").inc()
        metrics.CLOSED.labels(how).inc()
        metrics.FINAL_SECONDS.labels(how).observe(max(0.0, (clock - row.ended_at).total_seconds()))
