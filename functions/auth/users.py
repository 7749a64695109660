"""Users: who may sign in, as what, and which cameras they see."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.auth import first_start, passwords, repository
from functions.auth.schemas import UserCreate, UserPage, UserUpdate, UserView
from functions.shared import audit, logs
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import Conflict, InvalidInput, NotFound
from functions.shared.idempotency import Answer, Attempt, once
from functions.shared.revisions import require_revision
from functions.shared.tables import User
from functions.shared.tokens import Principal, dormant

log = logs.get("auth")
PAGE_MAX = 200


async def create_user(context: Context, who: Principal, given: UserCreate, attempt: Attempt) -> Answer:
    """Raises InvalidInput (weak or missing password, an unknown group), Conflict for a name in use."""
    hashed = await _first_hash(given)
    _require_whole(given.role, given.groups)
    user = User(
        id=new_id(), username=given.username, full_name=given.full_name, password_hash=hashed, role=given.role,
        disabled=False, all_groups=given.groups is None, sign_in=given.sign_in, revision=1, created_at=now(),
    )  # fmt: skip

    async def work(session: AsyncSession) -> Answer:
        await require_groups(session, given.groups)
        session.add(user)
        try:
            await session.flush()
        except IntegrityError:
            raise Conflict(f"there is a user {given.username} already", field="username") from None
        await repository.set_groups(session, user.id, given.groups or ())
        details = {"username": user.username, "role": user.role, "groups": given.groups, "sign_in": user.sign_in}
        await audit.record(context.vault, session, who, Act("user.created", user.id, None, details))
        return Answer(201, _view(context, user, given.groups).model_dump(mode="json"))

    answer = await once(context, attempt, work)
    if not answer.replayed:
        log.info("user_created", user_id=user.id, role=user.role)
    return answer


async def _first_hash(given: UserCreate) -> str:
    if given.sign_in != "password":
        if given.password is not None:
            raise InvalidInput("an account that signs in without a password takes none", field="password")
        return passwords.NONE
    if given.password is None:
        raise InvalidInput("Field required", field="password")
    await passwords.require_strong(given.password.get_secret_value(), given.username)
    return await passwords.hash_password(given.password.get_secret_value())


def _require_whole(role: str, groups: Iterable[str] | None) -> None:
    """An admin can give anybody every group: to keep some from them would only look like a limit."""
    if role == "admin" and groups is not None:
        raise InvalidInput("an admin sees every camera: leave the groups out, or choose another role", field="groups")


async def require_groups(session: AsyncSession, groups: list[str] | None) -> None:
    """Raises InvalidInput for an id that is no group's."""
    if not groups:
        return
    strange = sorted(set(groups) - await repository.groups_there(session, groups))
    if strange:
        raise InvalidInput(f"there is no group {', '.join(strange)}", field="groups")


def _view(context: Context, user: User, groups: list[str] | None) -> UserView:
    """`groups` of somebody who does not see every camera."""
    facts = {name: getattr(user, name) for name in UserView.model_fields if hasattr(user, name)}
    seen = None if user.all_groups else sorted(set(groups or ()))
    locked = dormant(user, context.settings.inactive_days, now())
    return UserView.model_validate({**facts, "groups": seen, "inactive": locked})


async def list_users(context: Context, cursor: str | None, limit: int) -> UserPage:
    async with context.db.read() as session:
        rows = await repository.users_after(session, cursor or "", limit + 1)
        groups = await repository.groups_of(session, [row.id for row in rows])
    more = rows[limit - 1].id if len(rows) > limit else None
    return UserPage(items=[_view(context, row, groups.get(row.id)) for row in rows[:limit]], next_cursor=more)


async def show_user(context: Context, user_id: str) -> UserView:
    """Raises NotFound."""
    async with context.db.read() as session:
        user = await existing(session, user_id)
        groups = await repository.groups_of(session, [user.id])
    return _view(context, user, groups.get(user.id))


