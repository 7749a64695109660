"""Frames whose contents are known: real JPEGs, with the observations that a scripted engine gives for them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np

from functions.shared.contracts import FrameMeta, frame_id, now
from functions.shared.errors import GTVisionError, InferenceUnavailable
from functions.shared.inference import (
    Ask,
    Box,
    Candidate,
    FrameReading,
    Observation,
    PlateReading,
    VehicleSighting,
    VehicleType,
)

WIDTH, HEIGHT = 640, 360


def picture(seed: int) -> bytes:
    """A small JPEG; another seed, other bytes."""
    image = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    done, data = cv2.imencode(".jpg", cv2.blur(image, (9, 9)), [cv2.IMWRITE_JPEG_QUALITY, 60])
    assert done
    return bytes(data.tobytes())


def box(x: float, y: float, width: float, height: float) -> Box:
    return Box(x1=x, y1=y, x2=x + width, y2=y + height)


def plate(text: str, confidence: float, at: Box, *others: tuple[str, float]) -> PlateReading:
    corners = ((at.x1, at.y1), (at.x2, at.y1), (at.x2, at.y2), (at.x1, at.y2))
    candidates = (Candidate(text=text, confidence=confidence), *(Candidate(text=t, confidence=c) for t, c in others))
    return PlateReading(
        text=text, confidence=confidence, format="br_mercosul", box=at, corners=corners, candidates=candidates,
        detector_confidence=0.9,
    )  # fmt: skip


def car(
    x: float, y: float, text: str | None = None, confidence: float = 0.9, *, kind: VehicleType = "car",
    seen: float = 0.9, size: float = 100.0,
) -> Observation:  # fmt: skip
    """A vehicle with its upper left corner at x, y, and perhaps a plate low in its middle."""
    body = box(x, y, size, 0.7 * size)
    read = plate(text, confidence, box(x + 0.35 * size, y + 0.5 * size, 0.3 * size, 0.1 * size)) if text else None
    return Observation(vehicle=VehicleSighting(type=kind, confidence=seen, box=body), plate=read)


class ScriptedInference:
    """An engine that says what its script holds for the bytes of a frame.

    `errors` are raised first, one a call; `gate` holds every call until it is set.
    """

    def __init__(self) -> None:
        self.script: dict[bytes, tuple[Observation, ...]] = {}
        self.errors: list[GTVisionError] = []
        self.calls = 0
        self.asked: list[Ask] = []
        self.gate: asyncio.Event | None = None
        self.closed = False
        self._counted = asyncio.Condition()

    async def called(self, times: int) -> None:
        """Wait until so many calls were made."""
        async with self._counted:
            await asyncio.wait_for(self._counted.wait_for(lambda: self.calls >= times), 20)

    async def read(self, jpeg: bytes, ask: Ask | None = None) -> FrameReading:
        self.asked.append(ask or Ask())
        async with self._counted:
            self.calls += 1
            self._counted.notify_all()
        if self.gate is not None:
            await self.gate.wait()
        if self.closed:
            raise InferenceUnavailable("the engine is closed")
        if self.errors:
            raise self.errors.pop(0)
        return FrameReading(width=WIDTH, height=HEIGHT, observations=self.script[jpeg], timings_ms={})

    async def check(self) -> None:
        return None

    async def close(self) -> None:
        self.closed = True
        if self.gate is not None:
            self.gate.set()


class GivenClock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.at = now()

    def __call__(self) -> datetime:
        return self.at


class Film:
    """Makes frames of one camera at times counted in seconds from `start`."""

    def __init__(self, inference: ScriptedInference, camera_id: str = "gate", start: datetime | None = None) -> None:
        self._inference, self.camera_id = inference, camera_id
        self.start = start or now().replace(microsecond=0) - timedelta(seconds=8)
        self._made = 0

    def frame(self, second: float, *observations: Observation) -> tuple[FrameMeta, bytes]:
        self._made += 1
        jpeg = picture(hash((self.camera_id, self._made)) & 0xFFFF)
        self._inference.script[jpeg] = observations
        at = (self.start + timedelta(seconds=second)).astimezone(UTC)
        meta = FrameMeta(
            id=frame_id(self.camera_id, at), camera_id=self.camera_id, captured_at=at, sequence=self._made,
            width=WIDTH, height=HEIGHT,
        )  # fmt: skip
        return meta, jpeg
