"""One plate out of the readings of a passage. Pure.

Readings with lattices are decoded jointly: their logarithms are summed under each format (lattices.py), each reading
first brought to its calibrated probability, then weighed by how large its plate is. Readings without a lattice (rows
of older versions) say how likely each text is by their candidates; where no reading has a lattice, the texts that were
read compete.

Frames of one passage share light, angle and dirt, so n readings are worth about the root of n independent ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, inf, log, sqrt

from functions.post_processing import lattices
from functions.post_processing.plates import Lattice, Reading, distance
from functions.shared.formats import ANY, DEFAULT, format_of
from functions.shared.inference import Candidate

# Height in pixels at which a plate is read as well as it ever is, and the least weight of a tiny one.
FULL_HEIGHT, LEAST_WEIGHT = 40.0, 0.2
# What an unlisted text pays for a character that is quite another; the most that one reading says against a text.
UNLISTED, WORST = 4.0, -9.0
# A text of no format that was asked for is less likely from the start.
NO_FORMAT = 1.5
# No reading is taken to be surer of a character than this: its mistakes are not all in its confidence.
SUREST = 0.95
# Nor is a whole plate: what all frames get wrong together is in none of their confidences.
CERTAIN = 0.999
KEPT = 5
_LEAST = 0.01


@dataclass(frozen=True)
class Vote:
    """`confidence` 0..1 is the probability that the whole text is right; `candidates` begins with the text itself."""

    text: str
    confidence: float
    format: str | None
    candidates: tuple[Candidate, ...]


def vote(readings: Sequence[Reading], formats: Sequence[str] = DEFAULT) -> Vote | None:
    """The plate that all readings together speak for; None when there is none.

    `formats` are those that the camera's plates may have.
    """
    if any(item.format for item in readings):
        # What is written on the vehicle, read when its plate is out of sight, says nothing of the plate.
        readings = [item for item in readings if not item.is_lettering]
    if not readings:
        return None
    # Sums of floats depend on their order in the last digits, the outcome must not.
    ordered = sorted(readings, key=lambda item: (item.candidates[0].text, item.confidence, item.height, item.lattice))
    if any(lattices.known(item.lattice) for item in ordered):
        return _joint(ordered, formats)
    return _by_candidates(ordered, formats)


@dataclass(frozen=True)
class _Weighed:
    """A reading with what it counts for; `lattice` is empty where the reading has none that is known."""

    reading: Reading
    weight: float
    lattice: Lattice

    def belief(self, text: str) -> float:
        return self.weight * _belief(self.reading, text, 1.0)


def _joint(readings: Sequence[Reading], formats: Sequence[str]) -> Vote:
    weighed = [_Weighed(item, value, lattices.known(item.lattice))
               for item, value in zip(readings, _weights(readings), strict=True)]  # fmt: skip
    summed = lattices.summed([(item.lattice, item.weight * _power(item)) for item in weighed if item.lattice])
    others = [item for item in weighed if not item.lattice]
    texts = {text for part in summed for text in part.best(KEPT)}
    texts |= {candidate.text for item in readings for candidate in item.candidates}
    scores, named = {}, 0.0
    whole = lattices.logsumexp(part.total for part in summed)
    for text in sorted(texts):
        own = lattices.logsumexp(part.of(text) for part in summed)
        named += exp(own - whole)
        # Of a text of no format, readings with a lattice tell by their candidates.
        said = others if own > -inf else weighed
        scores[text] = (own if own > -inf else 0.0) + sum(item.belief(text) for item in said)
    # The texts that nobody named share what is left of the sum; readings without a lattice are all against them.
    against = sum(item.weight * WORST for item in others)
    rest = max(0.0, 1.0 - named) * exp(whole + against - max(scores.values()))
    return _vote(scores, rest, readings, formats, summed)


def _power(item: _Weighed) -> float:
    return lattices.power(item.lattice, item.reading.text, item.reading.confidence)


def _vote(
    scores: Mapping[str, float], rest: float, readings: Sequence[Reading], formats: Sequence[str],
    summed: Sequence[lattices.Summed],
) -> Vote:  # fmt: skip
    ranked = sorted(scores, key=lambda text: (-scores[text], text))
    shares = {text: exp(scores[text] - scores[ranked[0]]) for text in ranked}
    total = sum(shares.values()) + rest
    candidates = tuple(
        Candidate(text=text, confidence=round(min(CERTAIN, shares[text] / total), 4),
                  format=_format(text, readings, formats, summed))
        for text in ranked[:KEPT]
    )  # fmt: skip
    return Vote(candidates[0].text, candidates[0].confidence, candidates[0].format, candidates)


def _format(
    text: str, readings: Sequence[Reading], formats: Sequence[str], summed: Sequence[lattices.Summed] = ()
) -> str | None:
    """The format of a text: by the summed lattices, else as its readings say, else the first that it has."""
    of_lattice = [part for part in summed if part.format != ANY and part.of(text) > -inf]
    if of_lattice:
        return of_lattice[0].format
    said = [candidate.format for item in readings for candidate in item.candidates
            if candidate.text == text and candidate.format is not None]  # fmt: skip
    return min(said) if said else format_of(text, formats)


def _weights(readings: Sequence[Reading]) -> list[float]:
    """Weights of which the heaviest is 1 for a single reading and that sum up to the root of how many there are."""
    raw = [weight(item) for item in readings]
    most = max(raw)
    relative = [value / most for value in raw]
    return [value / sqrt(sum(relative)) for value in relative]


def weight(reading: Reading) -> float:
    """How much a reading counts: by the height of its plate, and less when its best candidate is doubtful."""
    size = min(1.0, max(LEAST_WEIGHT, reading.height / FULL_HEIGHT))
    return size * (0.5 + 0.5 * reading.confidence)


def _by_candidates(readings: Sequence[Reading], formats: Sequence[str]) -> Vote:
    """The text that most speaks for among those that were read."""
    best = _best_confidences(readings)
    named = {text: _format(text, readings, formats) for text in best}
    scores = {text: sum(weight(item) * _belief(item, text) for item in readings) for text in best}
    scores = {text: score - (0.0 if named[text] else NO_FORMAT) for text, score in scores.items()}
    winner = max(scores, key=lambda text: (scores[text], best[text], text))
    tempered = {text: exp((score - scores[winner]) / sqrt(len(readings))) for text, score in scores.items()}
    total = sum(tempered.values())
    shares = {text: value / total for text, value in tempered.items()}
    others = sorted((text for text in shares if text != winner), key=lambda text: (-shares[text], text))
    candidates = tuple(
        Candidate(text=text, confidence=round(shares[text] * best[text], 4), format=named[text])
        for text in (winner, *others[: KEPT - 1])
    )
    return Vote(winner, candidates[0].confidence, named[winner], candidates)


def _best_confidences(readings: Sequence[Reading]) -> dict[str, float]:
    best: dict[str, float] = {}
    for reading in readings:
        for candidate in reading.candidates:
            best[candidate.text] = max(best.get(candidate.text, 0.0), candidate.confidence)
    return best


def _belief(reading: Reading, text: str, characters: float | None = None) -> float:
    """ln P(text | reading), not below WORST. A confidence counts once for each of so many `characters`: 1 where it is
    that of the whole text, each character of the text by default.
    """
    listed = {
        item.text: (characters or len(item.text)) * log(max(_LEAST, item.confidence)) for item in reading.candidates
    }
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
