"""`POST /api/ingest/reads`: reads of other systems as their webhooks send them, and their names for our cameras."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from functions.ingest import reads_repository, reads_service, reads_shapes
from functions.ingest.reads_shapes import Format
from functions.shared.contracts import CAMERA_ID
from functions.shared.errors import InvalidInput
from functions.shared.idempotency import OPENAPI, Answer, attempt_of, once
from functions.shared.shapes import LINE
from functions.shared.web import Ctx, Who

_OBJECT = {"schema": {"type": "object"}}
_OBJECTS = {"type": "array", "items": {"type": "object"}}
_EXAMPLE = {
    "specversion": "1.0", "id": "4711", "source": "/toll/7", "type": "org.example.read",
    "time": "2024-05-04T12:00:00Z", "data": {"camera_id": "gate", "plate": "ABC1D23", "confidence": 0.97},
}  # fmt: skip
_FORM = {
    "type": "object",
    "required": ["json"],
    "properties": {"json": {"type": "string"}, "upload": {"type": "string", "format": "binary"}},
}
READS_BODY = {
    "requestBody": {
        "required": True,
        "description": "a webhook of Plate Recognizer (JSON, or a form with `json` and `upload`) or Rekor Scout, or "
        "CloudEvents (structured, a batch, or binary with ce- headers)",
        "content": {
            "application/json": {"schema": {"anyOf": [{"type": "object"}, _OBJECTS]}, "example": _EXAMPLE},
            "application/cloudevents+json": _OBJECT,
            "application/cloudevents-batch+json": {"schema": _OBJECTS},
            "multipart/form-data": {"schema": _FORM},
        },
    }
}


def _alias(text: str) -> str:
    text = text.strip()
    if not text or not text.isprintable():
        raise ValueError("must be one line of text")
    return text


Alias = Annotated[
    str,
    Field(
        min_length=1, max_length=128, description="as the sender names the camera", examples=["agent-7:1000"],
        json_schema_extra=LINE,
    ),
]  # fmt: skip


class ReadView(BaseModel):
    """What became of one read."""

    external_id: str = Field(description="the sender's id, or what stands for it")
    camera_id: str
    detection_id: str
    outcome: reads_service.Outcome = Field(
        description="recorded; repeated: it was here before; joined: one more frame of a passage that is here"
    )
    picture_refused: bool = Field(
        description="a picture came that is none, or was more than a request may bring; the read was kept without it"
    )


class ReadsTaken(BaseModel):
    items: list[ReadView]
    ignored: int = Field(description="what came besides reads: heartbeats, early results")


class AliasCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    alias: Annotated[Alias, AfterValidator(_alias)]
    camera_id: str = Field(pattern=CAMERA_ID, description="a camera that is there", examples=["gate"])


class AliasView(BaseModel):
    alias: str
    camera_id: str
    created_at: datetime


class AliasPage(BaseModel):
    items: list[AliasView]
    next_cursor: str | None


class AliasQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(None, max_length=128, description="next_cursor of the page before")
    limit: int = Field(50, ge=1, le=200)


@dataclass(frozen=True)
class Sent:
    """A request's JSON, the picture beside it, and the format that its headers tell."""

    body: Any
    upload: bytes | None = None
    shape: Format | None = None


def add_routes(router: APIRouter) -> None:
    """The routes of reads, on the router of `ingest`."""

    @router.post("/reads", status_code=202, openapi_extra=READS_BODY)
    async def reads(
        request: Request, context: Ctx, who: Who, shape: Annotated[Format | None, Query(alias="format")] = None
    ) -> ReadsTaken:
        """Record what another system read. All of a request are recorded or none; what came before changes nothing."""
        sent = await _sent(request)
        parsed = reads_shapes.parse(sent.body, shape or sent.shape or reads_shapes.shape_of(sent.body), sent.upload)
        taken = await reads_service.take(context, who, parsed)
        return ReadsTaken(items=[_view(item) for item in taken], ignored=parsed.ignored)

    @router.get("/aliases")
    async def list_aliases(context: Ctx, who: Who, query: Annotated[AliasQuery, Query()]) -> AliasPage:
        """The names that senders give our cameras."""
        if query.cursor is not None and not query.cursor.isprintable():
            raise InvalidInput("cursor: take it from next_cursor as it is", field="cursor")
        async with context.db.read() as session:
            rows = await reads_repository.aliases(session, who.scope, query.cursor or "", query.limit + 1)
        kept = rows[: query.limit]
        views = [AliasView(alias=row.alias, camera_id=row.camera_id, created_at=row.created_at) for row in kept]
        return AliasPage(items=views, next_cursor=kept[-1].alias if len(rows) > query.limit else None)

    @router.post("/aliases", status_code=201, response_model=AliasView, openapi_extra=OPENAPI)
    async def add_alias(body: AliasCreate, request: Request, context: Ctx, who: Who) -> JSONResponse:
        """Say which camera a sender means by a name."""

        async def work(session: AsyncSession) -> Answer:
            row = await reads_service.add_alias(context, session, who, body.alias, body.camera_id)
            view = AliasView(alias=row.alias, camera_id=row.camera_id, created_at=row.created_at)
            return Answer(201, view.model_dump(mode="json"))

        answer = await once(context, await attempt_of(request, who), work)
        return JSONResponse(answer.body, answer.status, answer.headers)

    @router.delete("/aliases/{alias:path}", status_code=204)
    async def remove_alias(alias: str, context: Ctx, who: Who) -> None:
        await reads_service.remove_alias(context, who, alias)


def _view(item: reads_service.Taken) -> ReadView:
    return ReadView(
        external_id=item.read.external_id, camera_id=item.camera_id, detection_id=item.detection_id,
        outcome=item.outcome, picture_refused=item.picture_refused,
    )  # fmt: skip


async def _sent(request: Request) -> Sent:
    """Raises InvalidInput for what is neither JSON nor a form with JSON in it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return await _form(request)
    body = _json(await request.body())
    if kind == "application/cloudevents-batch+json" and not isinstance(body, list):
        raise InvalidInput("body: a batch must be a list of events", field="body")
    if kind.startswith("application/cloudevents"):
        return Sent(body, shape="cloudevents")
    if "ce-specversion" in request.headers:
        return Sent({**_attributes(request.headers), "data": body}, shape="cloudevents")
    return Sent(body)


def _attributes(headers: Mapping[str, str]) -> dict[str, str]:
    """CloudEvents in binary mode: the attributes are headers, the body is the data."""
    return {name.removeprefix("ce-"): value for name, value in headers.items() if name.startswith("ce-")}


async def _form(request: Request) -> Sent:
    try:
        async with request.form(max_files=1, max_fields=8, max_part_size=2 << 20) as form:
            text = form.get("json")
            upload = form.get("upload")
            picture = await upload.read() if isinstance(upload, UploadFile) else None
    except HTTPException as error:
        raise InvalidInput(f"the form cannot be read: {error.detail}", field="body") from None
    if not isinstance(text, str):
        raise InvalidInput("json: the form lacks this field", field="json")
    return Sent(_json(text), picture or None)


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput("body: is no JSON", field="body") from None
