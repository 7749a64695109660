"""Batches for training, the same ones in the same order for the same seed, drawn by processes beside the trainer."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import synthesis
from numpy.typing import NDArray
from synthesis import CHARACTERS, Face, Share

Array = NDArray[Any]
PLACES = 8
PICTURES = 1024
"""Pictures of a chunk; each gives two crops."""
KEPT = 24
"""Chunks from which a crop is taken a second time."""
FIRST_SEED, VALIDATION_SEED = 1_000_000_000, 900_000_000
"""Training draws from here up; what is below is free for tests and benches."""
CLASS_OF = {character: 1 + index for index, character in enumerate(CHARACTERS)}


@dataclass(frozen=True)
class Chunk:
    """`crops` uint8 RGB [n, 64, 128, 3], `places` int64 [n, 8] (0: no character), `layouts` int64 [n]."""

    crops: Array
    places: Array
    layouts: Array


def classes(text: str) -> list[int]:
    """The classes of a text of at most eight characters, filled up with 0."""
    return [CLASS_OF[character] for character in text[:PLACES]] + [0] * (PLACES - len(text))


def chunk(seed: int, number: int, faces: list[Face], lookalikes: float = 0.0, pictures: int = PICTURES) -> Chunk:
    """Chunk `number` of a run: two of three pictures hard, two crops of each; `lookalikes` as sample has it."""
    crops, places, layouts = [], [], []
    for index in range(pictures):
        own = FIRST_SEED + seed * 100_000_000 + number * pictures + index
        one = synthesis.sample(
            own, hard=index % 3 != 0, share=Share(), faces=faces, follow=False, lookalikes=lookalikes
        )
        rng = np.random.default_rng((own, 1))
        for _ in range(2):
            crops.append(synthesis.crop(one, rng))
            places.append(classes(one.text))
            layouts.append(one.layout)
    return Chunk(np.stack(crops), np.array(places, np.int64), np.array(layouts, np.int64))


@dataclass(frozen=True)
class Validation:
    """Pictures that are never trained on, with what is needed to split the figures."""

    crops: Array
    texts: list[str]
    layouts: Array
    lights: list[str]
    heights: Array


def validation(count: int, hard: bool = True) -> Validation:
    """One crop each of `count` Brazilian plates in our own strokes only."""
    rng = np.random.default_rng(VALIDATION_SEED)
    samples = [synthesis.sample(VALIDATION_SEED + index, hard=hard) for index in range(count)]
    crops = np.stack([synthesis.crop(one, rng) for one in samples])
    return Validation(
        crops,
        [one.text for one in samples],
        np.array([one.layout for one in samples]),
        [one.light for one in samples],
        np.array([one.height for one in samples]),
    )


def _work(queue: Any, seed: int, numbers: range, faces: list[Face], lookalikes: float) -> None:
    cv2.setNumThreads(1)
    os.nice(3)
    for number in numbers:
        queue.put(chunk(seed, number, faces, lookalikes))


def chunks(seed: int, count: int, faces: list[Face], workers: int, lookalikes: float = 0.0) -> Iterator[Chunk]:
    """Chunks 0 .. count - 1 in order. The processes end with the iterator."""
    context = multiprocessing.get_context("spawn")
    queues = [context.Queue(maxsize=2) for _ in range(workers)]
    processes = [
        context.Process(target=_work, args=(queue, seed, range(worker, count, workers), faces, lookalikes), daemon=True)
        for worker, queue in enumerate(queues)
    ]
    for process in processes:
        process.start()
    try:
        for number in range(count):
            yield queues[number % workers].get()
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def batches(incoming: Iterator[Chunk], size: int, seed: int) -> Iterator[tuple[Array, Array, Array]]:
    """Shuffled batches: each chunk's crops, and as many out of the chunks before it."""
    rng = np.random.default_rng((seed, 2))
    kept: list[Chunk] = []
    for fresh in incoming:
        kept = [*kept[-KEPT + 1 :], fresh]
        count = len(fresh.crops)
        crops = np.concatenate([fresh.crops, np.empty_like(fresh.crops)])
        places, layouts = np.tile(fresh.places, (2, 1)), np.tile(fresh.layouts, 2)
        for row in range(count, 2 * count):
            older = kept[int(rng.integers(len(kept)))]
            at = int(rng.integers(count))
            crops[row], places[row], layouts[row] = older.crops[at], older.places[at], older.layouts[at]
        order = rng.permutation(2 * count)
        for start in range(0, 2 * count - size + 1, size):
            rows = order[start : start + size]
            yield crops[rows], places[rows], layouts[rows]
