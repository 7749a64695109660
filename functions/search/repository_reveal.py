"""The SQL of revealing and hiding: one passage, and where the plates were in the frame of its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.scope import Scope
from functions.shared.tables import Detection, PassageObservation

Box = Sequence[float]
# Passages that may be in the same frame: of the same camera, begun at the most so long before.
_BEFORE, _MOST = timedelta(minutes=30), 50


@dataclass(frozen=True)
class Shown:
    """What a picture shows of its frame: `box` is the vehicle's (or the plate's alone), `others` other vehicles'
    plates."""

    box: Box | None = None
    plate: Box | None = None
    others: Sequence[Box] = field(default=())


async def detection(session: AsyncSession, detection_id: str, scope: Scope) -> Detection | None:
    asked = select(Detection).where(Detection.id == detection_id, scope.cameras(Detection.camera_id))
    return (await session.scalars(asked)).one_or_none()


async def shown(session: AsyncSession, row: Detection) -> Shown:
    table = PassageObservation
    mine = select(table).where(table.detection_id == row.id, table.snapshot_key == row.snapshot_key).limit(1)
    own = (await session.scalars(mine)).one_or_none()
    if own is None:
        return Shown()
    near = (
        select(Detection.id)
        .where(
            Detection.camera_id == row.camera_id, Detection.id != row.id, Detection.started_at <= own.captured_at,
            Detection.started_at > own.captured_at - _BEFORE, Detection.ended_at >= own.captured_at,
        )
        .limit(_MOST)
    )  # fmt: skip
    ids = list(await session.scalars(near))
    others: list[Box] = []
    if ids:
        asked = select(table.plate_box).where(table.detection_id.in_(ids), table.frame_id == own.frame_id)
        others = [box for box in await session.scalars(asked) if box is not None]
    return Shown(own.vehicle_box or own.plate_box, own.plate_box, others)
