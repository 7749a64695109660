"""The rules of search: what may be asked, and how a detection is shown."""

from __future__ import annotations

import re
from typing import cast, get_args

from functions.search import cursors, repository
from functions.search.plates import Match, plate_test
from functions.search.repository import Filters, Found
from functions.search.schemas import DetectionDetail, DetectionPage, DetectionQuery, DetectionView, ObservationView
from functions.shared.context import Context
from functions.shared.contracts import Candidate
from functions.shared.errors import Forbidden, InvalidInput, NotFound
from functions.shared.store import FolderStore
from functions.shared.tables import PassageObservation

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
    if query.start is not None and query.end is not None and query.start > query.end:
        raise InvalidInput("from: lies after to", field="from")
    match = _match(query.match)
    return Filters(
        plate=plate_test(query.plate, match) if query.plate is not None else None,
        camera_ids=tuple(query.camera_id), start=query.start, end=query.end, vehicle_type=query.type,
        final=query.final,
    )  # fmt: skip


def _match(text: str) -> Match:
    if text in get_args(Match):
        return cast(Match, text)
    if text == "fuzzy":
        raise InvalidInput("match: fuzzy search is not there yet; use wildcard", field="match")
    raise InvalidInput("match: must be exact, prefix or wildcard", field="match")


async def find_one(context: Context, detection_id: str) -> DetectionDetail:
    """Raises NotFound."""
    found = await _get(context, detection_id)
    async with context.db.read() as session:
        seen = await repository.observations(session, detection_id)
    shown = await view(context, found)
    return DetectionDetail(**shown.model_dump(), seen=[_observation(row) for row in seen])


async def snapshot(context: Context, detection_id: str, kind: str) -> bytes:
    """The JPEG of a detection's vehicle or plate. Raises NotFound."""
    row = (await _get(context, detection_id)).detection
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


async def _get(context: Context, detection_id: str) -> Found:
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
        plate_confidence=row.plate_confidence, plate_format=row.plate_format, uncertain=row.uncertain,
        final=row.final, candidates=[Candidate.model_validate(item) for item in row.candidates], box=row.box,
        color=row.color, direction=row.direction, observations=row.observation_count,
        snapshot_url=await _link(context, row.snapshot_key),
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
