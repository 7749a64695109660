"""What the benchmark says, as types: one JSON object, from which the tables and the page are made as well.

Real and synthetic pictures never add up: each set has its own figures, and the mean is that of the real sets alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from cli.bench.lpr.labels import Label
from cli.bench.lpr.reliability import Reliability, candidates_reliability, reliability
from cli.bench.lpr.scoring import Case, Score, case_of, mcnemar, score, split
from functions.shared.inference import FrameReading

Kind = Literal["real", "synthetic"]
FOUND = 0.3


@dataclass(frozen=True)
class LabelledSet:
    """Pictures that are judged together, from the folder or file `where`; `origin`: how a synthetic set was made."""

    name: str
    kind: Kind
    labels: Sequence[Label]
    where: Path | None = None
    origin: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """One engine's answers to a set's labels, in their order, and the seconds that each picture took."""

    engine: str
    readings: Sequence[FrameReading]
    spent: Sequence[float]

    def cases(self, labels: Sequence[Label]) -> list[Case]:
        return [case_of(label, reading) for label, reading in zip(labels, self.readings, strict=True)]


@dataclass(frozen=True)
class Judged:
    """A set with the answers of one engine, and those of a second one where two are compared."""

    labelled: LabelledSet
    first: Answers
    second: Answers | None = None

    def cases(self) -> list[Case]:
        return self.first.cases(self.labelled.labels)


class Miss(BaseModel):
    """A picture whose plate was not read exactly. `read` is None when no plate was found at all; `place` is where the
    expected text stands among the candidates, from 1, or 0.
    """

    model_config = ConfigDict(frozen=True)

    line: int
    image: str
    expected: str
    read: str | None
    confidence: float | None
    iou: float | None
    place: int


class Difference(BaseModel):
    """A picture that one engine reads and the other does not."""

    model_config = ConfigDict(frozen=True)

    line: int
    image: str
    expected: str
    first: str | None
    second: str | None


class Comparison(BaseModel):
    """A second engine on the same pictures, in pairs. `mcnemar_p` is the exact two-sided p of the pairs that differ."""

    model_config = ConfigDict(frozen=True)

    engine: str
    both: int
    only_first: int
    only_second: int
    none: int
    mcnemar_p: float
    score: Score
    reliability: Reliability
    ms_per_image: float
    ms_median: float
    differences: tuple[Difference, ...]


class SetReport(BaseModel):
    """One set's figures. `images` counts labels: a picture with two labelled plates counts twice. `found_exact` of the
    `found` ones (IoU at least FOUND) are exact: what the readers make of what the detectors find; None without boxes.
    `reliability` is of the first texts, `candidates_reliability` of all candidates pooled.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind
    origin: dict[str, Any]
    images: int
    exact: int
    exact_ratio: float
    interval: tuple[float, float]
    char_accuracy: float
    recall: dict[str, float | None]
    answered: int
    candidates: int
    found: int | None
    found_exact: int | None
    ms_per_image: float
    ms_median: float
    steps_ms: dict[str, float]
    misses: tuple[Miss, ...]
    splits: dict[str, dict[str, Score]]
    reliability: Reliability
    candidates_reliability: Reliability
    against: Comparison | None = None


class Mean(BaseModel):
    """The plain mean over the real sets: each counts alike, however many pictures it has."""

    model_config = ConfigDict(frozen=True)

    sets: int
    exact_ratio: float
    char_accuracy: float


class Report(BaseModel):
    model_config = ConfigDict(frozen=True)

    engine: str
    views: int
    sets: tuple[SetReport, ...]
    mean_of_real_sets: Mean | None

    def as_json(self) -> dict[str, Any]:
        """One object. Of a single set the figures stand at the top as well."""
        whole = self.model_dump(mode="json")
        return {**whole["sets"][0], **whole} if len(self.sets) == 1 else whole


def make_report(judged: Sequence[Judged], *, engine: str, views: int) -> Report:
    sets = tuple(set_report(each) for each in judged)
    real = [each for each in sets if each.kind == "real"]
    mean = None
    if real:
        mean = Mean(
            sets=len(real),
            exact_ratio=round(statistics.fmean(each.exact_ratio for each in real), 4),
            char_accuracy=round(statistics.fmean(each.char_accuracy for each in real), 4),
        )
    return Report(engine=engine, views=views, sets=sets, mean_of_real_sets=mean)


def set_report(judged: Judged) -> SetReport:
    """Compare answers with labels."""
    labelled, answers, cases = judged.labelled, judged.first, judged.cases()
    whole = score(cases)
    boxed = any(case.iou is not None for case in cases)
    seen = [case for case in cases if case.iou is not None and case.iou >= FOUND]
    steps = sorted({name for reading in answers.readings for name in reading.timings_ms})
    return SetReport(
        name=labelled.name,
        kind=labelled.kind,
        origin=labelled.origin,
        images=whole.n,
        ms_per_image=milliseconds(answers.spent),
        ms_median=round(1000 * statistics.median(answers.spent), 1),
        steps_ms={
            name: round(statistics.fmean(each.timings_ms.get(name, 0.0) for each in answers.readings), 1)
            for name in steps
        },
        misses=tuple(_miss(case) for case in cases if not case.right),
        splits=split(cases),
        found=len(seen) if boxed else None,
        found_exact=sum(case.right for case in seen) if boxed else None,
        reliability=reliability(cases),
        candidates_reliability=candidates_reliability(cases),
        against=compare(cases, judged.second) if judged.second else None,
        **whole.model_dump(exclude={"n"}),
    )


def milliseconds(spent: Sequence[float]) -> float:
    return round(1000 * statistics.fmean(spent), 1)


def _miss(case: Case) -> Miss:
    return Miss(
        line=case.label.line,
        image=case.label.image.name,
        expected=case.label.plate,
        read=case.plate.text if case.plate else None,
        confidence=case.plate.confidence if case.plate else None,
        iou=None if case.iou is None else round(case.iou, 3),
        place=case.place,
    )


def compare(cases: Sequence[Case], second: Answers) -> Comparison:
    """`cases` are the first engine's."""
    others = second.cases([case.label for case in cases])
    pairs = list(zip(cases, others, strict=True))
    only_first = sum(one.right and not other.right for one, other in pairs)
    only_second = sum(other.right and not one.right for one, other in pairs)
    return Comparison(
        engine=second.engine,
        both=sum(one.right and other.right for one, other in pairs),
        only_first=only_first,
        only_second=only_second,
        none=sum(not one.right and not other.right for one, other in pairs),
        mcnemar_p=round(mcnemar(only_first, only_second), 6),
        score=score(others),
        reliability=reliability(others),
        ms_per_image=milliseconds(second.spent),
        ms_median=round(1000 * statistics.median(second.spent), 1),
        differences=tuple(_difference(one, other) for one, other in pairs if one.right != other.right),
    )


def _difference(one: Case, other: Case) -> Difference:
    return Difference(
        line=one.label.line,
        image=one.label.image.name,
        expected=one.label.plate,
        first=one.plate.text if one.plate else None,
        second=other.plate.text if other.plate else None,
    )
