"""The decoder against brute force over all alignments, and what formats and votes do to a text."""

from __future__ import annotations

import itertools
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

LETTERS = "AB"
DIGITS = "01"


def random_symbols(steps: int, seed: int) -> NDArray[np.float32]:
    """[steps, 38] probabilities over blank, 0, 1, A, B; all else is left empty."""
    used = [0, 1, 2, 11, 12]
    symbols = np.zeros((steps, 38), np.float32)
    symbols[:, used] = np.random.default_rng(seed).dirichlet(np.full(len(used), 0.6), steps)
    return symbols


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    """Repeats, then blanks, dropped."""
    merged = [label for index, label in enumerate(path) if index == 0 or path[index - 1] != label]
    return tuple(label for label in merged if label != 0)


def texts_by_brute_force(symbols: NDArray[np.float32], mask: NDArray[np.bool_]) -> dict[tuple[int, ...], float]:
    """Every text that the mask allows, with the summed probability of all its alignments."""
    real = np.maximum(symbols.astype(np.float64), 1e-5)
    labels = [0, 1, 2, 11, 12]
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(labels, repeat=len(symbols)):
        text = collapse(path)
        if len(text) == mask.shape[0] and all(mask[place, label - 1] for place, label in enumerate(text)):
            odds = [
                real[step, 0] + real[step, 37] if label == 0 else real[step, label] for step, label in enumerate(path)
            ]
            found[text] = found.get(text, 0.0) + float(np.prod(odds))
    return found


def small_mask(pattern: str) -> NDArray[np.bool_]:
    """bool [places, 36] that allows A and B for L, 0 and 1 for N."""
    mask = np.zeros((len(pattern), 36), bool)
    for place, kind in enumerate(pattern):
        mask[place, [10, 11] if kind == "L" else [0, 1]] = True
    return mask


@pytest.mark.parametrize("seed", range(6))
def test_lattice_equals_the_sum_over_all_alignments(decoding: ModuleType, seed: int) -> None:
    masks = np.array([small_mask("LLN"), small_mask("LNN")])
    symbols = np.stack([random_symbols(6, seed), random_symbols(6, seed + 100)])
    found = decoding.lattices(symbols, masks)
    for view, index in itertools.product(range(2), range(2)):
        texts = texts_by_brute_force(symbols[view], masks[index])
        whole = sum(texts.values())
        assert found.evidence[view, index] == pytest.approx(np.log(whole), abs=1e-9)
        expected = np.zeros((3, 36))
        for text, odds in texts.items():
            for place, label in enumerate(text):
                expected[place, label - 1] += odds / whole
        np.testing.assert_allclose(found.marginals[view, index], expected, atol=1e-9)


def spelled(decoding: ModuleType, text: str, doubts: dict[int, dict[str, float]] | None = None) -> NDArray[np.float32]:
    """Symbols [20, 38] that spell a text, with other characters mixed in at some of its places."""
    symbols = np.zeros((20, 38), np.float32)
    symbols[:, 0] = 1
    for place, character in enumerate(text):
        step = 2 * place + 1
        odds = (doubts or {}).get(place, {})
        symbols[step] = 0
        symbols[step, 1 + decoding.ALPHABET.index(character)] = 1 - sum(odds.values())
        for other, share in odds.items():
            symbols[step, 1 + decoding.ALPHABET.index(other)] = share
    return symbols


def read(decoding: ModuleType, views: list[NDArray[np.float32]], prior: tuple[float, float] = (0.0, 0.0)) -> list[Any]:
    stacked = np.stack(views)
    texts: list[Any] = decoding.read(stacked, decoding.lattices(stacked), np.ones(len(views)), np.array(prior))
    return texts


def test_a_digit_where_a_letter_must_stand_is_never_given_out(decoding: ModuleType) -> None:
    texts = read(decoding, [spelled(decoding, "0BC1234", {0: {"O": 0.3}, 3: {"I": 0.2}})])
    assert (texts[0].text, texts[0].format) == ("OBC1234", "br_old")
    assert all(text.text[:3].isalpha() for text in texts)


def test_the_band_decides_between_the_formats_when_the_glyph_does_not(decoding: ModuleType) -> None:
    view = spelled(decoding, "ABC1I23", {4: {"1": 0.5}})
    assert read(decoding, [view], (0.0, 3.0))[0].text == "ABC1I23"
    assert read(decoding, [view], (0.0, -1.5))[0].text == "ABC1123"


def test_twins_leave_the_format_to_the_band(decoding: ModuleType) -> None:
    """A Mercosul O that the recogniser calls a zero, surely; and a four, which is no letter at all."""
    views = decoding.with_twins(np.stack([spelled(decoding, "GDY3058")]))
    found = decoding.lattices(views)
    weights = np.ones(1)
    assert decoding.read(views, found, weights, np.array([0.0, 4.0]))[0].text == "GDY3O58"
    assert decoding.read(views, found, weights, np.array([0.0, -1.5]))[0].text == "GDY3058"
    plain = decoding.with_twins(np.stack([spelled(decoding, "GDY3458")]))
    assert decoding.read(plain, decoding.lattices(plain), weights, np.array([0.0, 4.0]))[0].text == "GDY3458"


def test_mercosul_is_read_against_its_prior_when_the_glyph_is_plain(decoding: ModuleType) -> None:
    texts = read(decoding, [spelled(decoding, "RIO2A18")], (0.0, -1.5))
    assert (texts[0].text, texts[0].format) == ("RIO2A18", "br_mercosul")
    assert texts[0].confidence > 0.95


def test_two_views_outvote_a_wrong_one(decoding: ModuleType) -> None:
    right, wrong = spelled(decoding, "OUM7311", {0: {"G": 0.2}}), spelled(decoding, "GUM7311", {0: {"O": 0.1}})
    texts = read(decoding, [wrong, right, right])
    assert [text.text for text in texts[:2]] == ["OUM7311", "GUM7311"]
    assert texts[0].confidence > texts[1].confidence


def test_candidates_come_in_the_order_of_their_probability(decoding: ModuleType) -> None:
    logs = np.log(np.random.default_rng(3).dirichlet(np.ones(36), 3))
    found = decoding._top_texts(logs, 40)
    every = sorted(
        (
            sum(logs[place, index] for place, index in enumerate(pick))
            for pick in itertools.product(range(36), repeat=3)
        ),
        reverse=True,
    )
    np.testing.assert_allclose([total for total, _ in found], every[:40], atol=1e-9)
    assert len({text for _, text in found}) == 40


def test_a_foreign_plate_is_read_freely(decoding: ModuleType) -> None:
    texts = read(decoding, [spelled(decoding, "MLB803"), spelled(decoding, "MLB803"), spelled(decoding, "MLB8O3")])
    assert (texts[0].text, texts[0].format) == ("MLB803", None)
    assert texts[0].confidence == pytest.approx(2 / 3, abs=0.01)


def test_what_shows_no_text_gives_none(decoding: ModuleType) -> None:
    empty = np.zeros((20, 38), np.float32)
    empty[:, 0] = 1
    assert read(decoding, [empty, spelled(decoding, "1")]) == []
