"""The rules of webhooks: who keeps which endpoint, their secrets, and what became of each delivery."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared import audit, logs, signatures
from functions.shared.access import Role
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import Conflict, InvalidInput, NotFound
from functions.shared.event_permissions import hidden
from functions.shared.outbound import Outbound, parse_url
from functions.shared.revisions import require_revision
from functions.shared.tables import Webhook
from functions.shared.tokens import Principal
from functions.webhooks import making, permitted, repository
from functions.webhooks.repository import Owned
from functions.webhooks.schemas import (
    ID,
    Replayed,
    ReplayRequest,
    RotateRequest,
    WebhookCreate,
    WebhookPage,
    WebhookQuery,
    WebhookUpdate,
    WebhookView,
    decode_cursor,
    encode_cursor,
)

log = logs.get("webhooks")
OVERLAP = timedelta(hours=24)
# Each endpoint may be sent to at once with all others: one account cannot open any number of them.
MAX_OF_ONE = 50


def owner_filter(who: Principal) -> str | None:
    """The one owner whose endpoints somebody sees and changes; None: everybody's, for an admin who sees all cameras."""
    return None if who.role is Role.ADMIN and who.scope.everything else who.user_id


async def bound_of(session: AsyncSession, who: Principal) -> frozenset[str] | None:
    """The groups of an API key that is for some; None for a person, and for a key that sees what its account does.
    What such a key makes is bound to its groups, also where its account has no others: it may get more. Of its
    account's endpoints it sees none that sends more."""
    if who.key_id is None or who.scope.groups is None or not await repository.has_groups(session, who.key_id):
        return None
    return who.scope.groups


def _is_within(row: Webhook, bound: frozenset[str] | None) -> bool:
    return bound is None or (row.bound_to is not None and bound.issuperset(row.bound_to))


async def list_webhooks(context: Context, who: Principal, query: WebhookQuery) -> WebhookPage:
    """A page of endpoints, newest first. Raises InvalidInput (cursor)."""
    behind = decode_cursor(query.cursor)
    async with context.db.read() as session:
        rows = await repository.webhooks(session, owner_filter(who), behind, query.limit + 1)
        bound = await bound_of(session, who)
        kept = [row for row in rows[: query.limit] if _is_within(row.webhook, bound)]
        numbers = await repository.counts(session, [row.webhook.id for row in kept])
    more = encode_cursor(rows[query.limit - 1].webhook.id) if len(rows) > query.limit else None
    return WebhookPage(items=[view(context, row, numbers) for row in kept], next_cursor=more)


async def show(context: Context, who: Principal, webhook_id: str) -> WebhookView:
    """Raises NotFound."""
    async with context.db.read() as session:
        return await shown(context, session, await existing(session, who, webhook_id))


async def create(
    context: Context, session: AsyncSession, who: Principal, given: WebhookCreate, secret: str
) -> WebhookView:  # fmt: skip
    """Add an endpoint in a transaction. Raises InvalidInput (camera_ids, group_ids), Conflict (too many) and
    Forbidden (event_types that a key may not read)."""
    if await repository.count_of(session, who.user_id) >= MAX_OF_ONE:
        raise Conflict(f"an account has at the most {MAX_OF_ONE} webhooks; remove one first")
    await require_seen(session, who, given.camera_ids, given.group_ids)
    given = given.model_copy(update={"event_types": permitted.chosen(who, given.event_types)})
    row = making.endpoint(context.vault, who, given, secret, await bound_of(session, who))
    session.add(row)
    await session.flush()
    await audit.record(context.vault, session, who, Act("webhooks.create", row.id, details=_facts(context, row)))
    log.info("webhook_created", webhook_id=row.id, owner=who.username)
    return view(context, Owned(row, who.username), {})


