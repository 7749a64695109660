"""The rules of the register of cameras: what is added, changed, taken out and brought back, by whom."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.cameras import feed, groups, names, repository, urls
from functions.cameras.schemas import CameraCreate, CameraUpdate
from functions.cameras.views import address, plain, view
from functions.shared import logs
from functions.shared.audit import Act, record
from functions.shared.context import Context
from functions.shared.contracts import CAMERA_ID, CameraChanged, now
from functions.shared.errors import Conflict, NotFound
from functions.shared.idempotency import Answer, Attempt, once
from functions.shared.outbox import enqueue
from functions.shared.revisions import require_revision
from functions.shared.scope import Scope
from functions.shared.tables import Camera
from functions.shared.tokens import Principal

log = logs.get("cameras")
_TRIES = 5
Change = Literal["created", "updated", "enabled", "disabled", "deleted"]


class _IdTaken(Exception):
    """Another request took the id in the meantime."""


async def register_camera(context: Context, given: CameraCreate, attempt: Attempt, who: Principal) -> Answer:
    """Add a camera. Raises InvalidInput (its address, its group), Conflict (its id)."""
    await urls.require_allowed(given.rtsp_url.get_secret_value(), context.settings.camera_networks)

    async def work(session: AsyncSession) -> Answer:
        camera_id = given.id or names.free_id(given.name, await repository.used_ids(session, [names.slug(given.name)]))
        if await repository.deleted(session, camera_id):
            raise _was_deleted(camera_id)
        await groups.require(session, given.group_id, who.scope)
        row = add(context, session, camera_id, given)
        try:
            await session.flush()
        except IntegrityError:
            raise _IdTaken from None
        details = {"name": row.name, "group_id": row.group_id}
        await record(context.vault, session, who, Act("cameras.create", camera_id, details=details))
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
    facts = plain(given, exclude={"id", "rtsp_url"})
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


async def update_camera(
    context: Context, camera_id: str, change: CameraUpdate, revision: int | None, who: Principal
) -> Camera:
    """Change a camera; `revision` is the one that the caller has seen (None: whatever it is).

    Nothing different is no change. Raises NotFound, InvalidInput (its address or group), Conflict (changed meanwhile).
    """
    if change.rtsp_url is not None:
        await urls.require_allowed(change.rtsp_url.get_secret_value(), context.settings.camera_networks)
    async with context.db.transaction() as session:
        row = await existing(session, camera_id, who.scope, for_update=True)
        require_revision(row, revision, "camera")
        if "group_id" in change.model_fields_set and change.group_id != row.group_id:
            await groups.require(session, change.group_id, who.scope)
        fields = apply(context, session, row, change)
        if fields:
            await record(context.vault, session, who, Act("cameras.update", camera_id, details={"fields": fields}))
    if fields:
        log.info("camera_updated", camera_id=camera_id, fields=fields)
        await feed.announce(context, [camera_id])
    return row


def changes(context: Context, row: Camera, change: CameraUpdate) -> dict[str, Any]:
    """What is given and different, by the names of the API's fields."""
    given = plain(change, only=change.model_fields_set - {"rtsp_url"})
    changed = {name: value for name, value in given.items() if getattr(row, name) != value}
    url = change.rtsp_url
    if url is not None and address(context, row) != url.get_secret_value():
        changed["rtsp_url"] = url
    return changed


def apply(context: Context, session: AsyncSession, row: Camera, change: CameraUpdate) -> list[str]:
    """Set what is given and different, with its message; the names of the fields that changed."""
    changed, was_enabled = changes(context, row, change), row.enabled
    for name, value in changed.items():
        if name == "rtsp_url":
            row.url_encrypted = context.vault.encrypt(value.get_secret_value())
        else:
            setattr(row, name, value)
    if changed:
        row.revision, row.updated_at = row.revision + 1, now()
        _tell(session, row, "updated" if row.enabled == was_enabled else "enabled" if row.enabled else "disabled")
    return sorted(changed)


