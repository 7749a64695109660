"""What people say of a passage: a plate set right or confirmed, kept as labelled data with its picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from functions.search import cursors, events, looking, repository, service
from functions.search.looking import Look
from functions.search.plates import of_person
from functions.search.repository import CorrectionFilters
from functions.search.schemas import (
    LONGEST_PLATE,
    CorrectionPage,
    CorrectionQuery,
    DetectionChange,
    DetectionDetail,
)
from functions.shared import audit, logs, lookups, masking
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import Conflict, NotFound
from functions.shared.formats import PATTERNS, format_of
from functions.shared.locks import lock_camera
from functions.shared.store import image_key
from functions.shared.tables import Correction, Detection
from functions.shared.tokens import Principal

log = logs.get("search")
_ID = re.compile(r"^[0-9a-f]{32}$")
# Fields of a change and the columns that they are kept in.
_OF_VEHICLE: Mapping[str, str] = {"type": "vehicle_type", "color": "color"}


async def correct(context: Context, detection_id: str, change: DetectionChange, who: Principal) -> DetectionDetail:
    """Set right what a person says is wrong, or confirm the plate.

    Raises NotFound, InvalidInput (the plate), Conflict (the plate is another by now; type or color of a vehicle
    that is still in sight).
    """
    by, look = who.username, Look(who, change.reason or None)
    given = (
        change.model_copy(update={"plate": of_person(change.plate, LONGEST_PLATE)})
        if change.plate is not None
        else change
    )
    seen = (await service.get(context, detection_id, who)).detection
    _require(seen, given, hidden=look.hides(context))
    correction_id, at = new_id(), now()
    copy = None
    if _says_plate(seen, given):
        copy = await copied(context, seen, correction_id, at)
    try:
        async with context.db.transaction() as session:
            await lock_camera(session, seen.camera_id)
            row = await repository.detection_for_update(session, detection_id)
            if row is None:
                raise NotFound("there is no such detection")
            _require(row, given, hidden=look.hides(context))
            said = _says_plate(row, given)
            if said:
                note = _correction(row, given, by, at)
                note.id, note.plate_snapshot_key = correction_id, copy
                session.add(note)
                await _set_plate(session, row, note)
            changed = _set_vehicle(row, given) or said
            if changed:
                row.updated_at = at
                events.tell(session, row)
                act = Act("detections.correct", detection_id, look.reason, _told(seen, given))
                await audit.record(context.vault, session, who, act)
    except BaseException:
        await forget(context, copy)
        raise
    if copy is not None and not said:
        await forget(context, copy)
    if not changed:
        # It changed nothing, and shows what opening the passage shows.
        return await service.opened(context, detection_id, look)
    log.info("detection_corrected", detection_id=detection_id, fields=sorted(change.model_fields_set), by=by)
    await events.let_out(context)
    return await service.find_one(context, detection_id, look)


def _told(seen: Detection, given: DetectionChange) -> dict[str, str | None]:
    changed = {name: getattr(given, name) for name in sorted(given.model_fields_set & {"plate", "type", "color"})}
    return {"plate_before": seen.plate, **changed}


def _require(row: Detection, given: DetectionChange, *, hidden: bool) -> None:
    """`hidden`: the plate is not told to somebody who sees plates masked."""
    if "expected_plate" in given.model_fields_set and given.expected_plate != row.plate:
        plate = masking.masked(row.plate) if hidden else row.plate
        raise Conflict("the plate is another by now; look again", field="expected_plate", plate=plate)
    if not row.final and given.model_fields_set & _OF_VEHICLE.keys():
        raise Conflict("the vehicle is still in sight: its type and color are set when it has passed", field="type")


def _says_plate(row: Detection, given: DetectionChange) -> bool:
    """Whether the change says something of the plate that is not known yet; a first confirmation does."""
    return "plate" in given.model_fields_set and not (row.corrected and row.plate == given.plate)


def _correction(row: Detection, given: DetectionChange, by: str, at: datetime) -> Correction:
    return Correction(
        detection_id=row.id, camera_id=row.camera_id, created_at=at, created_by=by, source="person", model=None,
        reason=given.reason or None, plate_before=row.plate, plate_after=given.plate,
    )  # fmt: skip


async def _set_plate(session: AsyncSession, row: Detection, note: Correction) -> None:
    rules = await repository.camera_rules(session, row.camera_id)
    row.plate_read = service.plate_read(row)
    same = note.plate_after == row.plate
    # A person may name a plate of a format that the camera is not set to.
    note.plate_format = row.plate_format if same else plate_format(note.plate_after, rules.formats)
    row.plate, row.plate_format = note.plate_after, note.plate_format
    row.plate_reversed = note.plate_after[::-1] if note.plate_after else None
    row.corrected, row.uncertain = True, False


def plate_format(plate: str | None, allowed: tuple[str, ...]) -> str | None:
    """The format of a text: one that the camera allows, else any that is known."""
    return (format_of(plate, allowed) or format_of(plate, PATTERNS)) if plate else None


def _set_vehicle(row: Detection, given: DetectionChange) -> bool:
    """Set type and color where they differ. What a person says has no confidence of a detector."""
    changed = False
    for name in given.model_fields_set & _OF_VEHICLE.keys():
        column, value = _OF_VEHICLE[name], getattr(given, name)
        if getattr(row, column) != value:
            setattr(row, column, value)
            setattr(row, "vehicle_confidence" if name == "type" else "color_confidence", None)
            changed = True
    return changed


async def copied(context: Context, row: Detection, correction_id: str, at: datetime) -> str | None:
    """The key of a correction's own copy of the plate's picture; None where there is no picture (any more)."""
    if row.plate_snapshot_key is None:
        return None
    key = image_key("corrections", row.camera_id, at, correction_id)
    try:
        await context.store.put(key, await context.store.get(row.plate_snapshot_key))
    except NotFound:
        return None
    return key


async def forget(context: Context, key: str | None) -> None:
    if key is not None:
        await context.store.delete(key)


async def find(context: Context, query: CorrectionQuery, who: Principal) -> CorrectionPage:
    """A page of corrections, newest first, which is recorded as any list that shows plates. Raises InvalidInput."""
    service.require_order(query.start, query.end)
    behind = cursors.decode(query.cursor) if query.cursor else None
    filters = CorrectionFilters(tuple(query.camera_id), query.start, query.end, query.source, who.scope)
    async with context.db.read() as session:
        rows = await repository.corrections(session, filters, behind, query.limit + 1)
    last, shown = rows[query.limit - 1] if len(rows) > query.limit else None, rows[: query.limit]
    asked = query.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"cursor", "limit"})
    plates = len({plate for row in shown for plate in (row.plate_before, row.plate_after)} - {None})
    if lookups.is_lookup(len(shown), plates, narrowed=query.cursor is not None or bool(asked)):
        details = {**asked, "count": len(shown), "plates": plates}
        await looking.record(context, Look(who), "corrections.search", "", details)
    return CorrectionPage(
        items=[await service.correction_view(context, row, Look(who)) for row in shown],
        next_cursor=cursors.encode(cursors.Position(last.created_at, last.id)) if last else None,
    )


async def picture(context: Context, correction_id: str, who: Principal) -> bytes:
    """The plate as it was when it was corrected. Raises NotFound, Forbidden for who sees plates masked."""
    looking.require_unmasked(context, Look(who), "its picture shows it")
    row = None
    if _ID.match(correction_id):
        async with context.db.read() as session:
            row = await repository.correction(session, correction_id, who.scope)
    if row is None or row.plate_snapshot_key is None:
        raise NotFound("there is no such correction" if row is None else "the correction has no picture of a plate")
    return await context.store.get(row.plate_snapshot_key)
