"""What is looked up for an entry: no plate that the entry matches is missed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.alerts.candidates import candidates, readings
from functions.alerts.patterns import Entry, matches
from functions.shared.plates import distance, twins

# Few characters, many of them alike to a reader, and plates of both numberings.
FEW = "AB08O1I"
TEXTS = st.text(FEW, min_size=1, max_size=9)
OLD = st.from_regex(r"[ABO]{3}[018]{4}", fullmatch=True)
NEW = st.from_regex(r"[ABO]{3}[018][AB][018]{2}", fullmatch=True)
PLATES = st.one_of(TEXTS, OLD, NEW)


@st.composite
def _near(draw: st.DrawFn) -> tuple[str, str]:
    """A plate, and one that some edits, or its other numbering, made of it."""
    plate = draw(st.one_of(OLD, NEW))
    other = draw(st.sampled_from([plate, *twins(plate)]))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(other)))
        kind = draw(st.sampled_from(["put", "drop", "swap"]))
        char = draw(st.sampled_from(FEW))
        other = other[:at] + ("" if kind == "drop" else char) + other[at + (kind != "put") :]
    return plate, draw(st.sampled_from([other, *twins(other)])) or char


def found(entry: Entry, plate: str, with_twins: bool) -> bool:
    wanted = candidates(entry, with_twins=with_twins)
    return plate in wanted.texts or any(plate.startswith(head) and plate.endswith(tail) for head, tail in wanted.ends)


@settings(max_examples=600, deadline=None)
@given(
    st.one_of(_near(), st.tuples(PLATES, PLATES)), st.sampled_from([0.0, 0.3, 0.5, 0.6, 0.9, 1.0, 1.3, 1.5, 1.6, 2.0]),
    st.booleans(),
)  # fmt: skip
def test_no_plate_that_a_fuzzy_entry_matches_is_missed(
    pair: tuple[str, str], tolerance: float, with_twins: bool
) -> None:
    pattern, plate = pair
    if tolerance >= len(pattern) / 2:
        return
    entry = Entry("1", pattern, "fuzzy", tolerance)
    if matches(entry, plate, with_twins=with_twins):
        assert found(entry, plate, with_twins)


@settings(max_examples=300, deadline=None)
@given(_near(), st.lists(st.tuples(st.integers(0, 7), st.sampled_from("*?")), min_size=1, max_size=3), st.booleans())
def test_no_plate_that_a_wildcard_matches_is_missed(
    pair: tuple[str, str], marks: list[tuple[int, str]], with_twins: bool
) -> None:
    pattern, plate = pair
    for at, mark in marks:
        pattern = pattern[:at] + mark + pattern[at + 1 :]
    entry = Entry("1", pattern, "wildcard")
    if matches(entry, plate, with_twins=with_twins):
        assert found(entry, plate, with_twins)


@pytest.mark.parametrize(("tolerance", "most"), [(0.6, 100), (1.0, 40), (1.5, 60), (2.0, 700)])
def test_they_are_few(tolerance: float, most: int) -> None:
    wanted = candidates(Entry("1", "ABC1D23", "fuzzy", tolerance), with_twins=True)
    assert 0 < len(wanted.texts) + len(wanted.ends) <= most


@given(st.text(FEW, max_size=3), st.text("AB08O1I", max_size=4), st.sampled_from([0.0, 0.3, 0.6, 1.0, 1.3, 2.0]))
@settings(max_examples=200, deadline=None)
def test_readings_are_all_within_the_distance(text: str, other: str, left: float) -> None:
    assert (other in (readings(text, left) or ())) is (distance(text, other) <= left)
    assert readings(text, 2.0, most=3) is None
