"""The rules of search: what may be asked, and how a detection is shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy.ext.asyncio import AsyncSession

from functions.search import blindness, cursors, fuzzy, listed, looking, repository, reveal
from functions.search.filters import Filters
from functions.search.looking import Look
from functions.search.plates import PlateTest, normalised, plate_test, with_twins
from functions.search.repository import Found
from functions.search.schemas import (
    EXPORT_LIMIT,
    CorrectionView,
    DetectionDetail,
    DetectionPage,
    DetectionQuery,
    DetectionView,
    ObservationView,
    PlateQuery,
    SearchSettings,
    Source,
)
from functions.shared import lookups, masking
from functions.shared.context import Context
from functions.shared.contracts import Candidate
from functions.shared.errors import Forbidden, InvalidInput, NotFound
from functions.shared.plates import distance
from functions.shared.store import FolderStore
from functions.shared.tables import Correction, Detection, PassageObservation
from functions.shared.tokens import Principal

# How a plate is matched says nothing without one.
_NARROW_NOTHING = frozenset({"match", "twins"})
_ID = _SIGNATURE = re.compile(r"^[0-9a-f]{32}$")


def settings_of(context: Context, who: Principal) -> SearchSettings:
    settings = context.settings
    return SearchSettings(
        reason=cast(Literal["off", "plate"], settings.search_reason), time_zone=settings.time_zone,
        masked=masking.hides(settings, who), export_limit=EXPORT_LIMIT,
    )  # fmt: skip


async def find(context: Context, query: DetectionQuery, who: Principal) -> DetectionPage:
    """A page of detections: newest first, or by likeness where `match` is fuzzy.

    Raises InvalidInput naming the field that is wrong, NotFound (a list), Forbidden for a pattern or a list of somebody
    who sees plates masked.
    """
    by_plate = query.plate is not None or bool(query.hotlist_id)
    look = looking.look_of(context, who, query.reason, by_plate=by_plate)
    filters = filters_of(context, query, look)
    by_likeness = query.plate is not None and query.match == "fuzzy"
    behind = cursors.decode(query.cursor, scored=by_likeness) if query.cursor else None
    async with context.db.read() as session:
        filters = await listed.narrowed(context, session, query, filters, look)
        rows = await rows_of(session, query, filters, behind, query.limit + 1)
        told = _tells_blindness(query) and await blindness.over(session, filters, query.start, query.end)
    items = [await view(context, found, look) for found in rows[: query.limit]]
    asked, shown = asked_of(query), _shown(rows[: query.limit])
    narrowed = query.cursor is not None or bool(asked.keys() - _NARROW_NOTHING)
    # Stepping from time to time or from camera to camera looks people up as turning the pages does.
    if by_plate or query.cursor is not None or lookups.is_lookup(**shown, narrowed=narrowed):
        subject = normalised(query.plate) if query.plate is not None else ""
        await looking.record(context, look, "detections.search", subject, _told(asked, shown))
    whole = listed.whole_of(filters)
    return DetectionPage(items=items, next_cursor=_next(rows, query.limit), hotlists_whole=whole, **(told or {}))


def _tells_blindness(query: DetectionQuery) -> bool:
    if query.blind is not None:
        return query.blind
    named = query.plate is not None or bool(query.hotlist_id) or query.start is not None or query.end is not None
    return named and query.cursor is None


def _shown(rows: Sequence[Found]) -> dict[str, int]:
    return {"rows": len(rows), "plates": len({found.detection.plate for found in rows} - {None})}


def _told(asked: dict[str, Any], shown: dict[str, int]) -> dict[str, Any]:
    return {**asked, "count": shown["rows"], "plates": shown["plates"]}


def _next(rows: Sequence[Found], limit: int) -> str | None:
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return cursors.encode(cursors.Position(last.detection.started_at, last.detection.id, last.score))


def asked_of(query: PlateQuery) -> dict[str, Any]:
    """What was asked, for the audit log: no more than was given."""
    left_out = {"reason", "cursor", "limit", "blind"}
    return query.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True, exclude=left_out)


async def rows_of(
    session: AsyncSession, query: PlateQuery, filters: Filters, behind: cursors.Position | None, limit: int
) -> list[Found]:
    """The rows of a list in its order."""
    if query.plate is None or query.match != "fuzzy":
        return await repository.detections(session, filters, behind, limit)
    plate = normalised(query.plate)
    asked = with_twins(plate) if query.twins else (plate,)
    folded = frozenset[str]().union(*(fuzzy.neighbours(one) for one in asked))
    scores: dict[str, int] = {}
    for found in await repository.plates_folded(session, folded, filters):
        near = [fuzzy.score(one, found) for one in asked if distance(one, found) <= fuzzy.FARTHEST]
        if near:
            scores[found] = round(1000 * max(near))
    return await repository.ranked(session, filters, scores, behind, limit)


def filters_of(context: Context, query: PlateQuery, look: Look) -> Filters:
    """Raises InvalidInput naming the field that is wrong, Forbidden."""
    require_order(query.start, query.end)
    if query.plate is not None and query.match != "exact":
        # A pattern that may be asked over and over tells a masked plate character by character.
        looking.require_unmasked(context, look, "search for a whole plate by match=exact")
    return Filters(
        plate=_test_of(query), scope=look.who.scope, min_confidence=query.min_confidence,
        camera_ids=tuple(query.camera_id), start=query.start, end=query.end, vehicle_types=tuple(query.type),
        final=query.final, group_ids=tuple(query.group_id), colors=tuple(query.color),
        directions=tuple(query.direction), plate_formats=tuple(query.plate_format), uncertain=query.uncertain,
        corrected=query.corrected,
    )  # fmt: skip


def _test_of(query: PlateQuery) -> PlateTest | None:
    if query.plate is None:
        return None
    if query.twins and query.match not in ("exact", "fuzzy"):
        raise InvalidInput("twins: goes with match=exact or fuzzy, which name a whole plate", field="twins")
    test = plate_test(query.plate, query.match)
    if query.twins and test.any_of is not None:
        return PlateTest(any_of=with_twins(test.any_of[0]))
    return test


def require_order(start: datetime | None, end: datetime | None) -> None:
    if start is not None and end is not None and start > end:
        raise InvalidInput("from: lies after to", field="from")


async def find_one(context: Context, detection_id: str, look: Look) -> DetectionDetail:
    """Raises NotFound."""
    found = await get(context, detection_id, look.who)
    async with context.db.read() as session:
        seen = await repository.observations(session, detection_id)
        corrections = await repository.corrections_of(session, detection_id)
    shown, hidden = await view(context, found, look), look.hides(context)
    return DetectionDetail(
        **shown.model_dump(), seen=[_observation(row, hidden=hidden) for row in seen],
        corrections=[await correction_view(context, row, look) for row in corrections],
        snapshot_sha256=found.detection.snapshot_sha256, plate_snapshot_sha256=found.detection.plate_snapshot_sha256,
    )  # fmt: skip


async def opened(context: Context, detection_id: str, look: Look) -> DetectionDetail:
    """One detection for somebody who opens it, which leaves a row in the audit log. Raises NotFound."""
    found = await get(context, detection_id, look.who)
    shown = await find_one(context, detection_id, look)
    plate = found.detection.plate
    details = {"plates": 0 if plate is None else 1, "plate": plate, "camera_id": found.detection.camera_id}
    await looking.record(context, look, "detections.show", detection_id, details)
    return shown


async def snapshot(context: Context, detection_id: str, kind: str, who: Principal) -> bytes:
    """The JPEG of a detection's vehicle or plate. Raises NotFound, Forbidden for who sees plates masked."""
    row = (await get(context, detection_id, who)).detection
    looking.require_unmasked(context, Look(who), "its pictures show them")
    key = row.plate_snapshot_key if kind == "plate" else row.snapshot_key
    if key is None:
        raise NotFound(f"the detection has no picture of a {kind}")
    return await context.store.get(key)


