"""The second reader's lattice: it names a character, or none, for each of eight places of its own accord."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .decoding import ALPHABET, Array, Lattice, is_free, lending, pattern_mask

PLACES = 8
LAYOUTS = ("old_1", "mercosul_1", "old_2", "mercosul_2", "other", "none")
_FLOOR = 1e-5


def by_pattern(places: Array, patterns: Iterable[str]) -> dict[str, Lattice]:
    """The lattice of `places` [v, 8, 37] (no character, 0-9, A-Z) under each pattern; twins are lent to each other,
    unless the pattern is free.

    A pattern's evidence is the product over its places of the probability that an allowed character stands there,
    and over the rest that none does. Of places beyond the eighth the reader says nothing.
    """
    plain = places.astype(np.float64)
    lent = plain @ lending(places.shape[2])
    found: dict[str, Lattice] = {}
    for pattern in dict.fromkeys(patterns):
        said = plain if is_free(pattern) else lent
        filled = min(len(pattern), PLACES)
        mask = pattern_mask(pattern)
        allowed = np.maximum(said[:, :filled, 1:], _FLOOR) * mask[:filled]
        mass = allowed.sum(axis=2)
        rest = np.maximum(said[:, filled:, 0], _FLOOR)
        evidence = np.log(np.clip(mass, _FLOOR, 1)).sum(axis=1) + np.log(rest).sum(axis=1)
        beyond = np.broadcast_to(mask[filled:] / mask[filled:].sum(axis=1, keepdims=True),
                                 (len(places), len(pattern) - filled, len(ALPHABET)))  # fmt: skip
        found[pattern] = Lattice(np.concatenate([allowed / mass[:, :, None], beyond], axis=1), evidence)
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
