"""PP-OCR's lattice held to plate formats: connectionist temporal classification over the patterns' states.

A pattern fixes for each place whether it is a letter (L), a digit (N) or either (X). For each view of a plate the
probability of every character at every place is summed over all alignments (forward-backward over the pattern's
states, after Graves et al. 2006). So O and 0 need no table of confusions: where a digit must stand, no letter is
considered.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ALPHABET = string.digits + string.ascii_uppercase
FREE = "X"
_FLOOR = 1e-5
_TWINS = (("O", "0"), ("I", "1"))
_LENT = 0.5


@dataclass(frozen=True)
class Lattice:
    """What a batch of views allows under one pattern. `marginals` [v, places, 36]: probability of each character at
    each place given the pattern; `evidence` [v]: log probability that the view shows any text of the pattern.
    """

    marginals: Array
    evidence: Array

    def rows(self, start: int, stop: int) -> Lattice:
        """Only the views from `start` to `stop`."""
        return Lattice(self.marginals[start:stop], self.evidence[start:stop])


@cache
def pattern_mask(pattern: str) -> Array:
    """bool [places, 36]: which character may stand where."""
    digit = np.array([character.isdigit() for character in ALPHABET])
    kinds = {"L": ~digit, "N": digit, FREE: np.ones_like(digit)}
    return np.array([kinds[kind] for kind in pattern])


def is_free(pattern: str) -> bool:
    """Whether the pattern allows any character anywhere: then a reader's own word on O and 0, I and 1 holds."""
    return set(pattern) == {FREE}


@cache
def lending(classes: int) -> Array:
    """[classes, classes], for distributions over (nothing, 0-9, A-Z, ...): O and 0, and I and 1, are lent half of what
    the other has.

    On a plate they are drawn alike, so a reader's word on them says little of the format: that is left to the other
    places, the layout and the band.
    """
    lent = np.eye(classes)
    for letter, digit in _TWINS:
        one, other = 1 + ALPHABET.index(letter), 1 + ALPHABET.index(digit)
        lent[one, other] = lent[other, one] = _LENT
    return lent


def by_pattern(symbols: Array, patterns: Iterable[str]) -> dict[str, Lattice]:
    """The lattice of `symbols` [v, t, 38] (blank, 0-9, A-Z, other) under each pattern; twins are lent to each other,
    unless the pattern is free.
    """
    lent = symbols @ lending(symbols.shape[2])
    groups: dict[tuple[int, bool], list[str]] = {}
    for pattern in dict.fromkeys(patterns):
        groups.setdefault((len(pattern), is_free(pattern)), []).append(pattern)
    found: dict[str, Lattice] = {}
    for (_, free), alike in groups.items():
        marginals, evidence = lattices(
            symbols if free else lent, np.array([pattern_mask(pattern) for pattern in alike])
        )
        for index, pattern in enumerate(alike):
            found[pattern] = Lattice(marginals[:, index], evidence[:, index])
    return found


def lattices(symbols: Array, mask: Array) -> tuple[Array, Array]:
    """Forward-backward of `symbols` [v, t, 38] over each pattern of `mask` [f, places, 36]: marginals
    [v, f, places, 36] and log evidence [v, f].

    States: a blank after i characters, or the i-th character c. A character may stay; the next place is
    entered from the blank before it or from another character.
    """
    views, steps = symbols.shape[:2]
    blank, glyph = _emissions(symbols, mask)
    entries = np.zeros((steps, views, *mask.shape))
    alpha = np.zeros((views, *mask.shape))
    empty = np.zeros((views, mask.shape[0], mask.shape[1] + 1))
    empty[:, :, 0] = 1
    for step in range(steps):
        total = alpha.sum(axis=3)
        enter = np.repeat(empty[:, :, :-1, None], mask.shape[2], axis=3)
        enter[:, :, 1:] += total[:, :, :-1, None] - alpha[:, :, :-1]
        entries[step] = np.clip(enter, 0, None) * glyph[:, step]
        empty = empty * blank[:, step, None, None]
        empty[:, :, 1:] += total * blank[:, step, None, None]
        alpha = alpha * glyph[:, step] + entries[step]
    whole = empty[:, :, -1] + alpha[:, :, -1].sum(axis=2)
    starts = _starts(entries, blank, glyph)
    marginals = starts / np.maximum(starts.sum(axis=3, keepdims=True), 1e-300)
    return marginals, np.log(np.maximum(whole, 1e-300))


def _emissions(symbols: Array, mask: Array) -> tuple[Array, Array]:
    """Per step the probability of blank [v, t] and of each allowed character [v, t, f, places, 36].

    What is neither blank nor a plate's character (screws, frames, a town's name) counts as blank.
    """
    real = np.maximum(symbols.astype(np.float64), _FLOOR)
    blank = real[:, :, 0] + real[:, :, -1]
    return blank, real[:, :, None, None, 1:-1] * mask


def _starts(entries: Array, blank: Array, glyph: Array) -> Array:
    """[v, f, places, 36]: the summed probability of all alignments in which that character fills that place."""
    steps = entries.shape[0]
    ends = np.zeros_like(entries[0])
    ends[:, :, -1] = 1
    void = np.zeros((*entries.shape[1:3], entries.shape[3] + 1))
    void[:, :, -1] = 1
    found = entries[steps - 1] * ends
    for step in range(steps - 2, -1, -1):
        ahead = glyph[:, step + 1] * ends
        total = ahead.sum(axis=3)
        quiet = blank[:, step + 1, None, None] * void
        ends = ahead + quiet[:, :, 1:, None]
        ends[:, :, :-1] += total[:, :, 1:, None] - ahead[:, :, 1:]
        void = quiet
        void[:, :, :-1] += total
        found += entries[step] * ends
    return found


def free_log(symbols: Array) -> Array:
    """[v]: log probability of the best alignment of each view [v, t, 38] when any text may stand there."""
    return np.log(np.maximum(symbols.max(axis=2), _FLOOR)).sum(axis=1)


def greedy(symbols: Array) -> tuple[str, float]:
    """The plain reading of one view [t, 38], repeats and blanks dropped, and the mean probability of its characters."""
    classes = symbols.argmax(axis=1)
    text, sure = [], []
    for step, index in enumerate(classes):
        if 0 < index <= len(ALPHABET) and (step == 0 or classes[step - 1] != index):
            text.append(ALPHABET[index - 1])
            sure.append(float(symbols[step, index]))
    return "".join(text), float(np.mean(sure)) if sure else 0.0
