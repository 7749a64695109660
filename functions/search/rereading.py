"""What another model read of stored pictures, written over what the readers said; never over a person's word."""

from __future__ import annotations

import asyncio
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from functions.search import corrections, events, repository
from functions.search.schemas import Reread, RereadAnswer, RereadOutcome, RereadRequest, RereadResult
from functions.shared import audit, logs, masking
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.formats import format_of
from functions.shared.locks import lock_camera
from functions.shared.tables import Correction, Detection
from functions.shared.tokens import Principal

log = logs.get("search")
# Pictures copied at once.
_ABREAST = 8


async def apply(context: Context, asked: RereadRequest, who: Principal) -> RereadAnswer:
    """Each item by itself: one that cannot be applied says why and keeps no other from it."""
    by = who.username
    places = asyncio.Semaphore(_ABREAST)

    async def one(item: Reread) -> RereadResult:
        async with places:
            return await _apply_one(context, item, asked.model, who)

    results = list(await asyncio.gather(*(one(item) for item in asked.items)))
    applied = sum(result.outcome == "applied" for result in results)
    log.info("detections_reread", model=asked.model, asked=len(results), applied=applied, by=by)
    if applied:
        await events.let_out(context)
    if masking.hides(context.settings, who):
        results = [each.model_copy(update={"plate": masking.masked(each.plate)}) for each in results]
    return RereadAnswer(items=results)


async def _apply_one(context: Context, item: Reread, model: str, who: Principal) -> RereadResult:
    async with context.db.read() as session:
        seen = await repository.detection(session, item.detection_id, who.scope)
    if seen is None:
        return _result(item, None, "not_found")
    refused = _refused(seen.detection, item)
    if refused is not None:
        return _result(item, seen.detection, refused)
    correction_id, at = new_id(), now()
    copy = await corrections.copied(context, seen.detection, correction_id, at)
    try:
        async with context.db.transaction() as session:
            await lock_camera(session, seen.detection.camera_id)
            row = await repository.detection_for_update(session, item.detection_id)
            outcome: RereadOutcome = "not_found" if row is None else _refused(row, item) or "applied"
            if row is not None and outcome == "applied":
                note = Correction(
                    id=correction_id, detection_id=row.id, camera_id=row.camera_id, created_at=at,
                    created_by=who.username, source="reread", model=model, plate_before=row.plate,
                    plate_after=item.plate, plate_snapshot_key=copy,
                )  # fmt: skip
                session.add(note)
                await _write(context, session, row, item, at)
                note.plate_format = row.plate_format
                told = {"model": model, "plate_before": note.plate_before, "plate": item.plate}
                await audit.record(context.vault, session, who, Act("detections.reread", row.id, None, told))
    except BaseException:
        await corrections.forget(context, copy)
        raise
    if outcome != "applied":
        await corrections.forget(context, copy)
    return _result(item, row, outcome)


def _refused(row: Detection, item: Reread) -> RereadOutcome | None:
    """Why an item is not written; None where it is."""
    if row.corrected:
        return "corrected_by_person"
    if not row.final:
        return "in_sight"
    if row.plate == item.plate:
        return "unchanged"
    return "conflict" if row.plate != item.expected_plate else None


async def _write(context: Context, session: AsyncSession, row: Detection, item: Reread, at: datetime) -> None:
    rules = await repository.camera_rules(session, row.camera_id)
    least = context.settings.min_plate_confidence if rules.min_confidence is None else rules.min_confidence
    row.plate = row.plate_read = item.plate
    row.plate_reversed = item.plate[::-1]
    row.plate_confidence = item.confidence
    row.plate_format = format_of(item.plate, [item.plate_format] if item.plate_format else rules.formats)
    row.plate_rows = item.rows or row.plate_rows
    row.uncertain = item.confidence < least
    row.candidates = [one.model_dump() for one in item.candidates] or [
        {"text": item.plate, "confidence": item.confidence}
    ]
    row.updated_at = at
    events.tell(session, row)


def _result(item: Reread, row: Detection | None, outcome: RereadOutcome) -> RereadResult:
    return RereadResult(detection_id=item.detection_id, outcome=outcome, plate=None if row is None else row.plate)
