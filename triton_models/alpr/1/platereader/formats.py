"""The formats that plates may have, from formats.json: what the glyphs must be, in how many rows, under which band."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ANY = "any"
DEFAULT = ("br_old", "br_mercosul")


@dataclass(frozen=True)
class Format:
    """`pattern` has L for a letter and N for a digit, upper row first; `band` says whether a blue band is above it."""

    name: str
    pattern: str
    country: str
    rows: tuple[int, ...]
    band: bool


def load(text: str) -> dict[str, Format]:
    """The table by name. Raises ValueError for a pattern of other characters than L and N."""
    table = {}
    for name, entry in json.loads(text).items():
        if not entry["pattern"] or set(entry["pattern"]) - {"L", "N"}:
            raise ValueError(f"{name}: the pattern {entry['pattern']!r} has other characters than L and N")
        table[name] = Format(name, entry["pattern"], entry["country"], tuple(entry["rows"]), bool(entry["band"]))
    return table


TABLE = load(Path(__file__).with_name("formats.json").read_text())


def chosen(names: Iterable[str]) -> tuple[Format, ...]:
    """The formats of these names, in their order; 'any', which is always the last resort, adds none.

    Raises ValueError naming a format that is not in the table.
    """
    wanted = [name for name in dict.fromkeys(names) if name != ANY]
    for name in wanted:
        if name not in TABLE:
            raise ValueError(f"there is no plate format {name!r}; there are {', '.join((*TABLE, ANY))}")
    return tuple(TABLE[name] for name in wanted)
