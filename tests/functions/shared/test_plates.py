"""Plate texts: one spelling, twins of the two numberings, the distance of a reader's mistakes."""

from __future__ import annotations

import doctest
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.shared import plates
from functions.shared.plates import CONFUSABLE, distance, normalise, twins

TEXTS = st.text("ABCDEGIOQSZ0123456789", max_size=8)


def test_the_examples_hold() -> None:
    assert doctest.testmod(plates).failed == 0


@pytest.mark.parametrize("text", ["abc-1d23", " ABC 1D23", "abc.1d23", "ABC\u20131D23", "A B C 1 D 2 3"])
def test_one_plate_has_one_spelling(text: str) -> None:
    assert normalise(text) == "ABC1D23"


@pytest.mark.parametrize(("digit", "letter"), list(zip("0123456789", "ABCDEFGHIJ", strict=True)))
def test_the_table_of_the_fifth_character(digit: str, letter: str) -> None:
    assert twins(f"ABC1{digit}34") == (f"ABC1{letter}34",)
    assert twins(f"ABC1{letter}34") == (f"ABC1{digit}34",)


@pytest.mark.parametrize("plate", ["ABC1K34", "ABC1Z34", "AB123CD", "ABC123", "", "ABC12345", "ABCD123", "ÁBC1234"])
def test_what_was_never_an_old_plate_has_no_twin(plate: str) -> None:
    assert twins(plate) == ()


@given(TEXTS, TEXTS)
def test_it_is_a_distance(a: str, b: str) -> None:
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, b) <= max(len(a), len(b))


def test_a_reader_s_mistakes_cost_less_than_another_character() -> None:
    assert all(0.3 <= cost <= 0.5 for cost in CONFUSABLE.values())
    assert all(CONFUSABLE[b, a] == cost for (a, b), cost in CONFUSABLE.items())
    assert distance("BRA2E19", "8RA2E19") == 0.3
    assert distance("BRA2E19", "BRA2F19") == 0.5
    assert distance("BRA2E19", "BRA2K19") == 1.0
    assert distance("BRA2E19", "BRA219") == distance("BRA2E19", "BRA22E19") == 1.0


def test_three_slips_are_as_far_as_one_other_character() -> None:
    for one, two, three in itertools.permutations(["0O", "8B", "5S"]):
        assert distance(f"X{one[0]}{two[0]}{three[0]}", f"X{one[1]}{two[1]}{three[1]}") == 0.9
