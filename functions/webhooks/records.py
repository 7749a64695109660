"""What became of deliveries, as their owner sees it; and the test that is sent while one waits."""

from __future__ import annotations

import re

from functions.shared import audit, masking
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import NotFound
from functions.shared.event_permissions import may_read
from functions.shared.outbound import Outbound
from functions.shared.tables import WebhookAttempt, WebhookDelivery
from functions.shared.tokens import Principal
from functions.webhooks import making, payload, repository, sending, service
from functions.webhooks.payload import Event
from functions.webhooks.repository import Filters
from functions.webhooks.schemas import (
    ID,
    AttemptView,
    DeliveryDetail,
    DeliveryPage,
    DeliveryQuery,
    DeliveryView,
    decode_cursor,
    encode_cursor,
)
from functions.webhooks.sending import Parcel


async def list_deliveries(context: Context, who: Principal, webhook_id: str, query: DeliveryQuery) -> DeliveryPage:
    """A page of deliveries, newest first. Raises NotFound, InvalidInput (cursor)."""
    filters = Filters(tuple(query.state), tuple(query.type), query.start, query.end)
    behind = decode_cursor(query.cursor)
    async with context.db.read() as session:
        await service.existing(session, who, webhook_id)
        rows = await repository.deliveries(session, webhook_id, filters, behind, query.limit + 1)
        kept = rows[: query.limit]
        attempts = await repository.attempts(session, [row.id for row in kept])
    more = encode_cursor(kept[-1].id) if len(rows) > query.limit else None
    items = [_view(row, attempts[row.id], readable=may_read(who.permissions, row.type)) for row in kept]
    return DeliveryPage(items=items, next_cursor=more)


async def show_delivery(context: Context, who: Principal, webhook_id: str, delivery_id: str) -> DeliveryDetail:
    """The body is null, and what the receiver answered is left out, for a key that may not read events of the type.
    Raises NotFound."""
    row = None
    async with context.db.read() as session:
        await service.existing(session, who, webhook_id)
        if re.fullmatch(ID, delivery_id):
            row = await repository.delivery(session, webhook_id, delivery_id)
        if row is None:
            raise NotFound("there is no such delivery")
        attempts = (await repository.attempts(session, [row.id]))[row.id]
    body, readable = None, may_read(who.permissions, row.type)
    if row.event is not None and readable and not masking.hides(context.settings, who):
        parcel, _ = await sending.build(context, row)
        body = parcel.body.decode() if isinstance(parcel, Parcel) else None
    shown = _view(row, attempts, readable=readable)
    views = [attempt_view(one, readable=readable) for one in attempts]
    return DeliveryDetail(**shown.model_dump(), attempts=views, body=body)


async def send_test(context: Context, outbound: Outbound, who: Principal, webhook_id: str) -> DeliveryDetail:
    """Send a test event now, once, to an endpoint that may be disabled. Raises NotFound."""
    at = now()
    async with context.db.transaction() as session:
        hook = (await service.existing(session, who, webhook_id)).webhook
        event = Event(
            new_id(), payload.TEST, "gt-vision/webhooks", at.isoformat(), None,
            {"webhook_id": hook.id, "name": hook.name, "message": "This is a test of GT-Vision."},
        )  # fmt: skip
        # Claimed from the start, and never due: no worker takes it.
        columns = making.delivery(hook.id, event, at, at) | {"claim": new_id(), "next_at": None}
        row = WebhookDelivery(**columns)
        session.add(row)
        await session.flush()
        await audit.record(context.vault, session, who, Act("webhooks.test", hook.id, details={"name": hook.name}))
    await sending.attempt(context, outbound, row, once=True)
    return await show_delivery(context, who, webhook_id, row.id)


def _view(row: WebhookDelivery, attempts: list[WebhookAttempt], *, readable: bool) -> DeliveryView:
    return DeliveryView.model_validate(
        {name: getattr(row, name) for name in DeliveryView.model_fields if name != "last"}
        # A camera that its owner may not see any more is not named either.
        | {"camera_id": row.camera_id if row.state != "skipped" else None,
           "last": attempt_view(attempts[-1], readable=readable) if attempts else None}
    )  # fmt: skip


def attempt_view(row: WebhookAttempt, *, readable: bool) -> AttemptView:
    """`readable` false: without the answer, since receivers may send back what they were sent."""
    facts = {name: getattr(row, name) for name in AttemptView.model_fields}
    return AttemptView.model_validate(facts | ({} if readable else {"answer": ""}))
