"""What the sightings of a passage together tell of its vehicle: type, colour, direction, and whether it stands or has
left. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from functions.post_processing.sightings import Sighting, spanning
from functions.shared.inference import Box

Direction = Literal["towards", "away", "left", "right"]
Size = tuple[int, int]
# Overlap (intersection over union) of the boxes of a vehicle that has not moved.
STILL = 0.8
# A large vehicle far down the road overlaps itself of a second before; over this long only one that stands does, s.
STANDS_S = 2.5
# A vehicle that grows or shrinks by this much (octaves of its height) comes or goes; one that moves aside, or up or
# down, by this much of its own size does that.
GROWS, MOVES = 0.4, 0.5
# A box this near to the picture's edge, as part of its width or height, is cut by it.
EDGE = 0.008
# Movement of the centre, as part of the box, above which a box at the edge is on its way out.
OUTWARDS = 0.02
# How long after it was last seen a vehicle that left the picture counts as gone, without a frame that shows it, s.
LEAVES_S = 1.0
# Frames that are taken once a second are not a second apart to the last hundredth.
JITTER_S = 0.1
# Plates without a vehicle have small boxes that waver: one that stands is that near to itself, in plate widths.
STANDS_STILL = 0.5


def vehicle_of(sightings: Sequence[Sighting]) -> tuple[str | None, float | None]:
    """The type that the sightings speak for, weighed by confidence, and its best confidence."""
    votes = [(item.vehicle_type, item.vehicle_confidence, item.vehicle_confidence) for item in sightings]
    winner, _, best = _elected(votes)
    return winner, best


def color_of(sightings: Sequence[Sighting]) -> tuple[str | None, float | None]:
    """The colour that the sightings speak for, weighed by confidence and size, and its share of the votes times its
    best confidence."""
    votes = [(item.color, (item.color_confidence or 0.0) * _side(item), item.color_confidence) for item in sightings]
    winner, share, best = _elected(votes)
    return winner, None if best is None else round(share * best, 4)


def rows_of(sightings: Sequence[Sighting]) -> int | None:
    """1 or 2: the rows of the plate, by its readings' confidences."""
    votes = [(str(item.plate_rows), item.reading.confidence, item.reading.confidence)
             for item in sightings if item.plate_rows is not None and item.reading is not None]  # fmt: skip
    winner, _, _ = _elected(votes)
    return None if winner is None else int(winner)


def _elected(votes: Iterable[tuple[str | None, float | None, float | None]]) -> tuple[str | None, float, float | None]:
    """Of (name, weight, confidence): the name of the greatest weight, its share of all, its best confidence."""
    sums: dict[str, float] = {}
    best: dict[str, float] = {}
    for name, weight, confidence in votes:
        if name is not None and weight is not None and confidence is not None:
            sums[name] = round(sums.get(name, 0.0) + weight, 9)
            best[name] = max(best.get(name, 0.0), confidence)
    if not sums:
        return None, 0.0, None
    winner = max(sums, key=lambda name: (sums[name], name))
    total = sum(sums.values())
    return winner, sums[winner] / total if total else 0.0, round(best[winner], 4)


def _side(sighting: Sighting) -> float:
    return math.sqrt(sighting.vehicle_box.area) if sighting.vehicle_box is not None else 0.0


def is_stationary(sightings: Sequence[Sighting]) -> bool:
    """Whether the vehicle stands: its last box and one from STANDS_S before, or longer, all but coincide."""
    before = spanning(sightings, STANDS_S)
    last = sightings[-1]
    if before is None or last.place is None or before.place is None:
        return False
    if last.is_plate_alone and before.is_plate_alone:
        return apart(last, before) < STANDS_STILL
    return last.place.iou(before.place) >= STILL


def apart(one: Sighting, other: Sighting) -> float:
    """How far two plates lie from each other, between their centres, in widths of the wider."""
    assert one.plate_box is not None
    assert other.plate_box is not None
    (x1, y1), (x2, y2) = centre(one.plate_box), centre(other.plate_box)
    return math.hypot(x2 - x1, y2 - y1) / max(1.0, one.plate_box.width, other.plate_box.width)


def direction_of(sightings: Sequence[Sighting], size: Size) -> Direction | None:
    """Where the vehicle went, as the camera sees it; None when it stands or too little is known.

    Growth tells more than place: what comes nearer on a road seen at an angle drifts aside as well. Boxes that the
    picture's edge cuts have no true size; where there are no two others, only the centre's movement counts.
    """
    seen = _of_one_kind(sightings)
    whole = [item for item in seen if not _edges(item, size)]
    if len(whole) >= 2 and (grown := _growth(whole)) is not None:
        return grown
    return _movement(seen if len(whole) < 2 else whole) if len(seen) >= 2 else None


