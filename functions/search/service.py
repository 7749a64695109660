"""The rules of search: what may be asked, and how a detection is shown."""

from __future__ import annotations

import re
from datetime import datetime
from typing import cast, get_args

from functions.search import cursors, repository
from functions.search.plates import Match, plate_test
from functions.search.repository import Filters, Found
from functions.search.schemas import (
    CorrectionView,
    DetectionDetail,
    DetectionPage,
    DetectionQuery,
    DetectionView,
    ObservationView,
    Source,
)
from functions.shared.context import Context
from functions.shared.contracts import Candidate
from functions.shared.errors import Forbidden, InvalidInput, NotFound
from functions.shared.store import FolderStore
from functions.shared.tables import Correction, Detection, PassageObservation

_ID = _SIGNATURE = re.compile(r"^[0-9a-f]{32}$")


async def find(context: Context, query: DetectionQuery) -> DetectionPage:
    """A page of detections, newest first. Raises InvalidInput naming the field that is wrong."""
    filters = filters_of(query)
    behind = cursors.decode(query.cursor) if query.cursor else None
    async with context.db.read() as session:
        rows = await repository.detections(session, filters, behind, query.limit + 1)
    items = [await view(context, found) for found in rows[: query.limit]]
    more = len(rows) > query.limit
    last = rows[query.limit - 1].detection if more else None
    return DetectionPage(
        items=items, next_cursor=cursors.encode(cursors.Position(last.started_at, last.id)) if last else None
    )


def filters_of(query: DetectionQuery) -> Filters:
    """Raises InvalidInput naming the field that is wrong."""
    require_order(query.start, query.end)
    match = _match(query.match)
    return Filters(
        plate=plate_test(query.plate, match) if query.plate is not None else None,
        camera_ids=tuple(query.camera_id), start=query.start, end=query.end, vehicle_types=tuple(query.type),
        final=query.final, group_ids=tuple(query.group_id), colors=tuple(query.color),
        directions=tuple(query.direction), plate_formats=tuple(query.plate_format), uncertain=query.uncertain,
        corrected=query.corrected,
    )  # fmt: skip


def require_order(start: datetime | None, end: datetime | None) -> None:
    if start is not None and end is not None and start > end:
        raise InvalidInput("from: lies after to", field="from")


def _match(text: str) -> Match:
    if text in get_args(Match):
        return cast(Match, text)
    if text == "fuzzy":
        raise InvalidInput("match: fuzzy search is not there yet; use wildcard", field="match")
    raise InvalidInput("match: must be exact, prefix or wildcard", field="match")


async def find_one(context: Context, detection_id: str) -> DetectionDetail:
    """Raises NotFound."""
    found = await get(context, detection_id)
    async with context.db.read() as session:
        seen = await repository.observations(session, detection_id)
        corrections = await repository.corrections_of(session, detection_id)
    shown = await view(context, found)
    return DetectionDetail(
        **shown.model_dump(), seen=[_observation(row) for row in seen],
        corrections=[await correction_view(context, row) for row in corrections],
    )  # fmt: skip


async def snapshot(context: Context, detection_id: str, kind: str) -> bytes:
    """The JPEG of a detection's vehicle or plate. Raises NotFound."""
    row = (await get(context, detection_id)).detection
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


async def get(context: Context, detection_id: str) -> Found:
    """Raises NotFound."""
    found = None
    if _ID.match(detection_id):
        async with context.db.read() as session:
            found = await repository.detection(session, detection_id)
    if found is None:
        raise NotFound("there is no such detection")
    return found


async def view(context: Context, found: Found) -> DetectionView:
    row = found.detection
    return DetectionView(
        id=row.id, camera_id=row.camera_id, camera_name=found.camera_name, started_at=row.started_at,
        ended_at=row.ended_at, type=row.vehicle_type, confidence=row.vehicle_confidence, plate=row.plate,
        plate_read=plate_read(row), plate_confidence=row.plate_confidence, plate_format=row.plate_format,
        rows=row.plate_rows, corrected=row.corrected, uncertain=row.uncertain, final=row.final, box=row.box,
        candidates=[Candidate.model_validate(item) for item in row.candidates], color=row.color,
        color_confidence=row.color_confidence, direction=row.direction, observations=row.observation_count,
        snapshot_url=await _link(context, row.snapshot_key),
        plate_snapshot_url=await _link(context, row.plate_snapshot_key),
    )  # fmt: skip


def plate_read(row: Detection) -> str | None:
    """What the readers last said; rows older than that column say it in `plate`."""
    return row.plate_read if row.plate_read is not None or row.corrected else row.plate


async def correction_view(context: Context, row: Correction) -> CorrectionView:
    return CorrectionView(
        id=row.id, detection_id=row.detection_id, camera_id=row.camera_id, created_at=row.created_at,
        created_by=row.created_by, source=cast(Source, row.source), model=row.model, reason=row.reason,
        plate_before=row.plate_before, plate_after=row.plate_after, plate_format=row.plate_format,
        plate_snapshot_url=await _link(context, row.plate_snapshot_key),
    )  # fmt: skip


async def _link(context: Context, key: str | None) -> str | None:
    return None if key is None else await context.store.link(key, context.settings.link_ttl_s)


def _observation(row: PassageObservation) -> ObservationView:
    return ObservationView(
        id=row.id, captured_at=row.captured_at, type=row.vehicle_type, confidence=row.vehicle_confidence,
        box=row.vehicle_box, plate=row.plate, plate_confidence=row.plate_confidence, plate_format=row.plate_format,
        plate_box=row.plate_box, candidates=[Candidate.model_validate(item) for item in row.candidates],
    )  # fmt: skip
