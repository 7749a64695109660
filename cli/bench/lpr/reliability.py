"""Are the confidences probabilities? What a reading's confidence says, against how often such readings are right."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from cli.bench.lpr.scoring import Case, wilson

BINS = 10
FEWEST = 20
THRESHOLDS = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995)

Answer = tuple[float, bool]
"""A reading's confidence, and whether its text is exactly right."""


class Bin(BaseModel):
    """The answers of one range of confidence; `interval` is Wilson's of `right_ratio`."""

    model_config = ConfigDict(frozen=True)

    low: float
    high: float
    n: int
    confidence: float
    right_ratio: float
    interval: tuple[float, float]


class Refusal(BaseModel):
    """What happens when answers below `threshold` are refused: of all answers, the kept and the refused ones."""

    model_config = ConfigDict(frozen=True)

    threshold: float
    kept_right: int
    kept_wrong: int
    refused_right: int
    refused_wrong: int


class Reliability(BaseModel):
    """`ece` is the expected calibration error over BINS ranges of equal width, `ece_equal_mass` over groups of equal
    count (by_count), `brier` the mean squared distance of confidence and truth; all None without any answer.
    """

    model_config = ConfigDict(frozen=True)

    answers: int
    confidence: float | None
    right_ratio: float | None
    ece: float | None
    ece_equal_mass: float | None
    brier: float | None
    bins: tuple[Bin, ...]
    groups: tuple[Bin, ...]
    refusals: tuple[Refusal, ...]


def reliability(cases: Sequence[Case]) -> Reliability:
    """Of the cases that have an answer: the first text of each.

    ECE: Naeini, Cooper, Hauskrecht, AAAI 2015 (there by equal width). Brier score: Brier, Monthly Weather Review 78
    (1950) 1-3, for two outcomes.
    """
    return _of([(case.plate.confidence, case.right) for case in cases if case.plate is not None])


def candidates_reliability(cases: Sequence[Case]) -> Reliability:
    """Of every candidate of every answer, the first included, pooled: each is right where its text is the label's."""
    return _of([
        (candidate.confidence, candidate.text == case.label.plate)
        for case in cases if case.plate is not None for candidate in case.plate.candidates
    ])  # fmt: skip


def _of(unsorted: Sequence[Answer]) -> Reliability:
    answers = sorted(unsorted)
    count = len(answers)
    bins, groups = by_width(answers), by_count(answers)
    return Reliability(
        answers=count,
        confidence=_rounded(statistics.fmean(sure for sure, _ in answers)) if answers else None,
        right_ratio=_rounded(statistics.fmean(right for _, right in answers)) if answers else None,
        ece=_error(bins, count),
        ece_equal_mass=_error(groups, count),
        brier=_rounded(statistics.fmean((sure - right) ** 2 for sure, right in answers)) if answers else None,
        bins=bins,
        groups=groups,
        refusals=tuple(refusal(answers, threshold) for threshold in THRESHOLDS),
    )


def by_width(answers: Sequence[Answer]) -> tuple[Bin, ...]:
    """The ranges [0, 0.1) to [0.9, 1] that hold an answer."""
    held: dict[int, list[Answer]] = {}
    for answer in answers:
        held.setdefault(min(BINS - 1, int(answer[0] * BINS)), []).append(answer)
    return tuple(_bin(place / BINS, (place + 1) / BINS, held[place]) for place in sorted(held))


def by_count(answers: Sequence[Answer]) -> tuple[Bin, ...]:
    """BINS groups of the sorted answers, as equal in count as can be; fewer, so that each has FEWEST answers."""
    count = max(1, min(BINS, len(answers) // FEWEST))
    edges = [round(len(answers) * place / count) for place in range(count + 1)]
    parts = [answers[start:stop] for start, stop in pairwise(edges) if stop > start]
    return tuple(_bin(part[0][0], part[-1][0], part) for part in parts)


def refusal(answers: Sequence[Answer], threshold: float) -> Refusal:
    kept = [right for sure, right in answers if sure >= threshold]
    refused = [right for sure, right in answers if sure < threshold]
    return Refusal(
        threshold=threshold,
        kept_right=sum(kept),
        kept_wrong=len(kept) - sum(kept),
        refused_right=sum(refused),
        refused_wrong=len(refused) - sum(refused),
    )


def _bin(low: float, high: float, answers: Sequence[Answer]) -> Bin:
    right = sum(answer[1] for answer in answers)
    ends = wilson(right, len(answers))
    return Bin(
        low=low,
        high=high,
        n=len(answers),
        confidence=_rounded(statistics.fmean(sure for sure, _ in answers)),
        right_ratio=_rounded(right / len(answers)),
        interval=(_rounded(ends[0]), _rounded(ends[1])),
    )


def _error(bins: Sequence[Bin], count: int) -> float | None:
    if not count:
        return None
    return _rounded(sum(part.n * abs(part.confidence - part.right_ratio) for part in bins) / count)


def _rounded(value: float) -> float:
    return round(value, 4)
