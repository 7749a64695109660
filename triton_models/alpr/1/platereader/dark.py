"""Night and infrared: pictures too dark and noisy for the plate detector, looked at once more where nothing was read.

The corner network, which learnt from one shape alone, sees plates in noise that the detector does not; the detector
sees more once the noise is smoothed and the levels are spread. Both are asked about the whole frame, and what they
mark is faint: the readers, which learnt from such pictures as they are, decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import cv2
import numpy as np

from . import finding, geometry, pictures
from .decoding import Array
from .frame import Frame, Infer, batched

DARK = 80.0
"""The mean level below which a frame is dark. Photographs by day: 52 to 170; drawn nights: 14 to 56, dusk: 29 to 99."""
GREY = 2.0
"""Levels between the strongest and the weakest colour of half of the pixels, below which there are none: infrared."""
CORNERS = 0.06
MOST = 4
"""How many quadrilaterals of a frame are tried: the readers' part is small, and plates are among the first."""
SMOOTH, LIFT = 1.3, 0.7
"""The smoothing (standard deviation in pixels of the detector's input) and the power that lifts the shadows."""


def is_dim(picture: Array) -> bool:
    """Whether a picture (uint8 BGR) is dark, or grey as a camera in infrared makes it."""
    small = cv2.resize(picture, (64, 36), interpolation=cv2.INTER_AREA).astype(np.int16)
    return bool(small.mean() < DARK or np.median(small.max(axis=2) - small.min(axis=2)) < GREY)


def normalised(picture: Array) -> Array:
    """uint8 [h, w, 3] with its noise smoothed and its levels spread from black to white, shadows lifted."""
    smooth = cv2.GaussianBlur(picture, (0, 0), SMOOTH).astype(np.float32)
    low, high = np.percentile(smooth.mean(axis=2), (1, 99.5))
    spread = np.clip((smooth - low) / max(8.0, float(high - low)), 0, 1)
    return np.asarray(255 * np.power(spread, LIFT), np.uint8)


async def look(frames: Sequence[Frame], infer: Infer) -> None:
    """Give the frames what both networks see on a further look; it is faint unless the detector is sure."""
    laid = [pictures.letterbox(frame.picture, frame.fit) for frame in frames]
    found, cells = await asyncio.gather(
        batched("plate_detector", [normalised(picture) for picture in laid], infer),
        batched("plate_corners", laid, infer),
    )
    for frame, (rows,), (own,) in zip(frames, found, cells, strict=True):
        finding.take_look(frame, geometry.detections(rows, frame.fit.back, frame.size, finding.FAINT, 0.45))
        finding.take(frame, _boxes(frame, own))


def _boxes(frame: Frame, cells: Array) -> Array:
    """Rows (x1, y1, x2, y2, score) about the quadrilaterals that the corner network sees in the whole frame."""
    quads, scores = geometry.quads(cells, CORNERS)
    rows = []
    for quad, score in zip(quads, scores, strict=True):
        corners = frame.fit.back(quad)
        box = np.clip(geometry.bounds(corners), 0, (*frame.size, *frame.size))
        if geometry.is_plate_shaped(corners) and (box[2:] - box[:2] >= (12, 4)).all():
            rows.append(np.array((*box, min(float(score), frame.options.plate_score / 2)), np.float32))
    kept = geometry.suppress(np.array(rows).reshape(-1, 5), 0.3)
    return kept[:MOST]