async def update_user(
    context: Context, who: Principal, user_id: str, change: UserUpdate, revision: int | None
) -> UserView:
    """Change a user; it counts from their next request on. `revision` is the one that the caller has seen.

    Raises NotFound, InvalidInput (weak password, unknown group), Conflict (changed meanwhile, or the last active admin
    would be gone).
    """
    hashed = await _new_hash(context, user_id, change)
    async with context.db.transaction() as session:
        await repository.lock(session, User)
        user = await existing(session, user_id)
        require_revision(user, revision, "user")
        groups = (await repository.groups_of(session, [user.id])).get(user.id, [])
        before = _facts(user, groups)
        groups = await _apply(session, user, change, groups)
        if hashed is not None:
            user.password_hash = hashed
        await _require_admin_left(session, user)
        after = _facts(user, groups)
        changed = {name: [before[name], after[name]] for name in after if after[name] != before[name]}
        if user.disabled or hashed is not None:
            await repository.end_sessions_of(session, user.id, now(), but=_kept(who, user))
        if changed or hashed is not None:
            user.revision += 1
            details = {"username": user.username, **changed, **({"password": "set"} if hashed else {})}
            await audit.record(context.vault, session, who, Act("user.updated", user.id, None, details))
    if hashed is not None:
        await first_start.forget_password(context, user)
    log.info("user_updated", user_id=user.id, role=user.role, disabled=user.disabled)
    return _view(context, user, groups)


async def disable_user(context: Context, who: Principal, user_id: str, revision: int | None) -> None:
    """Disable a user. The row stays: corrections and the audit log name it."""
    await update_user(context, who, user_id, UserUpdate(disabled=True), revision)


async def _new_hash(context: Context, user_id: str, change: UserUpdate) -> str | None:
    """What stands in the place of the password from now on; None where that does not change."""
    async with context.db.read() as session:
        user = await existing(session, user_id)
    sign_in = change.sign_in or user.sign_in
    if sign_in != "password":
        if change.password is not None:
            raise InvalidInput("this account signs in without a password of ours", field="password")
        return passwords.NONE if user.sign_in == "password" else None
    if change.password is None:
        if user.sign_in != "password":
            raise InvalidInput("an account that is to sign in by password needs one", field="password")
        return None
    await passwords.require_strong(change.password.get_secret_value(), user.username)
    return await passwords.hash_password(change.password.get_secret_value())


async def _apply(session: AsyncSession, user: User, change: UserUpdate, groups: list[str]) -> list[str]:
    """Set what is given; returns the groups of now."""
    user.role = change.role or user.role
    if change.disabled is not None:
        user.disabled = change.disabled
        if not change.disabled:
            # Whoever is let in again has the whole time before them.
            user.active_at = now()
    if "full_name" in change.model_fields_set:
        user.full_name = change.full_name
    if change.sign_in is not None and change.sign_in != user.sign_in:
        user.sign_in, user.oidc_issuer, user.oidc_subject = change.sign_in, None, None
    if "groups" in change.model_fields_set:
        await require_groups(session, change.groups)
        user.all_groups, groups = change.groups is None, sorted(set(change.groups or ()))
        await repository.set_groups(session, user.id, groups)
    _require_whole(user.role, None if user.all_groups else groups)
    return groups


def _facts(user: User, groups: list[str]) -> dict[str, Any]:
    return {
        "role": user.role, "disabled": user.disabled, "groups": None if user.all_groups else sorted(groups),
        "sign_in": user.sign_in, "full_name": user.full_name, "active_at": _day(user.active_at),
    }  # fmt: skip


def _day(at: datetime | None) -> str | None:
    return at.date().isoformat() if at else None


def _kept(who: Principal, user: User) -> str | None:
    """The session that goes on where an admin sets their own password."""
    return who.session_id if who.user_id == user.id and not user.disabled else None


async def _require_admin_left(session: AsyncSession, user: User) -> None:
    if (user.role != "admin" or user.disabled) and await repository.other_active_admins(session, user.id) == 0:
        raise Conflict("this is the last active admin; make another one first", field="role")


async def existing(session: AsyncSession, user_id: str) -> User:
    """Raises NotFound."""
    user = await repository.user(session, user_id) if re.fullmatch(r"[0-9a-f]{32}", user_id) else None
    if user is None:
        raise NotFound("there is no such user")
    return user
