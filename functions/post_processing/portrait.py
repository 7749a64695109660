"""A passage as its detection tells of it: plate, vehicle, colour, direction, pictures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.post_processing import looks
from functions.post_processing.looks import Direction, Size
from functions.post_processing.sightings import Dropped, Sighting, remembered
from functions.post_processing.voting import Vote, vote
from functions.shared.formats import DEFAULT
from functions.shared.inference import Box

# Between a sighting and one that it repeats, s.
LEAST_APART_S, AGAIN_S = 0.05, 2.0


@dataclass(frozen=True)
class Portrait:
    """`shown` is the sighting whose pictures stand for the passage."""

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

    Of equals the first. One too faint to open a passage is never shown: no picture is kept of it.
    """
    shown = sorted((item for item in sightings if item.worth_opening), key=lambda item: item.id)
    return max(shown, key=lambda item: (item.snapshot_key is not None, item.text == plate, item.score), default=None)


def is_wanted(sighting: Sighting, others: Iterable[Sighting]) -> bool:
    """Whether the pictures of a sighting are to be stored, beside `others` of its passage or of its camera.

    A late frame may part what now is one passage, so whatever may come to stand for a passage has pictures. What only
    repeats a clearer one a moment before never does: the two stay together.
    """
    return sighting.worth_opening and not any(repeats(sighting, other) for other in others)


def repeats(sighting: Sighting, other: Sighting) -> bool:
    """Whether a sighting shows no more than another did just before: the same text at the same place, no clearer."""
    apart = (sighting.at - other.at).total_seconds()
    if not LEAST_APART_S <= apart <= AGAIN_S or sighting.text is None or sighting.text != other.text:
        return False
    if sighting.vehicle_type != other.vehicle_type or other.score < sighting.score or not other.worth_opening:
        return False
    place, before = sighting.place, other.place
    return place is not None and before is not None and place.iou(before) >= looks.STILL
