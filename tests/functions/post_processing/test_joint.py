"""Joint decoding: lattices of several frames summed, brought to calibrated probabilities, beside free texts."""

from __future__ import annotations

from itertools import product
from math import exp, log

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.post_processing import lattices
from functions.post_processing.plates import Lattice, Reading, lattice_of
from functions.post_processing.voting import vote
from functions.shared.formats import PATTERNS
from functions.shared.inference import Candidate, FormatLattice

BOTH = ("br_old", "br_mercosul")


def places(pattern: str, text: str, sure: float, second: str = "") -> tuple[dict[str, float], ...]:
    """Each place holds its character with a probability; the second text's has what is left, where it differs."""
    found = []
    for kind, char, other in zip(pattern, text, second or text, strict=True):
        allowed = lattices.CHARACTERS[kind]
        char = char if char in allowed else allowed[0]
        rest = other if other in allowed and other != char else next(each for each in allowed if each != char)
        found.append({char: log(sure), rest: log(max(1e-4, 1 - sure))})
    return tuple(found)


def lattice(text: str, sure: float, second: str = "", old: float = 0.5) -> Lattice:
    """Both Brazilian formats; `old` is the probability of the older."""
    return lattice_of(
        {
            "br_old": FormatLattice(log=log(old), places=places("LLLNNNN", text, sure, second)),
            "br_mercosul": FormatLattice(log=log(1 - old), places=places("LLLNLNN", text, sure, second)),
        }
    )


def reading(given: Lattice, height: float = 24.0, confidence: float | None = None) -> Reading:
    text = lattices.best_text(given) or ""
    sure = lattices._probability(given, text, 1.0) if confidence is None else confidence
    form = lattices.summed([(given, 1.0)])[0].format
    return Reading((Candidate(text=text, confidence=sure, format=form),), height, given, form)


def test_one_reading_keeps_its_calibrated_probability() -> None:
    given = lattice("ABC1D23", 0.95, old=0.01)
    for calibrated in (0.3, 0.6, 0.9):
        found = vote([reading(given, confidence=calibrated)])
        assert found is not None
        assert (found.text, found.format) == ("ABC1D23", "br_mercosul")
        assert found.confidence == pytest.approx(calibrated, abs=0.01)


def test_characters_that_no_frame_read_together_make_the_plate() -> None:
    """Each frame is wrong at another place, and neither lists the right text: only the summed places tell it."""
    first = reading(lattice("ABC1D28", 0.55, "ABC1D23", old=0.01))
    second = reading(lattice("AEC1D23", 0.55, "ABC1D23", old=0.01))
    third = reading(lattice("ABC7D23", 0.55, "ABC1D23", old=0.01))
    assert {first.text, second.text, third.text} == {"ABC1D28", "AEC1D23", "ABC7D23"}
    found = vote([first, second, third])
    assert found is not None
    assert found.text == "ABC1D23"


def test_the_format_is_voted_with_the_text() -> None:
    """I and 1 at the fifth place: what tells them apart is which format the frames speak for."""
    unsure = [reading(lattice("XVZ2115", 0.97, "XVZ2I15", old=old)) for old in (0.45, 0.4, 0.55)]
    found = vote(unsure)
    assert found is not None
    assert found.format == "br_mercosul"
    assert found.text[4].isalpha()


def test_agreement_makes_surer_and_never_certain() -> None:
    one = reading(lattice("ABC1D23", 0.97, old=0.01))
    alone, agreed = vote([one]), vote([one] * 9)
    assert alone is not None
    assert agreed is not None
    assert alone.confidence < agreed.confidence < 1


def test_frames_of_a_passage_are_no_independent_witnesses() -> None:
    """Nine frames that lean to one text do not make it as sure as nine strangers would."""
    leaning = [reading(lattice("ABC1D23", 0.6, "ABC1D28", old=0.01))] * 9
    found = vote(leaning)
    assert found is not None
    assert found.text == "ABC1D23"
    strangers = 1 / (1 + (0.4 / 0.6) ** 9)
    assert found.confidence < strangers


def test_a_large_plate_outweighs_a_tiny_one() -> None:
    large, tiny = lattice("ABC1D23", 0.9, "ABC1D28", old=0.01), lattice("ABC1D28", 0.92, "ABC1D23", old=0.01)
    found = vote([reading(large, 40), reading(tiny, 8)])
    assert found is not None
    assert found.text == "ABC1D23"


def test_a_free_text_stays_free() -> None:
    """No format fits: the texts are voted as they were read, and the plate is kept, marked by having no format."""
    free = Reading((Candidate(text="AB12345", confidence=0.8),), 24.0)
    found = vote([free, free])
    assert found is not None
    assert (found.text, found.format) == ("AB12345", None)


def test_one_free_reading_among_lattices_is_outvoted() -> None:
    free = Reading((Candidate(text="OFERTAS", confidence=0.4),), 24.0)
    found = vote([reading(lattice("ABC1D23", 0.97, old=0.01)), free, reading(lattice("ABC1D23", 0.97, old=0.01))])
    assert found is not None
    assert (found.text, found.format) == ("ABC1D23", "br_mercosul")


def test_sure_free_readings_outvote_a_far_guess_of_a_format() -> None:
    free = [Reading((Candidate(text="KZ4471", confidence=0.9),), 30.0)] * 3
    found = vote([reading(lattice("KZI4A71", 0.5, old=0.5), 10, confidence=0.02), *free])
    assert found is not None
    assert (found.text, found.format) == ("KZ4471", None)


