"""When the demo's videos started: they loop for ever from an unknown moment, and start anew when the server does.

The phase of a camera is the wall-clock time of the video's beginning, modulo its duration. Each detection whose plate
is (nearly) one of the truth's tells it; the circular median of those is robust against misreadings.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE_S = 5.0
_AGREEING = 2  # detections that must agree before a new phase is believed
_GAP_ROUNDS = 2.0  # rounds without any detection after which the camera counts as unobserved


@dataclass(frozen=True)
class Sample:
    """One detection's opinion: at `at` (seconds since the epoch) the video began `phase` seconds into a round."""

    at: float
    phase: float


@dataclass(frozen=True)
class Segment:
    """From `start` to `end` the camera played without interruption; the video began at `phase` (modulo duration)."""

    start: float
    end: float
    phase: float


def circular_distance(one: float, other: float, around: float) -> float:
    apart = abs(one - other) % around
    return min(apart, around - apart)


def circular_median(values: Sequence[float], around: float) -> float:
    """The median on a circle of length `around`, in [0, around): of the values unrolled about their mean direction.

    Raises ValueError when there is no value.
    """
    if not values:
        raise ValueError("no values")
    turn = 2 * math.pi / around
    mean = math.atan2(sum(math.sin(v * turn) for v in values), sum(math.cos(v * turn) for v in values)) / turn
    unrolled = [mean + ((value - mean + around / 2) % around) - around / 2 for value in values]
    return statistics.median(unrolled) % around


def segments_of(samples: Sequence[Sample], duration: float) -> list[Segment]:
    """Splits the samples where the phase changes for good or where nothing was read for two rounds.

    The segments end at their own samples: what lies between two of them is not judged.
    """
    groups: list[list[Sample]] = []
    doubtful: list[Sample] = []
    for sample in sorted(samples, key=lambda each: each.at):
        group = groups[-1] if groups else None
        if group is None or sample.at - group[-1].at > _GAP_ROUNDS * duration:
            groups.append([sample])
            doubtful = []
            continue
        if _agrees(sample, group, duration):
            group.append(sample)
            doubtful = []
            continue
        doubtful = [*doubtful, sample] if doubtful and _agrees(sample, doubtful, duration) else [sample]
        if len(doubtful) >= _AGREEING:
            groups.append(doubtful)
            doubtful = []
    return [
        Segment(group[0].at, group[-1].at, circular_median([sample.phase for sample in group], duration))
        for group in groups
        if len(group) >= _AGREEING or len(groups) == 1
    ]


def _agrees(sample: Sample, group: Sequence[Sample], duration: float) -> bool:
    middle = circular_median([each.phase for each in group[-15:]], duration)
    return circular_distance(sample.phase, middle, duration) <= TOLERANCE_S
