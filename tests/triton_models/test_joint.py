"""Joint decoding: against brute force over all texts, in any order of views, under any table of formats."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.triton_models.conftest import part

FOREIGN = 5.5
slots, joint, formats, decoding = (part(name) for name in ("slots", "joint", "formats", "decoding"))
Array = NDArray[Any]


def slot_places(text: str, doubts: dict[int, dict[str, float]] | None = None) -> Array:
    """[8, 37]: a reader's places that spell a text, other characters mixed in at some of them."""
    places = np.full((8, 37), 1e-6)
    for place in range(8):
        odds = (doubts or {}).get(place, {})
        character = text[place] if place < len(text) else None
        places[place, 0 if character is None else 1 + decoding.ALPHABET.index(character)] = 1 - sum(odds.values())
        for other, share in odds.items():
            places[place, 1 + decoding.ALPHABET.index(other)] = share
    return places


def voice(
    places: Sequence[Array], patterns: Sequence[str], weights: Sequence[float] | None = None, **powers: float
) -> Any:
    stacked = np.stack(places)
    return joint.Voice(
        slots.by_pattern(stacked, [*patterns, *("X" * length for length in range(3, 11))]),
        slots.free_log(stacked),
        [slots.greedy(view) for view in stacked],
        np.array(weights or [1.0] * len(places)),
        **powers,
    )


def read(
    views: Sequence[Array],
    names: Sequence[str] = ("br_old", "br_mercosul"),
    prior: dict[str, float] | None = None,
    plate: float = 1.0,
) -> Any:
    wanted = formats.chosen(names)
    way = joint.Way(1, [voice(views, [form.pattern for form in wanted])])
    return joint.decode([way], wanted, prior or {}, FOREIGN, plate)


def test_slots_equal_the_sum_over_all_texts() -> None:
    """Against every text of the pattern, spelled out: what an allowed text's places have, and nothing behind it."""
    random = np.random.default_rng(4)
    places = random.dirichlet(np.full(37, 0.2), (1, 8))
    places[:, 2:, 0] += 0.5
    places /= places.sum(axis=2, keepdims=True)
    found = slots.by_pattern(places, ["LN"])["LN"]
    lent = np.maximum(places[0] @ decoding.lending(37), 1e-5)
    rest = lent[2:, 0].prod()
    odds = {
        (a, b): lent[0, 1 + decoding.ALPHABET.index(a)] * lent[1, 1 + decoding.ALPHABET.index(b)] * rest
        for a, b in itertools.product(decoding.ALPHABET[10:], decoding.ALPHABET[:10])
    }
    assert found.evidence[0] == pytest.approx(np.log(sum(odds.values())), abs=1e-6)
    first = {a: sum(odds[a, b] for b in decoding.ALPHABET[:10]) / sum(odds.values()) for a in decoding.ALPHABET[10:]}
    for letter, share in first.items():
        assert found.marginals[0, 0, decoding.ALPHABET.index(letter)] == pytest.approx(share, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), ways=st.integers(1, 2))
