"""The decoder against brute force over all alignments, and what formats and votes do to a text."""

from __future__ import annotations

import itertools
from types import ModuleType

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
    marginals, evidence = decoding.lattices(symbols, masks)
    for view, index in itertools.product(range(2), range(2)):
        texts = texts_by_brute_force(symbols[view], masks[index])
        whole = sum(texts.values())
        assert evidence[view, index] == pytest.approx(np.log(whole), abs=1e-9)
        expected = np.zeros((3, 36))
        for text, odds in texts.items():
            for place, label in enumerate(text):
                expected[place, label - 1] += odds / whole
        np.testing.assert_allclose(marginals[view, index], expected, atol=1e-9)


def test_patterns_of_any_length_are_read_at_once(decoding: ModuleType) -> None:
    """What a pattern's lattice says does not depend on which others were asked for."""
    symbols = np.stack([random_symbols(7, 3), random_symbols(7, 4)])
    together = decoding.by_pattern(symbols, ["LLLNNN", "LLLNLNN", "LN", "LLLNLNN"])
    assert list(together) == ["LLLNNN", "LLLNLNN", "LN"] or set(together) == {"LLLNNN", "LLLNLNN", "LN"}
    for pattern, lattice in together.items():
        alone = decoding.by_pattern(symbols[1:], [pattern])[pattern]
        assert lattice.marginals.shape == (2, len(pattern), 36)
        np.testing.assert_allclose(lattice.rows(1, 2).marginals, alone.marginals)
        np.testing.assert_allclose(lattice.evidence[1:], alone.evidence)


def test_twins_are_lent_half_of_each_other_and_nothing_else(decoding: ModuleType) -> None:
    lent = decoding.lending(38)
    expected = np.eye(38)
    for letter, digit in ("O0", "I1"):
        one, other = 1 + decoding.ALPHABET.index(letter), 1 + decoding.ALPHABET.index(digit)
        expected[one, other] = expected[other, one] = 0.5
    np.testing.assert_array_equal(lent, expected)


def test_the_plain_reading_drops_repeats_and_blanks(decoding: ModuleType) -> None:
    symbols = np.zeros((8, 38), np.float32)
    for step, character in enumerate("AA-AB-1-"):
        symbols[step, 0 if character == "-" else 1 + decoding.ALPHABET.index(character)] = 0.8
    text, sure = decoding.greedy(symbols)
    assert (text, sure) == ("AAB1", pytest.approx(0.8))
    assert decoding.greedy(np.eye(38, dtype=np.float32)[[0, 0]]) == ("", 0.0)
