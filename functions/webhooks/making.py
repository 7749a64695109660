"""Rows of endpoints, deliveries and attempts, made in one place. Pure but for ids and the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from functions.shared.contracts import new_id, now
from functions.shared.outbound import Answer, parse_url
from functions.shared.tables import Webhook, WebhookAttempt, WebhookDelivery
from functions.shared.tokens import Principal
from functions.shared.vault import Vault
from functions.webhooks.payload import Event
from functions.webhooks.schemas import WebhookCreate


def endpoint(
    vault: Vault, who: Principal, given: WebhookCreate, secret: str, bound: frozenset[str] | None
) -> Webhook:  # fmt: skip
    """`bound`: the groups of the key that makes it, where it is for some."""
    at = now()
    return Webhook(
        id=new_id(), owner_id=who.user_id, key_id=who.key_id, name=given.name,
        url_encrypted=vault.encrypt(str(parse_url(given.url))),
        event_types=given.event_types, camera_ids=given.camera_ids, group_ids=given.group_ids,
        bound_to=None if bound is None else sorted(bound),
        previews=given.previews, payload=given.payload, secret_encrypted=vault.encrypt(secret), enabled=True,
        failures=0, revision=1, created_at=at, updated_at=at,
    )  # fmt: skip


def switch(row: Webhook, enabled: bool) -> None:
    """Enable or disable by hand; what failed before is forgotten with the first."""
    row.enabled = enabled
    row.disabled_reason, row.disabled_at = (None, None) if enabled else ("user", now())
    if enabled:
        row.failing_since, row.failures, row.hold_until = None, 0, None


def delivery(webhook_id: str, event: Event, occurred_at: datetime, at: datetime) -> dict[str, Any]:
    """The columns of a new delivery, due at once."""
    return {
        "id": new_id(), "webhook_id": webhook_id, "event_id": event.id, "type": event.type, "source": event.source,
        "camera_id": event.camera_id, "occurred_at": occurred_at, "event": dict(event.body), "state": "pending",
        "tries": 0, "next_at": at, "created_at": at,
    }  # fmt: skip


def event_of(row: WebhookDelivery) -> Event:
    return Event(
        row.event_id, row.type, row.source, row.occurred_at.isoformat(), row.camera_id, row.event or {}
    )  # fmt: skip


def attempt(delivery_id: str, answer: Answer, at: datetime) -> WebhookAttempt:
    return WebhookAttempt(
        id=new_id(), delivery_id=delivery_id, at=at, status=answer.status,
        failure=answer.failure.value if answer.failure else None, reason=answer.reason[:200] or None,
        duration_ms=round(answer.seconds * 1000), answer=answer.text,
    )  # fmt: skip
