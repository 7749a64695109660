"""The SQL of reads: which camera a sender means, which reads are here already, aliases."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.contracts import CAMERA_ID
from functions.shared.formats import DEFAULT
from functions.shared.scope import Scope
from functions.shared.tables import Camera, CameraAlias, Detection, Group, ReceivedRead


@dataclass(frozen=True)
class KnownCamera:
    """A camera with the formats that plates before it may have, and its own least confidence."""

    id: str
    formats: tuple[Any, ...]
    min_confidence: float | None


async def camera_named(session: AsyncSession, scope: Scope, names: Sequence[str]) -> KnownCamera | None:
    """The camera that the first fitting name means, by its id or an alias; None where the scope has none."""
    for name in names:
        wanted = {name} if re.match(CAMERA_ID, name) else set()
        alias = await session.get(CameraAlias, name)
        for camera_id in [*wanted, *([alias.camera_id] if alias else [])]:
            asked = (
                select(Camera.id, Camera.min_confidence, Group.plate_formats)
                .outerjoin(Group, Group.id == Camera.group_id)
                .where(Camera.id == camera_id, Camera.deleted_at.is_(None), scope.cameras(Camera.id))
            )
            row = (await session.execute(asked)).one_or_none()
            if row is not None:
                return KnownCamera(row.id, tuple(row.plate_formats or DEFAULT), row.min_confidence)
    return None


async def is_of_others(session: AsyncSession, scope: Scope, names: Sequence[str]) -> bool:
    """Whether one of the names is the id or an alias of a camera that the scope does not hold."""
    aliased = select(CameraAlias.camera_id).where(CameraAlias.alias.in_(names))
    ids = {*names, *await session.scalars(aliased)}
    asked = select(Camera.id).where(Camera.id.in_(ids), Camera.deleted_at.is_(None), ~scope.cameras(Camera.id))
    return (await session.scalars(asked.limit(1))).first() is not None


async def received(session: AsyncSession, camera_id: str, external_id: str) -> str | None:
    """The detection that a read became, where it came before."""
    row = await session.get(ReceivedRead, (camera_id, external_id))
    return row.detection_id if row else None


async def passing(session: AsyncSession, camera_id: str, plate: str, source: str, since: datetime) -> Detection | None:
    """A sender's detection of this plate at this camera that ended at or after a time."""
    asked = (
        select(Detection)
        .where(Detection.camera_id == camera_id, Detection.plate_read == plate, Detection.source == source)
        .where(Detection.ended_at >= since)
        .order_by(Detection.ended_at.desc())
        .limit(1)
        .with_for_update()
    )
    found: Detection | None = (await session.scalars(asked)).one_or_none()
    return found


async def aliases(session: AsyncSession, scope: Scope, behind: str, limit: int) -> list[CameraAlias]:
    """By alias; of cameras that the scope holds."""
    asked = select(CameraAlias).where(CameraAlias.alias > behind, scope.cameras(CameraAlias.camera_id))
    return list(await session.scalars(asked.order_by(CameraAlias.alias).limit(limit)))


async def alias(session: AsyncSession, scope: Scope, name: str) -> CameraAlias | None:
    asked = select(CameraAlias).where(CameraAlias.alias == name, scope.cameras(CameraAlias.camera_id))
    found: CameraAlias | None = (await session.scalars(asked)).one_or_none()
    return found
