"""The motion gate: whether a frame is worth publishing. Pure; a frame comes in as its brightness.

Each cell of a picture 320 cells wide is compared with a slowly learnt background. A cell has changed when it
differs by more than the noise that this very cell shows, after the change of the whole picture's brightness is taken
off (clouds, the camera's exposure). What stands still though changed (a car that parks) is learnt quickly, what moves
slowly, so that a queue at a traffic light does not keep the gate open and does not vanish while it moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

WIDTH = 320
NOISE_FLOOR = 9.0  # grey levels of 255 below which nothing counts: coding artefacts
NOISE_FACTOR = 4.0  # times a cell's own mean deviation
LEARN_STILL, LEARN_MOVING, LEARN_PARKED = 0.05, 0.02, 0.2  # share learnt per frame
NOISE_RATE = 0.05
NOISE_MOST = 5.0  # a lane full of traffic must not teach its cells to be deaf
TAIL = 2  # frames still published after the last motion, so that a passage's end is seen

Grey = npt.NDArray[np.uint8]
Cells = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Decision:
    """`why` is one of off, first, motion, tail, heartbeat, still; `share` is the part of the picture that changed."""

    publish: bool
    why: str
    share: float = 0.0


class MotionGate:
    """Fed with every sampled frame of one camera; keeps the background."""

    def __init__(self, threshold: float, heartbeat_s: float, enabled: bool = True) -> None:
        self.threshold, self.heartbeat_s, self.enabled = threshold, heartbeat_s, enabled
        self._background: Cells | None = None
        self._noise: Cells = np.zeros((0, 0), np.float32)
        self._previous: Cells = self._noise
        self._tail = 0
        self._published_at = 0.0

    def judge(self, luma: Grey, now: float) -> Decision:
        """`luma`: height x width, uint8, any size; `now` in seconds, rising."""
        decision = self._decide(luma, now)
        if decision.publish:
            self._published_at = now
        return decision

    def _decide(self, luma: Grey, now: float) -> Decision:
        if not self.enabled:
            return Decision(True, "off")
        cells = shrink(luma)
        if self._background is None or self._background.shape != cells.shape:
            self._background, self._previous = cells.copy(), cells
            self._noise = np.full_like(cells, NOISE_FLOOR / NOISE_FACTOR / 2)
            self._tail = TAIL
            return Decision(True, "first")
        share = self._changed(cells)
        if share > self.threshold:
            self._tail = TAIL
            return Decision(True, "motion", share)
        if self._tail > 0:
            self._tail -= 1
            return Decision(True, "tail", share)
        if now - self._published_at >= self.heartbeat_s:
            return Decision(True, "heartbeat", share)
        return Decision(False, "still", share)

    def _changed(self, cells: Cells) -> float:
        assert self._background is not None
        difference = cells - self._background
        gain = float(np.median(difference))
        deviation = np.abs(difference - gain)
        limit = np.maximum(NOISE_FLOOR, NOISE_FACTOR * self._noise)
        changed = deviation > limit
        parked = changed & (np.abs(cells - self._previous) < NOISE_FLOOR / 2)
        rate = np.where(parked, LEARN_PARKED, np.where(changed, LEARN_MOVING, LEARN_STILL)).astype(np.float32)
        self._background += rate * difference
        # A cell that changed says little of its noise; one that always flickers (leaves, water) slowly grows deaf.
        seen = np.minimum(deviation, limit)
        self._noise += NOISE_RATE * np.where(changed, 0.2, 1.0).astype(np.float32) * (seen - self._noise)
        np.minimum(self._noise, NOISE_MOST, out=self._noise)
        self._previous = cells
        return float(changed.mean())


def shrink(luma: Grey) -> Cells:
    """320 cells wide, as float32, each smoothed with its neighbours.

    Every other row is enough for the mean of a cell. A vehicle covers several cells side by side, noise does not:
    the mean of 3 x 3 keeps the one and takes two thirds off the other.
    """
    height, width = luma.shape
    small: Any = luma
    if width > WIDTH:
        rows = luma[::2] if height >= 480 else luma
        small = cv2.resize(rows, (WIDTH, max(1, round(height * WIDTH / width))), interpolation=cv2.INTER_AREA)
    cells: Cells = cv2.blur(small.astype(np.float32), (3, 3))
    return cells
