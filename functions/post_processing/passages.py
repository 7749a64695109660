"""Which observation belongs to which passage. Pure: no database, no clock.

A passage is one vehicle in sight of one camera. An observation is held against each passage of its camera by a
cost: how far the plates are apart (by what the reader mistakes) and how far the vehicle is from where it should be
by now. The pairs of least total cost win, one observation of a frame to a passage at the most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from functions.post_processing.matching import match
from functions.post_processing.plates import Reading, nearest
from functions.shared.inference import Box, Candidate

# A pair that costs more is no pair.
LIMIT = 1.0
# How long a vehicle that stands still is remembered after it was last seen, and the frames that may miss it.
PARKED_MEMORY_S, MISSES = 600.0, 2
# Overlap (intersection over union) of the boxes of a vehicle that has not moved, and of one that barely has.
STILL, BARELY = 0.8, 0.7
# A large vehicle far down the road overlaps itself of a second before; over this long only one that stands does, s.
STANDS_S = 2.5
# A reading counts for little up to the first confidence and fully from the second: plates that are read right have
# 0.98 and more, and a far plate misread in two places was seen with 0.88.
UNSURE, SURE = 0.5, 0.98
MAX_SIGHTINGS = 24
# How much clearer a sighting must be than the one shown, to be shown in its place.
CLEARLY_BETTER = 1.05
# The least confidence that opens a passage: of a vehicle without a plate, of a plate without a vehicle.
LEAST_VEHICLE, LEAST_PLATE = 0.5, 0.35


@dataclass(frozen=True)
class Sighting:
    """What one frame shows of one vehicle; boxes in pixels of the frame."""

    id: str
    frame_id: str
    at: datetime
    vehicle_type: str | None
    vehicle_confidence: float | None
    vehicle_box: Box | None
    plate_box: Box | None
    plate_format: str | None
    candidates: tuple[Candidate, ...]
    snapshot_key: str | None = None
    plate_snapshot_key: str | None = None

    @property
    def reading(self) -> Reading | None:
        if not self.candidates or self.plate_box is None:
            return None
        return Reading(self.candidates, self.plate_box.height)

    @property
    def place(self) -> Box | None:
        """Where the vehicle is: its box, else one guessed around its plate (a car is about 4 plates wide)."""
        if self.vehicle_box is not None or self.plate_box is None:
            return self.vehicle_box
        plate = self.plate_box
        x, y, half = (plate.x1 + plate.x2) / 2, plate.y1, 2 * plate.width
        return Box(x1=x - half, y1=y - 1.5 * half, x2=x + half, y2=y + 0.5 * half)

    @property
    def worth_opening(self) -> bool:
        """A faint vehicle without a plate, or a faint text without a vehicle, opens no passage; it may join one."""
        vehicle, reading = self.vehicle_confidence or 0.0, self.reading
        return vehicle >= LEAST_VEHICLE or (reading is not None and reading.confidence >= LEAST_PLATE)


@dataclass(frozen=True)
class Passage:
    """A detection as the joining sees it; `sightings` run by time and are empty for one long out of sight."""

    id: str
    started_at: datetime
    ended_at: datetime
    vehicle_type: str | None
    candidates: tuple[Candidate, ...]
    last_box: Box | None
    stationary: bool
    sightings: tuple[Sighting, ...] = ()


@dataclass(frozen=True)
class Rules:
    """`gap_s`: a vehicle unseen for this long has passed. `since`: what was seen before it was missed by more than
    MISSES frames."""

    gap_s: float
    since: datetime


@dataclass(frozen=True)
class Outlook:
    """A passage as one frame is held against it: its readings, and the two sightings nearest in time that give a
    place and a speed."""

    passage: Passage
    readings: tuple[Reading, ...]
    last: Sighting | None
    before: Sighting | None


def outlook(passage: Passage, at: datetime) -> Outlook:
    readings = tuple(item.reading for item in passage.sightings if item.reading is not None)
    nearby = sorted((item for item in passage.sightings if item.place is not None), key=lambda item: abs(item.at - at))
    last = nearby[0] if nearby else None
    before = next((item for item in nearby[1:] if last is not None and _apart(item, last)), None)
    return Outlook(passage, readings, last, before)


def assign(passages: Sequence[Passage], sightings: Sequence[Sighting], rules: Rules) -> list[Passage | None]:
    """For each sighting of one frame its passage, or None when it belongs to none of them."""
    outlooks = [outlook(passage, sightings[0].at) for passage in passages] if sightings else []
    gains = [[_gain(cost(item, sighting, rules)) for item in outlooks] for sighting in sightings]
    return [None if column is None else passages[column] for column in match(gains)]


def _gain(value: float | None) -> float:
    return 0.0 if value is None or value > LIMIT else LIMIT - value + 1e-6


def cost(known: Outlook, sighting: Sighting, rules: Rules) -> float | None:
    """How ill a sighting fits a passage: at most LIMIT for a fit, None for never."""
    passage = known.passage
    away = max(passage.started_at - sighting.at, sighting.at - passage.ended_at, timedelta()).total_seconds()
    if away > rules.gap_s or not passage.sightings:
        return _cost_of_return(passage, sighting, rules, away)
    if away > rules.gap_s / 2 and _missed(passage, rules) and _alike(passage, sighting) is None:
        return None
    return _cost_of_plate(known, sighting) + _cost_of_place(known, sighting) + _cost_of_type(passage, sighting)


def _cost_of_return(passage: Passage, sighting: Sighting, rules: Rules, away: float) -> float | None:
    """A vehicle that was out of sight for longer than the gap: parked, or stopped while no frame was taken.

    A still scene yields few frames (capture drops those without motion). So what counts is whether frames in
    between were looked at and did not show the vehicle.
    """
    if away > PARKED_MEMORY_S or passage.last_box is None or sighting.place is None:
        return None
    overlap, alike = passage.last_box.iou(sighting.place), _alike(passage, sighting)
    if alike is False:
        return None
    if passage.stationary and overlap >= BARELY:
        return 0.0
    if _missed(passage, rules):
        return None
    if alike:
        return 0.0 if overlap >= 0.1 or away <= 2 * rules.gap_s else None
    return 0.5 if overlap >= BARELY else None


def _missed(passage: Passage, rules: Rules) -> bool:
    """Whether too many frames were looked at since that did not show the vehicle; one that stands may be hidden."""
    return passage.ended_at < rules.since and not passage.stationary


def _alike(passage: Passage, sighting: Sighting) -> bool | None:
    """Whether both show the same plate; None when one shows none."""
    if not passage.candidates or not sighting.candidates:
        return None
    return nearest(passage.candidates, sighting.candidates) <= 1.0


def _cost_of_plate(known: Outlook, sighting: Sighting) -> float:
    """-3 for the same text, rising with the distance as far as both readings can be relied on; 0 without a plate."""
    seen = sighting.reading
    if not known.readings or seen is None:
        return 0.0
    costs = []
    for reading in known.readings:
        surety = min(1.0, max(0.1, (min(reading.confidence, seen.confidence) - UNSURE) / (SURE - UNSURE)))
        costs.append(-3.0 + 2.5 * surety * nearest(reading.candidates, seen.candidates))
    # The passage's own readings may disagree: what most of them say counts, not the nearest slip.
    return sorted(costs)[(len(costs) - 1) // 2]


def _cost_of_place(known: Outlook, sighting: Sighting) -> float:
    """0 where the vehicle should be by now, 1 at 0.7 of the reach that size, speed and time allow, 3 at the most."""
    place, last = sighting.place, known.last
    if place is None or last is None or last.place is None:
        return LIMIT
    waited = (sighting.at - last.at).total_seconds()
    size = (_diagonal(place) + _diagonal(last.place)) / 2
    step, reach = _expected(last, known.before, max(-2.0, min(2.0, waited)), size)
    (x, y), (at_x, at_y) = _centre(last.place), _centre(place)
    off = math.hypot(at_x - x - step[0], at_y - y - step[1]) / max(1.0, reach)
    return min(3.0, 2 * off * off + _cost_of_size(last, sighting, abs(waited)))


def _expected(
    last: Sighting, before: Sighting | None, seconds: float, size: float
) -> tuple[tuple[float, float], float]:
    """How far a vehicle has moved since it was last seen, and how far from there it may be, in pixels."""
    time = abs(seconds)
    if before is None:
        # Nothing is known of its speed: at 50 km/h a car moves three of its lengths in a second.
        return (0.0, 0.0), size * (0.6 + 2.5 * min(1.5, time))
    assert last.place is not None
    assert before.place is not None
    share = seconds / (last.at - before.at).total_seconds()
    (x, y), (from_x, from_y) = _centre(last.place), _centre(before.place)
    step = (x - from_x) * share, (y - from_y) * share
    # Perspective makes what comes near faster and faster: the error grows with the step itself.
    return step, size * (0.5 + 0.25 * time) + math.hypot(*step)


def _apart(one: Sighting, other: Sighting) -> bool:
    """Whether two sightings give a speed: some time between them, and both places measured in the same way."""
    return abs((one.at - other.at).total_seconds()) >= 0.1 and (one.vehicle_box is None) == (other.vehicle_box is None)


def _cost_of_size(last: Sighting, sighting: Sighting, waited: float) -> float:
    """A vehicle grows or shrinks to 4 times its area in a second, to 8 times in all; more speaks against it."""
    if last.vehicle_box is None or sighting.vehicle_box is None:
        return 0.0
    ratio = abs(math.log2(max(1.0, sighting.vehicle_box.area) / max(1.0, last.vehicle_box.area)))
    return 0.5 * max(0.0, ratio - 2.0 * max(1.0, min(1.5, waited)))


def _cost_of_type(passage: Passage, sighting: Sighting) -> float:
    """Detectors waver between car, bus and truck, hardly between those and a motorcycle."""
    one, other = passage.vehicle_type, sighting.vehicle_type
    if one is None or other is None or one == other:
        return 0.0
    return 1.0 if "motorcycle" in (one, other) else 0.2


def _diagonal(box: Box) -> float:
    return math.hypot(box.width, box.height)


def _centre(box: Box) -> tuple[float, float]:
    return (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2


def is_stationary(sightings: Sequence[Sighting]) -> bool:
    """Whether the vehicle stands: its last box and one from STANDS_S before, or longer, all but coincide."""
    last = sightings[-1]
    before = next((item for item in reversed(sightings) if (last.at - item.at).total_seconds() >= STANDS_S), None)
    if before is None or last.place is None or before.place is None:
        return False
    return last.place.iou(before.place) >= STILL


def with_sighting(sightings: Sequence[Sighting], new: Sighting) -> tuple[Sighting, ...]:
    return tuple(sorted((*sightings, new), key=lambda item: (item.at, item.id)))


def score(sighting: Sighting) -> float:
    """How well a sighting shows its vehicle: a large, surely read plate first, else a large, sure vehicle."""
    reading = sighting.reading
    if reading is not None:
        return 1.0 + reading.confidence * min(2.0, reading.height / 24.0)
    area = sighting.vehicle_box.area if sighting.vehicle_box is not None else 0.0
    return (sighting.vehicle_confidence or 0.0) * min(1.0, math.sqrt(area) / 1000.0)


def best_shown(sightings: Sequence[Sighting], new: Sighting, plate: str | None) -> Sighting:
    """The sighting whose pictures stand for the passage: one that reads the voted plate, the clearest of them.

    Only those with keys have pictures, and `new`, which may still get them: the other frames are gone.
    """
    shown = [item for item in sightings if item.snapshot_key is not None]

    def rank(item: Sighting) -> tuple[bool, float]:
        text = item.candidates[0].text if item.candidates else None
        # What is stored stays, unless the new one is better by more than a trifle.
        return text == plate, score(item) * (1 / CLEARLY_BETTER if item is new else 1.0)

    return max(shown, key=rank)


def crowded_out(sightings: Sequence[Sighting], keep: Sighting) -> Sighting | None:
    """The least telling sighting of a passage that has too many: never the first, the last two or the one shown."""
    if len(sightings) <= MAX_SIGHTINGS:
        return None
    return min((item for item in sightings[1:-2] if item is not keep), key=score)


def vehicle_of(sightings: Sequence[Sighting]) -> tuple[str | None, float | None]:
    """The type that the sightings speak for, weighed by confidence, and its best confidence."""
    sums: dict[str, float] = {}
    best: dict[str, float] = {}
    for item in sightings:
        if item.vehicle_type is not None and item.vehicle_confidence is not None:
            sums[item.vehicle_type] = sums.get(item.vehicle_type, 0.0) + item.vehicle_confidence
            best[item.vehicle_type] = max(best.get(item.vehicle_type, 0.0), item.vehicle_confidence)
    if not sums:
        return None, None
    winner = max(sums, key=lambda name: (sums[name], name))
    return winner, round(best[winner], 4)


def without_pictures(sighting: Sighting) -> Sighting:
    return replace(sighting, snapshot_key=None, plate_snapshot_key=None)


@dataclass(frozen=True)
class Clock:
    """What the closing of passages goes by: the time now, the newest frame of the camera that was read, and whether
    frames wait to be read."""

    now: datetime
    newest_frame: datetime | None
    idle: bool


def is_over(ended_at: datetime, touched_at: datetime, clock: Clock, gap_s: float, frame_max_age_s: float) -> bool:
    """Whether a passage has ended: a later frame shows its camera without it, or no frame has come for long enough.

    While frames wait to be read, one of them may still show the vehicle, until it would be too old to be read.
    """
    gap = timedelta(seconds=gap_s)
    if clock.newest_frame is not None and clock.newest_frame > ended_at + gap:
        return True
    patience = gap + timedelta(seconds=1.0 if clock.idle else frame_max_age_s)
    return touched_at + patience < clock.now
