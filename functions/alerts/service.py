"""The rules of the register of hotlists: who sees and changes which, and what a list may say."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from functions.alerts import repository
from functions.alerts.hooks import Hook, require_known
from functions.alerts.rules import may_change
from functions.alerts.schemas import (
    PRIORITIES,
    HookIn,
    HotlistCreate,
    HotlistPage,
    HotlistQuery,
    HotlistUpdate,
    HotlistView,
)
from functions.shared import audit, logs, masking
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import Conflict, Forbidden, GTVisionError, InvalidInput, NotFound
from functions.shared.idempotency import Answer, Attempt, once
from functions.shared.outbound import Outbound
from functions.shared.revisions import require_revision
from functions.shared.tables import CLONED_LIST, Hotlist
from functions.shared.tokens import Principal

log = logs.get("alerts")
# Fields of a list that its row has under the same name.
_PLAIN = (
    "name", "owner", "reason", "enabled", "valid_from", "valid_until", "directions", "twins", "tolerances",
    "escalate_after_min", "emails", "escalation_emails",
)  # fmt: skip


async def list_hotlists(context: Context, who: Principal, query: HotlistQuery) -> HotlistPage:
    """A page of lists by name. Raises InvalidInput (cursor)."""
    behind = _decoded(query.cursor)
    async with context.db.read() as session:
        rows = await repository.hotlists(session, who.scope, behind, query.limit + 1, query.q or "")
        groups = await repository.groups_of(session, [row.id for row in rows])
    kept = rows[: query.limit]
    more = _encoded(kept[-1]) if len(rows) > query.limit else None
    return HotlistPage(items=[view(context, who, row, groups[row.id]) for row in kept], next_cursor=more)


async def show_hotlist(context: Context, who: Principal, hotlist_id: str) -> HotlistView:
    """Raises NotFound."""
    async with context.db.read() as session:
        row = await existing(session, who, hotlist_id)
        groups = (await repository.groups_of(session, [row.id]))[row.id]
    return view(context, who, row, groups)


async def create_hotlist(context: Context, who: Principal, given: HotlistCreate, attempt: Attempt) -> Answer:
    """Add a list. Raises InvalidInput (groups, hook), Conflict (its name), Forbidden (mails and hooks of masked
    roles)."""
    _require_unmasked(context, who, given, None)
    sealed = await _sealed(context, given.hook)

    async def work(session: AsyncSession) -> Answer:
        await _require_groups(session, who, given.group_ids)
        await _require_name(session, who, given.name, "")
        at = now()
        row = Hotlist(
            id=new_id(), kind=given.kind, all_groups=given.group_ids is None, hook_encrypted=sealed, entries=0,
            entries_version=0, revision=1, created_by=who.username, created_at=at, updated_at=at, **_columns(given),
        )  # fmt: skip
        session.add(row)
        await session.flush()
        await repository.set_groups(session, row.id, given.group_ids or ())
        answer = Answer(201, view(context, who, row, sorted(given.group_ids or ())).model_dump(mode="json"))
        await _record(context, session, who, "hotlists.create", row, sorted(given.model_fields_set))
        return answer

    answer = await once(context, attempt, work)
    if not answer.replayed:
        log.info("hotlist_created", hotlist_id=answer.body["id"])
    return answer


async def update_hotlist(
    context: Context, who: Principal, hotlist_id: str, change: HotlistUpdate, revision: int | None
) -> HotlistView:
    """Change the fields that are given; `revision` is the one that the caller has seen (None: whatever it is).

    Raises NotFound, Forbidden (a group that is not the caller's; mails and hooks of masked roles), InvalidInput,
    Conflict (its name; changed meanwhile).
    """
    given = change.model_fields_set
    sealed = await _sealed(context, change.hook) if "hook" in given else None
    async with context.db.transaction() as session:
        row, groups = await changeable(session, who, hotlist_id, revision)
        _require_unmasked(context, who, change, row)
        if "group_ids" in given:
            await _require_groups(session, who, change.group_ids)
            row.all_groups, groups = change.group_ids is None, sorted(change.group_ids or ())
            await repository.set_groups(session, row.id, groups)
        if change.name is not None:
            await _require_name(session, who, change.name, row.id)
        shown = _shown_reason(context, who, row)
        for name, value in _columns(change).items():
            # A reason that comes back as it was shown, its plates masked, is no change.
            if name in given and (name, value) != ("reason", shown):
                setattr(row, name, value)
        _require_order(row)
        if "hook" in given:
            row.hook_encrypted = sealed
        row.revision, row.updated_at = row.revision + 1, now()
        await session.flush()
        changed = view(context, who, row, groups)
        await _record(context, session, who, "hotlists.update", row, sorted(given))
    log.info("hotlist_updated", hotlist_id=hotlist_id, fields=sorted(given))
    return changed


async def delete_hotlist(context: Context, who: Principal, hotlist_id: str, revision: int | None) -> None:
    """Take a list out with its entries; its alerts stay. Raises NotFound, Forbidden, Conflict."""
    async with context.db.transaction() as session:
        row, _ = await changeable(session, who, hotlist_id, revision)
        if row.kind == CLONED_LIST:
            raise Conflict("this list is part of the platform; set `enabled` false instead")
        await repository.delete_hotlist(session, row.id)
        await _record(context, session, who, "hotlists.delete", row, [])
    log.info("hotlist_deleted", hotlist_id=hotlist_id)


async def rotate_secrets(context: Context, who: Principal) -> int:
    """Encrypt every hook anew under the first Fernet key; returns how many. Raises Misconfigured (no key fits)."""
    async with context.db.transaction() as session:
        rows = [row for row in await repository.all_hotlists(session) if row.hook_encrypted]
        for row in rows:
            row.hook_encrypted = context.vault.rotate(str(row.hook_encrypted))
        await audit.record(context.vault, session, who, Act("hotlists.rotate_keys", details={"hooks": len(rows)}))
    log.info("hooks_rotated", count=len(rows))
    return len(rows)


async def existing(session: AsyncSession, who: Principal, hotlist_id: str, *, lock: bool = False) -> Hotlist:
    """Raises NotFound, also for a list that is none of the caller's business."""
    row = await repository.hotlist(session, who.scope, hotlist_id, lock_row=lock) if len(hotlist_id) <= 32 else None
    if row is None:
        raise NotFound("there is no such list", hotlist_id=hotlist_id[:32])
    return row


async def changeable(
    session: AsyncSession, who: Principal, hotlist_id: str, revision: int | None = None
) -> tuple[Hotlist, list[str]]:
    """A list, locked, and its groups. Raises NotFound, Forbidden, Conflict (changed meanwhile)."""
    row = await existing(session, who, hotlist_id, lock=True)
    groups = (await repository.groups_of(session, [row.id]))[row.id]
    if not may_change(None if row.all_groups else groups, who.scope.groups):
        raise Forbidden("the list also counts at groups of cameras that are not yours")
    require_revision(row, revision, "list")
    return row, groups


def _shown_reason(context: Context, who: Principal, row: Hotlist) -> str:
    return (masking.masked_text(row.reason) or "") if masking.hides(context.settings, who) else row.reason


def _require_unmasked(
    context: Context, who: Principal, given: HotlistCreate | HotlistUpdate, row: Hotlist | None
) -> None:
    """Raises Forbidden where a role that sees plates masked would have them sent: mails and hooks name them whole."""
    if not masking.hides(context.settings, who):
        return
    for name in ("emails", "escalation_emails"):
        known = getattr(row, name) if row is not None else ()
        if set(getattr(given, name)) - set(known):
            raise Forbidden(f"{name}: plates are masked for your role, and mails name them", field=name)
    if given.hook is not None:
        raise Forbidden("hook: plates are masked for your role, and a hook is told them", field="hook")


def view(context: Context, who: Principal, row: Hotlist, groups: list[str]) -> HotlistView:
    own = ("id", "kind", "priority", "hours", "entries", "revision", "created_by", "created_at", "updated_at")
    facts = {name: getattr(row, name) for name in (*_PLAIN, *own)}
    facts["reason"] = _shown_reason(context, who, row)
    seen = [group for group in groups if who.scope.holds(group)]
    return HotlistView(
        **facts, group_ids=None if row.all_groups else seen, hook_host=_host(context, row),
        may_change=may_change(None if row.all_groups else groups, who.scope.groups),
    )  # fmt: skip


def _host(context: Context, row: Hotlist) -> str | None:
    if row.hook_encrypted is None:
        return None
    try:
        return Hook.opened(context.vault, row.hook_encrypted).host
    except GTVisionError:
        # No key fits any more: the hook can only be set anew.
        return "?"


def _columns(given: HotlistCreate | HotlistUpdate) -> dict[str, Any]:
    found = {name: getattr(given, name) for name in _PLAIN}
    priority = given.priority
    found["priority"] = PRIORITIES[priority] if isinstance(priority, str) else priority
    found["hours"] = [item.model_dump() for item in given.hours]
    return found


async def _sealed(context: Context, hook: HookIn | None) -> str | None:
    """The hook as it is stored. Raises InvalidInput for an address that may not be asked, or an unknown field."""
    if hook is None:
        return None
    url = hook.url.get_secret_value()
    require_known(hook.body)
    outbound = Outbound(context.settings.webhook_allowed_networks)
    try:
        await outbound.check(url)
    except InvalidInput as error:
        raise InvalidInput(f"hook.{error.message}", field="hook.url") from None
    finally:
        await outbound.close()
    return Hook(url, hook.body).sealed(context.vault)


async def _require_groups(session: AsyncSession, who: Principal, groups: list[str] | None) -> None:
    """Raises InvalidInput when a list shall count where its maker may not look."""
    if groups is None:
        if not who.scope.everything:
            raise InvalidInput("group_ids: name groups of yours; null means every camera", field="group_ids")
        return
    known = {group for group in await repository.known_groups(session, groups) if who.scope.holds(group)}
    missing = sorted(set(groups) - known)
    if missing:
        raise InvalidInput(f"group_ids: there is no group {missing[0]}", field="group_ids")


async def _require_name(session: AsyncSession, who: Principal, name: str, hotlist_id: str) -> None:
    """Raises Conflict for the name of another list that the caller sees; of no other is anything said."""
    await repository.lock(session, "hotlist-names")
    if await repository.name_taken(session, who.scope, name, hotlist_id):
        raise Conflict("there is a list of this name already", field="name")


def _require_order(row: Hotlist) -> None:
    if row.valid_from and row.valid_until and row.valid_from >= row.valid_until:
        raise InvalidInput("valid_until: must lie after valid_from", field="valid_until")


async def _record(
    context: Context, session: AsyncSession, who: Principal, action: str, row: Hotlist, fields: list[str]
) -> None:
    act = Act(action, subject=row.id, details={"name": row.name, "fields": fields})
    await audit.record(context.vault, session, who, act)


def _encoded(last: Hotlist) -> str:
    return base64.urlsafe_b64encode(f"{last.id} {last.name}".encode()).decode().rstrip("=")


def _decoded(cursor: str | None) -> tuple[str, str]:
    """The name and id that a page begins behind. Raises InvalidInput."""
    if not cursor:
        return "", ""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        text = "\x00"
    hotlist_id, gap, name = text.partition(" ")
    if not text.isprintable() or not gap or len(hotlist_id) > 32 or len(name) > 120:
        raise InvalidInput("cursor: take it from next_cursor as it is", field="cursor")
    return name, hotlist_id
