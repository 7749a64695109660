"""The rules of the register of cameras."""

from __future__ import annotations

import re
from typing import Any, Literal

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.cameras import feed, groups, names, repository, status, urls
from functions.cameras.schemas import (
    CameraCreate,
    CameraPage,
    CameraQuery,
    CameraUpdate,
    CameraView,
    StatusView,
)
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.contracts import CAMERA_ID, CameraChanged, FrameMeta, now
from functions.shared.errors import BusUnavailable, Conflict, GTVisionError, NotFound
from functions.shared.idempotency import Answer, Attempt, once
from functions.shared.outbox import enqueue
from functions.shared.tables import Camera

log = logs.get("cameras")
_SCAN = 500
_TRIES = 5
Change = Literal["created", "updated", "enabled", "disabled", "deleted"]


class _IdTaken(Exception):
    """Another request took the id in the meantime."""


async def register_camera(context: Context, given: CameraCreate, attempt: Attempt) -> Answer:
    """Add a camera. Raises InvalidInput (its address, its group), Conflict (its id)."""
    await urls.require_allowed(given.rtsp_url.get_secret_value(), context.settings.camera_networks)

    async def work(session: AsyncSession) -> Answer:
        camera_id = given.id or names.free_id(given.name, await repository.used_ids(session, [names.slug(given.name)]))
        if await repository.deleted(session, camera_id):
            raise _was_deleted(camera_id)
        await groups.require(session, given.group_id)
        row = add(context, session, camera_id, given)
        try:
            await session.flush()
        except IntegrityError:
            raise _IdTaken from None
        return Answer(201, view(context, row).model_dump(mode="json"))

    for _ in range(1 if given.id else _TRIES):
        try:
            answer = await once(context, attempt, work)
        except _IdTaken:
            continue
        if not answer.replayed:
            log.info("camera_registered", camera_id=answer.body["id"])
            await feed.announce(context, [answer.body["id"]])
        return answer
    raise Conflict("there is a camera with this id already", field="id")


def _was_deleted(camera_id: str) -> Conflict:
    return Conflict(
        f"the id {camera_id} belonged to a camera that was deleted, and its detections keep it; take another id",
        field="id",
    )


def add(context: Context, session: AsyncSession, camera_id: str, given: CameraCreate) -> Camera:
    """Add the row and its message to a transaction."""
    at = now()
    facts = given.model_dump(exclude={"id", "rtsp_url"})
    row = Camera(
        id=camera_id, url_encrypted=context.vault.encrypt(given.rtsp_url.get_secret_value()), revision=1,
        created_at=at, updated_at=at, deleted_at=None, **facts,
    )  # fmt: skip
    session.add(row)
    _tell(session, row, "created")
    return row


def _tell(session: AsyncSession, row: Camera, change: Change) -> None:
    correlation = logs.correlation_id()
    extra: dict[str, Any] = {"correlation_id": correlation} if correlation else {}
    enqueue(session, CameraChanged(camera_id=row.id, change=change, name=row.name, revision=row.revision, **extra))


async def update_camera(context: Context, camera_id: str, change: CameraUpdate, revision: int | None) -> Camera:
    """Change a camera; `revision` is the one that the caller has seen (None: whatever it is).

    Nothing different is no change. Raises NotFound, InvalidInput (its address or group), Conflict (changed meanwhile).
    """
    given = {name: getattr(change, name) for name in change.model_fields_set}
    url = given.pop("rtsp_url", None)
    if url is not None:
        await urls.require_allowed(url.get_secret_value(), context.settings.camera_networks)
    async with context.db.transaction() as session:
        row = await _existing(session, camera_id, for_update=True)
        _require_revision(row, revision)
        await groups.require(session, given.get("group_id"))
        was_enabled = row.enabled
        changed = {name: value for name, value in given.items() if getattr(row, name) != value}
        if url is not None and address(context, row) != url.get_secret_value():
            changed["url_encrypted"] = context.vault.encrypt(url.get_secret_value())
        for name, value in changed.items():
            setattr(row, name, value)
        if changed:
            row.revision, row.updated_at = row.revision + 1, now()
            _tell(session, row, "updated" if row.enabled == was_enabled else "enabled" if row.enabled else "disabled")
    if changed:
        log.info("camera_updated", camera_id=camera_id, fields=sorted(changed))
        await feed.announce(context, [camera_id])
    return row


