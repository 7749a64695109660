"""The outside of `cameras`: /api/cameras and /api/groups."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import UploadFile

from functions.cameras import groups, importer, probe, service, status
from functions.cameras.feed import keep_specs
from functions.cameras.schemas import (
    CameraCreate,
    CameraPage,
    CameraQuery,
    CameraUpdate,
    CameraView,
    GroupCreate,
    GroupPage,
    GroupQuery,
    GroupUpdate,
    GroupView,
    ImportQuery,
    ImportReport,
    ProbeRequest,
    ProbeResult,
    StatusView,
)
from functions.shared.errors import InvalidInput
from functions.shared.idempotency import OPENAPI, attempt_of
from functions.shared.openapi import may_answer
from functions.shared.web import Ctx, Startup, Who, Worker, create_app

router = APIRouter(prefix="/api", tags=["cameras"])
startup: list[Startup] = []
workers: list[Worker] = [keep_specs]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=32)]
_FILE = {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
CSV_BODY = {
    "required": True,
    "description": f"columns name, rtsp_url and any of the camera's other fields; up to {importer.MAX_LINES} lines. "
    "regions and ignore_zones are JSON in their cells, as the API takes them.",
    "content": {"text/csv": {"schema": {"type": "string"}}, "multipart/form-data": {"schema": _FILE}},
}


@router.get("/cameras")
async def list_cameras(context: Ctx, query: Annotated[CameraQuery, Query()]) -> CameraPage:
    """Cameras by id, each with its status (`unknown` while the bus is away)."""
    return await service.list_cameras(context, query)


@router.post("/cameras", status_code=201, response_model=CameraView, openapi_extra=OPENAPI)
async def register_camera(body: CameraCreate, request: Request, context: Ctx, who: Who) -> JSONResponse:
    """Add a camera. Its address is encrypted and never given back."""
    answer = await service.register_camera(context, body, await attempt_of(request, who))
    headers = {"Location": f"/api/cameras/{answer.body['id']}", "ETag": _etag(answer.body["revision"])}
    return JSONResponse(answer.body, answer.status, {**headers, **answer.headers})


@router.post("/cameras/probe", responses=may_answer(502))
async def probe_address(body: ProbeRequest, context: Ctx) -> ProbeResult:
    """Look at an address before it is registered; at the most 5 s."""
    return await probe.probe(context, body.rtsp_url.get_secret_value())


@router.post("/cameras/import", response_model=ImportReport, openapi_extra={**OPENAPI, "requestBody": CSV_BODY})
async def import_cameras(
    request: Request,
    context: Ctx,
    who: Who,
    how: Annotated[ImportQuery, Query()],
) -> JSONResponse:
    """Add cameras from CSV (the body, or the multipart field `file`): `all` or nothing, or those that are `valid`.

    A line whose group_id names no group is wrong, unless `create_groups` is asked for.
    """
    data = await _file_of(request)
    answer = await importer.import_cameras(context, data, await attempt_of(request, who), how)
    report = ImportReport.model_validate(answer.body)
    return JSONResponse(report.model_dump(mode="json"), answer.status, answer.headers)


@router.post("/cameras/keys/rotate")
async def rotate_secrets(context: Ctx) -> dict[str, int]:
    """Encrypt every camera's address anew under the first of GTV_FERNET_KEYS."""
    return {"encrypted": await service.rotate_secrets(context)}


@router.get("/cameras/{camera_id}")
async def show_camera(camera_id: str, context: Ctx, response: Response) -> CameraView:
    """One camera with its status; the `ETag` is what `If-Match` of a change takes."""
    found = await service.camera_with_status(context, camera_id)
    response.headers["ETag"] = _etag(found.revision)
    return found


@router.patch("/cameras/{camera_id}")
async def update_camera(
    camera_id: str, body: CameraUpdate, context: Ctx, response: Response, if_match: IfMatch = None
) -> CameraView:
    """Change the fields that are given. With `If-Match` only the revision that was seen is changed (else 409)."""
    row = await service.update_camera(context, camera_id, body, _revision(if_match))
    response.headers["ETag"] = _etag(row.revision)
    return service.view(context, row)


@router.delete("/cameras/{camera_id}", status_code=204)
async def delete_camera(camera_id: str, context: Ctx, if_match: IfMatch = None) -> None:
    """Take a camera out. Its detections stay and go on naming its id, which is therefore not given again."""
    await service.delete_camera(context, camera_id, _revision(if_match))


@router.post("/cameras/{camera_id}/probe", responses=may_answer(502))
async def probe_camera(camera_id: str, context: Ctx) -> ProbeResult:
    """Look at a registered camera's stream; at the most 5 s."""
    return await probe.probe(context, await service.address_of(context, camera_id))


@router.get("/cameras/{camera_id}/status")
async def show_status(camera_id: str, context: Ctx) -> StatusView:
    """How a camera fares."""
    return await status.status_of(context, await service.camera(context, camera_id))


@router.get("/cameras/{camera_id}/snapshot.jpg", response_class=Response)
async def show_snapshot(camera_id: str, context: Ctx) -> Response:
    """The newest frame as JPEG, with its capture time in `X-Captured-At`."""
    meta, jpeg = await service.snapshot(context, camera_id)
    return Response(jpeg, media_type="image/jpeg", headers={"X-Captured-At": meta.captured_at.isoformat()})


@router.get("/groups")
async def list_groups(context: Ctx, query: Annotated[GroupQuery, Query()]) -> GroupPage:
    """Groups of cameras by id."""
    return await groups.list_groups(context, query)


@router.post("/groups", status_code=201, response_model=GroupView, openapi_extra=OPENAPI)
async def create_group(body: GroupCreate, request: Request, context: Ctx, who: Who) -> JSONResponse:
    """Add a group: a name and the formats that plates before its cameras may have."""
    answer = await groups.create_group(context, body, await attempt_of(request, who))
    headers = {"Location": f"/api/groups/{answer.body['id']}", **answer.headers}
    return JSONResponse(answer.body, answer.status, headers)


@router.get("/groups/{group_id}")
async def show_group(group_id: str, context: Ctx) -> GroupView:
    """One group."""
    return await groups.show_group(context, group_id)


@router.patch("/groups/{group_id}")
async def update_group(group_id: str, body: GroupUpdate, context: Ctx) -> GroupView:
    """Change the fields that are given; what is read from now on follows the new formats."""
    return await groups.update_group(context, group_id, body)


@router.delete("/groups/{group_id}", status_code=204)
async def delete_group(group_id: str, context: Ctx) -> None:
    """Take a group out that no camera is in (else 409)."""
    await groups.delete_group(context, group_id)


async def _file_of(request: Request) -> bytes:
    """The CSV: the multipart field `file`, or the body itself."""
    body = await request.body()
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return body
    async with request.form(max_files=1, max_fields=4) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidInput("the form lacks a file in the field `file`", field="file")
        return await file.read()


def _etag(revision: int) -> str:
    return f'"{revision}"'


def _revision(if_match: str | None) -> int | None:
    """The revision of an If-Match header; `*` is any."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = re.fullmatch(r'(?:W/)?"(\d{1,9})"', if_match.strip())
    if found is None:
        raise InvalidInput('If-Match takes the ETag of the camera, e.g. "3"', field="If-Match")
    return int(found[1])


app = create_app("cameras", [router], startup=startup, workers=workers)