def _of_one_kind(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Those with a vehicle's box; where there are no two, those whose place follows from the plate."""
    boxed = [item for item in sightings if item.vehicle_box is not None]
    return boxed if len(boxed) >= 2 else [item for item in sightings if item.vehicle_box is None and item.place]


def _growth(sightings: Sequence[Sighting]) -> Direction | None:
    first, last = sightings[0].place, sightings[-1].place
    assert first is not None
    assert last is not None
    octaves = math.log2(max(1.0, last.height) / max(1.0, first.height))
    if abs(octaves) < GROWS:
        return None
    return "towards" if octaves > 0 else "away"


def _movement(sightings: Sequence[Sighting]) -> Direction | None:
    first, last = sightings[0].place, sightings[-1].place
    assert first is not None
    assert last is not None
    (x1, y1), (x2, y2) = centre(first), centre(last)
    aside = (x2 - x1) / max(1.0, (first.width + last.width) / 2)
    down = (y2 - y1) / max(1.0, (first.height + last.height) / 2)
    if max(abs(aside), abs(down)) < MOVES:
        return None
    if abs(aside) >= abs(down):
        return "right" if aside > 0 else "left"
    return "towards" if down > 0 else "away"


def centre(box: Box) -> tuple[float, float]:
    return (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2


def _edges(sighting: Sighting, size: Size) -> set[str]:
    """The edges of the picture that cut a sighting's box."""
    box = sighting.vehicle_box
    if box is None:
        return set()
    aside, above = max(2.0, EDGE * size[0]), max(2.0, EDGE * size[1])
    near = {"left": box.x1 <= aside, "right": box.x2 >= size[0] - aside,
            "top": box.y1 <= above, "bottom": box.y2 >= size[1] - above}  # fmt: skip
    return {name for name, cut in near.items() if cut}


def is_leaving(sightings: Sequence[Sighting], size: Size) -> bool:
    """Whether the vehicle was last seen on its way out of the picture: cut by an edge that it moved to, or due outside
    by a second later. False for one that stands, or was seen once."""
    last = sightings[-1]
    before = next((item for item in reversed(sightings[:-1]) if _gives_speed(item, last)), None)
    if before is None or last.place is None or before.place is None or is_stationary(sightings):
        return False
    (x1, y1), (x2, y2) = centre(before.place), centre(last.place)
    x, y = x2 - x1, y2 - y1
    least_x, least_y = OUTWARDS * last.place.width, OUTWARDS * last.place.height
    outwards = {"left": x < -least_x, "right": x > least_x, "top": y < -least_y, "bottom": y > least_y}
    if any(outwards[edge] for edge in _edges(last, size)):
        return True
    share = LEAVES_S / (last.at - before.at).total_seconds()
    return not (0 <= x2 + x * share <= size[0] and 0 <= y2 + y * share <= size[1])


def _gives_speed(one: Sighting, other: Sighting) -> bool:
    """Whether two sightings give a speed: some time between them, and both places measured in the same way."""
    return abs((one.at - other.at).total_seconds()) >= 0.1 and (one.vehicle_box is None) == (other.vehicle_box is None)


@dataclass(frozen=True)
class Clock:
    """What the closing of passages goes by: the time now, the newest frame of the camera that was read, and whether
    no frame of it waits to be read."""

    now: datetime
    newest_frame: datetime | None
    idle: bool


@dataclass(frozen=True)
class Unseen:
    """A passage out of sight: last seen at `ended_at`, last changed (by the wall clock) at `touched_at`.

    `moving`: it did not stand. `hidden`: another covers its place in the newest frame.
    """

    ended_at: datetime
    touched_at: datetime
    leaving: bool
    moving: bool = False
    hidden: bool = False


def is_missed(passage: Unseen, newest: datetime | None, gap_s: float) -> bool:
    """Whether a passage has ended by the newest frame, which does not show it.

    One that was leaving has with the first such frame, one that moved and is not hidden with the first that is LEAVES_S
    later: both are in sight of nobody. One that stood, or is hidden, has after the gap: detectors miss it at times.
    """
    if newest is None or newest <= passage.ended_at:
        return False
    away = (newest - passage.ended_at).total_seconds()
    wanders = passage.moving and not passage.hidden
    return passage.leaving or away > gap_s or (wanders and away >= LEAVES_S - JITTER_S)


def is_over(passage: Unseen, clock: Clock, gap_s: float, frame_max_age_s: float) -> bool:
    """Whether a passage has ended: by a frame, or by the clock.

    When no frame waits to be read, one that was leaving, or that a frame has missed already, has LEAVES_S later.
    One of which no frame tells has when none has come for long enough; while frames wait to be read, one of them may
    still show it, until it would be too old to be read.
    """
    if is_missed(passage, clock.newest_frame, gap_s):
        return True
    newest = clock.newest_frame
    missed = passage.moving and not passage.hidden and newest is not None and newest > passage.ended_at
    if clock.idle and (passage.leaving or missed):
        return max(passage.ended_at + timedelta(seconds=LEAVES_S), passage.touched_at) < clock.now
    patience = timedelta(seconds=gap_s + (1.0 if clock.idle else frame_max_age_s))
    return passage.touched_at + patience < clock.now