async def image(context: Context, key: str, expires: int, signature: str) -> bytes:
    """What a link of the folder store shows. Raises Forbidden for a forged or ended link, NotFound."""
    store = context.store
    if not isinstance(store, FolderStore):
        raise NotFound("images are served by the object store itself")
    if not _SIGNATURE.match(signature):
        raise Forbidden("the link's signature does not hold")
    store.verify(key, expires, signature)
    return await store.get(key)


async def get(context: Context, detection_id: str, who: Principal) -> Found:
    """Raises NotFound, also for one that is out of the person's scope."""
    found = None
    if _ID.match(detection_id):
        async with context.db.read() as session:
            found = await repository.detection(session, detection_id, who.scope)
    if found is None:
        raise NotFound("there is no such detection")
    return found


async def view(context: Context, found: Found, look: Look) -> DetectionView:
    """A detection as somebody may see it: masked, without what shows its plate, where their role asks for it."""
    row, hidden = found.detection, look.hides(context)
    keep = masking.masked if hidden else _same
    return DetectionView(
        id=row.id, camera_id=row.camera_id, camera_name=found.camera_name, started_at=row.started_at,
        ended_at=row.ended_at, type=row.vehicle_type, confidence=row.vehicle_confidence, plate=keep(row.plate),
        plate_read=keep(plate_read(row)), plate_confidence=row.plate_confidence, plate_format=row.plate_format,
        rows=row.plate_rows, corrected=row.corrected, uncertain=row.uncertain, final=row.final, box=row.box,
        candidates=[] if hidden else [Candidate.model_validate(item) for item in row.candidates], color=row.color,
        color_confidence=row.color_confidence, direction=row.direction, observations=row.observation_count,
        score=None if found.score is None else found.score / 1000, masked=hidden,
        snapshot_url=reveal.masked_link(row) if hidden else await link(context, row.snapshot_key),
        plate_snapshot_url=None if hidden else await link(context, row.plate_snapshot_key),
    )  # fmt: skip


def _same(plate: str | None) -> str | None:
    return plate


def plate_read(row: Detection) -> str | None:
    """What the readers last said; rows older than that column say it in `plate`."""
    return row.plate_read if row.plate_read is not None or row.corrected else row.plate


async def correction_view(context: Context, row: Correction, look: Look) -> CorrectionView:
    hidden = look.hides(context)
    keep = masking.masked if hidden else _same
    return CorrectionView(
        id=row.id, detection_id=row.detection_id, camera_id=row.camera_id, created_at=row.created_at,
        created_by=row.created_by, source=cast(Source, row.source), model=row.model, reason=row.reason,
        plate_before=keep(row.plate_before), plate_after=keep(row.plate_after), plate_format=row.plate_format,
        plate_snapshot_url=None if hidden else await link(context, row.plate_snapshot_key),
    )  # fmt: skip


async def link(context: Context, key: str | None) -> str | None:
    return None if key is None else await context.store.link(key, context.settings.link_ttl_s)


def _observation(row: PassageObservation, *, hidden: bool) -> ObservationView:
    return ObservationView(
        id=row.id, captured_at=row.captured_at, type=row.vehicle_type, confidence=row.vehicle_confidence,
        box=row.vehicle_box, plate=masking.masked(row.plate) if hidden else row.plate,
        plate_confidence=row.plate_confidence, plate_format=row.plate_format, plate_box=row.plate_box,
        candidates=[] if hidden else [Candidate.model_validate(item) for item in row.candidates],
    )  # fmt: skip
