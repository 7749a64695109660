"""What a plate says, from the recogniser's lattice: connectionist temporal classification held to plate formats.

A format fixes for each place whether it is a letter or a digit. For each view of a plate the probability
of every character at every place is summed over all alignments (forward-backward over the format's
states, after Graves et al. 2006); views then vote by the mean of their logarithms. So O and 0 need no
table of confusions: where a digit must stand, no letter is considered.
"""

from __future__ import annotations

import heapq
import string
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ALPHABET = string.digits + string.ascii_uppercase
FORMATS = {"br_old": "LLLNNNN", "br_mercosul": "LLLNLNN"}
PLACES = 7
_FLOOR = 1e-5
_FOREIGN = 5.5
"""Log odds of the free reading against the formats above which no format is believed. On OpenALPR-BR the
right readings stay below 4.5; plates of other countries start at 6.4."""
_SHORTEST, _LONGEST = 4, 10
_TWINS = (("O", "0"), ("I", "1"))
_LENT = 0.5
_DOUBT = 0.02
"""How much of each view's vote is spread evenly: one blind view must not veto what the others see."""


@dataclass(frozen=True)
class Lattices:
    """What a batch of views allows. `marginals` [v, f, 7, 36]: probability of each character at each place given
    the format; `evidence` [v, f]: log probability that the view shows any text of the format.
    """

    marginals: Array
    evidence: Array


def format_mask() -> Array:
    """bool [formats, 7, 36]: which character may stand where."""
    digit = np.array([character.isdigit() for character in ALPHABET])
    return np.array([[digit if kind == "N" else ~digit for kind in pattern] for pattern in FORMATS.values()])


def with_twins(symbols: Array) -> Array:
    """`symbols` with O and 0, and I and 1, lent half of what the other has.

    On a plate they are drawn alike, so the recogniser's word on them says little of the format: that is left
    to the other places and to the band.
    """
    lent = np.eye(symbols.shape[2])
    for letter, digit in _TWINS:
        one, other = 1 + ALPHABET.index(letter), 1 + ALPHABET.index(digit)
        lent[one, other] = lent[other, one] = _LENT
    return symbols @ lent


def lattices(symbols: Array, mask: Array | None = None) -> Lattices:
    """Forward-backward of `symbols` [v, t, 38] (blank, 0-9, A-Z, other) over each format of `mask` [f, 7, 36].

    States: a blank after i characters, or the i-th character c. A character may stay; the next place is
    entered from the blank before it or from another character.
    """
    mask = format_mask() if mask is None else mask
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
    return Lattices(marginals, np.log(np.maximum(whole, 1e-300)))


def _emissions(symbols: Array, mask: Array) -> tuple[Array, Array]:
    """Per step the probability of blank [v, t] and of each allowed character [v, t, f, 7, 36].

    What is neither blank nor a plate's character (screws, frames, a town's name) counts as blank.
    """
    real = np.maximum(symbols.astype(np.float64), _FLOOR)
    blank = real[:, :, 0] + real[:, :, -1]
    return blank, real[:, :, None, None, 1:-1] * mask


def _starts(entries: Array, blank: Array, glyph: Array) -> Array:
    """[v, f, 7, 36]: the summed probability of all alignments in which that character fills that place."""
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


@dataclass(frozen=True)
class Text:
    """One possible text with the mean probability of its characters and its format, None for free text."""

    text: str
    confidence: float
    format: str | None


def read(symbols: Array, found: Lattices, weights: Array, prior: Array) -> list[Text]:
    """What the views [v, t, 38] of one plate say, best first; empty when they show no plate's text.

    A plate of no Brazilian format is read freely: when the best alignment without any format is much
    likelier than all alignments of the best format together.
    """
    share = weights / weights.sum()
    free_log = share @ np.log(np.maximum(symbols.max(axis=2), _FLOOR)).sum(axis=1)
    apart = max(0.0, float(free_log - (share @ found.evidence).max()))
    if apart > _FOREIGN:
        return free_texts(symbols, share)
    faith = float(np.exp(-apart / (2 * PLACES)))
    return [Text(text.text, text.confidence * faith, text.format) for text in vote(found, weights, prior)]


