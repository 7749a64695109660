"""Passages that may be of a plate though they were read as another: among their candidates it has some probability."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Text, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.retention.due import detection_held, in_force
from functions.retention.schemas import Picture, Possible
from functions.shared import masking
from functions.shared.contracts import now
from functions.shared.tables import Detection, LegalHold

# The calibrated probability that all of a text is right; below it, half the city's plates are possible.
LEAST_LIKELY = 0.05
# Ids of one question.
_CHUNK = 500


async def passages(session: AsyncSession, plates: Sequence[str], limit: int) -> list[Detection]:
    """In order of time; none that a person vouched for, whose plate is known to be another."""
    row = Detection
    text = cast(row.candidates, Text)
    named = or_(*(text.contains(json.dumps(plate), autoescape=True) for plate in plates))
    other = or_(row.plate.is_(None), row.plate.not_in(plates))
    asked = select(row).where(named, other, row.corrected.is_(False)).order_by(row.started_at, row.id).limit(limit)
    return [found for found in await session.scalars(asked) if likelihood(found, plates)[1] >= LEAST_LIKELY]


def likelihood(row: Detection, plates: Sequence[str]) -> tuple[str, float]:
    """The likeliest of the plates among the candidates, and how likely it is, 0..1."""
    ways = [(float(item.get("confidence") or 0.0), str(item.get("text"))) for item in row.candidates]
    sure, text = max((way for way in ways if way[1] in plates), default=(0.0, ""))
    return text, sure


def shown(row: Detection, plates: Sequence[str], pictures: Sequence[Picture]) -> Possible:
    """As a report tells of it. What was read is masked: it may be somebody else's plate."""
    text, sure = likelihood(row, plates)
    return Possible(
        id=row.id, camera_id=row.camera_id, started_at=row.started_at, ended_at=row.ended_at, plate=text,
        probability=sure, read=masking.masked(row.plate), pictures=list(pictures),
    )  # fmt: skip


async def holds_on(session: AsyncSession, ids: Sequence[str]) -> list[LegalHold]:
    """Holds in force that keep one of these passages, each by what it asks for."""
    found = []
    for hold in await session.scalars(select(LegalHold).where(in_force(now()))):
        for start in range(0, len(ids), _CHUNK):
            part = Detection.id.in_(ids[start : start + _CHUNK])
            kept = select(Detection.id).where(part, detection_held(LegalHold.id == hold.id)).limit(1)
            if await session.scalar(kept) is not None:
                found.append(hold)
                break
    return found
