"""What is in a picture: the types and the one door to the models, embedded or on Triton.

This module imports nothing heavy, so a function that only names the types starts fast;
`open_inference` loads the engine that the configuration asks for.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator

from functions.shared.formats import DEFAULT, NAMES

PlateFormat = str
"""A name of `formats.PATTERNS`."""
VehicleType = Literal["car", "motorcycle", "bus", "truck"]
VehicleColor = Literal["white", "silver", "grey", "black", "red", "blue", "green", "yellow", "brown", "other"]
Point = tuple[float, float]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Box(_Frozen):
    """An upright box in pixels of the frame; x to the right, y down, x2 and y2 exclusive."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        return max(0.0, self.x2 - self.x1)

    @property
    def height(self) -> float:
        return max(0.0, self.y2 - self.y1)

    @property
    def area(self) -> float:
        return self.width * self.height

    def iou(self, other: Box) -> float:
        """Intersection over union, 0..1."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        if width <= 0 or height <= 0:
            return 0.0
        common = width * height
        return common / (self.area + other.area - common)


class Candidate(_Frozen):
    """One possible text of a plate. `confidence` 0..1 is the calibrated probability that all of it is right."""

    text: str
    confidence: float
    format: PlateFormat | None = None


class FormatLattice(_Frozen):
    """What a picture says of a plate if it has a certain format.

    `log` is the natural log of the evidence for the format, its prior included; `places` has for each place the
    natural logs of the likeliest characters' probabilities. What a place does not list is as likely as LEAST_LISTED.
    """

    log: float
    places: tuple[dict[str, float], ...]


LEAST_LISTED = 1e-4


class PlateReading(_Frozen):
    """A plate and what it says.

    `text` has no separator; `format` is None when none of the formats asked for fits; `corners` runs from the
    top left clockwise; `candidates` is best first and begins with `text` itself; `lattice` is by format, 'any' for free
    text of the likeliest length. `cut` is all that the readers looked at; None where they do not say.
    """

    text: str
    confidence: float
    format: PlateFormat | None
    box: Box
    corners: tuple[Point, Point, Point, Point]
    candidates: tuple[Candidate, ...]
    detector_confidence: float
    rows: Literal[1, 2] = 1
    lattice: dict[str, FormatLattice] = Field(default_factory=dict)
    cut: Box | None = None


class VehicleSighting(_Frozen):
    """A vehicle. `confidence` is the detector's, 0..1; `color` is None where the picture has none (infrared, night)."""

    type: VehicleType
    confidence: float
    box: Box
    color: VehicleColor | None = None
    color_confidence: float | None = None


class Observation(_Frozen):
    """A vehicle, a plate, or a plate on its vehicle: never neither."""

    vehicle: VehicleSighting | None
    plate: PlateReading | None


class FrameReading(_Frozen):
    """All that was seen in one frame of `width` x `height` pixels; `timings_ms` is by pipeline step."""

    width: int
    height: int
    observations: tuple[Observation, ...]
    timings_ms: dict[str, float]


class Ask(_Frozen):
    """What a camera wants of its frames: plates of these formats, none lower than so many pixels of the frame."""

    formats: tuple[str, ...] = Field(DEFAULT, min_length=1)
    min_plate_height: float = Field(0, ge=0)

    @field_validator("formats")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - set(NAMES))
        if unknown:
            raise ValueError(f"there is no plate format {unknown[0]!r}; there are {', '.join(NAMES)}")
        return names


class Inference(Protocol):
    """The models behind one door. Safe to call from many tasks of one event loop."""

    async def read(self, jpeg: bytes, ask: Ask | None = None) -> FrameReading:
        """Read one frame. Raises BrokenImage for bytes that are no picture, InferenceUnavailable when
        the engine does not answer in time.
        """
        ...

    async def check(self) -> None:
        """Prove that the models answer, by reading a small picture. Raises InferenceUnavailable."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads. No call may follow."""
        ...


class Effort(_Frozen):
    """How much work a frame is worth.

    `views`: how many cuts of a plate may be read (1 to 6); those after the second only when the first do not
    agree. `fallback`: in a frame without a plate, whether the vehicles are searched for one once more.
    """

    views: int = Field(6, ge=1, le=6)
    fallback: bool = True


def open_inference(
    url: str | None,
    repository: Path,
    *,
    max_in_flight: int = 4,
    timeout_s: float = 10.0,
    threads: int = 1,
    effort: Effort | None = None,
) -> Inference:
    """The engine for `url`: `grpc://host:port` (or `grpcs://`) is a Triton server, None the embedded engine.

    The embedded engine runs the models of `repository` in worker threads, on `threads` cores (0: all) in all: each
    reads its own frames, as long as `max_in_flight` lets as many come; the cores are shared out among them.
    `timeout_s` is how long one frame may take, from the call to the answer. Raises Misconfigured for
    another scheme or when a model file is missing.
    """
    effort = effort or Effort()
    if not url:
        from functions.shared.inference_embedded import EmbeddedInference

        return EmbeddedInference(
            repository, max_in_flight=max_in_flight, timeout_s=timeout_s, threads=threads, effort=effort
        )
    from functions.shared.inference_triton import TritonInference

    return TritonInference(url, max_in_flight=max_in_flight, timeout_s=timeout_s, effort=effort)


def probe_picture() -> bytes:
    """A small grey 16:9 picture (PNG), what `check` reads: the least that makes the detectors work."""
    width, height = 64, 36

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\x00" + b"\x72" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