async def update(
    context: Context, who: Principal, webhook_id: str, change: WebhookUpdate, seen: int | None
) -> WebhookView:  # fmt: skip
    """Change the fields that are given. Raises NotFound, Conflict (another revision), InvalidInput, Forbidden."""
    given = change.model_dump(exclude_unset=True)
    async with context.db.transaction() as session:
        found = await existing(session, who, webhook_id, lock=True)
        row = found.webhook
        require_revision(row, seen, "webhook")
        permitted.require_readable(who, row.event_types, given.get("event_types", row.event_types))
        await require_seen(session, who, given.get("camera_ids", []), given.get("group_ids", []))
        if _takes_over(context, row, who, given):
            row.key_id = who.key_id
        if (url := given.pop("url", None)) is not None:
            row.url_encrypted = context.vault.encrypt(str(parse_url(url)))
            # What was queued while other types were asked for does not go to the new address.
            await repository.drop_waiting(session, row.id, hidden(who.permissions))
        if (enabled := given.pop("enabled", None)) is not None:
            making.switch(row, enabled)
        for name, value in given.items():
            setattr(row, name, value)
        row.revision, row.updated_at = row.revision + 1, now()
        details = {"fields": sorted(change.model_fields_set), **_facts(context, row)}
        answer = await shown(context, session, found)
        await audit.record(context.vault, session, who, Act("webhooks.update", row.id, details=details))
    log.info("webhook_updated", webhook_id=webhook_id, fields=sorted(change.model_fields_set))
    return answer


def _takes_over(context: Context, row: Webhook, who: Principal, given: Mapping[str, Any]) -> bool:
    """Whether an endpoint answers to who makes this change: to who gives it another address, and one that a key made
    also to who enables it, or to another key that gives it other types."""
    moved = "url" in given and str(parse_url(given["url"])) != context.vault.decrypt(row.url_encrypted)
    woken = given.get("enabled") is True and not row.enabled
    retyped = who.key_id is not None and given.get("event_types", row.event_types) != row.event_types
    return moved or (row.key_id is not None and (woken or retyped))


async def remove(context: Context, who: Principal, webhook_id: str, seen: int | None) -> None:
    """Take an endpoint out with its deliveries. Raises NotFound, Conflict."""
    async with context.db.transaction() as session:
        row = (await existing(session, who, webhook_id, lock=True)).webhook
        require_revision(row, seen, "webhook")
        await session.delete(row)
        await session.flush()
        await audit.record(context.vault, session, who, Act("webhooks.delete", row.id, details=_facts(context, row)))
    log.info("webhook_deleted", webhook_id=webhook_id)


async def rotate(
    context: Context, session: AsyncSession, who: Principal, webhook_id: str, how: RotateRequest, secret: str
) -> dict[str, Any]:  # fmt: skip
    """Put a new secret in place; the old one signs beside it for a day. Raises NotFound, InvalidInput (secret)."""
    row = (await existing(session, who, webhook_id, lock=True)).webhook
    if context.vault.decrypt(row.secret_encrypted) == secret:
        raise InvalidInput("secret: is the one that it has", field="secret")
    row.previous_secret_encrypted = None if how.at_once else row.secret_encrypted
    row.previous_until = None if how.at_once else now() + OVERLAP
    row.secret_encrypted = context.vault.encrypt(secret)
    row.revision, row.updated_at = row.revision + 1, now()
    details = {"name": row.name, "at_once": how.at_once}
    await audit.record(context.vault, session, who, Act("webhooks.rotate_secret", row.id, details=details))
    log.info("webhook_secret_rotated", webhook_id=webhook_id, at_once=how.at_once)
    until = row.previous_until
    return {"secret": None, "previous_secret_until": until.isoformat() if until else None}


async def replay(context: Context, who: Principal, webhook_id: str, asked: ReplayRequest) -> Replayed:
    """Queue deliveries anew, under their old ids; those of types that the endpoint asks for no more, or that a key may
    not read, are passed over. Raises NotFound, Conflict (the endpoint is disabled)."""
    if asked.delivery_ids is not None:
        which = repository.by_ids(asked.delivery_ids)
    else:
        which = repository.by_span(*asked.span, asked.states)
    async with context.db.transaction() as session:
        row = (await existing(session, who, webhook_id)).webhook
        if not row.enabled:
            raise Conflict("the webhook is disabled; enable it first, else nothing would be sent")
        sendable = repository.of_types(row.event_types, hidden(who.permissions))
        number = await repository.replay(session, webhook_id, and_(which, sendable), now())
        details = asked.model_dump(mode="json", exclude_none=True) | {"name": row.name, "replayed": number}
        await audit.record(context.vault, session, who, Act("webhooks.replay", webhook_id, details=details))
    return Replayed(replayed=number)


