"""One delivery: built as its owner may see it now, sent, and what came of it written down."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.shared import logs, masking, signatures
from functions.shared.access import Role
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import Unavailable
from functions.shared.outbound import USER_AGENT, Answer, Failure, Outbound
from functions.shared.scope import Scope
from functions.shared.tables import Webhook, WebhookDelivery
from functions.shared.tokens import Principal
from functions.webhooks import disabling, key_limits, making, metrics, payload, policy, repository
from functions.webhooks.payload import Event, View

log = logs.get("webhooks")
OUT_OF_SCOPE, NO_OWNER, NO_ENDPOINT = "out_of_scope", "owner_disabled", "webhook_gone"
NOT_WANTED, NOT_READABLE = "not_wanted", "not_readable"


@dataclass(frozen=True)
class Parcel:
    """What one attempt sends. `url` and `headers` hold secrets: they are logged nowhere."""

    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Skip:
    """Why a delivery is not made at all."""

    reason: str


def may_see(role: Role, scope: Scope, event: Event, groups: Mapping[str, str | None]) -> bool:
    """Whether an owner may have an event: of cameras in groups of theirs alone, as the groups are now. One of no camera
    is for admins who see all. `groups`: the group of each camera of the event that the register has, or had."""
    if event.type == payload.TEST:
        return True
    if not event.cameras:
        return role is Role.ADMIN and scope.everything
    return scope.everything or all(one in groups and scope.holds(groups[one]) for one in event.cameras)


def asks_for(hook: Webhook, event_type: str) -> bool:
    """Whether events of a type are among those that an endpoint is sent as it is now; a test always is."""
    return not hook.event_types or event_type in hook.event_types or event_type == payload.TEST


async def build(context: Context, row: WebhookDelivery) -> tuple[Parcel | Skip, Webhook | None]:
    """Look up owner, scope and camera as they are now, and build what is to be sent."""
    event = making.event_of(row)
    async with context.db.read() as session:
        found = await repository.webhook(session, row.webhook_id)
        if found is None:
            return Skip(NO_ENDPOINT), None
        hook = found.webhook
        if not asks_for(hook, event.type):
            return Skip(NOT_WANTED), hook
        keys = await repository.keys(session, [hook], now())
        if not key_limits.may_send(hook, keys, event.type):
            return Skip(key_limits.end_of(hook, keys) or NOT_READABLE), hook
        user = await repository.user(session, hook.owner_id)
        if user is None or user.disabled:
            return Skip(NO_OWNER), hook
        scope = (await repository.scopes(session, [user]))[user.id].within(hook.bound_to)
        cameras = await repository.cameras(session, event.cameras)
    role = Role.of(user.role)
    if not may_see(role, scope, event, {key: one.group_id for key, one in cameras.items()}):
        return Skip(OUT_OF_SCOPE), hook
    camera = cameras.get(event.camera_id or "")
    hides = masking.hides(context.settings, Principal(user.id, user.username, role, scope))
    view = View(hides, hook.payload == "thin", camera.name if camera else None)
    return _parcel(context, hook, event, await payload.render(context, event, view)), hook


def _parcel(context: Context, hook: Webhook, event: Event, body: bytes) -> Parcel:
    keys = [context.vault.decrypt(hook.secret_encrypted)]
    if hook.previous_secret_encrypted and hook.previous_until and hook.previous_until > now():
        keys.append(context.vault.decrypt(hook.previous_secret_encrypted))
    headers = signatures.headers(keys, event.id, int(time.time()), body)
    headers |= {"content-type": payload.CONTENT_TYPE, "user-agent": USER_AGENT}
    return Parcel(context.vault.decrypt(hook.url_encrypted), body, headers)


async def attempt(context: Context, outbound: Outbound, row: WebhookDelivery, *, once: bool = False) -> str:
    """Make one attempt of a delivery that this process has claimed; the state that follows. `once`: no second try.
    Raises Unavailable where the database is away.

    Killed anywhere in between, the claim runs out and the same delivery is made again, under the same `webhook-id`.
    """
    started = now()
    parcel, answer = None, Answer()
    try:
        parcel, _ = await build(context, row)
    except Unavailable:
        raise
    except Exception as error:
        # Counted as a failed attempt, so that it is seen, and comes back as others do.
        log.exception("delivery_not_built", delivery_id=row.id, reason=type(error).__name__)
        answer = Answer(failure=Failure.PROTOCOL, reason="GT-Vision could not build the message; its log says why")
    if isinstance(parcel, Skip):
        return await skip(context, row, parcel)
    if parcel is not None:
        answer = await outbound.post(parcel.url, parcel.body, parcel.headers)
        metrics.SECONDS.observe(answer.seconds)
    return await settle(context, row, answer, started, once=once)


async def skip(context: Context, row: WebhookDelivery, why: Skip) -> str:
    async with context.db.transaction() as session:
        mine = await repository.claimed(session, row.id, row.claim or "")
        if mine is not None:
            mine.state, mine.reason, mine.next_at, mine.claim, mine.event = "skipped", why.reason, None, None, None
    metrics.DELIVERIES.labels("skipped").inc()
    return "skipped"


async def settle(context: Context, row: WebhookDelivery, answer: Answer, started: Any, *, once: bool) -> str:
    """Write down what came of an attempt: of the delivery, where the claim still holds, and of the endpoint."""
    at = now()
    async with context.db.transaction() as session:
        found = await repository.webhook(session, row.webhook_id, lock=True)
        if found is None:
            return "skipped"
        mine = await repository.claimed(session, row.id, row.claim or "")
        if await session.get(WebhookDelivery, row.id) is not None:
            session.add(making.attempt(row.id, answer, started))
        outcome = policy.verdict(answer, len(policy.SCHEDULE_S) if once else row.tries + 1, at)
        if mine is not None:
            mine.tries, mine.state, mine.next_at, mine.claim = row.tries + 1, outcome.state, outcome.next_at, None
            mine.delivered_at = at if outcome.state == "delivered" else None
            mine.reason = None if outcome.state != "dead" else _why_dead(answer, once=once)
        hook = found.webhook
        hook.last_attempt_at, hook.last_outcome = at, str(answer.status or answer.failure or "")
        if answer.ok:
            hook.last_success_at, hook.failing_since, hook.failures, hook.hold_until = at, None, 0, None
        elif not once:
            _count_failure(context, hook, outcome)
            await disabling.after_failure(context, session, hook, gone=outcome.gone)
    label = {"delivered": "delivered", "dead": "dead"}.get(outcome.state, "failed")
    metrics.DELIVERIES.labels(label).inc()
    if not answer.ok:
        log.warning(
            "delivery_failed", webhook_id=row.webhook_id, delivery_id=row.id, tries=row.tries + 1,
            status=answer.status, failure=answer.failure, state=outcome.state,
        )  # fmt: skip
    return outcome.state


def _why_dead(answer: Answer, *, once: bool) -> str:
    if answer.status == policy.GONE:
        return "the receiver is gone (410)"
    return "a test is sent once" if once else f"given up after {len(policy.SCHEDULE_S)} attempts"


def _count_failure(context: Context, hook: Webhook, outcome: policy.Verdict) -> None:
    hook.failures += 1
    hook.failing_since = hook.failing_since or now()
    if outcome.hold_until is not None:
        hook.hold_until = outcome.hold_until