def test_the_joint_reading_equals_brute_force(seed: int, ways: int) -> None:
    """Two voices, two patterns, every text: posterior = evidence x prior x the characters, normalised over all."""
    random = np.random.default_rng(seed)
    table = [formats.Format("one", "LN", "XX", (1, 2), False), formats.Format("two", "NN", "XX", (1, 2), True)]
    prior = {"one": float(random.normal()), "two": float(random.normal())}
    taken = [
        joint.Way(
            rows + 1,
            [
                voice(list(random.dirichlet(np.full(37, 0.1), (2, 8))), ["LN", "NN"], [1.0, 0.5], trust=0.7, faith=0.6)
                for _ in range(2)
            ],
            float(random.normal()),
        )
        for rows in range(ways)
    ]
    reading = joint.decode(taken, table, prior, 1e9)
    odds: dict[str, float] = {}
    for way, form in itertools.product(taken, table):
        logs = np.zeros((2, 36))
        log = way.prior + prior[form.name]
        for spoken in way.voices:
            lattice = spoken.found[form.pattern]
            smooth = 0.98 * lattice.marginals + 0.02 / 36
            logs += 0.7 * (np.log(smooth[0]) * 2 + np.log(smooth[1])) / 3
            log += 0.6 * (lattice.evidence[0] * 2 + lattice.evidence[1]) / 3
        allowed = [decoding.ALPHABET[10:] if kind == "L" else decoding.ALPHABET[:10] for kind in form.pattern]
        shares = []
        for place, characters in enumerate(allowed):
            some = {character: np.exp(logs[place, decoding.ALPHABET.index(character)]) for character in characters}
            shares.append({character: value / sum(some.values()) for character, value in some.items()})
        for a, b in itertools.product(*allowed):
            odds[a + b] = odds.get(a + b, 0.0) + np.exp(log) * shares[0][a] * shares[1][b]
    whole = sum(odds.values())
    best = sorted(odds, key=lambda text: -odds[text])
    assert reading is not None
    assert reading.texts[0].text == best[0]
    # Eight texts of each way are followed: of a text below them a way's small part may be missing.
    assert reading.texts[0].confidence == pytest.approx(odds[best[0]] / whole, rel=0.05)
    assert sum(text.confidence for text in reading.texts) <= 1 + 1e-9


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(4)), swap=st.booleans())
def test_the_order_of_views_and_voices_changes_nothing(seed: int, order: list[int], swap: bool) -> None:
    random = np.random.default_rng(seed)
    one, other = (random.dirichlet(np.full(37, 0.05), (4, 8)) for _ in range(2))
    weights = random.uniform(0.2, 1, 4)
    wanted = formats.chosen(formats.TABLE)
    patterns = [form.pattern for form in wanted]
    plain = joint.Way(1, [voice(list(one), patterns, list(weights)), voice(list(other), patterns, list(weights))])
    mixed = [voice(list(views[order]), patterns, list(weights[order])) for views in (one, other)]
    mixed = mixed[::-1] if swap else mixed
    first = joint.decode([plain], wanted, {}, FOREIGN)
    second = joint.decode([joint.Way(1, mixed)], wanted, {}, FOREIGN)
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        assert first.texts[0].text == second.texts[0].text
        assert [a.confidence for a in first.texts] == pytest.approx([b.confidence for b in second.texts])
        assert first.free == pytest.approx(second.free)


@settings(max_examples=40, deadline=None)
@given(names=st.lists(st.sampled_from([*formats.TABLE, "any"]), min_size=1, unique=True), seed=st.integers(0, 1000))
def test_any_table_of_formats_gives_only_texts_of_it_or_free_ones(names: list[str], seed: int) -> None:
    random = np.random.default_rng(seed)
    reading = read(list(random.dirichlet(np.full(37, 0.05), (3, 8))), names)
    for text in reading.texts if reading else ():
        if text.format is None:
            continue
        assert text.format in names
        pattern = formats.TABLE[text.format].pattern
        assert "".join("N" if character.isdigit() else "L" for character in text.text) == pattern


@pytest.mark.parametrize("name", list(formats.TABLE))
def test_a_plain_plate_of_each_format_is_read_as_it(name: str) -> None:
    text = "".join("K" if kind == "L" else "7" for kind in formats.TABLE[name].pattern)
    rows = formats.TABLE[name].rows[0]
    wanted = formats.chosen([name, *formats.TABLE])
    way = joint.Way(rows, [voice([slot_places(text)], [form.pattern for form in wanted])])
    reading = joint.decode([way], wanted, {}, FOREIGN)
    assert reading is not None
    assert (reading.texts[0].text, reading.texts[0].format, reading.rows) == (text, name, rows)
    assert reading.texts[0].confidence > 0.9
    assert set(reading.lattice) == {form.name for form in wanted if rows in form.rows}


def test_of_two_formats_of_one_pattern_the_first_wins_a_tie_and_the_band_the_rest() -> None:
    places = [slot_places("ABC1234")]
    for names in (("br_old", "uy_mercosul"), ("uy_mercosul", "br_old")):
        assert read(places, names).texts[0].format == names[0]
        banded = read(places, names, {"uy_mercosul": 1.0})
        assert banded.texts[0].format == "uy_mercosul"
        assert [text.text for text in banded.texts].count("ABC1234") == 1


