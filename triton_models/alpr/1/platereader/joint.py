"""What a plate says, from all views and both readers together: summed log probabilities under a table of formats.

A plate may be read in one row or in two (a way), by two readers (voices), in several cuts (views). Within a voice the
views vote by the weighted mean of their logarithms; voices add up, each to the power that the measurements of
calibration.py give it. Way, format and text are then one choice: the likeliest of all, against the chance that the
plate is of no format asked for. Where that is likelier, the text is decoded in the same manner, with any character at
every place and each length as a pattern of its own.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .decoding import ALPHABET, FREE, Array, Lattice
from .formats import ANY, Format

BEST = 8
SHORTEST, LONGEST = 3, 10
"""Characters of a text of no format."""
SPELLED = 0.02
"""The chance of free text from which on it is decoded: it speaks for texts of the formats, too, where it has one."""
PLAIN_PLATE = 0.5
"""The chance of a plate from which on a text without a digit is taken for one, and not for lettering."""
_LEAST = 1e-4
_MOST_LISTED = 5
_DOUBT = 0.02
"""How much of each view's vote is spread evenly: one blind view must not veto what the others see."""


@dataclass(frozen=True)
class Voice:
    """One reader's word on a plate: its lattices by pattern, how likely each view [v] is as free text, each view's
    plain text with its sureness, and each view's weight. `trust` is the power of its characters, `faith` that of its
    evidence for formats and ways.
    """

    found: Mapping[str, Lattice]
    free: Array
    plain: Sequence[tuple[str, float]]
    weights: Array
    trust: float = 1.0
    faith: float = 1.0

    @property
    def share(self) -> Array:
        return self.weights / self.weights.sum()


@dataclass(frozen=True)
class Way:
    """A plate taken to have so many rows; `prior` is the log of how likely that was before a character was read."""

    rows: int
    voices: Sequence[Voice]
    prior: float = 0.0


@dataclass(frozen=True)
class Text:
    """One possible text; `confidence` is the probability that all of it is right, `format` None for free text."""

    text: str
    confidence: float
    format: str | None


@dataclass(frozen=True)
class Reading:
    """The texts of a plate, best first, and the first one's rows. `lattice` is by format, 'any' for free text: the log
    of the joint evidence, prior included, and the log probabilities [places, 36]. `free` is the chance that no format
    fits, `agreed` the share of the voices that plainly read the first text by themselves.
    """

    texts: tuple[Text, ...]
    rows: int
    lattice: Mapping[str, tuple[float, Array]]
    free: float
    agreed: float


def decode(
    ways: Sequence[Way],
    formats: Sequence[Format],
    prior: Mapping[str, float],
    foreign: float,
    plate: float = 1.0,
) -> Reading | None:
    """The joint reading, not yet calibrated. `prior` is the log prior of each format, `foreign` the log odds against
    a plate of no format, `plate` the chance that this is a plate at all. None when nothing can be read, and where a
    word stands that is on no plate.

    Where `freedom` is over SPELLED, voices must hold the lattices of `free_patterns`.
    """
    hypotheses = _hypotheses(ways, formats, prior)
    rivals = _rivals(hypotheses)
    loose, whole = _loose(ways, rivals, foreign)
    free = float(np.exp(np.logaddexp.reduce(loose) - whole))
    texts = _format_texts(rivals, whole)
    spelled = _free_hypotheses(ways, loose) if free > SPELLED else []
    freely = _format_texts(spelled, whole)
    if freely and not _is_number(freely[0][0].text) and plate < PLAIN_PLATE:
        if free > 0.5:
            return None
        freely = []
    texts = _merged(texts, freely)
    if not texts:
        return None
    if freely and free > 0.5:
        said = {text.text for text, _ in freely}
        texts.sort(key=lambda pick: pick[0].text not in said)
    first, rows = texts[0]
    way = next(way for way in ways if way.rows == rows)
    kept = [*hypotheses, *_of_length(spelled, len(first.text))] if free > 0.5 else hypotheses
    lattice = _lattice(kept, whole if first.format is None else -np.inf)
    return Reading(tuple(text for text, _ in texts[:BEST]), rows, lattice, free, _agreed(way, first.text))