def vote(found: Lattices, weights: Array, prior: Array, best: int = 5) -> list[Text]:
    """The texts of the formats that the views of one plate speak for, best first.

    `weights` [v] is how much each view counts, `prior` [f] the log prior of each format. The first text has
    the mean probability of its characters as confidence, its rivals that times their share of the vote.
    """
    share = weights / weights.sum()
    trusted = (1 - _DOUBT) * found.marginals + _DOUBT / len(ALPHABET)
    allowed = found.marginals.max(axis=0) > 0
    logs = np.where(allowed, np.einsum("v,vfpc->fpc", share, np.log(trusted)), -np.inf)
    evidence = share @ found.evidence + prior
    picks: list[tuple[float, Text]] = []
    for index, name in enumerate(FORMATS):
        odds = np.exp(logs[index] - logs[index].max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        for total, text in _top_texts(np.log(np.maximum(odds, 1e-12)), best):
            sure = [odds[place, ALPHABET.index(character)] for place, character in enumerate(text)]
            picks.append((total + float(evidence[index]), Text(text, float(np.mean(sure)), name)))
    picks.sort(key=lambda pick: -pick[0])
    votes = np.exp(np.array([total for total, _ in picks]) - picks[0][0])
    votes /= votes.sum()
    texts: dict[str, Text] = {}
    for (_, text), part in zip(picks, votes, strict=True):
        confidence = text.confidence * float(part) if texts else text.confidence
        texts.setdefault(text.text, Text(text.text, confidence, text.format))
    return list(texts.values())[:best]


def free_texts(symbols: Array, share: Array) -> list[Text]:
    """The views' plain readings, best first; confidence is that of the view times the share of those that agree."""
    agreed: dict[str, float] = {}
    surest: dict[str, float] = {}
    for view, part in zip(symbols, share, strict=True):
        text = greedy(view)
        agreed[text.text] = agreed.get(text.text, 0.0) + float(part)
        surest[text.text] = max(surest.get(text.text, 0.0), text.confidence)
    found = [Text(text, surest[text] * part, None) for text, part in agreed.items() if _is_number(text)]
    return sorted(found, key=lambda text: -text.confidence)


def _is_number(text: str) -> bool:
    """Whether a free text may be a plate's: some length, and a digit; what else vehicles carry is words."""
    return _SHORTEST <= len(text) <= _LONGEST and any(character.isdigit() for character in text)


def _top_texts(logs: Array, count: int) -> list[tuple[float, str]]:
    """The `count` best texts of independent places [7, 36], with their summed logs: a best-first search."""
    order = np.argsort(-logs, axis=1, kind="stable")[:, :count]
    ranked = np.take_along_axis(logs, order, axis=1)
    start = (0,) * logs.shape[0]
    queue = [(-float(ranked[:, 0].sum()), start)]
    seen = {start}
    found: list[tuple[float, str]] = []
    while queue and len(found) < count:
        cost, ranks = heapq.heappop(queue)
        text = "".join(ALPHABET[order[place, rank]] for place, rank in enumerate(ranks))
        found.append((-cost, text))
        for place, rank in enumerate(ranks):
            after = (*ranks[:place], rank + 1, *ranks[place + 1 :])
            if rank + 1 < order.shape[1] and after not in seen:
                seen.add(after)
                step = float(ranked[place, rank] - ranked[place, rank + 1])
                heapq.heappush(queue, (cost + step, after))
    return found


def greedy(symbols: Array) -> Text:
    """The plain reading of one view [t, 38]: the best class of each step, repeats and blanks dropped."""
    classes = symbols.argmax(axis=1)
    text, sure = [], []
    for step, index in enumerate(classes):
        if 0 < index <= len(ALPHABET) and (step == 0 or classes[step - 1] != index):
            text.append(ALPHABET[index - 1])
            sure.append(float(symbols[step, index]))
    return Text("".join(text), float(np.mean(sure)) if sure else 0.0, None)
