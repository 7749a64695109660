from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.post_processing.plates import Reading, distance, nearest
from functions.post_processing.voting import vote
from functions.shared.inference import Candidate

TEXTS = st.text("ABCDO01589", min_size=1, max_size=8)
CANDIDATES = st.lists(
    st.builds(Candidate, text=TEXTS, confidence=st.floats(0, 1)),
    min_size=1,
    max_size=5,
    unique_by=lambda item: item.text,
).map(lambda items: tuple(sorted(items, key=lambda item: -item.confidence)))
READINGS = st.lists(st.builds(Reading, candidates=CANDIDATES, height=st.floats(0, 500)), min_size=1, max_size=6)


def reading(*candidates: tuple[str, float], height: float = 24.0) -> Reading:
    return Reading(tuple(Candidate(text=text, confidence=value) for text, value in candidates), height)


def test_nothing_read_is_no_vote() -> None:
    assert vote([]) is None


def test_one_reading_is_its_own_vote() -> None:
    found = vote([reading(("ABC1D23", 0.9), ("ABC1D28", 0.5))])
    assert found is not None
    assert (found.text, found.format) == ("ABC1D23", "br_mercosul")
    assert 0.8 < found.confidence <= 0.9
    assert [item.text for item in found.candidates] == ["ABC1D23", "ABC1D28"]


def test_agreement_is_surer_than_dispute() -> None:
    agreed = vote([reading(("ABC1D23", 0.8)), reading(("ABC1D23", 0.8))])
    disputed = vote([reading(("ABC1D23", 0.8)), reading(("XYZ9K88", 0.8))])
    assert agreed is not None
    assert disputed is not None
    assert agreed.confidence > 0.79
    assert disputed.confidence < 0.5


def test_two_weak_readings_that_agree_do_not_outvote_one_that_is_sure_of_its_neighbour() -> None:
    found = vote([reading(("ABC1O23", 0.6)), reading(("ABC1O23", 0.55)), reading(("ABC1D23", 0.97))])
    assert found is not None
    assert found.text == "ABC1D23"


def test_second_guesses_that_agree_beat_first_guesses_that_do_not() -> None:
    found = vote([reading(("ABC1D28", 0.8), ("ABC1D23", 0.78)), reading(("A8C1D23", 0.8), ("ABC1D23", 0.78))])
    assert found is not None
    assert found.text == "ABC1D23"


def test_lettering_counts_only_where_nothing_else_was_read() -> None:
    """A text without a digit, or one longer than any plate, on a vehicle whose plate was read in other frames."""
    sure = reading(("QWA2082", 0.99), height=40)._replace(format="br_old")
    weak = reading(("QWA2082", 0.6), height=12)
    for lettering in (reading(("EMISIONES", 0.9), height=90), reading(("EMISIO8ES", 0.9)), reading(("TAXI", 0.9))):
        assert lettering.is_lettering
        assert vote([sure, weak, lettering]) == vote([sure, weak])
        alone = vote([lettering])
        assert alone is not None
        assert alone.text == lettering.text
    # Where no plate of a format was read, a plate of a country that we do not know may have no digit.
    foreign = vote([reading(("PARISIEN", 0.9)), reading(("PARISIEN", 0.9)), reading(("PAR1SIEN", 0.4))])
    assert foreign is not None
    assert foreign.text == "PARISIEN"
    assert not sure.is_lettering
    assert not reading(("AB123", 0.9)).is_lettering
    assert not reading(("ABCDEFG", 0.9))._replace(format="br_old").is_lettering


def test_a_large_plate_counts_for_more_than_a_tiny_one() -> None:
    found = vote([reading(("ABC1D23", 0.85), height=30), reading(("ABC1D28", 0.87), height=6)])
    assert found is not None
    assert found.text == "ABC1D23"


def test_length_is_decided_by_the_readings_too() -> None:
    found = vote([reading(("ABC1D2", 0.7)), reading(("ABC1D23", 0.85)), reading(("ABC1D23", 0.8))])
    assert found is not None
    assert found.text == "ABC1D23"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(READINGS)
def test_a_vote_keeps_its_promises(readings: list[Reading]) -> None:
    found = vote(readings)
    assert found is not None
    assert found.candidates[0] == Candidate(text=found.text, confidence=found.confidence, format=found.format)
    assert 0 <= found.confidence <= 1
    assert found.text in {item.text for one in readings for item in one.candidates}
    assert len({item.text for item in found.candidates}) == len(found.candidates) <= 5


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(READINGS)
def test_the_order_of_the_readings_does_not_matter(readings: list[Reading]) -> None:
    turned = list(reversed(readings))
    first, second = vote(readings), vote(turned)
    assert first is not None
    assert second is not None
    assert first.confidence == pytest.approx(second.confidence, abs=2e-4)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("ABC1D23", "ABC1D23", 0.0), ("ABC1D23", "ABC1O23", 0.3), ("A8C1D23", "ABC1D23", 0.3),
        ("ABC1D2", "ABC1D23", 1.0), ("ABC1X23", "ABC1D23", 1.0), ("", "ABC", 3.0),
    ],
)  # fmt: skip
def test_distance_by_what_readers_mistake(one: str, other: str, expected: float) -> None:
    assert distance(one, other) == distance(other, one) == pytest.approx(expected)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, TEXTS)
def test_distance_is_a_distance(one: str, two: str) -> None:
    assert distance(one, one) == 0
    assert (distance(one, two) == 0) == (one == two)
    assert distance(one, two) == distance(two, one) <= max(len(one), len(two))


def test_a_doubtful_guess_does_not_make_two_plates_alike() -> None:
    sure = (Candidate(text="ABC1D23", confidence=0.95), Candidate(text="XYZ9K88", confidence=0.1))
    other = (Candidate(text="XYZ9K88", confidence=0.95),)
    assert nearest(sure, other) > 1.5
