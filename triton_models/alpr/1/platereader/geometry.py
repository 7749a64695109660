"""Boxes and corners: overlaps, non-maximum suppression, WPOD-NET's cells, which plate is on which vehicle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

WPOD_STRIDE = 16
WPOD_SIDE = 7.75
"""Half the mean plate of WPOD-NET's training, in cells: ((208 + 40) / 2) / 16."""


def overlaps(boxes: Array, others: Array) -> Array:
    """Intersection over union of [n, 4] with [m, 4]: [n, m]."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:4], others[None, :, 2:4])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    sizes = np.prod(np.clip(boxes[:, 2:4] - boxes[:, :2], 0, None), axis=1)
    other_sizes = np.prod(np.clip(others[:, 2:4] - others[:, :2], 0, None), axis=1)
    return common / np.maximum(sizes[:, None] + other_sizes[None] - common, 1e-9)


def inside(box: Array, other: Array) -> float:
    """How much of `box` [4] lies in `other` [4], 0..1."""
    sides = np.clip(np.minimum(box[2:4], other[2:4]) - np.maximum(box[:2], other[:2]), 0, None)
    return float(np.prod(sides) / max(1e-6, float(np.prod(box[2:4] - box[:2]))))


def suppress(rows: Array, threshold: float) -> Array:
    """Non-maximum suppression of [n, >=5] rows (x1, y1, x2, y2, score, ...): the kept rows, best first."""
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    shared = overlaps(rows, rows)
    alive = np.ones(len(rows), bool)
    for index in range(len(rows)):
        if alive[index]:
            alive[index + 1 :] &= shared[index, index + 1 :] <= threshold
    return rows[alive]


def detections(rows: Array, back: Any, size: tuple[int, int], minimum: float, threshold: float) -> Array:
    """A detector's [300, 6] rows as boxes of the picture: scores of at least `minimum`, suppressed, clipped.

    `back` leads from the input's pixels to the picture's, `size` is the picture's (width, height).
    """
    kept = suppress(rows[rows[:, 4] >= minimum], threshold).astype(np.float32)
    corners = back(kept[:, :4].reshape(-1, 2)).reshape(-1, 4)
    width, height = size
    kept[:, :4] = np.clip(corners, 0, (width, height, width, height))
    return kept[(kept[:, 2] - kept[:, 0] >= 2) & (kept[:, 3] - kept[:, 1] >= 2)]


def quads(cells: Array, minimum: float) -> tuple[Array, Array]:
    """WPOD-NET's cells [k, 9] as quadrilaterals in pixels of its input: ([n, 4, 2], probabilities [n]), best first.

    Each cell maps the unit square about its centre by its affine part, whose diagonal is kept
    non-negative, and scales it by the mean plate (Silva and Jung, ECCV 2018, section 3.2).
    """
    cells = cells[cells[:, 0] >= minimum]
    maps = cells[:, 3:9].reshape(-1, 2, 3).copy()
    maps[:, 0, 0] = np.maximum(maps[:, 0, 0], 0)
    maps[:, 1, 1] = np.maximum(maps[:, 1, 1], 0)
    square = np.array([[-0.5, -0.5, 1], [0.5, -0.5, 1], [0.5, 0.5, 1], [-0.5, 0.5, 1]], np.float32)
    points = np.einsum("nij,kj->nki", maps, square) * WPOD_SIDE + (cells[:, None, 1:3] + 0.5)
    return points * WPOD_STRIDE, cells[:, 0]


def bounds(quad: Array) -> Array:
    """The upright box [4] about corners [4, 2]."""
    return np.concatenate([quad.min(axis=0), quad.max(axis=0)])


def box_corners(box: Array) -> Array:
    """The corners [4, 2] of a box, from the top left clockwise."""
    x1, y1, x2, y2 = box[:4]
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)


def grown(box: Array, times_width: float, times_height: float) -> Array:
    """A box [4] about the same centre, of so many times the width and height."""
    centre = (box[:2] + box[2:4]) / 2
    half = (box[2:4] - box[:2]) / 2 * (times_width, times_height)
    return np.concatenate([centre - half, centre + half])


def of_aspect(box: Array, aspect: float) -> Array:
    """The least box [4] about `box` whose width is `aspect` times its height."""
    width, height = box[2] - box[0], box[3] - box[1]
    return grown(box, max(1.0, height * aspect / width), max(1.0, width / aspect / height))


def is_plate_shaped(quad: Array) -> bool:
    """Whether four corners run clockwise, are convex, and are neither a sliver nor taller than wide."""
    edges = np.roll(quad, -1, axis=0) - quad
    after = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0]
    lengths = np.linalg.norm(edges, axis=1)
    across, down = lengths[[0, 2]].mean(), lengths[[1, 3]].mean()
    return bool((turns > 0).all() and down >= 4 and 0.8 <= across / down <= 8)


def bind(plates: Sequence[Array], vehicles: Sequence[Array], sure: Sequence[bool] = ()) -> list[int | None]:
    """For each plate box the index of its vehicle, or None. A vehicle has one plate.

    A plate is on a vehicle that covers most of it; of several such the one whose lower middle is nearest,
    since plates sit low and in the middle, so that a car is not given the plate of the one before it. Those that are
    `sure` to be plates choose before the others, which may be lettering.
    """
    pairs: list[tuple[bool, float, int, int]] = []
    for index, plate in enumerate(plates):
        centre = (plate[:2] + plate[2:4]) / 2
        for other, vehicle in enumerate(vehicles):
            if inside(plate, vehicle) < 0.6:
                continue
            extent = np.maximum(vehicle[2:4] - vehicle[:2], 1)
            away = (centre - vehicle[:2]) / extent - (0.5, 0.75)
            pairs.append((not (sure and sure[index]), float(np.hypot(*away)), index, other))
    bound: list[int | None] = [None] * len(plates)
    taken: set[int] = set()
    for _, _, index, other in sorted(pairs):
        if bound[index] is None and other not in taken:
            bound[index] = other
            taken.add(other)
    return bound
