"""The outside of `search`: /api/detections, /api/corrections, and the images that links of the folder store lead to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response

from functions.search import corrections, events, rereading, service
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
from functions.shared.web import Ctx, Who, Worker, create_app

router = APIRouter(prefix="/api", tags=["search"])
workers: list[Worker] = [events.end_with_process]
# An image never changes under its key; only its link ends.
_CACHED = {"Cache-Control": "private, max-age=3600, immutable"}
_JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}, "description": "the picture"}}


@router.get("/detections")
async def detections(query: Annotated[DetectionQuery, Query()], context: Ctx) -> DetectionPage:
    """Detections, newest first."""
    return await service.find(context, query)


@router.get("/detections/{detection_id}")
async def detection(detection_id: str, context: Ctx) -> DetectionDetail:
    """One detection with the observations behind it."""
    return await service.find_one(context, detection_id)


@router.get("/detections/{detection_id}/snapshot.jpg", response_class=Response, responses=_JPEG)
async def snapshot(detection_id: str, context: Ctx, kind: Literal["vehicle", "plate"] = "vehicle") -> Response:
    """The picture of the vehicle, or the plate exactly as it was read."""
    return Response(await service.snapshot(context, detection_id, kind), media_type="image/jpeg")


@router.patch("/detections/{detection_id}")
async def correct_detection(detection_id: str, body: DetectionChange, context: Ctx, who: Who) -> DetectionDetail:
    """Set the plate right (null: there is none), confirm it by giving it as it stands, set type or color."""
    return await corrections.correct(context, detection_id, body, who.username)


@router.post("/detections/reread")
async def apply_rereading(body: RereadRequest, context: Ctx, who: Who) -> RereadAnswer:
    """Write what another model read of the stored pictures of ended passages, unless a person corrected the plate."""
    return await rereading.apply(context, body, who.username)


@router.get("/corrections")
async def list_corrections(query: Annotated[CorrectionQuery, Query()], context: Ctx) -> CorrectionPage:
    """Plates that were set right or confirmed, newest first: labelled data."""
    return await corrections.find(context, query)


@router.get("/corrections/{correction_id}/plate.jpg", response_class=Response, responses=_JPEG)
async def correction_picture(correction_id: str, context: Ctx) -> Response:
    """The plate as it was read; it outlives the detection's own picture."""
    return Response(await corrections.picture(context, correction_id), media_type="image/jpeg", headers=_CACHED)


@router.get("/images/{key:path}", response_class=Response, responses=_JPEG)
async def image(
    key: str, context: Ctx, expires: Annotated[int, Query(ge=0, le=1 << 40)], signature: Annotated[str, Query()]
) -> Response:
    """What an expiring link shows; the link itself is the permission."""
    return Response(await service.image(context, key, expires, signature), media_type="image/jpeg", headers=_CACHED)


app = create_app("search", [router], workers=workers)