def freedom(ways: Sequence[Way], formats: Sequence[Format], prior: Mapping[str, float], foreign: float) -> float:
    """The chance that the plate is of none of the formats, for the arguments of `decode`."""
    loose, whole = _loose(ways, _rivals(_hypotheses(ways, formats, prior)), foreign)
    return float(np.exp(np.logaddexp.reduce(loose) - whole))


def free_patterns(ways: Sequence[Way]) -> tuple[str, ...]:
    """Patterns of any characters, of the lengths that some view plainly reads, and one more and one less."""
    plain = [len(text) for way in ways for voice in way.voices for text, _ in voice.plain]
    read = [length for length in plain if length >= SHORTEST]
    if not read:
        return ()
    lengths = range(max(SHORTEST, min(read) - 1), min(LONGEST, max(read) + 1) + 1)
    return tuple(FREE * length for length in lengths)


def _loose(ways: Sequence[Way], rivals: Sequence[_Hypothesis], foreign: float) -> tuple[Array, float]:
    """The log evidence of free text in each way, and the log of all that the plate may be."""
    loose = np.array([_free_log(way) - foreign for way in ways])
    logs = np.array([hypothesis.log for hypothesis in rivals])
    return loose, float(np.logaddexp.reduce(np.concatenate([logs, loose])))


def _merged(texts: list[tuple[Text, int]], loose: list[tuple[Text, int]]) -> list[tuple[Text, int]]:
    """Both, best first. What was read freely but has a format after all speaks for the text of that format."""
    freely = {text.text: text.confidence for text, _ in loose}
    known = {text.text for text, _ in texts}
    bound = [
        (replace(text, confidence=min(1.0, text.confidence + freely.get(text.text, 0.0))), rows) for text, rows in texts
    ]
    unbound = [pick for pick in loose if pick[0].text not in known]
    return sorted([*bound, *unbound], key=lambda pick: -pick[0].confidence)


@dataclass(frozen=True)
class _Hypothesis:
    """A format (None: free text) read in a way: the joint log evidence and log probabilities [places, 36]."""

    format: Format | None
    rows: int
    log: float
    places: Array


def _hypotheses(ways: Sequence[Way], formats: Sequence[Format], prior: Mapping[str, float]) -> list[_Hypothesis]:
    found = []
    for way in ways:
        for pattern in dict.fromkeys(form.pattern for form in formats):
            glyphs = way.prior + _evidence(way, pattern)
            places = _places(way.voices, pattern)
            alike = [form for form in formats if form.pattern == pattern and way.rows in form.rows]
            found += [_Hypothesis(form, way.rows, glyphs + prior.get(form.name, 0.0), places) for form in alike]
    return found


def _free_hypotheses(ways: Sequence[Way], loose: Array) -> list[_Hypothesis]:
    """Free text of each length: what a way has of free evidence is shared out by how likely the lengths are."""
    found = []
    for way, log in zip(ways, loose, strict=True):
        patterns = [pattern for pattern in free_patterns(ways) if all(pattern in voice.found for voice in way.voices)]
        if patterns:
            glyphs = np.array([_evidence(way, pattern) for pattern in patterns])
            shares = float(log) + glyphs - np.logaddexp.reduce(glyphs)
            found += [
                _Hypothesis(None, way.rows, float(share), _places(way.voices, pattern))
                for share, pattern in zip(shares, patterns, strict=True)
            ]
    return found


def _evidence(way: Way, pattern: str) -> float:
    return sum(voice.faith * float(voice.share @ voice.found[pattern].evidence) for voice in way.voices)


def _of_length(hypotheses: Sequence[_Hypothesis], length: int) -> list[_Hypothesis]:
    return [hypothesis for hypothesis in hypotheses if len(hypothesis.places) == length]


def _rivals(hypotheses: Sequence[_Hypothesis]) -> list[_Hypothesis]:
    """Formats of one pattern are one choice: the likelier speaks for it, the first of the list where they are equal."""
    best: dict[tuple[int, str], _Hypothesis] = {}
    for hypothesis in hypotheses:
        key = (hypothesis.rows, hypothesis.format.pattern if hypothesis.format else "")
        if key not in best or hypothesis.log > best[key].log + 1e-9:
            best[key] = hypothesis
    return list(best.values())


