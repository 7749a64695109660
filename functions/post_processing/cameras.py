"""What the register says of how a camera's frames are to be read, kept for a few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.post_processing.zones import Zones
from functions.shared.db import Database
from functions.shared.formats import DEFAULT, NAMES
from functions.shared.inference import Ask
from functions.shared.tables import Camera, Group

# A change in the register is heeded after so long at the latest.
KEPT_S = 3.0
_LEAST_CORNERS = 3


@dataclass(frozen=True)
class CameraRules:
    """`threshold`: a plate less probable than this is marked uncertain; None where the camera has none of its own."""

    ask: Ask = field(default_factory=Ask)
    zones: Zones = field(default_factory=Zones)
    threshold: float | None = None


class Cameras:
    """The rules of each camera, asked of the database at most every KEPT_S."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._db, self._clock = db, clock
        self._kept: dict[str, tuple[float, CameraRules]] = {}

    async def of(self, camera_id: str) -> CameraRules:
        """Those of a camera that is not registered are the defaults."""
        asked = self._clock()
        found = self._kept.get(camera_id)
        if found is None or asked - found[0] > KEPT_S:
            async with self._db.read() as session:
                found = asked, await _rules(session, camera_id)
            self._kept[camera_id] = found
            # Cameras that send no more are forgotten.
            self._kept = {key: item for key, item in self._kept.items() if asked - item[0] <= KEPT_S}
        return found[1]


async def _rules(session: AsyncSession, camera_id: str) -> CameraRules:
    asked = (
        select(Camera.min_confidence, Camera.min_plate_height, Camera.regions, Camera.ignore_zones, Group.plate_formats)
        .outerjoin(Group, Group.id == Camera.group_id)
        .where(Camera.id == camera_id)
    )
    row = (await session.execute(asked)).one_or_none()
    if row is None:
        return CameraRules()
    formats = tuple(name for name in row.plate_formats or () if name in NAMES) or DEFAULT
    ask = Ask(formats=formats, min_plate_height=float(row.min_plate_height or 0))
    return CameraRules(ask, Zones(_polygons(row.regions), _polygons(row.ignore_zones)), row.min_confidence)


def _polygons(stored: Sequence[Any] | None) -> tuple[tuple[tuple[float, float], ...], ...]:
    found = (tuple((float(x), float(y)) for x, y in polygon) for polygon in stored or ())
    return tuple(polygon for polygon in found if len(polygon) >= _LEAST_CORNERS)
