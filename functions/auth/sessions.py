"""Sessions: one row a sign-in. All tokens of a session name it, and hold no longer than it does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from functions.auth import keys, repository, users
from functions.auth.schemas import SessionList, SessionView
from functions.auth.throttle import KNOWN, Origin
from functions.shared import audit, logs
from functions.shared.access import Role
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import NotAuthenticated, NotFound
from functions.shared.tables import RefreshToken, User, UserSession
from functions.shared.tokens import Principal

log = logs.get("auth")


def principal_of(user: User, session_id: str | None = None) -> Principal:
    """A user as the actor of what they do, before any token is theirs."""
    return Principal(user.id, user.username, Role.of(user.role), session_id=session_id)


async def begin(context: Context, session: AsyncSession, user: User, pair: keys.Pair, how: tuple[str, Origin]) -> None:
    """Store the session of a first pair in the transaction of the sign-in; `how`: the method, and from where."""
    at = now()
    method, origin = how
    await repository.drop_expired(session, at - timedelta(days=1), at - KNOWN)
    row = _token_row(context, user, pair)
    session.add(row)
    session.add(
        UserSession(
            id=pair.family, user_id=user.id, method=method, address=origin.address[:64], network=origin.network,
            agent=origin.agent[:200], created_at=at, seen_at=at, expires_at=row.expires_at, ended_at=None,
        )
    )  # fmt: skip
    fresh = await repository.user(session, user.id)
    if fresh is not None:
        fresh.last_login_at = fresh.active_at = at


async def renew(context: Context, session: AsyncSession, user: User, pair: keys.Pair) -> bool:
    """Store the next pair of a session; False where it has ended meanwhile."""
    row = _token_row(context, user, pair)
    if not await repository.renew_session(session, pair.family, now(), row.expires_at):
        return False
    session.add(row)
    fresh = await repository.user(session, user.id)
    if fresh is not None:
        fresh.active_at = now()
    return True


def _token_row(context: Context, user: User, pair: keys.Pair) -> RefreshToken:
    at = now()
    return RefreshToken(
        id=pair.refresh_id, family=pair.family, user_id=user.id, issued_at=at, used_at=None,
        expires_at=at + timedelta(seconds=context.settings.refresh_ttl_s),
    )  # fmt: skip


async def list_sessions(context: Context, who: Principal, user_id: str) -> SessionList:
    """The sessions of a user that hold. Raises NotFound for an unknown user."""
    async with context.db.read() as session:
        await users.existing(session, user_id)
        rows = await repository.sessions_of(session, user_id, now())
    return SessionList(items=[_view(row, who.session_id) for row in rows])


def _view(row: UserSession, current: str | None) -> SessionView:
    facts: Mapping[str, Any] = {
        name: getattr(row, name) for name in ("id", "method", "address", "agent", "created_at", "seen_at", "expires_at")
    }
    return SessionView(**facts, current=row.id == current)


async def end_one(context: Context, who: Principal, session_id: str) -> None:
    """End a session of one's own, or, as an admin, anybody's. Raises NotFound, alike for what is not there and what
    is another's."""
    async with context.db.transaction() as session:
        known = re.fullmatch(r"[0-9a-f]{32}", session_id) is not None
        row = await repository.session_row(session, session_id) if known else None
        if row is None or (row.user_id != who.user_id and who.role != "admin"):
            raise NotFound("there is no such session")
        if await repository.end_session(session, session_id, now()):
            act = Act("session.ended", row.user_id, None, {"session": session_id})
            await audit.record(context.vault, session, who, act)
    log.info("session_ended", user_id=row.user_id)


async def end_all(context: Context, who: Principal, user_id: str) -> int:
    """End every session of a user, but for the one that asks. Raises NotFound."""
    async with context.db.transaction() as session:
        await users.existing(session, user_id)
        ended = await repository.end_sessions_of(session, user_id, now(), but=who.session_id)
        await audit.record(context.vault, session, who, Act("session.ended", user_id, None, {"sessions": ended}))
    log.info("sessions_ended", user_id=user_id, count=ended)
    return ended


async def reused(context: Context, session: AsyncSession, user: User, session_id: str) -> None:
    """A refresh token came a second time: one of the two who have it stole it, so neither may go on."""
    await repository.end_session(session, session_id, now())
    act = Act("session.token_reused", user.id, None, {"session": session_id})
    await audit.record(context.vault, session, principal_of(user, session_id), act)


async def logout(context: Context, token: str | None, use: str) -> None:
    """End the session of a token ("refresh" or "access"); one that no longer holds has nothing to end."""
    if not token:
        return
    try:
        claims = await context.verifier.claims(token, use)
    except NotAuthenticated:
        return
    async with context.db.transaction() as session:
        if not await repository.end_session(session, str(claims["fam"]), now()):
            return
        user = await repository.user(session, str(claims["sub"]))
        if user is not None:
            act = Act("logout", user.id, None, {"session": claims["fam"]})
            await audit.record(context.vault, session, principal_of(user, claims["fam"]), act)
