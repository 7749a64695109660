"""The outside of `alerts`: /api/hotlists, /api/alerts, and the consumer of detections."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from functions.alerts import desk, entries, preview, service, work
from functions.alerts.schemas import (
    EntryIn,
    EntryPage,
    EntryQuery,
    EntryView,
    HotlistCreate,
    HotlistPage,
    HotlistQuery,
    HotlistUpdate,
    HotlistView,
    ImportQuery,
    ImportReport,
    PreviewAnswer,
    PreviewQuery,
    RulePreview,
)
from functions.alerts.schemas_alerts import Acknowledgement, AlertCounts, AlertDetail, AlertPage, AlertQuery
from functions.shared.idempotency import OPENAPI, attempt_of
from functions.shared.revisions import IfMatch, etag, revision_of
from functions.shared.uploads import file_of
from functions.shared.web import Ctx, Startup, Who, Worker, create_app

router = APIRouter(prefix="/api", tags=["alerts"])
startup: list[Startup] = []
workers: list[Worker] = [work.end_with_process, work.worker]
_FILE = {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
_CSV_BODY = {
    "required": True,
    "description": f"columns {', '.join(entries.COLUMNS)}, of which `plate` must be there; comma or semicolon; up to "
    f"{entries.MAX_LINES} lines",
    "content": {"text/csv": {"schema": {"type": "string"}}, "multipart/form-data": {"schema": _FILE}},
}
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "the entries"}
}


@router.get("/hotlists")
async def list_hotlists(query: Annotated[HotlistQuery, Query()], context: Ctx, who: Who) -> HotlistPage:
    """Lists of plates by name."""
    return await service.list_hotlists(context, who, query)


@router.post("/hotlists", status_code=201, response_model=HotlistView, openapi_extra=OPENAPI)
async def create_hotlist(body: HotlistCreate, request: Request, context: Ctx, who: Who) -> JSONResponse:
    """Add a list. Its hook is encrypted and never given back."""
    answer = await service.create_hotlist(context, who, body, await attempt_of(request, who))
    headers = {"Location": f"/api/hotlists/{answer.body['id']}", "ETag": etag(answer.body["revision"])}
    return JSONResponse(answer.body, answer.status, {**headers, **answer.headers})


@router.post("/hotlists/preview")
async def preview_rule(body: RulePreview, context: Ctx, who: Who) -> PreviewAnswer:
    """What a list with these entries would have been told of in the past days."""
    return await preview.preview_rule(context, who, body)


@router.post(
    "/hotlists/import",
    response_model=ImportReport,
    openapi_extra={**OPENAPI, "requestBody": _CSV_BODY},
)
async def import_entries(
    request: Request, context: Ctx, who: Who, how: Annotated[ImportQuery, Query()]
) -> JSONResponse:
    """Add entries to a list from CSV (the body, or the multipart field `file`): `all` or nothing, or the `valid` ones.

    A plate that the list has already takes the line's facts. With `replace` what the file lacks is taken out.
    """
    data = await file_of(request)
    answer = await entries.import_entries(context, who, data, how, await attempt_of(request, who))
    return JSONResponse(answer.body, answer.status, answer.headers)


@router.post("/hotlists/keys/rotate")
async def rotate_secrets(context: Ctx, who: Who) -> dict[str, int]:
    """Encrypt every hook anew under the first of GTV_FERNET_KEYS."""
    return {"encrypted": await service.rotate_secrets(context, who)}


@router.get("/hotlists/{hotlist_id}")
async def show_hotlist(hotlist_id: str, context: Ctx, who: Who, response: Response) -> HotlistView:
    found = await service.show_hotlist(context, who, hotlist_id)
    response.headers["ETag"] = etag(found.revision)
    return found


@router.patch("/hotlists/{hotlist_id}")
async def update_hotlist(
    hotlist_id: str, body: HotlistUpdate, context: Ctx, who: Who, response: Response, if_match: IfMatch = None
) -> HotlistView:
    """Change the fields that are given. With `If-Match` only the revision that was seen is changed (else 409)."""
    found = await service.update_hotlist(context, who, hotlist_id, body, revision_of(if_match))
    response.headers["ETag"] = etag(found.revision)
    return found


@router.delete("/hotlists/{hotlist_id}", status_code=204)
async def delete_hotlist(hotlist_id: str, context: Ctx, who: Who, if_match: IfMatch = None) -> None:
    """Take a list out with its entries. Its alerts stay."""
    await service.delete_hotlist(context, who, hotlist_id, revision_of(if_match))


@router.post("/hotlists/{hotlist_id}/preview")
async def preview_hotlist(
    hotlist_id: str, query: Annotated[PreviewQuery, Query()], context: Ctx, who: Who
) -> PreviewAnswer:
    """What the list as it is now would have been told of in the past days."""
    return await preview.preview_hotlist(context, who, hotlist_id, query)


@router.get("/hotlists/{hotlist_id}/entries")
async def list_entries(hotlist_id: str, query: Annotated[EntryQuery, Query()], context: Ctx, who: Who) -> EntryPage:
    """Entries by plate."""
    return await entries.list_entries(context, who, hotlist_id, query)


@router.post("/hotlists/{hotlist_id}/entries", status_code=201, response_model=EntryView, openapi_extra=OPENAPI)
async def add_entry(hotlist_id: str, body: EntryIn, request: Request, context: Ctx, who: Who) -> JSONResponse:
    """Add one entry. It counts within a second."""
    answer = await entries.add_entry(context, who, hotlist_id, body, await attempt_of(request, who))
    return JSONResponse(answer.body, answer.status, answer.headers)


@router.delete("/hotlists/{hotlist_id}/entries/{entry_id}", status_code=204)
async def remove_entry(hotlist_id: str, entry_id: str, context: Ctx, who: Who) -> None:
    await entries.remove_entry(context, who, hotlist_id, entry_id)


@router.get("/hotlists/{hotlist_id}/entries/export.csv", response_class=StreamingResponse, responses=_CSV)
async def export_entries(hotlist_id: str, context: Ctx, who: Who) -> StreamingResponse:
    """Every entry, as the import takes them."""
    lines = await entries.export_entries(context, who, hotlist_id)
    headers = {"Content-Disposition": f'attachment; filename="hotlist-{hotlist_id}.csv"'}
    return StreamingResponse(lines, media_type="text/csv", headers=headers)


@router.get("/alerts")
async def list_alerts(query: Annotated[AlertQuery, Query()], context: Ctx, who: Who) -> AlertPage:
    """Alerts, newest first."""
    return await desk.list_alerts(context, who, query)


@router.get("/alerts/counts")
async def count_alerts(context: Ctx, who: Who) -> AlertCounts:
    """How many alerts are open."""
    return await desk.counts(context, who)


@router.get("/alerts/{alert_id}")
async def show_alert(alert_id: str, context: Ctx, who: Who) -> AlertDetail:
    """One alert with the log of who was told of it."""
    return await desk.show_alert(context, who, alert_id)


@router.post("/alerts/{alert_id}/acknowledge")
async def acknowledge_alert(alert_id: str, body: Acknowledgement, context: Ctx, who: Who) -> AlertDetail:
    """Say that an alert is seen to, with an outcome and a note. It is escalated no more."""
    found = await desk.acknowledge(context, who, alert_id, body)
    await work.let_out(context)
    return found


app = create_app("alerts", [router], startup=startup, workers=workers)
