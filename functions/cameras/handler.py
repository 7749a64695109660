"""The outside of `cameras`: /api/cameras and /api/groups."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from functions.cameras import discovery, exporter, groups, health, importer, onvif, probe, service, status, views
from functions.cameras.device_schemas import Discovered, DiscoverRequest, OnvifDevice, OnvifRequest
from functions.cameras.feed import keep_specs
from functions.cameras.health_schemas import CameraHealth, HealthQuery
from functions.cameras.history import history
from functions.cameras.readings import keep_readings
from functions.cameras.schemas import (
    CameraCreate,
    CameraPage,
    CameraQuery,
    CameraRestore,
    CameraUpdate,
    CameraView,
    ExportQuery,
    GroupCreate,
    GroupPage,
    GroupQuery,
    GroupUpdate,
    GroupView,
    History,
    HistoryQuery,
    ImportQuery,
    ImportReport,
    ProbeRequest,
    ProbeResult,
    StatusView,
)
from functions.cameras.sheet import MAX_LINES
from functions.cameras.spans import keep_spans
from functions.shared.idempotency import OPENAPI, attempt_of
from functions.shared.openapi import may_answer
from functions.shared.revisions import IfMatch, etag, revision_of
from functions.shared.uploads import file_of
from functions.shared.web import Ctx, Startup, Who, Worker, create_app

router = APIRouter(prefix="/api", tags=["cameras"])
startup: list[Startup] = []
workers: list[Worker] = [keep_specs, keep_spans, keep_readings]
_FILE = {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
CSV_BODY = {
    "required": True,
    "description": f"columns name, rtsp_url and any of the camera's other fields; up to {MAX_LINES} lines. "
    "regions and ignore_zones are JSON in their cells, as the API takes them, tags stand as ponte|norte, schedule as "
    "mon-fri 06:00-22:00; sat 08:00-12:00. An apostrophe before one of = + - @ is a spreadsheet's, and taken away.",
    "content": {"text/csv": {"schema": {"type": "string"}}, "multipart/form-data": {"schema": _FILE}},
}


@router.get("/cameras")
async def list_cameras(context: Ctx, who: Who, query: Annotated[CameraQuery, Query()]) -> CameraPage:
    """Cameras by id, each with its status (`unknown` while the bus is away)."""
    return await views.list_cameras(context, query, who.scope)


@router.post("/cameras", status_code=201, response_model=CameraView, openapi_extra=OPENAPI)
async def register_camera(body: CameraCreate, request: Request, context: Ctx, who: Who) -> JSONResponse:
    """Add a camera. Its address is encrypted and never given back."""
    answer = await service.register_camera(context, body, await attempt_of(request, who), who)
    headers = {"Location": f"/api/cameras/{answer.body['id']}", "ETag": etag(answer.body["revision"])}
    return JSONResponse(answer.body, answer.status, {**headers, **answer.headers})


@router.get("/cameras/export.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def export_cameras(context: Ctx, who: Who, query: Annotated[ExportQuery, Query()]) -> Response:
    """All cameras as CSV, each column but the address; an import with `upsert` takes the file back unchanged."""
    data = await exporter.export_cameras(context, query, who)
    return Response(
        data,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="cameras.csv"'},
    )


@router.post("/cameras/probe", responses=may_answer(502))
async def probe_address(body: ProbeRequest, context: Ctx) -> ProbeResult:
    """Look at an address before it is registered; at the most 5 s."""
    return await probe.probe(context, body.rtsp_url.get_secret_value())


@router.post("/cameras/onvif/probe", responses=may_answer(502))
async def probe_onvif(body: OnvifRequest, context: Ctx) -> OnvifDevice:
    """Ask an ONVIF device who it is, how far its clock is off and which streams it has; at the most 20 s."""
    return await onvif.probe(context, body)


@router.post("/cameras/discover")
async def discover_cameras(body: DiscoverRequest, context: Ctx, who: Who) -> Discovered:
    """Look for cameras: by WS-Discovery in the networks that this machine is in, and address by address."""
    return await discovery.discover(context, body, who)


@router.post("/cameras/import", response_model=ImportReport, openapi_extra={**OPENAPI, "requestBody": CSV_BODY})
async def import_cameras(
    request: Request,
    context: Ctx,
    who: Who,
    how: Annotated[ImportQuery, Query()],
) -> JSONResponse:
    """Add cameras from CSV (the body, or the multipart field `file`): `all` or nothing, or those that are `valid`.

    With `upsert` lines whose id is there change that camera. A line whose group_id names no group is wrong, unless
    `create_groups` is asked for. `dry_run` changes nothing and reports the same, line by line.
    """
    data = await file_of(request)
    answer = await importer.import_cameras(context, data, await attempt_of(request, who), how, who)
    report = ImportReport.model_validate(answer.body)
    return JSONResponse(report.model_dump(mode="json"), answer.status, answer.headers)


@router.post("/cameras/keys/rotate")
async def rotate_secrets(context: Ctx, who: Who) -> dict[str, int]:
    """Encrypt every camera's address anew under the first of GTV_FERNET_KEYS."""
    return {"encrypted": await service.rotate_secrets(context, who)}


