"""What varies between the faces in which plates are written.

Two families are known: OLD as on the grey plates (even, rounded oblongs, plain I), FE as on Mercosul plates
(forgery-impeding shapes: the I has bars, the O is rounder than the 0, the M and the W meet in the middle). MIXED draws
every variant, so that a reader that learns from it learns what a character is, not one typeface.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CHARACTERS = DIGITS + LETTERS
FAMILIES = ("old", "fe", "mixed")


@dataclass(frozen=True)
class Face:
    """How characters are drawn.

    `weight`: the pen's width in units of half a character's height. `aspect`: a character's width over its height.
    `radius`: how high the round ends of an O are, 0..1. `corner`: how wide each of its round corners is, of its width,
    0..0.5: with less than half its top is flat. `chamfer`: whether
    the corners are cut straight and not round. `square`: whether the pen's ends are square.
    `apex`: how far down an M's (up a W's) middle reaches, 0..1. `swell`: how much wider an O is than a 0.
    `variants`: for a few characters which of several shapes. `jitter`: how far points stray. `glyphs`: masks of another
    face's characters (uint8), taken instead of strokes where given.
    """

    weight: float = 0.3
    aspect: float = 0.62
    radius: float = 0.5
    corner: float = 0.5
    chamfer: bool = False
    square: bool = True
    apex: float = 0.58
    swell: float = 0.0
    variants: dict[str, int] = field(default_factory=dict)
    jitter: float = 0.0
    glyphs: dict[str, Array] | None = None

    def variant(self, name: str) -> int:
        return self.variants.get(name, 0)


_OLD_VARIANTS = {"I": 0, "J": 0, "1": 0, "3": 0, "4": 0, "6": 0, "A": 0, "G": 0, "K": 0, "Q": 0, "7": 0, "2": 0}
_FE_CHOICES = {"I": (1,), "J": (1, 1, 0), "1": (1, 0, 2), "3": (0, 1), "4": (0, 1), "6": (1, 0, 2, 3), "A": (1, 0)}
_FE_CHOICES |= {
    "G": (0, 1),
    "K": (1, 0),
    "Q": (1, 0),
    "7": (0, 1),
    "2": (0, 1),
    "B": (0, 1),
    "0": (0, 0, 0, 1),
    "P": (0, 0, 1),
    "M": (0, 0, 1),
    "W": (0, 1, 2),
    "V": (0, 1),
    "Y": (0, 1),
}
_ALL_CHOICES = {
    "I": (0, 1),
    "J": (0, 1, 2),
    "1": (0, 1, 2, 3),
    "3": (0, 1),
    "4": (0, 1),
    "6": (0, 1, 2, 3),
    "A": (0, 1),
}
_ALL_CHOICES |= {
    "G": (0, 1),
    "K": (0, 1),
    "Q": (0, 1),
    "7": (0, 1),
    "2": (0, 1),
    "B": (0, 1),
    "0": (0, 0, 0, 0, 1),
    "P": (0, 0, 0, 1),
    "M": (0, 1),
    "W": (0, 1, 2),
    "V": (0, 1),
    "Y": (0, 1),
}


def random_face(rng: np.random.Generator, family: str) -> Face:
    """A face of one of FAMILIES. Raises KeyError for another name."""
    uniform = rng.uniform
    if family == "old":
        chosen = dict(_OLD_VARIANTS)
        chosen["6"], chosen["1"] = int(rng.choice([0, 3, 3])), int(rng.choice([0, 3, 3]))
        for name in ("1", "4", "6", "A", "G", "K", "Q", "2", "7"):
            if rng.random() < 0.15:
                chosen[name] = int(rng.choice(_ALL_CHOICES[name]))
        return Face(
            weight=uniform(0.25, 0.36),
            aspect=uniform(0.5, 0.68),
            radius=uniform(0.08, 0.46),
            corner=uniform(0.12, 0.44),
            chamfer=rng.random() < 0.3,
            apex=uniform(0.45, 0.8),
            swell=uniform(0, 0.03),
            variants=chosen,
            jitter=0.012,
        )
    choices = {"fe": _FE_CHOICES, "mixed": _ALL_CHOICES}[family]
    chosen = {name: int(rng.choice(options)) for name, options in choices.items()}
    fe = family == "fe"
    return Face(
        weight=uniform(0.23, 0.33) if fe else uniform(0.2, 0.38),
        aspect=uniform(0.5, 0.66) if fe else uniform(0.45, 0.75),
        radius=uniform(0.36, 0.75) if fe else uniform(0.16, 0.95),
        corner=uniform(0.34, 0.5) if fe else uniform(0.18, 0.5),
        chamfer=not fe and rng.random() < 0.2,
        square=rng.random() < 0.75,
        apex=uniform(0.4, 0.7) if fe else uniform(0.35, 1.0),
        swell=uniform(0.03, 0.1) if fe else uniform(0, 0.1),
        variants=chosen,
        jitter=0.015 if fe else 0.025,
    )
