"""The outside of `ingest`: frames by HTTP; reads of other systems are in `reads`."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message

from functions.ingest import reads, service
from functions.ingest.schemas import Queued, captured_at_of
from functions.shared import limits
from functions.shared.errors import BrokenImage, InvalidInput, TooLarge
from functions.shared.idempotency import OPENAPI, Answer, Attempt, attempt_of, once
from functions.shared.web import Ctx, Who, create_app

router = APIRouter(prefix="/api/ingest", tags=["ingest"])
MAX_PICTURE = 5 * 1024 * 1024
# What a multipart form adds to its picture.
FORM_MARGIN = 64 * 1024
_PICTURES = ("image/jpeg", "image/jpg", "image/png")

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["camera_id", "frame"],
                    "properties": {
                        "camera_id": {"type": "string"},
                        "frame": {"type": "string", "format": "binary"},
                        "captured_at": {"type": "string", "format": "date-time"},
                    },
                }
            },
            "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
            "image/png": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@dataclass(frozen=True)
class Upload:
    """What was sent, however it was sent."""

    camera_id: str
    captured_at: str | None
    picture: bytes


@router.post("/frames", status_code=202, response_model=Queued, openapi_extra={**OPENAPI, **_BODY})
async def frames(
    request: Request, context: Ctx, who: Who, camera_id: str | None = None, captured_at: str | None = None
) -> JSONResponse:
    """Queue a JPEG or PNG of up to 5 MB to be read as a frame of a camera.

    Either a form with `camera_id`, `frame` and perhaps `captured_at`, or the picture itself as the body with
    `camera_id` and perhaps `captured_at` in the query. At the most GTV_RATE_CAMERA frames a second of one camera.
    """
    bounded = _bounded(request)
    attempt = await attempt_of(bounded, who)
    upload = await _upload(bounded, attempt, camera_id, captured_at)
    at = captured_at_of(upload.captured_at)

    async def admit(camera: str) -> None:
        await limits.count_camera(context, request.scope, camera)

    async def queue(_: AsyncSession | None = None) -> Answer:
        meta = await service.queue_frame(context, who, upload.camera_id, upload.picture, at, admit)
        return Answer(202, Queued(id=meta.id, camera_id=meta.camera_id).model_dump())

    # Without a key there is nothing to remember, so the database's one writer is left alone.
    answer = await queue() if attempt.key is None else await once(context, attempt, queue)
    return JSONResponse(answer.body, answer.status, answer.headers)


def _bounded(request: Request) -> Request:
    """The request with a body that is refused as soon as it is known to be too large, announced or not."""
    announced = request.headers.get("content-length", "")
    limit = MAX_PICTURE + FORM_MARGIN
    if announced.isdigit() and int(announced) > limit:
        raise _too_large()
    receive, read = request.receive, 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise _too_large()
        return message

    return Request(request.scope, bounded)


def _too_large() -> TooLarge:
    return TooLarge(f"the picture is over {MAX_PICTURE // 1024 // 1024} MB", field="frame", limit=MAX_PICTURE)


async def _upload(request: Request, attempt: Attempt, camera_id: str | None, captured_at: str | None) -> Upload:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        upload = await _form(request, camera_id, captured_at)
    elif kind in _PICTURES:
        upload = Upload(camera_id or "", captured_at, attempt.body)
    else:
        raise InvalidInput("send multipart/form-data, image/jpeg or image/png", field="content-type")
    if not upload.camera_id:
        raise InvalidInput("camera_id: is missing", field="camera_id")
    if not upload.picture:
        raise BrokenImage("the picture is empty", field="frame")
    if len(upload.picture) > MAX_PICTURE:
        raise _too_large()
    return upload


async def _form(request: Request, camera_id: str | None, captured_at: str | None) -> Upload:
    try:
        async with request.form(max_files=1, max_fields=4) as form:
            frame = form.get("frame")
            if not isinstance(frame, UploadFile):
                raise InvalidInput("frame: is missing, or is no file", field="frame")
            picture = await frame.read()
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
    except HTTPException as error:
        raise InvalidInput(f"the form cannot be read: {error.detail}", field="body") from None
    return Upload(fields.get("camera_id") or camera_id or "", fields.get("captured_at") or captured_at, picture)


reads.add_routes(router)
app = create_app("ingest", [router])
