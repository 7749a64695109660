"""The numbers that were fitted on labelled plates: each reader's powers, and what a posterior is worth.

They come from triton_models/training/calibrate.py: drawn plates, half of them hard, read by the real models. Its search
alone trusts the second reader, which learnt from such plates, more (1.3 against 0.6). The powers here are the best of
nine settings on those and on photographs of OpenALPR-BR together, shrunk to plates of 52 to 90 pixels: 159 of 171
right, 146 with either reader alone. CURVE was then fitted on 1,200 drawn plates: of 1,200 others, those above 0.99 were
right in 99.8 %, those from 0.8 to 0.9 in 75 %.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .joint import Reading
    from .priors import Looks

OCR_TRUST, OCR_FAITH = 1.0, 0.5
SLOT_TRUST, SLOT_FAITH = 1.0, 0.8
LAYOUT_POWER, BAND_POWER = 1.3, 1.0
FOREIGN = 6.0
"""Log odds of free text against the formats asked for above which none of them is believed."""
CURVE = (-0.668, 0.803, 1.026, 0.437, 1.968)
"""Weights of `features` in the log odds that a text is right."""
_LEAST = 1e-3


def features(reading: Reading, looks: Looks) -> tuple[float, ...]:
    """What a reading says of itself: 1, the log odds of its posterior, the share of views that plainly read the same,
    the log of how surely there is a plate, and whether the text is free.
    """
    first = reading.texts[0]
    posterior = min(max(first.confidence, _LEAST), 1 - _LEAST)
    plate = np.log(max(_LEAST, 1 - looks.no_plate))
    return 1.0, float(np.log(posterior / (1 - posterior))), reading.agreed, float(plate), float(first.format is None)


def calibrated(reading: Reading, looks: Looks) -> Reading:
    """The reading with the probability that its text is right as confidence; its rivals share what is left."""
    first, *rivals = reading.texts
    log_odds = float(np.dot(CURVE, features(reading, looks)))
    sure = 1 / (1 + np.exp(-np.clip(log_odds, -30, 30)))
    left = (1 - sure) / max(1e-9, 1 - first.confidence)
    shared = [replace(text, confidence=float(min(sure, text.confidence * min(left, 1e3)))) for text in rivals]
    return replace(reading, texts=(replace(first, confidence=float(sure)), *shared))