def _places(voices: Sequence[Voice], pattern: str) -> Array:
    """[places, 36]: the natural logs of the characters' joint probabilities; -inf where the pattern forbids one."""
    allowed = voices[0].found[pattern].marginals.max(axis=0) > 0
    total = np.zeros(allowed.shape)
    for voice in voices:
        trusted = (1 - _DOUBT) * voice.found[pattern].marginals + _DOUBT / len(ALPHABET)
        total += voice.trust * np.einsum("v,vpc->pc", voice.share, np.log(trusted))
    total = np.where(allowed, total, -np.inf)
    total -= total.max(axis=1, keepdims=True)
    return np.asarray(total - np.log(np.exp(total).sum(axis=1, keepdims=True)))


def _free_log(way: Way) -> float:
    return way.prior + sum(voice.faith * float(voice.share @ voice.free) for voice in way.voices)


def _format_texts(hypotheses: Sequence[_Hypothesis], whole: float) -> list[tuple[Text, int]]:
    """Texts with their posterior probability and rows, best first; what two ways say of one text adds up."""
    logs: dict[str, float] = {}
    best: dict[str, tuple[float, str | None, int]] = {}
    for hypothesis in hypotheses:
        for log, text in top_texts(hypothesis.places, BEST):
            total = log + hypothesis.log - whole
            logs[text] = float(np.logaddexp(logs.get(text, -np.inf), total))
            if text not in best or total > best[text][0]:
                best[text] = (total, hypothesis.format.name if hypothesis.format else None, hypothesis.rows)
    ranked = sorted(logs, key=lambda text: -logs[text])
    return [(Text(text, min(1.0, float(np.exp(logs[text]))), best[text][1]), best[text][2]) for text in ranked]


def _lattice(hypotheses: Sequence[_Hypothesis], whole: float) -> dict[str, tuple[float, Array]]:
    """By format, of its likeliest way; without those that have less than a ten thousandth of `whole`."""
    found: dict[str, tuple[float, Array]] = {}
    for hypothesis in hypotheses:
        name = hypothesis.format.name if hypothesis.format else ANY
        if hypothesis.log - whole >= math.log(_LEAST) and (name not in found or hypothesis.log > found[name][0]):
            found[name] = (hypothesis.log, hypothesis.places)
    return found


def listed(places: Array) -> list[dict[str, float]]:
    """Per place the likeliest few characters with the logs of their probabilities, as the answer carries them."""
    rows = []
    for logs in places:
        order = np.argsort(-logs, kind="stable")[:_MOST_LISTED]
        kept = [index for index in order if logs[index] >= np.log(_LEAST)]
        rows.append({ALPHABET[index]: round(float(logs[index]), 4) for index in kept})
    return rows


def _agreed(way: Way, text: str) -> float:
    """The share of the voices' views whose plain reading is the text."""
    shares = [
        sum(float(part) for (plain, _), part in zip(voice.plain, voice.share, strict=True) if plain == text)
        for voice in way.voices
    ]
    return float(np.mean(shares))


def _is_number(text: str) -> bool:
    """Whether a free text has a digit; what else vehicles carry is words."""
    return any(character.isdigit() for character in text)


def top_texts(logs: Array, count: int) -> list[tuple[float, str]]:
    """The `count` best texts of independent places [places, 36], with their summed logs: a best-first search."""
    ordered = np.argsort(-logs, axis=1, kind="stable")[:, :count]
    sorted_logs = np.take_along_axis(logs, ordered, axis=1)
    start = (0,) * logs.shape[0]
    queue = [(-float(sorted_logs[:, 0].sum()), start)]
    # Python's own numbers: the search takes them one by one.
    order, ranked = ordered.tolist(), sorted_logs.astype(np.float64).tolist()
    seen = {start}
    found: list[tuple[float, str]] = []
    while queue and len(found) < count:
        cost, ranks = heapq.heappop(queue)
        text = "".join(ALPHABET[order[place][rank]] for place, rank in enumerate(ranks))
        found.append((-cost, text))
        for place, rank in enumerate(ranks):
            after = (*ranks[:place], rank + 1, *ranks[place + 1 :])
            if rank + 1 < len(order[place]) and math.isfinite(ranked[place][rank + 1]) and after not in seen:
                seen.add(after)
                step = ranked[place][rank] - ranked[place][rank + 1]
                heapq.heappush(queue, (cost + step, after))
    return found
