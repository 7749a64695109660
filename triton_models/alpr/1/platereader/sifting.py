"""What the second reader, which is cheap, says of boxes before more is spent on them: no plate, or one further in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import geometry, slots, views
from .decoding import Array
from .frame import Frame, Infer, Plate, batched

NO_PLATE = 0.5
TWO_ROWS = 2.2
"""A plate that is less than so many times as wide as high may have two rows (motorcycles: 1.2 to 1.4)."""
PLAIN = 0.8
"""The worth of a view from which on its box is taken to fit."""


async def sift(frames: Sequence[Frame], infer: Infer) -> None:
    """Fit the boxes that are doubtful, and drop the faint ones where no cut shows a plate.

    Doubtful are faint boxes, whole pictures, and those that are not clearly of one row: where the box itself does not
    show a plain plate, smaller ones about its middle are tried.
    """
    doubtful = [(frame, plate) for frame in frames for plate in frame.plates if _is_doubtful(plate)]
    first = await _seen(doubtful, (views.SIFT_VIEW,), infer)
    loose = [index for index, (worth, _) in enumerate(first) if worth[0] < PLAIN]
    shrunk = await _seen([doubtful[index] for index in loose], views.SHRUNK_VIEWS, infer)
    plates = {id(plate) for (_, plate), (_, none) in zip(doubtful, first, strict=True) if none.min() < NO_PLATE}
    for index, (worth, none) in zip(loose, shrunk, strict=True):
        plate = doubtful[index][1]
        best = int(np.argmax(worth))
        if none.min() < NO_PLATE:
            plates.add(id(plate))
        if worth[best] > max(0.5, first[index][0][0]):
            plate.move(geometry.grown(plate.found, *views.SHRINKS[best]))
    for frame in frames:
        frame.plates = [plate for plate in frame.plates if not _is_new_and_faint(plate) or id(plate) in plates]


def _is_new_and_faint(plate: Plate) -> bool:
    return plate.faint and plate.reading is None


def _is_doubtful(plate: Plate) -> bool:
    return plate.reading is None and not plate.cornered and (plate.faint or plate.aspect < TWO_ROWS)


async def _seen(
    plates: Sequence[tuple[Frame, Plate]], cuts: Sequence[views.View], infer: Infer
) -> list[tuple[Array, Array]]:
    """For each box, by cut: what the view is worth [c], and the chance that it shows no plate [c].

    A view is worth the chance of a Brazilian layout times the mean sureness of its characters.
    """
    if not plates:
        return []
    pictures = []
    for frame, plate in plates:
        box = geometry.box_corners(plate.found)
        pictures += [views.slot(frame.picture, box, box, view) for view in cuts]
    answers = await batched("plate_reader", pictures, infer)
    layouts = np.array([layout for _, layout in answers]).reshape(len(plates), len(cuts), -1)
    places = np.array([place for place, _ in answers]).reshape(len(plates), len(cuts), slots.PLACES, -1)
    worth = layouts[..., :4].sum(axis=2) * np.exp(np.log(places.max(axis=3)).mean(axis=2))
    return [(worth[index], layouts[index, :, 5]) for index in range(len(plates))]


async def close_ups(frames: Sequence[Frame], infer: Infer) -> list[Frame]:
    """Those of the frames that the second reader holds for a picture of one plate: the whole, or its middle."""
    if not frames:
        return []
    cuts = []
    for frame in frames:
        whole = geometry.box_corners(np.array((0, 0, *frame.size), np.float32))
        cuts += [views.slot(frame.picture, whole, whole, view) for view in views.CLOSE_UP_VIEWS]
    answers = await batched("plate_reader", cuts, infer)
    seen = np.array([layout[5] for _, layout in answers]).reshape(len(frames), -1)
    return [frame for frame, none in zip(frames, seen, strict=True) if none.min() < NO_PLATE]
