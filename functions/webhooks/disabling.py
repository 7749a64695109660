"""The ends of endpoints that the platform makes: a receiver that is gone or fails for too long, a key that is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared import audit, logs
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import WebhookDisabled, now
from functions.shared.outbox import enqueue
from functions.shared.tables import Webhook
from functions.webhooks import key_limits, metrics, repository

log = logs.get("webhooks")
Reason = Literal["gone", "failing", "key_over", "key_narrowed"]


async def after_failure(context: Context, session: AsyncSession, hook: Webhook, *, gone: bool) -> None:
    """Disable an endpoint that is gone, or has failed without a break for too long."""
    longest = timedelta(hours=context.settings.webhook_disable_after_h)
    failing = hook.failing_since is not None and now() - hook.failing_since >= longest
    if hook.enabled and (gone or failing):
        await _disable(context, session, hook, "gone" if gone else "failing")


async def with_their_keys(context: Context) -> int:
    """Disable what answers to a key that is over or lost what the endpoint needs, and skip what waits there; how many
    endpoints. Whoever enables such a one again answers for it from then on."""
    async with context.db.read() as session:
        hooks = await repository.keyed(session)
        keys = await repository.keys(session, hooks, now())
    ended = [hook.id for hook in hooks if key_limits.end_of(hook, keys) is not None]
    return sum([await _end_with_key(context, webhook_id) for webhook_id in ended])


async def _end_with_key(context: Context, webhook_id: str) -> bool:
    async with context.db.transaction() as session:
        found = await repository.webhook(session, webhook_id, lock=True)
        if found is None or not found.webhook.enabled:
            return False
        hook = found.webhook
        reason = key_limits.end_of(hook, await repository.keys(session, [hook], now()))
        if reason is None:
            return False
        skipped = await repository.skip_waiting(session, hook.id, reason)
        await _disable(context, session, hook, reason)
    metrics.DELIVERIES.labels("skipped").inc(skipped)
    return True


async def _disable(context: Context, session: AsyncSession, hook: Webhook, reason: Reason) -> None:
    hook.enabled, hook.disabled_reason, hook.disabled_at = False, reason, now()
    hook.revision, hook.updated_at = hook.revision + 1, now()
    message = WebhookDisabled(
        webhook_id=hook.id, name=hook.name, owner_id=hook.owner_id, reason=reason, failing_since=hook.failing_since,
    )  # fmt: skip
    enqueue(session, message)
    act = Act("webhooks.disable", hook.id, details={"name": hook.name, "reason": reason, "key_id": hook.key_id})
    await audit.record(context.vault, session, "webhooks", act)
    metrics.DISABLED.labels(reason).inc()
    log.error("webhook_disabled", webhook_id=hook.id, name=hook.name, reason=reason)
