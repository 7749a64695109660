"""The sets that a command line names: folders, and one that is drawn for the occasion."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from cli.bench.lpr.labels import read_labels
from cli.bench.lpr.report import LabelledSet
from cli.bench.synthetic import MARK, Order, write_set
from functions.shared.errors import InvalidInput


def open_set(where: Path) -> LabelledSet:
    """A labelled folder, or a CSV file in one; synthetic when the set.json beside the labels says so.

    Raises what read_labels raises, and InvalidInput for a set.json that says nothing.
    """
    labels = read_labels(where)
    mark = (where if where.is_dir() else where.parent) / MARK
    name = where.resolve().name
    if not mark.is_file():
        return LabelledSet(name, "real", labels, where)
    try:
        told = json.loads(mark.read_text(encoding="utf-8"))
        synthetic = told["kind"] == "synthetic"
    except (ValueError, KeyError, TypeError):
        raise InvalidInput(f'{mark} does not say {{"kind": "synthetic"}} or "real"', field="kind") from None
    origin = {key: value for key, value in told.items() if key != "kind"}
    return LabelledSet(name, "synthetic" if synthetic else "real", labels, where, origin)


def distinct(sets: Sequence[LabelledSet]) -> list[LabelledSet]:
    """The sets with names of their own: the whole path where two are called alike."""
    count = Counter(each.name for each in sets)
    return [replace(each, name=str(each.where)) if count[each.name] > 1 else each for each in sets]


def drawn_set(order: Order, folder: Path, show: Callable[[Callable[[], None]], None]) -> LabelledSet:
    """The set of `order`, drawn into `folder`."""
    workers = 1 if order.count < 50 else os.cpu_count() or 1
    write_set(order, folder, workers, show)
    return replace(open_set(folder), name=f"{order.count} drawn plates")