async def delete_camera(context: Context, camera_id: str, revision: int | None) -> None:
    """Take a camera out of the register. Its row stays without the address, and its id is not given again, since
    detections name it. Raises NotFound, Conflict (changed meanwhile)."""
    async with context.db.transaction() as session:
        row = await _existing(session, camera_id, for_update=True)
        _require_revision(row, revision)
        row.deleted_at = row.updated_at = now()
        row.revision, row.enabled, row.url_encrypted = row.revision + 1, False, ""
        _tell(session, row, "deleted")
    log.info("camera_deleted", camera_id=camera_id)
    await feed.announce(context, [camera_id])


def _require_revision(row: Camera, revision: int | None) -> None:
    if revision is not None and revision != row.revision:
        raise Conflict("the camera was changed meanwhile; read it again", field="If-Match", revision=row.revision)


async def camera(context: Context, camera_id: str) -> Camera:
    """Raises NotFound."""
    async with context.db.read() as session:
        return await _existing(session, camera_id)


async def address_of(context: Context, camera_id: str) -> str:
    """The RTSP URL in clear, for a probe alone. Raises NotFound, Misconfigured (no key fits)."""
    return context.vault.decrypt((await camera(context, camera_id)).url_encrypted)


async def _existing(session: AsyncSession, camera_id: str, *, for_update: bool = False) -> Camera:
    row = None
    if re.fullmatch(CAMERA_ID, camera_id):
        row = await repository.camera(session, camera_id, for_update=for_update)
    if row is None:
        raise NotFound("there is no such camera", camera_id=camera_id[:63])
    return row


async def camera_with_status(context: Context, camera_id: str) -> CameraView:
    row = await camera(context, camera_id)
    return view(context, row, await status.status_of(context, row))


async def list_cameras(context: Context, query: CameraQuery) -> CameraPage:
    """A page of cameras by id. Raises InvalidInput (cursor), BusUnavailable (`state` that nobody knows)."""
    known = await status.statuses(context)
    if known is None and query.state not in (None, "disabled", "unknown"):
        raise BusUnavailable("the cameras' states are not known while NATS is away; list without `state`")
    behind = names.decode_cursor(query.cursor)
    kept: list[tuple[Camera, StatusView]] = []
    async with context.db.read() as session:
        while len(kept) <= query.limit:
            rows = await repository.cameras_after(
                session, behind, _SCAN, enabled=query.enabled, group_id=query.group_id
            )  # fmt: skip
            found = ((row, status.view(row, known)) for row in rows)
            kept += [(row, how) for row, how in found if _asked_for(query, row, how)]
            if len(rows) < _SCAN:
                break
            behind = rows[-1].id
    more = names.encode_cursor(kept[query.limit - 1][0].id) if len(kept) > query.limit else None
    return CameraPage(items=[view(context, row, how) for row, how in kept[: query.limit]], next_cursor=more)


def _asked_for(query: CameraQuery, row: Camera, how: StatusView) -> bool:
    if query.state is not None and how.state != query.state:
        return False
    part = names.folded(query.q or "")
    return any(part in names.folded(text) for text in (row.name, row.id, row.location or ""))


async def snapshot(context: Context, camera_id: str) -> tuple[FrameMeta, bytes]:
    """The newest frame of a camera. Raises NotFound, with why there is none, and BusUnavailable."""
    row = await camera(context, camera_id)
    found = await (await feed.bus_soon(context)).last_frame(camera_id)
    if found is None:
        how = await status.status_of(context, row)
        raise NotFound(f"there is no frame of the last minute: {how.reason or how.state}", state=how.state)
    return found


def view(context: Context, row: Camera, how: StatusView | None = None) -> CameraView:
    url = address(context, row)
    credentials = None if url is None else urls.parse(url).has_credentials
    fields = CameraView.model_fields.keys() - {"has_credentials", "status"}
    facts = {name: getattr(row, name) for name in fields}
    return CameraView(**facts, has_credentials=credentials, status=how)


def address(context: Context, row: Camera) -> str | None:
    """The URL in clear, or None when no key fits any more (it can then only be replaced)."""
    try:
        return context.vault.decrypt(row.url_encrypted)
    except GTVisionError:
        return None


async def rotate_secrets(context: Context) -> int:
    """Encrypt every address anew under the first Fernet key; returns how many. Afterwards the old keys may go.

    Raises Misconfigured when one was encrypted with a key that is not given; nothing is changed then.
    """
    async with context.db.transaction() as session:
        rows = await repository.living(session)
        for row in rows:
            row.url_encrypted = context.vault.rotate(row.url_encrypted)
    await feed.announce(context, [row.id for row in rows])
    log.info("camera_addresses_rotated", count=len(rows))
    return len(rows)
