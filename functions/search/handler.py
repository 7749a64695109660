"""The outside of `search`: /api/detections, /api/corrections, and the images that links of the folder store lead to."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import Response

from functions.search import (
    corrections,
    events,
    evidence,
    export,
    looking,
    movements,
    rereading,
    reveal,
    service,
    stats,
)
from functions.search.movement_schemas import CompanionQuery, Companions, Route, RouteQuery, Stats, StatsQuery
from functions.search.reveal import Revealed, RevealRequest
from functions.search.schemas import (
    CorrectionPage,
    CorrectionQuery,
    DetectionChange,
    DetectionDetail,
    DetectionPage,
    DetectionQuery,
    EvidenceQuery,
    ExportQuery,
    RereadAnswer,
    RereadRequest,
    SearchSettings,
)
from functions.shared import partitions
from functions.shared.web import Ctx, Who, Worker, create_app

router = APIRouter(prefix="/api", tags=["search"])
workers: list[Worker] = [events.end_with_process, partitions.kept]
# An image never changes under its key; only its link ends.
_CACHED = {"Cache-Control": "private, max-age=3600, immutable"}
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}, "description": "one line a detection"}}
_PDF: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}}, "description": "the document"}}
PlatePath = Annotated[
    str,
    Path(
        max_length=32, description="a whole plate; separators and case do not matter",
        json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f-\x9f*?]+$"},
    ),
]  # fmt: skip
_JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}, "description": "the picture"}}


@router.get("/detections")
async def detections(query: Annotated[DetectionQuery, Query()], context: Ctx, who: Who) -> DetectionPage:
    """Detections, newest first; by likeness, then newest first, where match is fuzzy."""
    return await service.find(context, query, who)


@router.get("/search/settings")
async def search_settings(context: Ctx, who: Who) -> SearchSettings:
    """Whether a search needs a reason, and what else a page must know before it asks."""
    return service.settings_of(context, who)


@router.get("/detections/export.csv", response_class=Response, responses=_CSV)
async def export_detections(query: Annotated[ExportQuery, Query()], context: Ctx, who: Who) -> Response:
    """The list as CSV, at the most 50,000 rows; X-GTV-More says whether there are further ones, X-GTV-SHA256 what the
    audit log has of the file, X-GTV-Blind how many times the asked cameras did not see (X-GTV-Blind-More: more than
    were counted), X-GTV-Hotlists-Whole what `hotlists_whole` says of a list."""
    made = await export.export(context, query, who)
    headers = {
        "Content-Disposition": 'attachment; filename="detections.csv"', "X-GTV-Rows": str(made.rows),
        "X-GTV-More": _flag(made.more), "X-GTV-SHA256": made.sha256, "X-GTV-Blind": str(made.blind),
        "X-GTV-Blind-More": _flag(made.blind_more),
    }  # fmt: skip
    if made.hotlists_whole is not None:
        headers["X-GTV-Hotlists-Whole"] = _flag(made.hotlists_whole)
    return Response(made.data, media_type="text/csv; charset=utf-8", headers=headers)


def _flag(value: bool) -> str:
    return "true" if value else "false"


@router.get("/detections/stats")
async def detection_stats(query: Annotated[StatsQuery, Query()], context: Ctx, who: Who) -> Stats:
    """Vehicles an hour by camera, type or colour, and the busiest hours."""
    return await stats.stats(context, query, who)


@router.get("/plates/{plate}/route")
async def plate_route(plate: PlatePath, query: Annotated[RouteQuery, Query()], context: Ctx, who: Who) -> Route:
    """Where a plate was, in order of time, with the cameras' places."""
    return await movements.route(context, plate, query, who)


@router.get("/plates/{plate}/companions")
async def plate_companions(
    plate: PlatePath, query: Annotated[CompanionQuery, Query()], context: Ctx, who: Who
) -> Companions:
    """Seen together: plates that passed the same cameras within minutes, again and again."""
    return await movements.companions(context, plate, query, who)


@router.get("/detections/{detection_id}")
async def detection(
    detection_id: str, context: Ctx, who: Who, reason: Annotated[str | None, Query(max_length=500)] = None
) -> DetectionDetail:
    """One detection with the observations behind it."""
    return await service.opened(context, detection_id, looking.look_of(context, who, reason, by_plate=False))


@router.get("/detections/{detection_id}/evidence.pdf", response_class=Response, responses=_PDF)
async def detection_evidence(
    detection_id: str, context: Ctx, who: Who, query: Annotated[EvidenceQuery, Query()],
    accept_language: Annotated[str, Header(description="the document's language, where `lang` is absent")] = "",
) -> Response:  # fmt: skip
    """One sighting as a document: pictures, readings, hashes and chain of custody."""
    language = query.lang or ("en" if re.match(r"\s*en\b", accept_language, re.IGNORECASE) else "pt-BR")
    name, pdf = await evidence.document(context, detection_id, who, query.reason, language)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Language": language}
    return Response(pdf, media_type="application/pdf", headers=headers)


@router.get("/detections/{detection_id}/snapshot.jpg", response_class=Response, responses=_JPEG)
async def snapshot(
    detection_id: str, context: Ctx, who: Who, kind: Literal["vehicle", "plate"] = "vehicle"
) -> Response:
    """The picture of the vehicle, or the plate exactly as it was read. Who sees plates masked gets the vehicle alone,
    its plate painted over."""
    masked = await reveal.masked_snapshot(context, who, detection_id, kind)
    return Response(masked or await service.snapshot(context, detection_id, kind, who), media_type="image/jpeg")


@router.post("/detections/{detection_id}/reveal")
async def reveal_plate(detection_id: str, body: RevealRequest, context: Ctx, who: Who) -> Revealed:
    """Show a masked plate and its pictures. Each reveal is in the audit log, with its reason."""
    return await reveal.reveal(context, who, detection_id, body.reason)


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