def test_a_digit_where_a_letter_must_stand_is_never_given_out() -> None:
    reading = read([slot_places("0BC1234", {0: {"O": 0.3}, 3: {"I": 0.2}})])
    assert (reading.texts[0].text, reading.texts[0].format) == ("OBC1234", "br_old")


def test_the_prior_decides_between_the_formats_when_the_glyph_does_not() -> None:
    """A Mercosul O that the reader calls a zero, surely; and a four, which is no letter at all."""
    zero, four = [slot_places("GDY3058")], [slot_places("GDY3458")]
    assert read(zero, prior={"br_mercosul": 4.0}).texts[0].text == "GDY3O58"
    assert read(zero, prior={"br_mercosul": -1.5}).texts[0].text == "GDY3058"
    assert read(four, prior={"br_mercosul": 4.0}).texts[0].text == "GDY3458"


def test_two_views_outvote_a_wrong_one() -> None:
    right, wrong = slot_places("OUM7311", {0: {"G": 0.2}}), slot_places("GUM7311", {0: {"O": 0.1}})
    reading = read([wrong, right, right])
    assert [text.text for text in reading.texts[:2]] == ["OUM7311", "GUM7311"]
    assert reading.texts[0].confidence > reading.texts[1].confidence


def test_a_foreign_plate_is_read_freely_and_carries_the_lattice_of_any() -> None:
    reading = read([slot_places("MLB803"), slot_places("MLB803"), slot_places("MLB8O3")])
    assert (reading.texts[0].text, reading.texts[0].format) == ("MLB803", None)
    assert reading.free > 0.9
    assert max(reading.lattice, key=lambda name: reading.lattice[name][0]) == "any"
    rows = joint.listed(reading.lattice["any"][1])
    assert "".join(max(row, key=lambda character: row[character]) for row in rows) == "MLB803"
    assert "O" in rows[4]


def test_with_any_alone_every_plate_is_read_freely() -> None:
    reading = read([slot_places("ABC1234")], ("any",))
    assert (reading.texts[0].text, reading.texts[0].format) == ("ABC1234", None)
    assert set(reading.lattice) == {"any"}


def test_any_is_decoded_place_by_place_and_not_by_whole_strings() -> None:
    """Each view misreads another character: no view has the whole text, and together they have it."""
    views = [
        slot_places("W7XQ99", {0: {"N": 0.6}}),
        slot_places("W7XQ99", {2: {"K": 0.6}}),
        slot_places("W7XQ99", {4: {"8": 0.6}}),
    ]
    plain = [slots.greedy(view)[0] for view in views]
    assert plain == ["N7XQ99", "W7KQ99", "W7XQ89"]
    for names in (("any",), ("br_old", "br_mercosul")):
        reading = read(views, names)
        assert (reading.texts[0].text, reading.texts[0].format) == ("W7XQ99", None)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_free_texts_equal_brute_force(seed: int) -> None:
    """Every text of three places: the lengths' shares by their evidence, the characters by their summed logs."""
    random = np.random.default_rng(seed)
    places = np.full((2, 8, 37), 1e-4)
    places[:, 3:, 0] = 1
    for place, character in itertools.product(range(3), random.choice(36, 4, replace=False)):
        places[:, place, 1 + character] = random.dirichlet(np.ones(4), 2)[:, 0]
    places /= places.sum(axis=2, keepdims=True)
    reading = read(list(places), ("any",))
    evidence = {length: slots.by_pattern(places, ["X" * length])["X" * length] for length in (3, 4)}
    lengths = np.array([evidence[length].evidence.mean() for length in (3, 4)])
    share = np.exp(lengths[0] - np.logaddexp.reduce(lengths))
    logs = np.log(0.98 * evidence[3].marginals + 0.02 / 36).mean(axis=0)
    shares = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    picked = shares.argmax(axis=1)
    assert reading.texts[0].text == "".join(decoding.ALPHABET[index] for index in picked)
    assert reading.texts[0].confidence == pytest.approx(share * np.prod(shares.max(axis=1)), rel=1e-6)


