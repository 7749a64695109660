"""The rule by which an event becomes deliveries: once for each endpoint that asked for it and may have it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from functions.shared import logs
from functions.shared.access import Role
from functions.shared.context import Context
from functions.shared.contracts import DetectionRecorded, now
from functions.shared.errors import Rejected
from functions.shared.tables import Webhook
from functions.webhooks import key_limits, making, metrics, repository
from functions.webhooks.payload import Event
from functions.webhooks.sending import asks_for, may_see

log = logs.get("webhooks")
_TIME: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


def event_of(headers: Mapping[str, str], data: bytes) -> tuple[Event, datetime]:
    """A message of EVENTS and when it happened. Raises Rejected for what is no CloudEvent with a JSON body."""
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        body = json.loads(data)
        at = _TIME.validate_python(lower["ce-time"]).astimezone(UTC)
        if not isinstance(body, dict) or not lower["ce-id"]:
            raise ValueError("no object, or no id")
        camera_id = body.get("camera_id")
        event = Event(
            lower["ce-id"], lower["ce-type"], lower["ce-source"], at.isoformat(),
            camera_id if isinstance(camera_id, str) else None, body,
        )  # fmt: skip
    except (KeyError, ValueError, ValidationError) as error:
        raise Rejected(f"that is no event: {type(error).__name__}") from None
    return event, at


async def queue(context: Context, event: Event, occurred_at: datetime) -> int:
    """Write a delivery for each endpoint, in one transaction; how many are new. The same event again adds none."""
    async with context.db.read() as session:
        pairs = [(hook, user) for hook, user in await repository.listening(session) if wants(hook, event)]
        if not pairs:
            return 0
        keys = await repository.keys(session, [hook for hook, _ in pairs], now())
        scopes = await repository.scopes(session, {user.id: user for _, user in pairs}.values())
        cameras = await repository.cameras(session, event.cameras)
    groups = {key: camera.group_id for key, camera in cameras.items()}
    kept = [
        hook for hook, user in pairs
        if may_see(Role.of(user.role), scopes[user.id].within(hook.bound_to), event, groups)
        and key_limits.may_send(hook, keys, event.type)
        and near(hook, event, groups.get(event.camera_id or ""))
    ]  # fmt: skip
    if not kept:
        return 0
    at = now()
    async with context.db.transaction() as session:
        added = await repository.queue(session, [making.delivery(hook.id, event, occurred_at, at) for hook in kept])
    metrics.QUEUED.inc(added)
    return added


def wants(hook: Webhook, event: Event) -> bool:
    """Whether the endpoint asked for such events: by type, and of a passage once it has ended, or also before."""
    if not asks_for(hook, event.type):
        return False
    early = event.type == DetectionRecorded.type and event.body.get("final") is not True
    return hook.previews or not early


def near(hook: Webhook, event: Event, group: str | None) -> bool:
    """Whether the event's camera is one that the endpoint asked for; what is of no camera is asked for by all."""
    if event.camera_id is None or not (hook.camera_ids or hook.group_ids):
        return True
    return event.camera_id in hook.camera_ids or (group is not None and group in hook.group_ids)
