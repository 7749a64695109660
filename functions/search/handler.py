"""The outside of `search`: /api/detections, /api/corrections, and the images that links of the folder store lead to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response

from functions.search import corrections, events, looking, rereading, service
from functions.search.schemas import (
    CorrectionPage,
    CorrectionQuery,
    DetectionChange,
    DetectionDetail,
    DetectionPage,
    DetectionQuery,
    RereadAnswer,
    RereadRequest,
)
from functions.shared import partitions
from functions.shared.web import Ctx, Who, Worker, create_app

router = APIRouter(prefix="/api", tags=["search"])
workers: list[Worker] = [events.end_with_process, partitions.kept]
# An image never changes under its key; only its link ends.
_CACHED = {"Cache-Control": "private, max-age=3600, immutable"}
_JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}, "description": "the picture"}}


@router.get("/detections")
async def detections(query: Annotated[DetectionQuery, Query()], context: Ctx, who: Who) -> DetectionPage:
    """Detections, newest first; by likeness, then newest first, where match is fuzzy."""
    return await service.find(context, query, who)


@router.get("/detections/{detection_id}")
async def detection(
    detection_id: str, context: Ctx, who: Who, reason: Annotated[str | None, Query(max_length=500)] = None
) -> DetectionDetail:
    """One detection with the observations behind it."""
    return await service.opened(context, detection_id, looking.look_of(context, who, reason, by_plate=False))


@router.get("/detections/{detection_id}/snapshot.jpg", response_class=Response, responses=_JPEG)
async def snapshot(
    detection_id: str, context: Ctx, who: Who, kind: Literal["vehicle", "plate"] = "vehicle"
) -> Response:
    """The picture of the vehicle, or the plate exactly as it was read."""
    return Response(await service.snapshot(context, detection_id, kind, who), media_type="image/jpeg")


@router.patch("/detections/{detection_id}")
async def correct_detection(detection_id: str, body: DetectionChange, context: Ctx, who: Who) -> DetectionDetail:
    """Set the plate right (null: there is none), confirm it by giving it as it stands, set type or color."""
    return await corrections.correct(context, detection_id, body, who)


@router.post("/detections/reread")
async def apply_rereading(body: RereadRequest, context: Ctx, who: Who) -> RereadAnswer:
    """Write what another model read of the stored pictures of ended passages, unless a person corrected the plate."""
    return await rereading.apply(context, body, who)


@router.get("/corrections")
async def list_corrections(query: Annotated[CorrectionQuery, Query()], context: Ctx, who: Who) -> CorrectionPage:
    """Plates that were set right or confirmed, newest first: labelled data."""
    return await corrections.find(context, query, who)


@router.get("/corrections/{correction_id}/plate.jpg", response_class=Response, responses=_JPEG)
async def correction_picture(correction_id: str, context: Ctx, who: Who) -> Response:
    """The plate as it was read; it outlives the detection's own picture."""
    return Response(await corrections.picture(context, correction_id, who), media_type="image/jpeg", headers=_CACHED)


@router.get("/images/{key:path}", response_class=Response, responses=_JPEG)
async def image(
    key: str, context: Ctx, expires: Annotated[int, Query(ge=0, le=1 << 40)], signature: Annotated[str, Query()]
) -> Response:
    """What an expiring link shows; the link itself is the permission."""
    return Response(await service.image(context, key, expires, signature), media_type="image/jpeg", headers=_CACHED)


app = create_app("search", [router], workers=workers)