@pytest.mark.parametrize("text", ["RIO", "AB12", "ABCDEFG", "X7", "KZ12345678", "ABCD1234EF"])
def test_texts_of_three_to_ten_characters_are_plates(text: str) -> None:
    """Of one that is longer than plate_reader's places, PP-OCR says the rest."""
    symbols = np.full((3 * len(text), 38), 1e-6)
    for step in range(len(symbols)):
        spoken = 1 + decoding.ALPHABET.index(text[step // 3]) if step % 3 == 1 else 0
        symbols[step, spoken] = 1
    patterns = ["X" * length for length in range(3, 11)]
    ocr = joint.Voice(
        decoding.by_pattern(symbols[None], patterns), decoding.free_log(symbols[None]), [decoding.greedy(symbols)],
        np.ones(1),
    )  # fmt: skip
    reading = joint.decode([joint.Way(1, [ocr, voice([slot_places(text[:8])], ())])], (), {}, FOREIGN)
    if len(text) < 3:
        assert reading is None
    else:
        assert (reading.texts[0].text, reading.texts[0].format) == (text, None)
        assert reading.texts[0].confidence > 0.5


@pytest.mark.parametrize("names", [("br_old", "br_mercosul"), ("any",), ("br_old", "any")])
def test_a_plate_without_a_digit_is_kept_and_marked_where_a_plate_is_seen(names: tuple[str, ...]) -> None:
    """And no text of a format that nothing speaks for stands first in its place."""
    reading = read([slot_places("ABCDEFG")], names)
    assert (reading.texts[0].text, reading.texts[0].format) == ("ABCDEFG", None)
    assert reading.texts[0].confidence > 0.5


def test_words_on_what_is_no_plate_are_lettering() -> None:
    assert read([slot_places("TURISMO")], plate=0.1) is None
    assert read([slot_places("TURISMO")], ("any",), plate=0.1) is None
    assert read([slot_places("MLB803")], plate=0.1).texts[0].text == "MLB803"


def test_a_text_of_a_format_is_never_refused_as_lettering() -> None:
    assert read([slot_places("ABC1234")], plate=0.1).texts[0].format == "br_old"


def test_a_lattice_of_formats_that_still_may_be_stands_beside_that_of_any() -> None:
    """What is given on is each format's evidence: of one below a ten thousandth nothing is to be said."""
    wavering = [slot_places("ABC1234", {2: {"7": 0.99}})]
    reading = joint.decode([joint.Way(1, [voice(wavering, ["LLLNNNN"])])], formats.chosen(("br_old",)), {}, 4.0)
    assert reading.texts[0].format is None
    assert set(reading.lattice) == {"any", "br_old"}
    assert reading.lattice["any"][0] > reading.lattice["br_old"][0]


def test_what_shows_no_text_gives_none() -> None:
    assert read([slot_places(""), slot_places("1")], ("any",)) is None


def test_a_lattice_lists_the_likeliest_characters_with_their_logs() -> None:
    reading = read([slot_places("ABC1234", {1: {"8": 0.1, "D": 0.3, "P": 0.05}})])
    log, places = reading.lattice["br_old"]
    rows = joint.listed(places)
    assert len(rows) == 7
    assert np.isfinite(log)
    assert list(rows[1])[:3] == ["B", "D", "P"]
    assert all(len(row) <= 5 and min(row.values()) >= np.log(1e-4) for row in rows)
    assert sum(np.exp(list(rows[1].values()))) == pytest.approx(1, abs=0.05)


def test_candidates_come_in_the_order_of_their_probability() -> None:
    logs = np.log(np.random.default_rng(3).dirichlet(np.ones(36), 3))
    found = joint.top_texts(logs, 40)
    every = sorted(
        (
            sum(logs[place, index] for place, index in enumerate(pick))
            for pick in itertools.product(range(36), repeat=3)
        ),
        reverse=True,
    )
    np.testing.assert_allclose([total for total, _ in found], every[:40], atol=1e-9)
    assert len({text for _, text in found}) == 40