def test_formats_of_other_countries() -> None:
    given = lattice_of({"ar_mercosul": FormatLattice(log=-0.01, places=places("LLNNNLL", "AB123CD", 0.97))})
    found = vote([reading(given)], ("ar_mercosul", "br_mercosul"))
    assert found is not None
    assert (found.text, found.format) == ("AB123CD", "ar_mercosul")


def test_rows_of_older_versions_vote_with_those_that_have_a_lattice() -> None:
    old_row = Reading((Candidate(text="ABC1D23", confidence=0.95), Candidate(text="ABC1D28", confidence=0.5)), 30.0)
    found = vote([old_row, reading(lattice("ABC1D28", 0.6, "ABC1D23", old=0.01))])
    assert found is not None
    assert found.text == "ABC1D23"


LATTICES = st.lists(
    st.builds(
        lattice, st.sampled_from(["ABC1D23", "ABC1D28", "XYZ9K88", "ABC1234"]), st.floats(0.3, 0.99),
        st.sampled_from(["", "ABC1D23", "QBC1D23"]), st.floats(0.01, 0.99),
    ),
    min_size=1, max_size=5,
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LATTICES)
def test_a_joint_vote_keeps_its_promises(given_lattices: list[Lattice]) -> None:
    readings = [reading(each) for each in given_lattices]
    found = vote(readings)
    assert found is not None
    assert found == vote(readings[::-1])
    assert found.candidates[0].text == found.text
    assert sum(item.confidence for item in found.candidates) <= 1 + 1e-3
    values = [item.confidence for item in found.candidates]
    assert values == sorted(values, reverse=True)
    assert found.format in BOTH


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(-5, 0), min_size=6, max_size=6), st.integers(1, 8))
def test_the_best_texts_are_found_exactly(logs: list[float], count: int) -> None:
    """Against all texts of three places with two characters each."""
    summed = lattices.Summed("x", -0.5, tuple(dict(zip("AB", logs[2 * n : 2 * n + 2], strict=True)) for n in range(3)))
    every = sorted(map("".join, product("AB", repeat=3)), key=lambda text: (-summed.of(text), text))
    best = summed.best(count)
    assert [summed.of(text) for text in best] == pytest.approx([summed.of(text) for text in every[:count]])
    assert exp(summed.total) == pytest.approx(sum(exp(summed.of(text)) for text in every))


def test_what_is_not_listed_has_the_floor() -> None:
    (found,) = lattices.summed([(lattice_of({"br_mercosul": FormatLattice(log=0.0, places=({"A": -0.1},) * 7)}), 2.0)])
    assert found.places[0]["A"] == pytest.approx(-0.2)
    assert found.places[0]["B"] == pytest.approx(2 * lattices.FLOOR)
    assert set(found.places[3]) == set(lattices.CHARACTERS["N"])


@pytest.mark.parametrize("wrong", [{"xx_none": 7}, {"br_old": 6}])
def test_a_lattice_of_an_unknown_shape_is_left_out(wrong: dict[str, int]) -> None:
    given = lattice_of({name: FormatLattice(log=0.0, places=({"A": -0.1},) * count) for name, count in wrong.items()})
    assert lattices.known(given) == ()
    assert all(len(PATTERNS.get(name, "")) != count for name, count in wrong.items())


def free(text: str, sure: float, second: str = "", old: float = 1e-3) -> Reading:
    """A text of no format; `old` is the probability that it is of the older Brazilian one after all."""
    found = {"any": FormatLattice(log=log(1 - old), places=places("X" * len(text), text, sure, second))}
    if len(text) == 7:
        found["br_old"] = FormatLattice(log=log(old), places=places("LLLNNNN", text, sure, second))
    given = lattice_of(found)
    return Reading((Candidate(text=text, confidence=lattices._probability(given, text, 1.0)),), 24.0, given)


def test_free_texts_are_decoded_over_frames_place_by_place() -> None:
    """Each frame is wrong at another place: none has the whole text, and none lists it among its candidates."""
    frames = [free("W7XQ98", 0.55, "W7XQ99"), free("N7XQ99", 0.55, "W7XQ99"), free("W1XQ99", 0.55, "W7XQ99")]
    for formats in (("any",), BOTH):
        found = vote(frames, formats)
        assert found is not None
        assert (found.text, found.format) == ("W7XQ99", None)


def test_a_free_text_and_one_of_a_format_compete() -> None:
    one, other = free("AB1C234", 0.97), reading(lattice("ABI2234", 0.6, "ABI1234", old=0.9))
    foreign, brazilian = vote([one, one, one, other]), vote([one, *[reading(lattice("ABC1234", 0.99, old=0.99))] * 4])
    assert foreign is not None
    assert brazilian is not None
    assert (foreign.text, foreign.format) == ("AB1C234", None)
    assert (brazilian.text, brazilian.format) == ("ABC1234", "br_old")


def test_free_texts_of_two_lengths_are_not_mixed() -> None:
    frames = [free("AB123", 0.9), free("AB1234", 0.9), free("AB1234", 0.9)]
    found = vote(frames, ("any",))
    assert found is not None
    assert found.text == "AB1234"
    assert {len(candidate.text) for candidate in found.candidates} <= {5, 6}


def test_a_free_text_that_has_a_format_asked_for_after_all_is_marked_with_it() -> None:
    found = vote([free("ABC1234", 0.99)] * 2)
    assert found is not None
    assert (found.text, found.format) == ("ABC1234", "br_old")
    assert vote([free("ABC1234", 0.99)] * 2, ("any",)) is not None