async def delete_camera(context: Context, camera_id: str, revision: int | None, who: Principal) -> None:
    """Take a camera out of the register. Its row stays without the address, and its id is not given again, since
    detections name it. Raises NotFound, Conflict (changed meanwhile)."""
    async with context.db.transaction() as session:
        row = await existing(session, camera_id, who.scope, for_update=True)
        require_revision(row, revision, "camera")
        row.deleted_at = row.updated_at = now()
        row.revision, row.enabled, row.url_encrypted = row.revision + 1, False, ""
        _tell(session, row, "deleted")
        await record(context.vault, session, who, Act("cameras.delete", camera_id, details={"name": row.name}))
    log.info("camera_deleted", camera_id=camera_id)
    await feed.announce(context, [camera_id])


async def restore_camera(context: Context, camera_id: str, url: SecretStr, who: Principal) -> Camera:
    """Bring a camera back that was taken out, under its id and with its settings. Its address has to be given again.

    Raises NotFound (none was taken out), InvalidInput (its address), Conflict (it is there)."""
    await urls.require_allowed(url.get_secret_value(), context.settings.camera_networks)
    async with context.db.transaction() as session:
        row = None
        if re.fullmatch(CAMERA_ID, camera_id):
            row = await repository.camera(session, camera_id, who.scope, for_update=True, deleted=True)
            if row is None and await repository.camera(session, camera_id, who.scope) is not None:
                raise Conflict("the camera was not taken out, or is back already")
        if row is None:
            raise NotFound("no such camera was taken out", camera_id=camera_id[:63])
        if row.group_id and not await repository.existing_groups(session, [row.group_id], who.scope):
            row.group_id = None
        row.url_encrypted = context.vault.encrypt(url.get_secret_value())
        row.deleted_at, row.enabled, row.updated_at, row.revision = None, True, now(), row.revision + 1
        _tell(session, row, "created")
        await record(context.vault, session, who, Act("cameras.restore", camera_id, details={"name": row.name}))
    log.info("camera_restored", camera_id=camera_id)
    await feed.announce(context, [camera_id])
    return row


async def camera(context: Context, camera_id: str, scope: Scope) -> Camera:
    """Raises NotFound, also for a camera that is not of the scope."""
    async with context.db.read() as session:
        return await existing(session, camera_id, scope)


async def address_of(context: Context, camera_id: str, scope: Scope) -> str:
    """The RTSP URL in clear, for a probe alone. Raises NotFound, Misconfigured (no key fits)."""
    return context.vault.decrypt((await camera(context, camera_id, scope)).url_encrypted)


async def existing(session: AsyncSession, camera_id: str, scope: Scope, *, for_update: bool = False) -> Camera:
    row = None
    if re.fullmatch(CAMERA_ID, camera_id):
        row = await repository.camera(session, camera_id, scope, for_update=for_update)
    if row is None:
        raise NotFound("there is no such camera", camera_id=camera_id[:63])
    return row


async def note(context: Context, who: Principal, act: Act) -> None:
    """Write an act to the audit log that changes nothing in the register."""
    async with context.db.transaction() as session:
        await record(context.vault, session, who, act)


async def rotate_secrets(context: Context, who: Principal) -> int:
    """Encrypt every address anew under the first Fernet key; returns how many. Afterwards the old keys may go.

    Of all cameras, whatever the caller's scope: an address left under an old key would be lost with it. Raises
    Misconfigured when one was encrypted with a key that is not given; nothing is changed then.
    """
    async with context.db.transaction() as session:
        rows = await repository.living(session)
        for row in rows:
            row.url_encrypted = context.vault.rotate(row.url_encrypted)
        await record(context.vault, session, who, Act("cameras.rotate_keys", details={"cameras": len(rows)}))
    await feed.announce(context, [row.id for row in rows])
    log.info("camera_addresses_rotated", count=len(rows))
    return len(rows)
