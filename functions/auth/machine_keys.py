"""API keys as admins keep them: made (and shown once), listed, revoked. Their use is `functions.shared.api_keys`."""

from __future__ import annotations

import re
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from functions.auth import machine_keys_repository as repository
from functions.auth import users
from functions.auth.schemas import ApiKeyCreate, ApiKeyPage, ApiKeyView, PermissionList, PermissionView
from functions.shared import api_keys, audit, logs
from functions.shared.access import ACCESS, PERMISSIONS, Role
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import InvalidInput, NotFound
from functions.shared.idempotency import Answer, Attempt, once
from functions.shared.tables import ApiKey, User
from functions.shared.tokens import Principal

log = logs.get("auth")
PAGE_MAX = 200


def permissions() -> PermissionList:
    """What a key may be given, the roles whose keys may have it, and the routes that it opens."""
    found = []
    for permission in PERMISSIONS:
        rules = {route: rule for route, rule in ACCESS.items() if rule is not None and rule.permission == permission}
        roles = sorted({role.value for rule in rules.values() for role in rule.roles})
        found.append(PermissionView(permission=permission, roles=roles, routes=sorted(rules)))
    return PermissionList(items=found)


async def create_key(context: Context, who: Principal, given: ApiKeyCreate, attempt: Attempt) -> Answer:
    """Make a key that acts as a user. The answer holds the key itself, this once: sent again under the same
    Idempotency-Key it holds null in its place. Raises InvalidInput."""
    key, at = api_keys.new_key(), now()
    row = ApiKey(
        id=new_id(), user_id=given.user_id, name=given.name, prefix=key[: api_keys.SHOWN], revoked_at=None,
        key_hash=api_keys.hash_of(key), permissions=sorted(set(given.permissions)), all_groups=given.groups is None,
        created_at=at, created_by=who.username, expires_at=at + timedelta(days=given.expires_in_days),
        last_used_at=None, last_used_from=None,
    )  # fmt: skip

    async def work(session: AsyncSession) -> Answer:
        user = await _owner(session, given)
        session.add(row)
        await session.flush()
        await repository.set_groups(session, row.id, given.groups or ())
        view = _view(row, user, given.groups)
        details = {"name": row.name, "prefix": row.prefix, "user": user.username, "permissions": row.permissions,
                   "groups": view.groups, "expires_at": row.expires_at.isoformat()}  # fmt: skip
        await audit.record(context.vault, session, who, Act("api_key.created", row.id, None, details))
        return Answer(201, {**view.model_dump(mode="json"), "key": None})

    answer = await once(context, attempt, work)
    if answer.replayed:
        return answer
    log.info("api_key_created", key_id=row.id, user_id=row.user_id)
    return Answer(answer.status, {**answer.body, "key": key})


async def _owner(session: AsyncSession, given: ApiKeyCreate) -> User:
    """The user whom the key is to act as. Raises InvalidInput where it could not do what is asked of it."""
    try:
        user = await users.existing(session, given.user_id)
    except NotFound:
        raise InvalidInput("there is no such user", field="user_id") from None
    if user.disabled:
        raise InvalidInput("this user has been disabled", field="user_id")
    role = Role.of(user.role)
    useless = [one for one in given.permissions if not _may(role, one)]
    if useless:
        raise InvalidInput(f"the role {role.value} has no use for {', '.join(useless)}", field="permissions")
    await users.require_groups(session, given.groups)
    own = await repository.groups_of_user(session, user)
    hidden = sorted(set(given.groups or ()) - own) if own is not None else []
    if hidden:
        raise InvalidInput(f"the user does not see the group {', '.join(hidden)}", field="groups")
    return user


def _may(role: Role, permission: str) -> bool:
    return any(rule is not None and rule.permission == permission and role in rule.roles for rule in ACCESS.values())


def _view(row: ApiKey, user: User, groups: list[str] | None) -> ApiKeyView:
    facts = {name: getattr(row, name) for name in ApiKeyView.model_fields if hasattr(row, name)}
    state = "revoked" if row.revoked_at else "expired" if row.expires_at <= now() else "active"
    seen = None if row.all_groups else sorted(set(groups or ()))
    return ApiKeyView.model_validate({**facts, "username": user.username, "groups": seen, "state": state})


async def list_keys(context: Context, user_id: str | None, cursor: str | None, limit: int) -> ApiKeyPage:
    """API keys by age, those that are over or revoked too."""
    async with context.db.read() as session:
        found = await repository.keys_after(session, user_id, cursor or "", limit + 1)
        groups = await repository.groups_of_keys(session, [row.id for row, _ in found])
    more = found[limit - 1][0].id if len(found) > limit else None
    items = [_view(row, user, groups.get(row.id)) for row, user in found[:limit]]
    return ApiKeyPage(items=items, next_cursor=more)


async def revoke_key(context: Context, who: Principal, key_id: str) -> None:
    """End a key at once; one that was revoked before stays so. Raises NotFound."""
    async with context.db.transaction() as session:
        row = await repository.key(session, key_id) if re.fullmatch(r"[0-9a-f]{32}", key_id) else None
        if row is None:
            raise NotFound("there is no such API key")
        if row.revoked_at is not None:
            return
        row.revoked_at = now()
        details = {"name": row.name, "prefix": row.prefix}
        await audit.record(context.vault, session, who, Act("api_key.revoked", row.id, None, details))
    log.info("api_key_revoked", key_id=key_id)
