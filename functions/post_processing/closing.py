"""When a passage has ended, and what is said then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from functions.post_processing import metrics, repository
from functions.post_processing.derivation import Passage
from functions.post_processing.looks import LEAVES_S, Clock, Size, Unseen, is_leaving, is_over
from functions.post_processing.recording import recorded
from functions.post_processing.repository import OpenPassage
from functions.post_processing.sightings import remembered
from functions.shared.config import ReaderSettings
from functions.shared.outbox import enqueue
from functions.shared.tables import Detection

# A passage seen more lately than this cannot be over but by a frame, which closes it itself.
LEAST_UNSEEN = timedelta(seconds=LEAVES_S)


@dataclass(frozen=True)
class Over:
    passage: OpenPassage
    leaving: bool


@dataclass(frozen=True)
class Closed:
    row: Detection
    leaving: bool


def by_frame(
    session: AsyncSession, rows: Sequence[tuple[Passage, Detection]], newest: datetime, size: Size, clock: datetime
) -> list[Closed]:
    """Close, of the passages that a frame was held against, those that had been leaving and that it does not show."""
    closed = []
    for passage, row in rows:
        if row.final or row.ended_at >= newest or not is_leaving(remembered(passage.sightings)[0], size):
            continue
        row.final, row.updated_at = True, clock
        enqueue(session, recorded(row))
        closed.append(Closed(row, leaving=True))
    return closed


class Endings:
    """Tells which open passages have ended. Whether one was leaving is asked of the database once after each change."""

    def __init__(self, settings: ReaderSettings) -> None:
        self._settings = settings
        self._leaving: dict[OpenPassage, bool] = {}

    async def over(
        self, session: AsyncSession, waiting: Sequence[OpenPassage], clock: datetime, *, idle: bool
    ) -> list[Over]:
        """Those of all open passages that have ended."""
        kept, self._leaving = self._leaving, {}
        found = []
        for item in waiting:
            leaving = kept[item] if item in kept else await _is_leaving(session, item)
            self._leaving[item] = leaving
            unseen = Unseen(item.ended_at, item.touched_at, leaving)
            at = Clock(clock, item.newest_frame, idle)
            if is_over(unseen, at, self._settings.passage_gap_s, self._settings.frame_max_age_s):
                found.append(Over(item, leaving))
        return found


async def _is_leaving(session: AsyncSession, passage: OpenPassage) -> bool:
    listed = await repository.observation_keys(session, [passage.id])
    sightings, _ = remembered(await repository.observations(session, [item.id for item in listed]))
    size = await repository.size_of_frame(session, sightings[-1].frame_id) if sightings else None
    return size is not None and is_leaving(sightings, size)


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
