"""The entries of a list, held so that a plate is not compared with each of them. Pure.

Exact ones stand in a dictionary. Wildcards and fuzzy ones stand in tries: a walk follows only beginnings that can still
become a match, so its cost hangs on the plate and the tolerance and hardly on how many entries there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from functions.shared.plates import CONFUSABLE, MISSING, STRANGER, distance, twins

ANY, ONE = "*", "?"
# Texts of a leaf are compared one by one: more than this and it is divided by the next character.
_LEAF = 8
_FAR, _ROUNDING = float("inf"), 1e-9


class Entry(NamedTuple):
    """What is to be matched: `kind` exact, wildcard or fuzzy; `tolerance` of a fuzzy one."""

    id: str
    pattern: str
    kind: str
    tolerance: float = 0.0
    valid_until: float | None = None


class Hit(NamedTuple):
    """The entry that a plate matched best, how far it is away, and whether the plate's twin did."""

    entry: Entry
    distance: float
    twin: bool

    @property
    def rank(self) -> tuple[float, bool, str, str]:
        """Nearest first; then the plate itself before its twin, an exact entry before a pattern."""
        order = {"exact": "0", "fuzzy": "1", "wildcard": "2"}
        return (self.distance, self.twin, order[self.entry.kind], self.entry.pattern)


@dataclass
class _Node:
    """`here` are the entries of a leaf, or of an inner node those whose text ends there."""

    here: list[Entry] = field(default_factory=list)
    below: dict[str, _Node] | None = None


class FuzzyTrie:
    """Entries by the length of their texts and then by the texts; finds those within their own tolerance of a plate."""

    def __init__(self) -> None:
        self._roots: dict[int, _Node] = {}
        self._widest: dict[int, float] = {}

    def add(self, entry: Entry) -> None:
        size = len(entry.pattern)
        self._widest[size] = max(self._widest.get(size, 0.0), entry.tolerance)
        node, depth = _leaf_of(self._roots.setdefault(size, _Node()), entry.pattern)
        node.here.append(entry)
        if node.below is None and len(node.here) > _LEAF:
            _divide(node, depth)

    def remove(self, entry: Entry) -> None:
        node, _ = _leaf_of(self._roots[len(entry.pattern)], entry.pattern)
        node.here = [other for other in node.here if other.id != entry.id]

    def find(self, plate: str) -> Iterator[tuple[Entry, float]]:
        for size, root in self._roots.items():
            if abs(size - len(plate)) * MISSING <= self._widest[size]:
                for node in _Walk(plate, size, self._widest[size]).reached(root):
                    for entry in node.here:
                        away = distance(entry.pattern, plate)
                        if away <= entry.tolerance:
                            yield entry, away


class _Walk:
    """One plate's way through the texts of one length, `widest` the greatest tolerance among them.

    A step costs what an edit costs, and only steps that can still be paid for are taken: with nothing left to spend
    a node is left by one child and not by all.
    """

    def __init__(self, plate: str, size: int, widest: float) -> None:
        self._plate, self._size, self._widest = plate, size, widest
        self._best: dict[tuple[int, int], float] = {}
        self._waiting: list[tuple[_Node, int, int, float]] = []

    def reached(self, root: _Node) -> list[_Node]:
        """The nodes with entries that may be near enough, each once."""
        found: dict[int, _Node] = {}
        self._push(root, 0, 0, 0.0)
        while self._waiting:
            node, depth, at, cost = self._waiting.pop()
            if node.here:
                found[id(node)] = node
            if node.below is not None:
                self._step(node.below, depth, at, cost)
                if at < len(self._plate):
                    self._push(node, depth, at + 1, cost + MISSING)
        return list(found.values())

    def _step(self, below: dict[str, _Node], depth: int, at: int, cost: float) -> None:
        left = self._widest - cost + _ROUNDING
        if at < len(self._plate):
            wanted = self._plate[at]
            for char, extra in _ALIKE.get(wanted, ((wanted, 0.0),)):
                if extra <= left and char in below:
                    self._push(below[char], depth + 1, at + 1, cost + extra)
        if left >= min(STRANGER, MISSING):
            for child in below.values():
                if at < len(self._plate):
                    self._push(child, depth + 1, at + 1, cost + STRANGER)
                self._push(child, depth + 1, at, cost + MISSING)

    def _push(self, node: _Node, depth: int, at: int, cost: float) -> None:
        # What is left of both texts differs in length by some characters, which will have to be paid for too.
        owed = abs((self._size - depth) - (len(self._plate) - at)) * MISSING
        key = (id(node), at)
        if cost + owed <= self._widest + _ROUNDING and cost < self._best.get(key, _FAR):
            self._best[key] = cost
            self._waiting.append((node, depth, at, cost))


