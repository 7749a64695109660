"""Entries held in tries: the same answers as a comparison with each of them."""

from __future__ import annotations

import fnmatch
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.alerts.patterns import Book, Entry, FuzzyTrie, WildTrie, matches
from functions.shared.plates import distance

# Few characters, many of them alike to a reader: near misses abound.
FEW = "AB08O1I"
TEXTS = st.text(FEW, min_size=1, max_size=7)
PATTERNS = st.text(FEW + "*?", min_size=1, max_size=6)


@settings(max_examples=300)
@given(st.lists(st.tuples(TEXTS, st.sampled_from([0.0, 0.3, 0.6, 1.0, 1.5, 2.0])), max_size=60), TEXTS)
def test_fuzzy_finds_what_a_comparison_with_each_finds(given_: list[tuple[str, float]], plate: str) -> None:
    trie = FuzzyTrie()
    entries = [Entry(str(index), text, "fuzzy", far) for index, (text, far) in enumerate(given_)]
    for entry in entries:
        trie.add(entry)
    wanted = {(entry.id, distance(entry.pattern, plate)) for entry in entries}
    near = {(name, away) for name, away in wanted if away <= entries[int(name)].tolerance}
    assert {(entry.id, away) for entry, away in trie.find(plate)} == near
    for entry in entries[::2]:
        trie.remove(entry)
    left = {name for name, _ in near if int(name) % 2}
    assert {entry.id for entry, _ in trie.find(plate)} == left


@settings(max_examples=300)
@given(st.lists(PATTERNS, max_size=40), TEXTS)
def test_wildcards_find_what_a_comparison_with_each_finds(patterns: list[str], plate: str) -> None:
    trie = WildTrie()
    entries = [Entry(str(index), text, "wildcard") for index, text in enumerate(patterns)]
    for entry in entries:
        trie.add(entry)
    wanted = {entry.id for entry in entries if fnmatch.fnmatchcase(plate, entry.pattern)}
    assert {entry.id for entry in trie.find(plate)} == wanted
    for entry in entries[::2]:
        trie.remove(entry)
    assert {entry.id for entry in trie.find(plate)} == {name for name in wanted if int(name) % 2}


@pytest.mark.parametrize(
    ("pattern", "kind", "tolerance", "plate", "found"),
    [
        ("ABC1D23", "exact", 0.0, "ABC1D23", True),
        ("ABC1D23", "exact", 0.0, "ABC1D24", False),
        ("ABC1334", "exact", 0.0, "ABC1D34", True),
        ("ABC1D34", "exact", 0.0, "ABC1334", True),
        ("ABC1*", "wildcard", 0.0, "ABC1D23", True),
        ("*D23", "wildcard", 0.0, "ABC1D23", True),
        ("A?C1D23", "wildcard", 0.0, "ABC1D23", True),
        ("ABC13*", "wildcard", 0.0, "ABC1D34", True),
        ("ABC1D23?", "wildcard", 0.0, "ABC1D23", False),
        ("ABC1D23", "fuzzy", 0.3, "A8C1D23", True),
        ("ABC1D23", "fuzzy", 0.3, "A8C1D2Z", False),
        ("ABC1D23", "fuzzy", 1.0, "ABC1D2", True),
        ("ABC1D34", "fuzzy", 0.5, "ADC1334", True),
    ],
)
def test_one_entry(pattern: str, kind: str, tolerance: float, plate: str, found: bool) -> None:
    assert (matches(Entry("1", pattern, kind, tolerance), plate, with_twins=True) is not None) is found


def test_twins_count_only_where_they_are_wanted() -> None:
    entry = Entry("1", "ABC1334", "exact")
    hit = matches(entry, "ABC1D34", with_twins=True)
    assert hit is not None
    assert hit.twin
    assert matches(entry, "ABC1D34", with_twins=False) is None


def test_the_best_of_several_entries_is_named() -> None:
    book = Book()
    for entry in (
        Entry("wild", "ABC*", "wildcard"), Entry("near", "A8C1D23", "fuzzy", 0.6), Entry("same", "ABC1D23", "exact")
    ):  # fmt: skip
        book.put(entry)
    hits = []
    while (hit := book.find("ABC1D23", 0.0, with_twins=True)) is not None:
        hits.append(hit.entry.id)
        book.drop(hit.entry.id)
    assert hits == ["same", "wild", "near"]
    assert len(book) == 0


def test_an_entry_set_anew_forgets_what_it_was() -> None:
    book = Book()
    book.put(Entry("1", "ABC1D23", "exact"))
    book.put(Entry("1", "XYZ1D23", "fuzzy", 0.3))
    assert book.find("ABC1D23", 0.0, with_twins=True) is None
    assert book.find("XYZ1DZ3", 0.0, with_twins=True) is not None


def test_an_entry_ends_with_its_time() -> None:
    book = Book()
    book.put(Entry("1", "ABC1D23", "exact", valid_until=100.0))
    assert book.find("ABC1D23", 99.0, with_twins=True) is not None
    assert book.find("ABC1D23", 100.0, with_twins=True) is None


def test_a_plate_is_compared_with_a_small_part_of_a_large_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is counted and not timed: of 20,000 fuzzy entries a plate is held against hardly any."""
    from functions.alerts import patterns

    compared: list[str] = []

    def counted(one: str, other: str) -> float:
        compared.append(one)
        return distance(one, other)

    monkeypatch.setattr(patterns, "distance", counted)
    random_ = random.Random(7)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    book = Book()
    for index in range(20_000):
        text = "".join(random_.choices(letters, k=3)) + f"{random_.randrange(10_000):04}"
        book.put(Entry(str(index), text, "fuzzy", 0.6))
    book.find("ABC1234", 0.0, with_twins=True)
    assert len(compared) < 500
