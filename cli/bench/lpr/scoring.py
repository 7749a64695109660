"""What of an answer is compared with a label, and how it is counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from cli.bench.lpr.labels import FORMAT_NAMES, NOT_TOLD, Label
from functions.shared.inference import FrameReading, PlateReading

RECALLS = (0.5, 0.3)
_Z = 1.959963984540054
"""The normal distribution's 97.5 % point."""


@dataclass(frozen=True)
class Case:
    """A label with the plate that counts as its answer. `iou` is None when the label has no box."""

    label: Label
    plate: PlateReading | None
    iou: float | None

    @property
    def right(self) -> bool:
        return self.plate is not None and self.plate.text == self.label.plate

    @property
    def place(self) -> int:
        """Where among the candidates the expected text stands, from 1; 0 when it is none of them."""
        texts = [candidate.text for candidate in self.plate.candidates] if self.plate else []
        return texts.index(self.label.plate) + 1 if self.label.plate in texts else int(self.right)

    @property
    def distance(self) -> int:
        return edit_distance(self.label.plate, self.plate.text if self.plate else "")


def case_of(label: Label, reading: FrameReading) -> Case:
    """The answer's plate that counts for a label.

    With a box: the plate that overlaps it best, and the surest one when none does. Without: the one with the largest
    product of height (pixels) and confidence, that is the nearest plate that could be read.
    """
    plates = [observation.plate for observation in reading.observations if observation.plate]
    box = label.box
    if box is None:
        return Case(label, max(plates, key=lambda plate: side_height(plate) * plate.confidence, default=None), None)
    best = max(plates, key=lambda plate: (plate.box.iou(box), plate.confidence), default=None)
    return Case(label, best, best.box.iou(box) if best else 0.0)


def side_height(plate: PlateReading) -> float:
    """The mean length of a plate's left and right sides, in pixels: that of its box would grow with its slant."""
    top_left, top_right, bottom_right, bottom_left = plate.corners
    heights: list[float] = [math.dist(top_left, bottom_left), math.dist(top_right, bottom_right)]
    return sum(heights) / 2


def edit_distance(expected: str, read: str) -> int:
    """Levenshtein's: the fewest insertions, deletions and substitutions between the two."""
    row = list(range(len(read) + 1))
    for index, wanted in enumerate(expected, start=1):
        before, row[0] = row[0], index
        for place, got in enumerate(read, start=1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (wanted != got))
    return row[-1]


def wilson(successes: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a ratio. Source: Wilson, JASA 22 (1927) 209-212. (0, 1) when nothing was counted.

    Unlike p +- 1.96 sqrt(p (1 - p) / n), it holds for ratios near 1 and for few pictures.
    """
    if count == 0:
        return 0.0, 1.0
    ratio, weight = successes / count, _Z**2 / count
    middle = (ratio + weight / 2) / (1 + weight)
    half = _Z * math.sqrt(ratio * (1 - ratio) / count + weight / (4 * count)) / (1 + weight)
    # At the ends the formula is exactly 0 or 1; floating point may pass them by a hair.
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    return low, 1.0 if successes == count else min(1.0, middle + half)


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p of McNemar's test: how likely so lopsided a share of the pairs that differ is by chance.

    Under the hypothesis that both read equally well, `only_first` is binomial with (only_first + only_second, 1/2).
    Source: McNemar, Psychometrika 12 (1947) 153-157, in its exact form.
    """
    count = only_first + only_second
    tail = sum(math.comb(count, number) for number in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / (1 << count))


class Score(BaseModel):
    """`n` labels. `interval` is Wilson's 95 % interval of `exact_ratio`; `recall` by the overlap (IoU) that a found
    box must have with the label's, None where no label has a box; `answered` counts labels with any plate found;
    `candidates` those whose text is among the candidates.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    exact: int
    exact_ratio: float
    interval: tuple[float, float]
    char_accuracy: float
    recall: dict[str, float | None]
    answered: int
    candidates: int


def score(cases: Sequence[Case]) -> Score:
    """Counts of one or more cases. Character accuracy is 1 - (edit distances in all) / (characters in all)."""
    count, exact = len(cases), sum(case.right for case in cases)
    apart, characters = sum(case.distance for case in cases), sum(len(case.label.plate) for case in cases)
    overlaps = [case.iou for case in cases if case.iou is not None]
    low, high = wilson(exact, count)
    return Score(
        n=count,
        exact=exact,
        exact_ratio=round(exact / count, 4),
        interval=(round(low, 4), round(high, 4)),
        char_accuracy=round(max(0.0, 1 - apart / characters), 4),
        recall={
            str(least): round(sum(iou >= least for iou in overlaps) / len(overlaps), 4) if overlaps else None
            for least in RECALLS
        },
        answered=sum(case.plate is not None for case in cases),
        candidates=sum(case.place > 0 for case in cases),
    )


_SIZES = (16, 24, 40, 80)
SIZE_NAMES = (f"< {_SIZES[0]} px", *(f"{low}-{high - 1} px" for low, high in pairwise(_SIZES)),
              f">= {_SIZES[-1]} px", NOT_TOLD)  # fmt: skip


def size_of(label: Label) -> str:
    """The class of the plate's height in the picture, from its box."""
    if label.box is None:
        return NOT_TOLD
    return SIZE_NAMES[sum(label.box.height >= least for least in _SIZES)]


SPLITS: dict[str, Callable[[Label], str]] = {
    "format": lambda label: label.format,
    "rows": lambda label: label.rows,
    "light": lambda label: label.light,
    "size": size_of,
    "source": lambda label: label.source,
}
_ORDER = {name: place for place, name in enumerate((*FORMAT_NAMES, *SIZE_NAMES))}


def split(cases: Sequence[Case]) -> dict[str, dict[str, Score]]:
    """For each of SPLITS the score of each of its values that occurs; every case is counted once in each."""
    return {name: _by(cases, value_of) for name, value_of in SPLITS.items()}


def _by(cases: Sequence[Case], value_of: Callable[[Label], str]) -> dict[str, Score]:
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(value_of(case.label), []).append(case)
    return {value: score(groups[value]) for value in sorted(groups, key=lambda name: (_ORDER.get(name, -1), name))}
