"""A passage as its detection tells of it: plate, vehicle, colour, direction, pictures. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.post_processing import looks
from functions.post_processing.looks import Direction, Size
from functions.post_processing.sightings import Dropped, Sighting, remembered
from functions.post_processing.voting import Vote, vote
from functions.shared.formats import DEFAULT
from functions.shared.inference import Box


@dataclass(frozen=True)
class Portrait:
    """`shown` is the sighting whose pictures stand for the passage, None while none has any."""

    started_at: datetime
    ended_at: datetime
    vehicle: tuple[str | None, float | None]
    color: tuple[str | None, float | None]
    direction: Direction | None
    vote: Vote | None
    plate_rows: int | None
    stationary: bool
    last_place: Box | None
    shown: Sighting | None
    dropped: tuple[Dropped, ...] = ()


def portrait(sightings: Sequence[Sighting], size: Size, formats: Sequence[str] = DEFAULT) -> Portrait:
    """What the sightings of a passage, at least one, tell; of very many those that are remembered count."""
    kept, dropped = remembered(sightings)
    voted = vote([item.reading for item in kept if item.reading is not None], formats)
    places = [item.place for item in kept if item.place is not None]
    standing = looks.is_stationary(kept)
    return Portrait(
        started_at=kept[0].at, ended_at=kept[-1].at, vehicle=looks.vehicle_of(kept), color=looks.color_of(kept),
        direction=None if standing and len(kept) > 1 and _stayed(kept) else looks.direction_of(kept, size),
        vote=voted, plate_rows=looks.rows_of(kept), stationary=standing, last_place=places[-1] if places else None,
        shown=best_shown(kept, voted.text if voted else None), dropped=dropped,
    )  # fmt: skip


def _stayed(sightings: Sequence[Sighting]) -> bool:
    first, last = sightings[0].place, sightings[-1].place
    return first is not None and last is not None and first.iou(last) >= looks.STILL


def best_shown(sightings: Sequence[Sighting], plate: str | None) -> Sighting | None:
    """Of the sightings with pictures the clearest that reads the plate; the clearest of all where none does.

    Of equals the first: a parked car's picture need not be stored again and again.
    """
    shown = sorted((item for item in sightings if item.snapshot_key is not None), key=lambda item: item.id)
    return max(shown, key=lambda item: (item.text == plate, item.score), default=None)


def is_clearest(sighting: Sighting, sightings: Sequence[Sighting]) -> bool:
    """Whether no other sighting of its text shows the vehicle better: then its pictures are stored.

    Whatever text wins in the end, the clearest sighting of it was the clearest of its text when it came, in any order.
    """
    rivals = (item for item in sightings if item.text == sighting.text and item.id != sighting.id)
    return all((-sighting.score, sighting.id) < (-item.score, item.id) for item in rivals)
