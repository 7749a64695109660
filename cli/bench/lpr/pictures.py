"""The page's pictures: the whole frame, reduced, and the plate as it was read. Base64 data URLs."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cli.bench.lpr.scoring import Case
from functions.shared.errors import BrokenImage
from functions.shared.inference import Box

Picture = npt.NDArray[Any]
WHOLE_WIDTH, WHOLE_HEIGHT, CROP_WIDTH = 480, 360, 288
_LABELLED, _READ = (255, 190, 60), (60, 220, 255)  # BGR
_MARGIN = 0.06


def load(path: str) -> Picture:
    """BGR uint8 [height, width, 3]. Raises BrokenImage."""
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    if picture is None:
        raise BrokenImage(f"{path} is no picture that can be decoded")
    return picture


def whole(picture: Picture, case: Case) -> str:
    """The reduced picture with the label's box in blue and the read plate's corners in yellow."""
    height, width = picture.shape[:2]
    scale = min(1.0, WHOLE_WIDTH / width, WHOLE_HEIGHT / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    if case.label.box is not None:
        _outline(small, _box_corners(case.label.box) * scale, _LABELLED)
    if case.plate is not None:
        _outline(small, np.array(case.plate.corners) * scale, _READ)
    return data_url(small, 72)


def crop(picture: Picture, case: Case) -> str | None:
    """The plate, made rectangular by its corners as it was read; the label's box when none was read; else None."""
    if case.plate is not None:
        rows = case.plate.rows
        corners = np.array(case.plate.corners)
    elif case.label.box is not None:
        rows, corners = (2 if case.label.rows == "2" else 1), _box_corners(case.label.box)
    else:
        return None
    height = round(CROP_WIDTH * (0.85 if rows == 2 else 0.325))
    x, y = CROP_WIDTH * _MARGIN, height * _MARGIN
    target = np.array([(x, y), (CROP_WIDTH - x, y), (CROP_WIDTH - x, height - y), (x, height - y)], np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    flat = cv2.warpPerspective(picture, matrix, (CROP_WIDTH, height), flags=cv2.INTER_CUBIC)
    return data_url(flat, 85)


def data_url(picture: Picture, quality: int) -> str:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _box_corners(box: Box) -> Picture:
    return np.array([(box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2)])


def _outline(picture: Picture, corners: Picture, color: tuple[int, int, int]) -> None:
    points = [corners.round().astype(np.int32)]
    cv2.polylines(picture, points, True, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.polylines(picture, points, True, color, 1, cv2.LINE_AA)
