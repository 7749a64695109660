"""The outside of `webhooks`: /api/webhooks, the consumer of EVENTS and the sender."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.context import Context
from functions.shared.idempotency import OPENAPI, Answer, attempt_of, once
from functions.shared.outbound import Outbound, parse_url
from functions.shared.revisions import IfMatch, etag, revision_of
from functions.shared.web import Ctx, Startup, Who, Worker, create_app
from functions.webhooks import payload, records, service
from functions.webhooks.schemas import (
    DeliveryDetail,
    DeliveryPage,
    DeliveryQuery,
    EventType,
    EventTypes,
    Replayed,
    ReplayRequest,
    Rotated,
    RotateRequest,
    WebhookCreate,
    WebhookCreated,
    WebhookPage,
    WebhookQuery,
    WebhookUpdate,
    WebhookView,
)
from functions.webhooks.worker import deliver, open_outbound

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])
startup: list[Startup] = []
workers: list[Worker] = [deliver]
_outbound: WeakKeyDictionary[Context, Outbound] = WeakKeyDictionary()


def outbound_of(context: Context) -> Outbound:
    if context not in _outbound:
        _outbound[context] = open_outbound(context)
    return _outbound[context]


@router.get("")
async def list_webhooks(context: Ctx, who: Who, query: Annotated[WebhookQuery, Query()]) -> WebhookPage:
    """Your webhooks, newest first; an admin sees everybody's."""
    return await service.list_webhooks(context, who, query)


@router.post("", status_code=201, response_model=WebhookCreated, openapi_extra=OPENAPI)
async def create_webhook(body: WebhookCreate, request: Request, context: Ctx, who: Who) -> JSONResponse:
    """Add a webhook. The answer shows its secret, once."""
    await service.check_url(outbound_of(context), body.url)
    secret = service.secret_of(body.secret)

    async def work(session: AsyncSession) -> Answer:
        made = await service.create(context, session, who, body, secret)
        # The table of keys keeps answers in the clear: neither the secret nor the address, which may hold a token.
        kept = WebhookCreated(**made.model_dump() | {"url": "", "secret": None})
        return Answer(201, kept.model_dump(mode="json"))

    answer = await once(context, await attempt_of(request, who), work)
    headers = {"Location": f"/api/webhooks/{answer.body['id']}", "ETag": etag(answer.body["revision"])}
    shown = {**_with_secret(answer, secret), "url": str(parse_url(body.url))}
    return JSONResponse(shown, answer.status, {**headers, **answer.headers})


@router.get("/event-types")
async def list_event_types() -> EventTypes:
    """The types of events that a webhook can ask for."""
    return EventTypes(items=[EventType(type=name, description=text) for name, text in payload.event_types().items()])


@router.post("/keys/rotate")
async def rotate_keys(context: Ctx, who: Who) -> dict[str, int]:
    """Encrypt every webhook's address and secret anew under the first of GTV_FERNET_KEYS."""
    return {"encrypted": await service.rotate_keys(context, who)}


@router.get("/{webhook_id}")
async def show_webhook(webhook_id: str, context: Ctx, who: Who, response: Response) -> WebhookView:
    found = await service.show(context, who, webhook_id)
    response.headers["ETag"] = etag(found.revision)
    return found


@router.patch("/{webhook_id}")
async def update_webhook(
    webhook_id: str, body: WebhookUpdate, context: Ctx, who: Who, response: Response, if_match: IfMatch = None
) -> WebhookView:
    """Change what is given; `enabled` true also takes back that the platform disabled it."""
    await service.show(context, who, webhook_id)
    await service.check_url(outbound_of(context), body.url)
    changed = await service.update(context, who, webhook_id, body, revision_of(if_match))
    response.headers["ETag"] = etag(changed.revision)
    return changed


@router.delete("/{webhook_id}", status_code=204)
async def delete_webhook(webhook_id: str, context: Ctx, who: Who, if_match: IfMatch = None) -> None:
    """Take a webhook out, with its deliveries."""
    await service.remove(context, who, webhook_id, revision_of(if_match))


@router.post("/{webhook_id}/test")
async def test_webhook(webhook_id: str, context: Ctx, who: Who) -> DeliveryDetail:
    """Send a test event now, once, also to a disabled webhook; the answer says what came of it."""
    return await records.send_test(context, outbound_of(context), who, webhook_id)


@router.post("/{webhook_id}/rotate-secret", response_model=Rotated, openapi_extra=OPENAPI)
async def rotate_secret(
    webhook_id: str, request: Request, context: Ctx, who: Who, body: RotateRequest | None = None
) -> JSONResponse:
    """A new secret, shown once. The old one signs beside it for 24 hours, unless `at_once` is asked for."""
    how = body or RotateRequest()
    secret = service.secret_of(how.secret)

    async def work(session: AsyncSession) -> Answer:
        return Answer(200, await service.rotate(context, session, who, webhook_id, how, secret))

    # A key is of one webhook: the route alone does not say which.
    attempt = replace(await attempt_of(request, who), route=f"POST {request.url.path[:90]}")
    answer = await once(context, attempt, work)
    return JSONResponse(_with_secret(answer, secret), answer.status, answer.headers)


@router.get("/{webhook_id}/deliveries")
async def list_deliveries(
    webhook_id: str, context: Ctx, who: Who, query: Annotated[DeliveryQuery, Query()]
) -> DeliveryPage:
    """What was sent, or is to be, newest first, with the last attempt of each."""
    return await records.list_deliveries(context, who, webhook_id, query)


@router.get("/{webhook_id}/deliveries/{delivery_id}")
async def show_delivery(webhook_id: str, delivery_id: str, context: Ctx, who: Who) -> DeliveryDetail:
    """One delivery with every attempt, and what an attempt would send now."""
    return await records.show_delivery(context, who, webhook_id, delivery_id)


@router.post("/{webhook_id}/replay", status_code=202)
async def replay_deliveries(webhook_id: str, body: ReplayRequest, context: Ctx, who: Who) -> Replayed:
    """Send deliveries again, under the same `webhook-id`: those that are named, or those of a span of time."""
    return await service.replay(context, who, webhook_id, body)


def _with_secret(answer: Answer, secret: str) -> dict[str, object]:
    """The secret is added behind the idempotency table's back, which must not keep it."""
    return answer.body if answer.replayed else {**answer.body, "secret": secret}


app = create_app("webhooks", [router], startup=startup, workers=workers)
