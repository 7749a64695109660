"""The SQL of webhooks: endpoints, deliveries, attempts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, null, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.scope import Scope
from functions.shared.tables import (
    ApiKey,
    ApiKeyGroup,
    Camera,
    Group,
    User,
    UserGroup,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
)

# The type of a test event, which is sent once while somebody waits for it.
TEST = "gtv.webhook.test.v1"


@dataclass(frozen=True)
class Owned:
    """An endpoint with the name of its owner."""

    webhook: Webhook
    owner: str


@dataclass(frozen=True)
class Filters:
    """Which deliveries; empty and None let everything through."""

    states: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class KeyNow:
    """A key that holds: its permissions and groups (None: all that its account sees) as they are now."""

    permissions: frozenset[str]
    groups: frozenset[str] | None


async def webhooks(session: AsyncSession, owner_id: str | None, behind: str | None, limit: int) -> list[Owned]:
    """Newest first; of one owner, or (None) of all."""
    asked = select(Webhook, User.username).join(User, User.id == Webhook.owner_id)
    if owner_id is not None:
        asked = asked.where(Webhook.owner_id == owner_id)
    if behind is not None:
        asked = asked.where(Webhook.id < behind)
    rows = await session.execute(asked.order_by(Webhook.id.desc()).limit(limit))
    return [Owned(webhook, owner) for webhook, owner in rows]


async def webhook(
    session: AsyncSession, webhook_id: str, owner_id: str | None = None, *, lock: bool = False
) -> Owned | None:
    asked = select(Webhook, User.username).join(User, User.id == Webhook.owner_id).where(Webhook.id == webhook_id)
    if owner_id is not None:
        asked = asked.where(Webhook.owner_id == owner_id)
    if lock:
        asked = asked.with_for_update(of=Webhook)
    row = (await session.execute(asked)).one_or_none()
    return Owned(row[0], row[1]) if row else None


async def count_of(session: AsyncSession, owner_id: str) -> int:
    return int(await session.scalar(select(func.count()).where(Webhook.owner_id == owner_id)) or 0)


async def counts(session: AsyncSession, ids: Sequence[str]) -> dict[tuple[str, str], int]:
    """(endpoint, state) -> deliveries of the states pending and dead, but for tests."""
    asked = (
        select(WebhookDelivery.webhook_id, WebhookDelivery.state, func.count())
        .where(WebhookDelivery.webhook_id.in_(ids), WebhookDelivery.state.in_(["pending", "dead"]))
        .where(or_(WebhookDelivery.state != "pending", WebhookDelivery.next_at.is_not(None)))
        .where(WebhookDelivery.type != TEST)
        .group_by(WebhookDelivery.webhook_id, WebhookDelivery.state)
    )
    return {(webhook_id, state): number for webhook_id, state, number in await session.execute(asked)}


async def unseen(session: AsyncSession, scope: Scope, cameras: Iterable[str], groups: Iterable[str]) -> list[str]:
    """Those of the ids that name nothing which the scope holds."""
    wanted_cameras, wanted_groups = set(cameras), set(groups)
    live = (Camera.id.in_(wanted_cameras), Camera.deleted_at.is_(None), scope.cameras(Camera.id))
    seen_cameras = set(await session.scalars(select(Camera.id).where(*live)))
    asked = select(Group.id).where(Group.id.in_(wanted_groups), scope.grouped(Group.id))
    seen_groups = set(await session.scalars(asked))
    return sorted((wanted_cameras - seen_cameras) | (wanted_groups - seen_groups))


async def every_webhook(session: AsyncSession) -> list[Webhook]:
    return list(await session.scalars(select(Webhook).with_for_update()))


# the way of an event


async def listening(session: AsyncSession) -> list[tuple[Webhook, User]]:
    """The endpoints that take events, with their owners."""
    asked = (
        select(Webhook, User)
        .join(User, User.id == Webhook.owner_id)
        .where(Webhook.enabled.is_(True), User.disabled.is_(False))
    )
    return [(hook, user) for hook, user in await session.execute(asked)]


async def scopes(session: AsyncSession, users: Iterable[User]) -> dict[str, Scope]:
    """What each user may see now, by their ids."""
    everybody = list(users)
    limited = [user.id for user in everybody if not user.all_groups]
    groups: dict[str, set[str]] = {user_id: set() for user_id in limited}
    if limited:
        asked = select(UserGroup.user_id, UserGroup.group_id).where(UserGroup.user_id.in_(limited))
        for user_id, group_id in await session.execute(asked):
            groups[user_id].add(group_id)
    return {user.id: Scope(None if user.all_groups else frozenset(groups[user.id])) for user in everybody}


async def keyed(session: AsyncSession) -> list[Webhook]:
    """The enabled endpoints that answer to an API key."""
    return list(await session.scalars(select(Webhook).where(Webhook.enabled.is_(True), Webhook.key_id.is_not(None))))


async def keys(session: AsyncSession, hooks: Iterable[Webhook], at: datetime) -> dict[str, KeyNow]:
    """The keys that endpoints answer to and that hold at a time, by id."""
    ids = sorted({hook.key_id for hook in hooks if hook.key_id is not None})
    if not ids:
        return {}
    asked = (
        select(ApiKey)
        .join(User, User.id == ApiKey.user_id)
        .where(ApiKey.id.in_(ids), ApiKey.revoked_at.is_(None), ApiKey.expires_at > at, User.disabled.is_(False))
    )
    rows = list(await session.scalars(asked))
    groups: dict[str, set[str]] = {row.id: set() for row in rows}
    given = select(ApiKeyGroup.key_id, ApiKeyGroup.group_id).where(ApiKeyGroup.key_id.in_(groups))
    for key_id, group_id in await session.execute(given):
        groups[key_id].add(group_id)
    return {
        row.id: KeyNow(frozenset(row.permissions), None if row.all_groups else frozenset(groups[row.id]))
        for row in rows
    }


async def has_groups(session: AsyncSession, key_id: str) -> bool:
    """Whether an API key is for some groups and not for all that its account sees."""
    return not await session.scalar(select(ApiKey.all_groups).where(ApiKey.id == key_id))


async def cameras(session: AsyncSession, ids: Iterable[str]) -> dict[str, Camera]:
    """By id; those that were deleted are still there."""
    wanted = sorted(ids)
    found = await session.scalars(select(Camera).where(Camera.id.in_(wanted))) if wanted else ()
    return {camera.id: camera for camera in found}


async def user(session: AsyncSession, user_id: str) -> User | None:
    return await session.get(User, user_id)


async def queue(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> int:
    """Add deliveries; those of an event that an endpoint has already are left as they are. How many were new."""
    if not rows:
        return 0
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(WebhookDelivery).values(list(rows)).on_conflict_do_nothing(
        index_elements=["webhook_id", "event_id"]
    )  # fmt: skip
    return int(getattr(await session.execute(statement), "rowcount", 0))


def _due(at: datetime) -> ColumnElement[bool]:
    return and_(WebhookDelivery.state == "pending", WebhookDelivery.next_at <= at)


async def ready(session: AsyncSession, at: datetime) -> list[tuple[str, int]]:
    """Endpoints to which something is due, with their failures in a row."""
    due = exists().where(WebhookDelivery.webhook_id == Webhook.id, _due(at))
    free = or_(Webhook.hold_until.is_(None), Webhook.hold_until <= at)
    asked = select(Webhook.id, Webhook.failures).where(Webhook.enabled.is_(True), free, due).order_by(Webhook.id)
    return [(webhook_id, failures) for webhook_id, failures in await session.execute(asked)]


async def claim(
    session: AsyncSession, webhook_id: str, limit: int, at: datetime, until: datetime, token: str
) -> list[WebhookDelivery]:  # fmt: skip
    """Take due deliveries of an endpoint: until `until` no other process does. SQLite has one writer and no row locks,
    on PostgreSQL rows that another process is about to take are passed over."""
    asked = (
        select(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook_id, _due(at))
        .order_by(WebhookDelivery.next_at, WebhookDelivery.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = list(await session.scalars(asked))
    for row in rows:
        row.next_at, row.claim = until, token
    return rows


async def claimed(session: AsyncSession, delivery_id: str, token: str) -> WebhookDelivery | None:
    """The delivery, where this claim still holds."""
    asked = select(WebhookDelivery).where(WebhookDelivery.id == delivery_id, WebhookDelivery.claim == token)
    found: WebhookDelivery | None = (await session.scalars(asked.with_for_update())).one_or_none()
    return found


async def release(session: AsyncSession, tokens: Sequence[str], at: datetime) -> None:
    """Give back what was taken and not sent to its end: it is due at once."""
    freed = update(WebhookDelivery).where(WebhookDelivery.claim.in_(tokens), WebhookDelivery.state == "pending")
    await session.execute(freed.values(next_at=at, claim=None))


async def waiting(session: AsyncSession) -> tuple[int, datetime | None]:
    """How many deliveries of enabled endpoints wait, and when the oldest of them was queued."""
    asked = (
        select(func.count(), func.min(WebhookDelivery.created_at))
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(WebhookDelivery.state == "pending", WebhookDelivery.next_at.is_not(None), Webhook.enabled.is_(True))
    )
    number, oldest = (await session.execute(asked)).one()
    return int(number), oldest


async def forget(session: AsyncSession, before: datetime, limit: int) -> int:
    """Delete deliveries that were queued before a time, some at a time; how many."""
    old = select(WebhookDelivery.id).where(WebhookDelivery.created_at < before).limit(limit)
    gone = await session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(old)))
    return int(getattr(gone, "rowcount", 0))


# what became of them


async def deliveries(
    session: AsyncSession, webhook_id: str, filters: Filters, behind: str | None, limit: int
) -> list[WebhookDelivery]:
    """Newest first."""
    asked = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    if behind is not None:
        asked = asked.where(WebhookDelivery.id < behind)
    if filters.states:
        asked = asked.where(WebhookDelivery.state.in_(filters.states))
    if filters.types:
        asked = asked.where(WebhookDelivery.type.in_(filters.types))
    if filters.start is not None:
        asked = asked.where(WebhookDelivery.created_at >= filters.start)
    if filters.end is not None:
        asked = asked.where(WebhookDelivery.created_at < filters.end)
    return list(await session.scalars(asked.order_by(WebhookDelivery.id.desc()).limit(limit)))


async def delivery(session: AsyncSession, webhook_id: str, delivery_id: str) -> WebhookDelivery | None:
    asked = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.id == delivery_id)
    found: WebhookDelivery | None = (await session.scalars(asked)).one_or_none()
    return found


async def attempts(session: AsyncSession, delivery_ids: Sequence[str]) -> dict[str, list[WebhookAttempt]]:
    """By delivery, in order of time."""
    asked = select(WebhookAttempt).where(WebhookAttempt.delivery_id.in_(delivery_ids))
    found: dict[str, list[WebhookAttempt]] = {delivery_id: [] for delivery_id in delivery_ids}
    for row in await session.scalars(asked.order_by(WebhookAttempt.at, WebhookAttempt.id)):
        found[row.delivery_id].append(row)
    return found


async def replay(
    session: AsyncSession, webhook_id: str, which: ColumnElement[bool], at: datetime
) -> int:  # fmt: skip
    """Queue deliveries anew under their old ids; how many."""
    again = update(WebhookDelivery).where(
        WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.event.is_not(None), which
    )  # fmt: skip
    values = {"state": "pending", "tries": 0, "next_at": at, "claim": None, "reason": None, "delivered_at": None}
    return int(getattr(await session.execute(again.values(**values)), "rowcount", 0))


def by_ids(ids: Sequence[str]) -> ColumnElement[bool]:
    return WebhookDelivery.id.in_(ids)


def by_span(start: datetime, end: datetime, states: Sequence[str]) -> ColumnElement[bool]:
    """Tests are left out: nobody wants those of a month again."""
    within = and_(WebhookDelivery.occurred_at >= start, WebhookDelivery.occurred_at < end)
    return and_(within, WebhookDelivery.state.in_(states), WebhookDelivery.type != TEST)


def of_types(wanted: Sequence[str], hidden: Sequence[str]) -> ColumnElement[bool]:
    """Those of the types that are `wanted` (none: all; tests always) and begin with nothing that is `hidden`."""
    asked_for = WebhookDelivery.type.in_([*wanted, TEST]) if wanted else true()
    return and_(asked_for, *(~WebhookDelivery.type.startswith(begin, autoescape=True) for begin in hidden))


async def drop_waiting(session: AsyncSession, webhook_id: str, hidden: Sequence[str]) -> None:
    """Skip what waits of types that begin with any of `hidden`; its data goes."""
    if hidden:
        await skip_waiting(session, webhook_id, "not_readable", ~of_types((), hidden))


async def skip_waiting(
    session: AsyncSession, webhook_id: str, reason: str, which: ColumnElement[bool] | None = None
) -> int:  # fmt: skip
    """Skip what waits (`which` of it; None: all), also what is in hand; its data goes. How many deliveries."""
    waits = update(WebhookDelivery).where(
        WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.state == "pending",
        true() if which is None else which,
    )  # fmt: skip
    values = {"state": "skipped", "reason": reason, "next_at": None, "claim": None, "event": null()}
    return int(getattr(await session.execute(waits.values(**values)), "rowcount", 0))
