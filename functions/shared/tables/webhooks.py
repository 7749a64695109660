"""Where events are handed on to, and how each of them fared."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from functions.shared.tables.base import Table


class Webhook(Table):
    """An endpoint of an integrator. Empty filters let everything through that the owner may see.

    Address and secrets are Fernet tokens: an address may hold a token of the receiver's. `previous_secret` signs too
    until `previous_until`. `disabled_reason`: user, gone (the receiver answered 410), failing, key_over (revoked, or
    expired) or key_narrowed (it lost a permission or a group). `key_id`: the API key that it answers to, which may be
    there no more; null of one that a person made. No event is sent
    before `hold_until`, which a receiver asked for by Retry-After. `bound_to`: the groups of the API key that made it,
    where it is for some; nothing of other groups is sent.
    """

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_owner", "owner_id", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(120))
    url_encrypted: Mapped[str] = mapped_column(Text)
    event_types: Mapped[list[Any]]
    camera_ids: Mapped[list[Any]]
    group_ids: Mapped[list[Any]]
    bound_to: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    key_id: Mapped[str | None] = mapped_column(String(32))
    previews: Mapped[bool] = mapped_column(Boolean, default=False)
    payload: Mapped[str] = mapped_column(String(8), default="full")
    secret_encrypted: Mapped[str] = mapped_column(Text)
    previous_secret_encrypted: Mapped[str | None] = mapped_column(Text)
    previous_until: Mapped[datetime | None]
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    disabled_reason: Mapped[str | None] = mapped_column(String(16))
    disabled_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(Integer, default=0)
    hold_until: Mapped[datetime | None]
    last_attempt_at: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    last_outcome: Mapped[str | None] = mapped_column(String(32))
    revision: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WebhookDelivery(Table):
    """One event for one endpoint: pending, delivered, dead (given up) or skipped (its owner may not see it any more).

    `next_at` is when it is due. Who sends it moves that into the future first, under a `claim` of its own: should it
    die, the delivery is due again then. `event` is the message as it was on the bus; null once it was skipped.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("webhook_id", "event_id", name="uq_webhook_deliveries_event"),
        Index("ix_webhook_deliveries_due", "webhook_id", "state", "next_at"),
        Index("ix_webhook_deliveries_listed", "webhook_id", "id"),
        Index("ix_webhook_deliveries_created", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_id: Mapped[str] = mapped_column(String(100))
    type: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(100))
    camera_id: Mapped[str | None] = mapped_column(String(63))
    occurred_at: Mapped[datetime]
    event: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    state: Mapped[str] = mapped_column(String(16))
    tries: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[datetime | None]
    claim: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]


class WebhookAttempt(Table):
    """One request: its status or failure, how long it took, and the beginning of what was answered."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (Index("ix_webhook_attempts_delivery", "delivery_id", "at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    status: Mapped[int | None] = mapped_column(Integer)
    failure: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str | None] = mapped_column(String(200))
    duration_ms: Mapped[int] = mapped_column(Integer)
    answer: Mapped[str] = mapped_column(Text, default="")
