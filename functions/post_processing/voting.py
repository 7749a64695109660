"""One plate out of the readings of a passage. Pure.

Each reading says how likely each text is: the logarithm of its confidence, once a character. The readings are
independent looks at the same plate, so the logarithms add up; a larger plate in the picture counts for more.
A text that a reading does not list is not impossible to it, just costly: as far as it is from what it does list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, log, sqrt

from functions.post_processing.plates import Reading, distance, plate_format
from functions.shared.inference import Candidate

# Height in pixels at which a plate is read as well as it ever is, and the least weight of a tiny one.
FULL_HEIGHT, LEAST_WEIGHT = 40.0, 0.2
# What an unlisted text pays for a character that is quite another; the most that one reading says against a text.
UNLISTED, WORST = 4.0, -9.0
# A text of no Brazilian format is less likely from the start.
NO_FORMAT = 1.5
# No reading is taken to be surer of a character than this: its mistakes are not all in its confidence.
SUREST = 0.95
KEPT = 5
_LEAST = 0.01


@dataclass(frozen=True)
class Vote:
    """`confidence` 0..1: the share of the belief that the text won, times the best confidence of its readings."""

    text: str
    confidence: float
    format: str | None
    candidates: tuple[Candidate, ...]


def vote(readings: Sequence[Reading]) -> Vote | None:
    """The plate that all readings together speak for; None when there is none."""
    if not readings:
        return None
    best = _best_confidences(readings)
    scores = {text: sum(weight(item) * _belief(item, text) for item in readings) for text in best}
    scores = {text: score - (0.0 if plate_format(text) else NO_FORMAT) for text, score in scores.items()}
    winner = max(scores, key=lambda text: (scores[text], best[text], text))
    # Frames of one passage share light, angle and dirt: n readings are worth about the root of n independent ones.
    tempered = {text: exp((score - scores[winner]) / sqrt(len(readings))) for text, score in scores.items()}
    total = sum(tempered.values())
    shares = {text: value / total for text, value in tempered.items()}
    confidence = round(shares[winner] * best[winner], 4)
    ranked = sorted(shares, key=lambda text: (-shares[text], text))
    others = [text for text in ranked if text != winner][: KEPT - 1]
    candidates = [Candidate(text=winner, confidence=confidence)]
    candidates += [Candidate(text=text, confidence=round(shares[text] * best[text], 4)) for text in others]
    return Vote(winner, confidence, plate_format(winner), tuple(candidates))


def weight(reading: Reading) -> float:
    """How much a reading counts: by the height of its plate, and less when its best candidate is doubtful."""
    size = min(1.0, max(LEAST_WEIGHT, reading.height / FULL_HEIGHT))
    return size * (0.5 + 0.5 * reading.confidence)


def _best_confidences(readings: Sequence[Reading]) -> dict[str, float]:
    best: dict[str, float] = {}
    for reading in readings:
        for candidate in reading.candidates:
            best[candidate.text] = max(best.get(candidate.text, 0.0), candidate.confidence)
    return best


def _belief(reading: Reading, text: str) -> float:
    """ln P(text | reading), not below WORST."""
    listed = {item.text: _log(item) for item in reading.candidates}
    if text in listed:
        return max(WORST, listed[text])
    doubted = max(value - _price(item, text, reading.confidence) for item, value in listed.items())
    return max(WORST, min(doubted, *listed.values()))


def _price(listed: str, text: str, confidence: float) -> float:
    """What a reading says against a text that it does not list: more the surer it is, and the less the characters
    are alike. `ln(c / (1 - c))` are the odds of one character read with confidence c."""
    apart = distance(listed, text)
    sure = min(SUREST, max(0.5, confidence))
    differing = sum(a != b for a, b in zip(listed, text, strict=False)) if len(listed) == len(text) else ceil(apart)
    return UNLISTED * apart + differing * log(sure / (1 - sure))


def _log(candidate: Candidate) -> float:
    return len(candidate.text) * log(max(_LEAST, candidate.confidence))
