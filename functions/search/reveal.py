"""Plates for roles that see them masked: pictures without them, and revealing one with a reason."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from functions.search import repository_reveal as repository
from functions.search.blurred import without_plates
from functions.shared import audit, masking
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import Candidate
from functions.shared.errors import Forbidden, NotFound
from functions.shared.tables import Detection
from functions.shared.tokens import Principal

_ID = re.compile(r"[0-9a-f]{32}")


class RevealRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[
        str, BeforeValidator(lambda value: value.strip() if isinstance(value, str) else value),
        Field(min_length=3, max_length=500, description="a case number or text; it is kept in the audit log"),
    ]  # fmt: skip


class Revealed(BaseModel):
    """The plate of one passage, unmasked; links end after some minutes."""

    detection_id: str
    plate: str | None
    plate_read: str | None
    candidates: list[Candidate]
    snapshot_url: str | None
    plate_snapshot_url: str | None


async def reveal(context: Context, who: Principal, detection_id: str, reason: str) -> Revealed:
    """Raises NotFound, and Throttled where the person has looked up too much."""
    row = await _get(context, who, detection_id)
    answer = Revealed(
        detection_id=row.id, plate=row.plate,
        plate_read=row.plate_read if row.plate_read is not None or row.corrected else row.plate,
        candidates=[Candidate.model_validate(item) for item in row.candidates],
        snapshot_url=await _link(context, row.snapshot_key),
        plate_snapshot_url=await _link(context, row.plate_snapshot_key),
    )  # fmt: skip
    details: dict[str, Any] = {"detection_id": row.id, "camera_id": row.camera_id, "plates": 1}
    async with context.db.transaction() as session:
        act = Act("detections.reveal", row.plate or row.id, reason, details)
        await audit.record(context.vault, session, who, act)
    return answer


async def _link(context: Context, key: str | None) -> str | None:
    return None if key is None else await context.store.link(key, context.settings.link_ttl_s)


async def _get(context: Context, who: Principal, detection_id: str) -> Detection:
    row = None
    if _ID.fullmatch(detection_id):
        async with context.db.read() as session:
            row = await repository.detection(session, detection_id, who.scope)
    if row is None:
        raise NotFound("there is no such detection")
    return row


def masked_link(row: Detection) -> str | None:
    """What stands in the place of a link to a vehicle's picture for somebody who sees plates masked: the route that
    shows it without the plate. None where there is no picture."""
    return None if row.snapshot_key is None else f"/api/detections/{row.id}/snapshot.jpg"


async def masked_snapshot(context: Context, who: Principal, detection_id: str, kind: str) -> bytes | None:
    """The vehicle's picture without plates; None where nothing is masked for this person. Raises NotFound, and
    Forbidden for the plate's own picture."""
    if not masking.hides(context.settings, who):
        return None
    if kind == "plate":
        raise Forbidden(
            "plates are masked for your role", mend="reveal it with a reason: POST /api/detections/ID/reveal"
        )
    row = await _get(context, who, detection_id)
    if row.snapshot_key is None:
        raise NotFound("the detection has no picture of a vehicle")
    jpeg = await context.store.get(row.snapshot_key)
    async with context.db.read() as session:
        seen = await repository.shown(session, row)
    return await asyncio.to_thread(without_plates, jpeg, seen.box, seen.plate, seen.others)
