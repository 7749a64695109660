"""The rule of ingest: a picture of a known camera becomes a frame on the bus."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import datetime

from functions.ingest import images, repository
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.contracts import CAMERA_ID, FrameMeta, frame_id, new_id, now
from functions.shared.errors import Conflict, InvalidInput, NotFound
from functions.shared.tokens import Principal

Admit = Callable[[str], Awaitable[None]]


async def queue_frame(
    context: Context, who: Principal, camera_id: str, picture: bytes, captured_at: datetime | None, admit: Admit
) -> FrameMeta:
    """Give a JPEG or PNG to the readers, as the camera's frame of a time (now, when none is given).

    Raises NotFound for an unknown or deleted camera and one out of the sender's scope, Conflict for a disabled one,
    BrokenImage for what is no picture, BusUnavailable when NATS did not store the frame, and what `admit` raises: it is
    asked about cameras alone that the sender may send for, so that nobody else uses up what a camera may be sent.
    """
    await require_camera(context, who, camera_id)
    await admit(camera_id)
    correlation_id = logs.correlation_id() or logs.bind_correlation()
    jpeg, width, height = await asyncio.to_thread(images.as_jpeg, picture)
    meta = FrameMeta(
        id=_id_of(camera_id, captured_at, picture), correlation_id=correlation_id, camera_id=camera_id,
        captured_at=captured_at or now(), sequence=0, width=width, height=height, source="ingest",
    )  # fmt: skip
    bus = await context.bus()
    await bus.publish_frame(meta, jpeg)
    return meta


async def require_camera(context: Context, who: Principal, camera_id: str) -> None:
    """Raises InvalidInput, NotFound or Conflict where frames of a camera are not to be taken from a sender."""
    if not re.match(CAMERA_ID, camera_id):
        raise InvalidInput("camera_id: lower-case letters, digits, - and _, 63 at the most", field="camera_id")
    async with context.db.read() as session:
        enabled = await repository.camera_enabled(session, camera_id, who.scope)
    if enabled is None:
        raise NotFound(f"there is no camera {camera_id}", field="camera_id")
    if not enabled:
        raise Conflict(f"the camera {camera_id} is disabled; enable it first", field="camera_id")


def _id_of(camera_id: str, captured_at: datetime | None, picture: bytes) -> str:
    """The same picture of the same time is the same frame, however often it is sent; else each is its own."""
    if captured_at is None:
        return f"{camera_id}:{new_id()}"
    return f"{frame_id(camera_id, captured_at)}:{hashlib.sha256(picture).hexdigest()[:12]}"
