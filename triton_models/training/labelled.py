"""Plates that people have corrected or confirmed, as `gtvision detections export-labels DIR` writes them, for training:
a fixed share of every batch is theirs, drawn by the run's seed.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import batches
import cv2
import numpy as np
from numpy.typing import NDArray
from synthesis import CHARACTERS, MERCOSUL, MERCOSUL_ROWS, OLD, OLD_ROWS, OTHER
from synthesis.assembly import cut

Array = NDArray[Any]
MARGIN = 0.1
"""What a stored picture of a plate has about it on each side, in parts of the plate's width and height."""
TWO_ROWS_BELOW = 2.2
"""A plate is taken to have two rows where it is less than so many times as wide as high and the file does not say."""
LONGEST = 10
LAYOUTS = {("br_old", 1): OLD, ("br_mercosul", 1): MERCOSUL, ("br_old", 2): OLD_ROWS, ("br_mercosul", 2): MERCOSUL_ROWS}


@dataclass(frozen=True)
class Labelled:
    """Pictures (uint8 BGR) with `places` int64 [n, 8] and `layouts` int64 [n]; `sha256` is of the list and pictures."""

    name: str
    pictures: list[Array]
    places: Array
    layouts: Array
    sha256: str


def read(folder: Path) -> Labelled:
    """The plates of the folder's plates.csv: image, plate, format, rows.

    Raises ValueError naming the line and the field of what cannot be learned from, and for a folder without plates.
    """
    listed = folder / "plates.csv"
    if not listed.is_file():
        raise ValueError(f"--labels: there is no {listed.name} in {folder}: gtvision detections export-labels makes it")
    digest = hashlib.sha256(listed.read_bytes())
    pictures, places, layouts = [], [], []
    with listed.open(newline="", encoding="utf-8-sig") as stream:
        for number, row in enumerate(csv.DictReader(stream), start=2):
            where = f"{listed.name} line {number}, field"
            missing = [name for name in ("image", "plate", "format", "rows") if row.get(name) is None]
            if missing:
                raise ValueError(f"{where} {missing[0]}: is missing")
            text = row["plate"]
            if not 1 <= len(text) <= LONGEST or set(text) - set(CHARACTERS):
                raise ValueError(f"{where} plate: {text!r} is not 1 to {LONGEST} letters and digits")
            if row["rows"] not in ("", "1", "2"):
                raise ValueError(f"{where} rows: {row['rows']!r} is neither 1 nor 2")
            picture = _picture(folder, row["image"])
            if picture is None:
                raise ValueError(f"{where} image: {row['image']!r} is no picture of the folder")
            digest.update((folder / row["image"]).read_bytes())
            two = picture.shape[1] < TWO_ROWS_BELOW * picture.shape[0]
            pictures.append(picture)
            places.append(batches.classes(text))
            layouts.append(LAYOUTS.get((row["format"], int(row["rows"] or (2 if two else 1))), OTHER))
    if not pictures:
        raise ValueError(f"--labels: {listed.name} names no plate")
    return Labelled(folder.name, pictures, np.array(places, np.int64), np.array(layouts, np.int64), digest.hexdigest())


def _picture(folder: Path, name: str) -> Array | None:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return None
    return cv2.imread(str(path))


def crop(picture: Array, rng: np.random.Generator) -> Array:
    """The plate as a reader gets it, uint8 RGB [64, 128, 3], a little off in another way each time."""
    height, width = picture.shape[:2]
    inset = np.array([width, height], np.float32) * (MARGIN / (1 + 2 * MARGIN))
    low, high = inset, np.array([width, height], np.float32) - inset
    corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])], np.float32)
    corners += rng.normal(0, 0.022, (1, 2)) * (high - low)
    return cut(picture, corners.astype(np.float32), rng.uniform(-0.03, 0.12, 4))


def mixed(
    incoming: Iterator[tuple[Array, Array, Array]], labelled: Labelled, share: float, seed: int
) -> Iterator[tuple[Array, Array, Array]]:
    """The batches, in each of which the last `share` of the rows is of the labelled plates, at least one."""
    rng = np.random.default_rng((seed, 3))
    for crops, places, layouts in incoming:
        count = max(1, round(share * len(crops)))
        for row in range(len(crops) - count, len(crops)):
            at = int(rng.integers(len(labelled.pictures)))
            crops[row] = crop(labelled.pictures[at], rng)
            places[row], layouts[row] = labelled.places[at], labelled.layouts[at]
        yield crops, places, layouts