@router.get("/cameras/{camera_id}")
async def show_camera(camera_id: str, context: Ctx, who: Who, response: Response) -> CameraView:
    """One camera with its status; the `ETag` is what `If-Match` of a change takes."""
    found = await views.with_status(context, await service.camera(context, camera_id, who.scope))
    response.headers["ETag"] = etag(found.revision)
    return found


@router.patch("/cameras/{camera_id}")
async def update_camera(
    camera_id: str, body: CameraUpdate, context: Ctx, who: Who, response: Response, if_match: IfMatch = None
) -> CameraView:
    """Change the fields that are given. With `If-Match` only the revision that was seen is changed (else 409)."""
    row = await service.update_camera(context, camera_id, body, revision_of(if_match), who)
    response.headers["ETag"] = etag(row.revision)
    return views.view(context, row)


@router.delete("/cameras/{camera_id}", status_code=204)
async def delete_camera(camera_id: str, context: Ctx, who: Who, if_match: IfMatch = None) -> None:
    """Take a camera out. Its detections stay and go on naming its id, which is therefore not given again."""
    await service.delete_camera(context, camera_id, revision_of(if_match), who)


@router.post("/cameras/{camera_id}/restore")
async def restore_camera(camera_id: str, body: CameraRestore, context: Ctx, who: Who, response: Response) -> CameraView:
    """Bring back a camera that was taken out, under its id and with its settings; its address is given again."""
    row = await service.restore_camera(context, camera_id, body.rtsp_url, who)
    response.headers["ETag"] = etag(row.revision)
    return views.view(context, row)


@router.post("/cameras/{camera_id}/probe", responses=may_answer(502))
async def probe_camera(camera_id: str, context: Ctx, who: Who) -> ProbeResult:
    """Look at a registered camera's stream; at the most 5 s."""
    return await probe.probe(context, await service.address_of(context, camera_id, who.scope))


@router.get("/cameras/{camera_id}/status")
async def show_status(camera_id: str, context: Ctx, who: Who) -> StatusView:
    """How a camera fares."""
    return await status.status_of(context, await service.camera(context, camera_id, who.scope))


@router.get("/cameras/{camera_id}/history")
async def show_history(camera_id: str, context: Ctx, who: Who, query: Annotated[HistoryQuery, Query()]) -> History:
    """How a camera fared, and the share of the time in which it could see; the last day where no time is given."""
    return await history(context, await service.camera(context, camera_id, who.scope), query)


@router.get("/cameras/{camera_id}/health")
async def show_health(camera_id: str, context: Ctx, who: Who, query: Annotated[HealthQuery, Query()]) -> CameraHealth:
    """How well a camera sees and is read: faults of its pictures, its plates hour by hour against its own past, and
    what to mend."""
    return await health.health(context, await service.camera(context, camera_id, who.scope), query)


@router.post("/cameras/{camera_id}/health/accept", status_code=204)
async def accept_view(camera_id: str, context: Ctx, who: Who) -> None:
    """What the camera shows now is right, though it is not what it showed: its scene is learnt anew."""
    await health.accept_view(context, camera_id, who)


@router.get("/cameras/{camera_id}/snapshot.jpg", response_class=Response)
async def show_snapshot(camera_id: str, context: Ctx, who: Who) -> Response:
    """The newest frame as JPEG, with its capture time in `X-Captured-At`."""
    meta, jpeg = await views.snapshot(context, await service.camera(context, camera_id, who.scope))
    return Response(jpeg, media_type="image/jpeg", headers={"X-Captured-At": meta.captured_at.isoformat()})


@router.get("/groups")
async def list_groups(context: Ctx, who: Who, query: Annotated[GroupQuery, Query()]) -> GroupPage:
    """Groups of cameras by id."""
    return await groups.list_groups(context, query, who.scope)


@router.post("/groups", status_code=201, response_model=GroupView, openapi_extra=OPENAPI)
async def create_group(body: GroupCreate, request: Request, context: Ctx, who: Who) -> JSONResponse:
    """Add a group: a name and the formats that plates before its cameras may have."""
    answer = await groups.create_group(context, body, await attempt_of(request, who), who)
    headers = {"Location": f"/api/groups/{answer.body['id']}", "ETag": etag(answer.body["revision"])}
    return JSONResponse(answer.body, answer.status, {**headers, **answer.headers})


@router.get("/groups/{group_id}")
async def show_group(group_id: str, context: Ctx, who: Who, response: Response) -> GroupView:
    """One group; the `ETag` is what `If-Match` of a change takes."""
    found = await groups.show_group(context, group_id, who.scope)
    response.headers["ETag"] = etag(found.revision)
    return found


@router.patch("/groups/{group_id}")
async def update_group(
    group_id: str, body: GroupUpdate, context: Ctx, who: Who, response: Response, if_match: IfMatch = None
) -> GroupView:
    """Change the fields that are given; what is read from now on follows the new formats. With `If-Match` only the
    revision that was seen is changed (else 409)."""
    found = await groups.update_group(context, group_id, body, revision_of(if_match), who)
    response.headers["ETag"] = etag(found.revision)
    return found


@router.delete("/groups/{group_id}", status_code=204)
async def delete_group(group_id: str, context: Ctx, who: Who, if_match: IfMatch = None) -> None:
    """Take a group out that no camera is in (else 409)."""
    await groups.delete_group(context, group_id, revision_of(if_match), who)


app = create_app("cameras", [router], startup=startup, workers=workers)
