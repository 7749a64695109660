"""What one frame shows of one vehicle, and the bounded memory that a passage keeps of such sightings. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from functions.post_processing.plates import Lattice, Reading
from functions.shared.inference import Box, Candidate

MAX_SIGHTINGS = 24
# The last ones are always kept: place, speed and standing still are told from them.
ALWAYS_KEPT = 4
# The least confidence that opens a passage: of a vehicle without a plate, of a plate without a vehicle.
LEAST_VEHICLE, LEAST_PLATE = 0.5, 0.1
# Height in pixels from which a plate's picture gets no better to look at.
CLEAR_HEIGHT = 48.0


@dataclass(frozen=True)
class Sighting:
    """What one frame shows of one vehicle; boxes in pixels of the frame. `index` counts within the frame."""

    id: str
    frame_id: str
    at: datetime
    vehicle_type: str | None = None
    vehicle_confidence: float | None = None
    vehicle_box: Box | None = None
    color: str | None = None
    color_confidence: float | None = None
    plate_box: Box | None = None
    plate_format: str | None = None
    plate_rows: int | None = None
    candidates: tuple[Candidate, ...] = ()
    lattice: Lattice = ()
    snapshot_key: str | None = None
    plate_snapshot_key: str | None = None
    snapshot_sha256: str | None = None
    plate_snapshot_sha256: str | None = None

    @property
    def order(self) -> tuple[datetime, str, str]:
        return self.at, self.frame_id, self.id

    @cached_property
    def reading(self) -> Reading | None:
        if not self.candidates or self.plate_box is None:
            return None
        return Reading(self.candidates, self.plate_box.height, self.lattice, self.plate_format)

    @property
    def text(self) -> str | None:
        return self.candidates[0].text if self.reading is not None else None

    @cached_property
    def place(self) -> Box | None:
        """Where the vehicle is: its box, else one guessed around its plate (a car is about 4 plates wide)."""
        if self.vehicle_box is not None or self.plate_box is None:
            return self.vehicle_box
        plate = self.plate_box
        x, y, half = (plate.x1 + plate.x2) / 2, plate.y1, 2 * plate.width
        return Box(x1=x - half, y1=y - 1.5 * half, x2=x + half, y2=y + 0.5 * half)

    @property
    def is_plate_alone(self) -> bool:
        """Whether it is a plate without a vehicle: a sign, lettering, or a vehicle that was not made out."""
        return self.vehicle_box is None and self.plate_box is not None

    @property
    def worth_opening(self) -> bool:
        """A faint vehicle without a plate, or a faint text without a vehicle, opens no passage; it may join one."""
        vehicle, reading = self.vehicle_confidence or 0.0, self.reading
        return vehicle >= LEAST_VEHICLE or (reading is not None and reading.confidence >= LEAST_PLATE)

    @cached_property
    def score(self) -> float:
        """How well it shows its vehicle: a large, surely read plate first, else a large, sure vehicle."""
        reading = self.reading
        if reading is not None:
            return 1.0 + (0.2 + 0.8 * reading.confidence) * min(1.0, reading.height / CLEAR_HEIGHT)
        area = self.vehicle_box.area if self.vehicle_box is not None else 0.0
        return (self.vehicle_confidence or 0.0) * min(1.0, math.sqrt(area) / 1000.0)


def sighting_id(frame_id: str, at: datetime, index: int) -> str:
    """The id of a frame's sighting: it follows from the frame alone, and sorts by the time of capture."""
    millis = max(0, int(at.timestamp() * 1000))
    return f"{millis:012x}"[-12:] + hashlib.sha256(f"{frame_id}/{index}".encode()).hexdigest()[:20]


def without_pictures(sighting: Sighting) -> Sighting:
    return replace(
        sighting, snapshot_key=None, plate_snapshot_key=None, snapshot_sha256=None, plate_snapshot_sha256=None
    )


class Dropped(NamedTuple):
    """A sighting that a later one, of time `at`, crowded out."""

    sighting: Sighting
    at: datetime


def remembered(sightings: Iterable[Sighting]) -> tuple[tuple[Sighting, ...], tuple[Dropped, ...]]:
    """What a passage remembers of its sightings, taken in order of time: at most MAX_SIGHTINGS, and what was dropped.

    Each sighting beyond drops the least telling one, never the first or the last few. It is a fold: what is
    remembered of a beginning and then of the rest is what is remembered of all, so rows that were dropped may be
    deleted as soon as no earlier frame can come.
    """
    kept: list[Sighting] = []
    dropped: list[Dropped] = []
    for sighting in sorted(sightings, key=lambda item: item.order):
        kept.append(sighting)
        if len(kept) > MAX_SIGHTINGS:
            least = min(range(1, len(kept) - ALWAYS_KEPT), key=lambda index: (kept[index].score, index))
            dropped.append(Dropped(kept.pop(least), sighting.at))
    return tuple(kept), tuple(dropped)


def spanning(sightings: Sequence[Sighting], seconds: float) -> Sighting | None:
    """The latest sighting that lies at least so long before the last one."""
    last = sightings[-1]
    return next((item for item in reversed(sightings) if (last.at - item.at).total_seconds() >= seconds), None)
