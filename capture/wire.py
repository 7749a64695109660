"""What a pod and its worker processes say to each other, over a private socket pair.

A message is two lengths (big endian, 4 bytes each), a JSON head and a body (the JPEG of a frame, else empty). The URL
of a camera travels here alone: never in arguments or the environment, where other users of the machine could read it.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, field, fields
from typing import Any

LENGTHS = struct.Struct(">II")
LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class Tuning:
    """What may change while a camera runs."""

    sample_fps: float
    motion_gate: bool
    motion_threshold: float
    jpeg_quality: int
    max_side: int
    heartbeat_s: float
    fault_s: float = 60.0


@dataclass(frozen=True)
class Read:
    """Pod to worker: read this camera. A `generation` is one life of its reader thread; `sight` is what an earlier one
    knew of the scene (`capture.sight`); `networks`: where cameras may be."""

    camera_id: str
    generation: int
    url: str = field(repr=False)
    timeout_s: float
    tuning: Tuning
    keyframe_interval_s: float | None = None
    view_epoch: int = 0
    sight: str = field(default="", repr=False)
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tune:
    camera_id: str
    tuning: Tuning


@dataclass(frozen=True)
class Leave:
    """Pod to worker: end the reader of this camera, whichever generation."""

    camera_id: str


@dataclass(frozen=True)
class Stop:
    """Pod to worker: close every stream and end."""


@dataclass(frozen=True)
class Frame:
    """Worker to pod, with the JPEG as the body. `captured_at` in s since the epoch; size of the JPEG in pixels."""

    camera_id: str
    generation: int
    captured_at: float
    width: int
    height: int


@dataclass(frozen=True)
class Ended:
    """Worker to pod: the reader ended by itself."""

    camera_id: str
    generation: int
    code: str
    reason: str


@dataclass(frozen=True)
class Report:
    """How a reader fares. `sampled`: frames decoded and looked at; `dropped`: those not handed on, by reason; `faults`
    and `picture`: what is wrong with its pictures, and their statistics; `sight` is set when it is worth keeping."""

    camera_id: str
    generation: int
    codec: str
    width: int
    height: int
    fps: float | None
    sampled: int
    last_frame_at: float | None
    decode: str
    decode_reason: str
    keyframe_interval_s: float | None
    dropped: dict[str, int]
    faults: tuple[str, ...] = ()
    picture: dict[str, float] | None = None
    sight: str = field(default="", repr=False)


@dataclass(frozen=True)
class Beat:
    """Worker to pod, each second: all readers, and how many abandoned threads still hang in the library."""

    hung: int
    reports: tuple[Report, ...]


Said = Read | Tune | Leave | Stop | Frame | Ended | Beat
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (Read, Tune, Leave, Stop, Frame, Ended, Beat)}


def pack(message: Said, body: bytes = b"") -> bytes:
    head = json.dumps({"is": type(message).__name__, **asdict(message)}).encode()
    return LENGTHS.pack(len(head), len(body)) + head + body


def unpack(head: bytes) -> Said:
    """The message of a head. Raises ValueError when it is none of ours."""
    values = json.loads(head)
    kind = _KINDS.get(values.pop("is", ""))
    if kind is None:
        raise ValueError("unknown message between pod and worker")
    if "tuning" in values:
        values["tuning"] = Tuning(**values["tuning"])
    if "networks" in values:
        values["networks"] = tuple(values["networks"])
    if kind is Beat:
        values["reports"] = tuple(
            Report(**{**report, "faults": tuple(report.get("faults", ()))}) for report in values["reports"]
        )
    known = {one.name for one in fields(kind)}
    message: Said = kind(**{name: value for name, value in values.items() if name in known})
    return message
