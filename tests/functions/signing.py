"""People and machines that are signed in, without the sign-in: a user's row, its groups, a session, a token."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from functions.auth import keys, sessions
from functions.auth.throttle import Origin
from functions.shared import api_keys
from functions.shared.access import PERMISSIONS, Role
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.tables import ApiKey, ApiKeyGroup, User, UserGroup


async def add_user(context: Context, username: str, role: Role, groups: Sequence[str] | None = None) -> User:
    """A user who sees the cameras of `groups`, which are there (None: every camera)."""
    user = User(
        id=new_id(), username=username, password_hash="!", role=role.value, disabled=False,
        all_groups=groups is None, sign_in="password", revision=1, created_at=now(),
    )  # fmt: skip
    async with context.db.transaction() as session:
        session.add(user)
        await session.flush()
        session.add_all(UserGroup(user_id=user.id, group_id=group) for group in groups or ())
    return user


async def sign_in(context: Context, user: User) -> str:
    """An access token of a new session."""
    await keys.ensure_keys(context)
    pair = await keys.issue(context, user)
    async with context.db.transaction() as session:
        await sessions.begin(context, session, user, pair, ("password", Origin("127.0.0.1", "tests")))
    return pair.access


async def api_key(
    context: Context, user: User, permissions: Sequence[str] = PERMISSIONS, groups: Sequence[str] | None = None
) -> str:
    """A key that acts as the user, for some permissions and groups."""
    key = api_keys.new_key()
    row = ApiKey(
        id=new_id(), user_id=user.id, name="tests", prefix=key[: api_keys.SHOWN], key_hash=api_keys.hash_of(key),
        permissions=list(permissions), all_groups=groups is None, created_at=now(), created_by="tests",
        expires_at=now() + timedelta(days=1), last_used_at=None, last_used_from=None, revoked_at=None,
    )  # fmt: skip
    async with context.db.transaction() as session:
        session.add(row)
        await session.flush()
        session.add_all(ApiKeyGroup(key_id=row.id, group_id=group) for group in groups or ())
    return key
