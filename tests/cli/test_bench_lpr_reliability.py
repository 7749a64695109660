"""Calibration figures of `gtvision bench lpr`: by hand, and of confidences that are probabilities by construction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli.bench.lpr.labels import Label
from cli.bench.lpr.reliability import by_count, by_width, candidates_reliability, refusal, reliability
from cli.bench.lpr.scoring import Case, case_of
from functions.shared.inference import Box
from tests.cli.bench_readings import plate, reading

BOX = Box(x1=10, y1=10, x2=110, y2=40)


def cases(*answers: tuple[float, bool]) -> list[Case]:
    label = Label(2, Path("a.jpg"), BOX, "ABC1234")
    return [case_of(label, reading(plate("ABC1234" if right else "XXX0000", BOX, sure))) for sure, right in answers]


def test_figures_by_hand() -> None:
    found = reliability([*cases((0.95, True), (0.85, True), (0.85, False), (0.25, False)),
                         case_of(Label(3, Path("a.jpg"), BOX, "ABC1234"), reading())])  # fmt: skip
    assert (found.answers, found.confidence, found.right_ratio) == (4, 0.725, 0.5)
    assert [(part.n, part.confidence, part.right_ratio) for part in found.bins] == [
        (1, 0.25, 0.0), (2, 0.85, 0.5), (1, 0.95, 1.0)]  # fmt: skip
    assert found.ece == pytest.approx((0.25 + 2 * 0.35 + 0.05) / 4)
    assert found.brier == pytest.approx((0.05**2 + 0.15**2 + 0.85**2 + 0.25**2) / 4, abs=1e-4)


def test_every_candidate_is_pooled() -> None:
    """The right text second, the right text first, and an answer without it: seven candidates, two of them right."""
    label = Label(2, Path("a.jpg"), BOX, "ABC1234")
    answers = [
        plate("ABC1284", BOX, 0.6, [("ABC1234", 0.3), ("A8C1234", 0.1)]),
        plate("ABC1234", BOX, 0.9, [("ABC1284", 0.1)]),
        plate("XXX0000", BOX, 0.5, [("XXX0008", 0.5)]),
    ]
    found = candidates_reliability([case_of(label, reading(answer)) for answer in answers])
    assert found.answers == 7
    assert found.right_ratio == pytest.approx(2 / 7, abs=1e-4)
    assert found.ece == pytest.approx((0.1 * 2 + 0.7 + 2 * 0.5 + 0.6 + 0.1) / 7, abs=1e-4)
    assert candidates_reliability([]).answers == 0


def test_without_an_answer_there_is_nothing_to_say() -> None:
    found = reliability([case_of(Label(2, Path("a.jpg"), BOX, "ABC1234"), reading())])
    assert (found.answers, found.ece, found.brier, found.bins) == (0, None, None, ())


def test_true_probabilities_are_calibrated_and_overconfident_ones_are_not() -> None:
    rng = np.random.default_rng(5)
    sure = rng.uniform(0.3, 1.0, 4000)
    right = rng.random(4000) < sure
    honest = reliability(cases(*zip(sure.tolist(), right.tolist(), strict=True)))
    boasting = reliability(cases(*((0.99, bool(each)) for each in right)))
    assert honest.ece is not None
    assert honest.ece_equal_mass is not None
    assert boasting.ece is not None
    assert max(honest.ece, honest.ece_equal_mass) < 0.03
    assert boasting.ece == pytest.approx(0.99 - right.mean(), abs=1e-3)


def test_bins_and_groups_hold_every_answer_once() -> None:
    rng = np.random.default_rng(6)
    for count in (1, 19, 20, 57, 1003):
        answers = sorted((float(sure), bool(sure > 0.5)) for sure in rng.random(count))
        assert sum(part.n for part in by_width(answers)) == count
        groups = by_count(answers)
        assert sum(part.n for part in groups) == count
        assert max(part.n for part in groups) - min(part.n for part in groups) <= 1
        assert len(groups) == 1 or min(part.n for part in groups) >= 20
    assert by_width([(1.0, True)])[0].low == 0.9


def test_refusing_moves_answers_from_kept_to_refused() -> None:
    answers = [(0.2, False), (0.5, True), (0.5, False), (0.9, True)]
    rows = [refusal(answers, threshold) for threshold in (0.0, 0.5, 0.6, 1.0)]
    assert [(row.kept_right, row.kept_wrong, row.refused_right, row.refused_wrong) for row in rows] == [
        (2, 2, 0, 0), (2, 1, 0, 1), (1, 0, 1, 2), (0, 0, 2, 2)]  # fmt: skip
