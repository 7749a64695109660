"""What a plate's looks say before a character is read: its format by layout and blue band, its rows by layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import calibration
from .decoding import Array
from .formats import Format

_LEAST = 0.01
BLUE, DARK = (0.08, 0.04), (0.58, 0.06)
"""Where the band begins to be seen, and over how much it grows by one unit of log odds. From OpenALPR-BR, whose plates
are all of the old format: blueness of at most 0.03 there, darkness of at most 0.51 (shadows, holders)."""
BAND_LOW, BAND_HIGH, DARK_HIGH = -1.5, 4.0, 2.0
"""The dark may be a shadow or what lies above a plate whose corners are off, so it says less than the blue."""
SURE_BAND = 3.0
"""Log odds from which on the band is sure: only blue between known corners reaches them. It then decides, whatever the
second reader takes the layout for: it may speak against all formats with a band by half of what the band says."""


@dataclass(frozen=True)
class Looks:
    """`layout` [6]: the second reader's probabilities of slots.LAYOUTS. `band`: log odds of a band above the glyphs."""

    layout: Array
    band: float

    @property
    def two_rows(self) -> float:
        """The chance of two rows among the layouts that say it."""
        one, two = float(self.layout[[0, 1]].sum()), float(self.layout[[2, 3]].sum())
        return (two + _LEAST) / (one + two + 2 * _LEAST)

    @property
    def no_plate(self) -> float:
        return float(self.layout[5])


UNSEEN = np.full(6, 1 / 6)


def band_odds(blue: float, dark: float, sure: bool) -> float:
    """Log odds of a band from the top strip's blueness and darkness.

    Where the corners are not known (not `sure`) the strip may lie beside the band, or on a blue car: a band that is not
    seen says nothing then, and one that is seen less.
    """
    seen = max((blue - BLUE[0]) / BLUE[1], min((dark - DARK[0]) / DARK[1], DARK_HIGH))
    return float(np.clip(seen, BAND_LOW, BAND_HIGH) if sure else np.clip(seen, 0.0, BAND_HIGH / 2))


def of_formats(looks: Looks, formats: Sequence[Format]) -> dict[str, float]:
    """The log prior of each format: layout and band together.

    The layouts are Brazil's; what has another country's may show as 'other' too, so it counts half of that.
    """
    old, banded = float(looks.layout[[0, 2]].sum()), float(looks.layout[[1, 3]].sum())
    other = float(looks.layout[4]) / 2
    terms: dict[str, float] = {}
    for form in formats:
        mass = (banded if form.band else old) + (0.0 if form.country == "BR" else other)
        terms[form.name] = calibration.LAYOUT_POWER * float(np.log(mass + _LEAST))
    bands = calibration.BAND_POWER * looks.band
    if looks.band >= SURE_BAND:
        with_band = max((terms[form.name] for form in formats if form.band), default=0.0)
        without = max((terms[form.name] for form in formats if not form.band), default=with_band)
        bands += max(0.0, without - with_band - bands / 2)
    return {form.name: terms[form.name] + (bands if form.band else 0.0) for form in formats}


def of_rows(looks: Looks) -> dict[int, float]:
    """The log prior of one row and of two."""
    return {1: float(np.log(1 - looks.two_rows)), 2: float(np.log(looks.two_rows))}
