"""A decoded frame as brightness for the gate and as JPEG for the bus."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from capture.gate import WIDTH, Grey

# First plane is 8-bit brightness, as it stands in memory.
_LUMA_FIRST = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv21", "gray")


def luma(frame: Any) -> Grey:
    """Height x width, uint8; for unusual pixel formats already shrunk."""
    if frame.format.name in _LUMA_FIRST:
        plane = frame.planes[0]
        rows: Grey = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        return rows[:, : plane.width]
    height = max(1, round(frame.height * WIDTH / frame.width))
    small: Grey = frame.reformat(width=WIDTH, height=height, format="gray").to_ndarray()
    return small


def fit(width: int, height: int, max_side: int) -> tuple[int, int]:
    """The size with the longer side at most `max_side`, in the same proportion; never enlarged."""
    longer = max(width, height)
    if longer <= max_side:
        return width, height
    return max(1, round(width * max_side / longer)), max(1, round(height * max_side / longer))


def encode(frame: Any, quality: int, max_side: int) -> tuple[bytes, int, int]:
    """(JPEG, width, height). Raises ValueError when the encoder refuses the picture."""
    width, height = fit(frame.width, frame.height, max_side)
    if (width, height) == (frame.width, frame.height):
        picture = frame.to_ndarray(format="bgr24")
    else:
        picture = frame.to_ndarray(format="bgr24", width=width, height=height, interpolation="AREA")
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of {width}x{height} px could not be encoded as JPEG")
    return data.tobytes(), width, height
