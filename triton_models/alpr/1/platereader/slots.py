"""The second reader's lattice: it names a character, or none, for each of eight places of its own accord."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .decoding import ALPHABET, Array, Lattice, lending, pattern_mask

PLACES = 8
LAYOUTS = ("old_1", "mercosul_1", "old_2", "mercosul_2", "other", "none")
_FLOOR = 1e-5


def by_pattern(places: Array, patterns: Iterable[str]) -> dict[str, Lattice]:
    """The lattice of `places` [v, 8, 37] (no character, 0-9, A-Z) under each pattern; twins are lent to each other.

    A pattern's evidence is the product over its places of the probability that an allowed character stands there,
    and over the rest that none does.
    """
    lent = places.astype(np.float64) @ lending(places.shape[2])
    found: dict[str, Lattice] = {}
    for pattern in dict.fromkeys(patterns):
        filled = len(pattern)
        allowed = np.maximum(lent[:, :filled, 1:], _FLOOR) * pattern_mask(pattern)
        mass = allowed.sum(axis=2)
        rest = np.maximum(lent[:, filled:, 0], _FLOOR)
        evidence = np.log(np.clip(mass, _FLOOR, 1)).sum(axis=1) + np.log(rest).sum(axis=1)
        found[pattern] = Lattice(allowed / mass[:, :, None], evidence)
    return found


def free_log(places: Array) -> Array:
    """[v]: log probability of the best text of each view, whatever its pattern."""
    return np.log(np.maximum(places.max(axis=2), _FLOOR)).sum(axis=1)


def greedy(places: Array) -> tuple[str, float]:
    """The plain reading of one view [8, 37] and the mean probability of its characters."""
    classes = places.argmax(axis=1)
    filled = classes > 0
    text = "".join(ALPHABET[index - 1] for index in classes[filled])
    return text, float(places.max(axis=1)[filled].mean()) if filled.any() else 0.0