async def rotate_keys(context: Context, who: Principal) -> int:
    """Encrypt every address and secret anew under the first of GTV_FERNET_KEYS; how many endpoints."""
    async with context.db.transaction() as session:
        rows = await repository.every_webhook(session)
        for row in rows:
            row.url_encrypted = context.vault.rotate(row.url_encrypted)
            row.secret_encrypted = context.vault.rotate(row.secret_encrypted)
            if row.previous_secret_encrypted is not None:
                row.previous_secret_encrypted = context.vault.rotate(row.previous_secret_encrypted)
        await audit.record(context.vault, session, who, Act("webhooks.rotate_keys", details={"webhooks": len(rows)}))
    log.info("webhook_keys_rotated", count=len(rows))
    return len(rows)


async def check_url(outbound: Outbound, url: str | None) -> None:
    """Raises InvalidInput (url) for an address that nothing would be sent to."""
    if url is not None:
        await outbound.check(url)


def secret_of(given: Any) -> str:
    """The secret that somebody brings, or a new one."""
    secret: str = given.get_secret_value() if given is not None else signatures.new_secret()
    return secret


async def existing(session: AsyncSession, who: Principal, webhook_id: str, *, lock: bool = False) -> Owned:
    """Raises NotFound, also for what is another's."""
    found = None
    if re.fullmatch(ID, webhook_id):
        found = await repository.webhook(session, webhook_id, owner_filter(who), lock=lock)
    if found is None or not _is_within(found.webhook, await bound_of(session, who)):
        raise NotFound("there is no such webhook")
    return found


async def require_seen(session: AsyncSession, who: Principal, cameras: Sequence[str], groups: Sequence[str]) -> None:
    """Raises InvalidInput naming cameras and groups that are not there, or that the asker may not see."""
    for field, ids in (("camera_ids", cameras), ("group_ids", groups)):
        pair = (ids, ()) if field == "camera_ids" else ((), ids)
        unknown = await repository.unseen(session, who.scope, *pair) if ids else []
        if unknown:
            raise InvalidInput(f"{field}: there is no {', '.join(unknown[:5])}", field=field)


async def shown(context: Context, session: AsyncSession, found: Owned) -> WebhookView:
    return view(context, found, await repository.counts(session, [found.webhook.id]))


def view(context: Context, found: Owned, numbers: Mapping[tuple[str, str], int]) -> WebhookView:
    row = found.webhook
    until = row.previous_until
    state = "disabled" if not row.enabled else "failing" if row.failing_since else "ok"
    return WebhookView.model_validate(
        {name: getattr(row, name) for name in WebhookView.model_fields if hasattr(row, name)}
        | {
            "url": context.vault.decrypt(row.url_encrypted), "owner": found.owner, "state": state,
            "waiting": numbers.get((row.id, "pending"), 0), "dead": numbers.get((row.id, "dead"), 0),
            "previous_secret_until": until if until and until > now() else None,
            "hold_until": row.hold_until if row.hold_until and row.hold_until > now() else None,
        }
    )  # fmt: skip


def _facts(context: Context, row: Webhook) -> dict[str, Any]:
    """What the audit log keeps: where events go, without what of the address may be a token."""
    url = parse_url(context.vault.decrypt(row.url_encrypted))
    return {
        "name": row.name, "host": f"{url.scheme}://{url.netloc.decode('ascii')}", "event_types": row.event_types,
        "camera_ids": row.camera_ids, "group_ids": row.group_ids, "bound_to": row.bound_to, "key_id": row.key_id,
        "previews": row.previews, "payload": row.payload, "enabled": row.enabled,
    }  # fmt: skip