def _alike() -> dict[str, tuple[tuple[str, float], ...]]:
    """What an entry may have where the plate has a character, with the cost; the same comes first."""
    found: dict[str, list[tuple[str, float]]] = {}
    for (one, other), cost in CONFUSABLE.items():
        found.setdefault(one, [(one, 0.0)]).append((other, cost))
    return {char: tuple(sorted(options, key=lambda option: option[1])) for char, options in found.items()}


_ALIKE = _alike()


def _leaf_of(root: _Node, text: str) -> tuple[_Node, int]:
    node, depth = root, 0
    while node.below is not None and depth < len(text):
        node = node.below.setdefault(text[depth], _Node())
        depth += 1
    return node, depth


def _divide(node: _Node, depth: int) -> None:
    node.below, entries = {}, node.here
    node.here = [entry for entry in entries if len(entry.pattern) == depth]
    for entry in entries:
        if len(entry.pattern) > depth:
            node.below.setdefault(entry.pattern[depth], _Node()).here.append(entry)
    for child in node.below.values():
        if len(child.here) > _LEAF:
            _divide(child, depth + 1)


class WildTrie:
    """Entries by the characters of their patterns: `?` stands for one, `*` for any number."""

    def __init__(self) -> None:
        self._root = _Node(below={})

    def add(self, entry: Entry) -> None:
        self._node(entry.pattern).here.append(entry)

    def remove(self, entry: Entry) -> None:
        node = self._node(entry.pattern)
        node.here = [other for other in node.here if other.id != entry.id]

    def _node(self, pattern: str) -> _Node:
        node = self._root
        for char in pattern:
            assert node.below is not None
            node = node.below.setdefault(char, _Node(below={}))
        return node

    def find(self, plate: str) -> Iterator[Entry]:
        seen: set[tuple[int, int]] = set()
        waiting = [(self._root, 0)]
        while waiting:
            node, at = waiting.pop()
            if (id(node), at) in seen:
                continue
            seen.add((id(node), at))
            if at == len(plate):
                yield from node.here
            waiting += _steps(node, at, plate)


def _steps(node: _Node, at: int, plate: str) -> Iterator[tuple[_Node, int]]:
    below = node.below or {}
    if ANY in below:
        for end in range(at, len(plate) + 1):
            yield below[ANY], end
    if at < len(plate):
        for char in (plate[at], ONE):
            if char in below:
                yield below[char], at + 1


class Book:
    """The entries of one list."""

    def __init__(self) -> None:
        self._by_id: dict[str, Entry] = {}
        self._exact: dict[str, Entry] = {}
        self._wild = WildTrie()
        self._fuzzy = FuzzyTrie()

    def __len__(self) -> int:
        return len(self._by_id)

    def put(self, entry: Entry) -> None:
        """Add an entry, or set one anew."""
        self.drop(entry.id)
        self._by_id[entry.id] = entry
        if entry.kind == "exact":
            self._exact[entry.pattern] = entry
        elif entry.kind == "wildcard":
            self._wild.add(entry)
        else:
            self._fuzzy.add(entry)

    def drop(self, entry_id: str) -> None:
        """Take an entry out; nothing where there is none."""
        entry = self._by_id.pop(entry_id, None)
        if entry is None:
            return
        if entry.kind == "exact":
            if self._exact.get(entry.pattern) is entry:
                del self._exact[entry.pattern]
        elif entry.kind == "wildcard":
            self._wild.remove(entry)
        else:
            self._fuzzy.remove(entry)

    def find(self, plate: str, at: float, *, with_twins: bool) -> Hit | None:
        """The best match of a plate at a time (epoch, s)."""
        hits = list(self._hits(plate, False))
        if with_twins:
            hits += (hit for twin in twins(plate) for hit in self._hits(twin, True))
        valid = (hit for hit in hits if hit.entry.valid_until is None or at < hit.entry.valid_until)
        return min(valid, key=lambda hit: hit.rank, default=None)

    def _hits(self, plate: str, twin: bool) -> Iterator[Hit]:
        exact = self._exact.get(plate)
        if exact is not None:
            yield Hit(exact, 0.0, twin)
        for entry in self._wild.find(plate):
            yield Hit(entry, 0.0, twin)
        for entry, away in self._fuzzy.find(plate):
            yield Hit(entry, away, twin)


def matches(entry: Entry, plate: str, *, with_twins: bool) -> Hit | None:
    """The hit of one entry alone."""
    book = Book()
    book.put(entry)
    return book.find(plate, float("-inf"), with_twins=with_twins)
