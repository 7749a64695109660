"""How ill a sighting fits a track: by plate, place, size, type and colour. Pure: no database, no clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from functions.post_processing.looks import apart, centre, is_stationary, vehicle_of
from functions.post_processing.plates import Reading, nearest
from functions.post_processing.sightings import Sighting
from functions.post_processing.voting import weight
from functions.shared.inference import Box

# A pair that costs more is no pair.
LIMIT = 1.0
# How long what stood still is remembered after it was last seen: a vehicle, as long as the frames since tell whether
# it left; a plate without one (a sign, lettering), which never leaves. And a vehicle that moved.
PARKED_MEMORY_S, SIGN_MEMORY_S, MEMORY_S = 3000.0, 43_200.0, 600.0
# The frames that may miss a vehicle.
MISSES = 2
# Overlap (intersection over union) of the boxes of a vehicle that has barely moved.
BARELY = 0.7
# And of one that went on a little while no frame was taken.
SAME_ROAD = 0.1
# Overlap of two plates of one sign, and how near they lie otherwise, in widths: detectors frame it loosely.
SAME_SIGN, NEAR_SIGN = 0.3, 1.0
# What the unlike text of a sign costs: worn ones are read otherwise each time, lettering is of no format.
OTHER_SIGN, OTHER_LETTERING = 0.5, 0.25
# A vehicle that stood is gone when its place was seen bare for so long, by more than MISSES frames, of those that came
# within LOOKED_S of its last sight; a frame in which another covers so much of the place does not count. Detectors
# lose what stands for half a minute at a time.
BARE_S, LOOKED_S, COVERED = 45.0, 120.0, 0.3
# A reading counts for little up to the first probability of its text and fully from the second.
UNSURE, SURE = 0.3, 0.85
# What a colour that both are this sure of, and that differs, costs.
SURE_COLOR, OTHER_COLOR = 0.6, 0.3
# These shade into each other with the light.
_PALE = frozenset({"white", "silver", "grey"})


@dataclass(frozen=True)
class Look:
    """What a frame showed where: the boxes of all it saw."""

    at: datetime
    places: tuple[Box, ...]


@dataclass(frozen=True)
class Rules:
    """`gap_s`: a vehicle unseen for this long has passed. `since`: what was seen before it was missed by more than
    MISSES frames. `looks`: the frames read before this one, as far back as a vehicle that returns was away."""

    gap_s: float
    since: datetime
    looks: Sequence[Look] = ()


@dataclass(frozen=True)
class Track:
    """A passage up to some time: its remembered sightings, by time; never empty. `key` is the detection's id, None
    for a track that begins within the frames at hand."""

    key: str | None
    sightings: tuple[Sighting, ...]

    @property
    def start(self) -> datetime:
        return self.sightings[0].at

    @property
    def end(self) -> datetime:
        return self.sightings[-1].at

    @cached_property
    def last(self) -> Sighting | None:
        return next((item for item in reversed(self.sightings) if item.place is not None), None)

    @cached_property
    def before(self) -> Sighting | None:
        """With `last`, gives a speed."""
        last = self.last
        return next((item for item in reversed(self.sightings) if last is not None and _apart(item, last)), None)

    @cached_property
    def stationary(self) -> bool:
        return is_stationary(self.sightings)

    @cached_property
    def vehicle_type(self) -> str | None:
        return vehicle_of(self.sightings)[0]

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        return tuple(item.reading for item in self.sightings if item.reading is not None)

    @cached_property
    def likeliest(self) -> Reading | None:
        """The best reading of the text that most readings, by weight, have."""
        sums: dict[str, float] = {}
        for item in self.readings:
            sums[item.text] = round(sums.get(item.text, 0.0) + weight(item), 9)
        if not sums:
            return None
        text = max(sums, key=lambda each: (sums[each], each))
        alike = (item for item in self.readings if item.text == text)
        return max(alike, key=lambda item: (weight(item), [(each.text, each.confidence) for each in item.candidates]))


def _comparable(track: Track, one: Reading, sighting: Sighting, other: Reading) -> bool:
    """Whether a reading of a track and that of a sighting are both of plates, as far as can be told. Buses and vans are
    written upon, and that is read when the plate is out of sight: beside a plate of a format it tells no vehicle apart.
    """
    if track.vehicle_type is None or sighting.is_plate_alone:
        return True
    return not ((one.is_lettering and other.format) or (other.is_lettering and one.format))


def gain(track: Track, sighting: Sighting, rules: Rules) -> float:
    """What pairing the two is worth; 0 when it must not be."""
    value = cost(track, sighting, rules)
    return 0.0 if value is None or value > LIMIT else LIMIT - value + 1e-6


def cost(track: Track, sighting: Sighting, rules: Rules) -> float | None:
    """How ill a sighting fits a track: at most LIMIT for a fit, None for never."""
    away = (sighting.at - track.end).total_seconds()
    if away > rules.gap_s:
        return _cost_of_return(track, sighting, rules, away)
    if away > rules.gap_s / 2 and _missed(track, rules) and _alike(track, sighting) is None:
        return None
    return _cost_of_plate(track, sighting) + _cost_of_place(track, sighting) + _cost_of_looks(track, sighting)


def _cost_of_return(track: Track, sighting: Sighting, rules: Rules, away: float) -> float | None:
    """A vehicle that was out of sight for longer than the gap: parked, or stopped while no frame was taken.

    A still scene yields few frames (capture drops those without motion). So what counts is whether frames in
    between were looked at and did not show the vehicle.
    """
    last = track.last
    place = last.place if last is not None else None
    if away > memory_s(track) or last is None or place is None or sighting.place is None:
        return None
    if track.stationary and last.is_plate_alone and sighting.is_plate_alone:
        return _cost_of_sign(track, sighting) if _same_sign(last, sighting) else None
    overlap = place.iou(sighting.place)
    if _bare(track, place, rules) if track.stationary else _missed(track, rules):
        return None
    alike = _alike(track, sighting)
    if track.stationary and overlap >= BARELY and alike is not None:
        # Far plates of parked cars and worn signs are read otherwise each time: only a sure other text speaks against.
        return max(0.0, 3.0 + _cost_of_plate(track, sighting)) + _cost_of_looks(track, sighting)
    if alike:
        return 0.0 if overlap >= SAME_ROAD or away <= 2 * rules.gap_s else None
    return 0.5 if alike is None and overlap >= BARELY else None


def memory_s(track: Track) -> float:
    """How long a passage that was missed may go on after its end, s."""
    if not track.stationary:
        return MEMORY_S
    return SIGN_MEMORY_S if track.vehicle_type is None else PARKED_MEMORY_S


def _same_sign(one: Sighting, other: Sighting) -> bool:
    """Whether two plates without vehicles lie at one place."""
    assert one.plate_box is not None
    assert other.plate_box is not None
    return one.plate_box.iou(other.plate_box) >= SAME_SIGN or apart(one, other) < NEAR_SIGN


def _cost_of_sign(track: Track, sighting: Sighting) -> float:
    """Only a sure other text speaks against what stands at the same place without a vehicle."""
    seen = sighting.reading
    if not track.readings or seen is None:
        return OTHER_SIGN
    costs = []
    for reading in track.readings:
        surety = min(1.0, max(0.0, (min(reading.confidence, seen.confidence) - UNSURE) / (SURE - UNSURE)))
        price = OTHER_LETTERING if reading.format is None and seen.format is None else OTHER_SIGN
        costs.append(price * surety * nearest(reading.candidates, seen.candidates))
    return sorted(costs)[(len(costs) - 1) // 2]


def _bare(track: Track, place: Box, rules: Rules) -> bool:
    """Whether the place of a vehicle that stood was since seen without it, and without another before it."""
    until = track.end + timedelta(seconds=LOOKED_S)
    bare = [look.at for look in rules.looks if track.end < look.at <= until and not covers(place, look.places)]
    return len(bare) > MISSES and bare[-1] - track.end >= timedelta(seconds=BARE_S)


def covers(place: Box, others: Iterable[Box]) -> bool:
    """Whether one of the other boxes hides so much of a place that nothing can be said of what is there."""
    return any(common(place, other) >= COVERED * place.area for other in others)


def common(one: Box, other: Box) -> float:
    """The area that two boxes share."""
    width = min(one.x2, other.x2) - max(one.x1, other.x1)
    height = min(one.y2, other.y2) - max(one.y1, other.y1)
    return max(0.0, width) * max(0.0, height)


def _missed(track: Track, rules: Rules) -> bool:
    """Whether too many frames were looked at since that did not show the vehicle; one that stands may be hidden."""
    return track.end < rules.since and not track.stationary


def _alike(track: Track, sighting: Sighting) -> bool | None:
    """Whether both show the same plate; None when one shows none."""
    known, seen = track.likeliest, sighting.reading
    if known is None or seen is None or not _comparable(track, known, sighting, seen):
        return None
    return nearest(known.candidates, seen.candidates) <= 1.0


def _cost_of_plate(track: Track, sighting: Sighting) -> float:
    """-3 for the same text, rising with the distance as far as both readings can be relied on; 0 without a plate."""
    seen = sighting.reading
    if seen is None:
        return 0.0
    costs = []
    for reading in track.readings:
        if not _comparable(track, reading, sighting, seen):
            continue
        surety = min(1.0, max(0.1, (min(reading.confidence, seen.confidence) - UNSURE) / (SURE - UNSURE)))
        costs.append(-3.0 + 2.5 * surety * nearest(reading.candidates, seen.candidates))
    # The track's own readings may disagree: what most of them say counts, not the nearest slip.
    return sorted(costs)[(len(costs) - 1) // 2] if costs else 0.0


def _cost_of_place(track: Track, sighting: Sighting) -> float:
    """0 where the vehicle should be by now, 1 at 0.7 of the reach that size, speed and time allow, 3 at the most."""
    place, last = sighting.place, track.last
    if place is None or last is None or last.place is None:
        return LIMIT
    waited = (sighting.at - last.at).total_seconds()
    size = (_diagonal(place) + _diagonal(last.place)) / 2
    step, reach = _expected(last, track.before, min(2.0, waited), size)
    (x, y), (at_x, at_y) = centre(last.place), centre(place)
    off = math.hypot(at_x - x - step[0], at_y - y - step[1]) / max(1.0, reach)
    return min(3.0, 2 * off * off + _cost_of_size(last, sighting, waited))


def _expected(
    last: Sighting, before: Sighting | None, seconds: float, size: float
) -> tuple[tuple[float, float], float]:
    """How far a vehicle has moved since it was last seen, and how far from there it may be, in pixels."""
    if before is None:
        # Nothing is known of its speed: at 50 km/h a car moves three of its lengths in a second.
        return (0.0, 0.0), size * (0.6 + 2.5 * min(1.5, seconds))
    assert last.place is not None
    assert before.place is not None
    share = seconds / (last.at - before.at).total_seconds()
    (x, y), (from_x, from_y) = centre(last.place), centre(before.place)
    step = (x - from_x) * share, (y - from_y) * share
    # Perspective makes what comes near faster and faster: the error grows with the step itself.
    return step, size * (0.5 + 0.25 * seconds) + math.hypot(*step)


def _apart(one: Sighting, other: Sighting) -> bool:
    """Whether two sightings give a speed: some time between them, and both places measured in the same way."""
    if one.place is None or (other.at - one.at).total_seconds() < 0.1:
        return False
    return (one.vehicle_box is None) == (other.vehicle_box is None)


def _cost_of_size(last: Sighting, sighting: Sighting, waited: float) -> float:
    """A vehicle grows or shrinks to 4 times its area in a second, to 8 times in all; more speaks against it."""
    if last.vehicle_box is None or sighting.vehicle_box is None:
        return 0.0
    ratio = abs(math.log2(max(1.0, sighting.vehicle_box.area) / max(1.0, last.vehicle_box.area)))
    return 0.5 * max(0.0, ratio - 2.0 * max(1.0, min(1.5, waited)))


def _cost_of_looks(track: Track, sighting: Sighting) -> float:
    """Detectors waver between car, bus and truck, hardly between those and a motorcycle; colours change with light."""
    one, other = track.vehicle_type, sighting.vehicle_type
    cost = 0.0
    if one is not None and other is not None and one != other:
        cost = 1.0 if "motorcycle" in (one, other) else 0.2
    last = track.last
    return cost + (OTHER_COLOR if last is not None and _other_color(last, sighting) else 0.0)


def _other_color(one: Sighting, other: Sighting) -> bool:
    if one.color is None or other.color is None or one.color == other.color or {one.color, other.color} <= _PALE:
        return False
    return min(one.color_confidence or 0.0, other.color_confidence or 0.0) >= SURE_COLOR


def _diagonal(box: Box) -> float:
    return math.hypot(box.width, box.height)
