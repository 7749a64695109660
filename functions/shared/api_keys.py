"""API keys: what machines sign in by. Made by `auth`, looked up here by every function.

A key is `gtv_` and 256 random bits. The database has its SHA-256 alone, so who reads the database has no key; an index
on that hash finds it without comparing what an attacker could learn from.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared import audit, logs
from functions.shared.access import Role
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import NotAuthenticated
from functions.shared.scope import Scope
from functions.shared.tables import ApiKey, ApiKeyGroup, User, UserGroup
from functions.shared.tokens import Principal, dormant

log = logs.get("api_keys")
PREFIX = "gtv_"
SHOWN = len(PREFIX) + 8
_FORM = re.compile(r"gtv_[A-Za-z0-9_-]{43}")
# Its last use is written at the most this often.
NOTED = timedelta(minutes=1)
MAX_BASIC = 1024


def new_key() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def from_basic(encoded: str) -> str:
    """The password of an `Authorization: Basic`, whatever the user name: some senders can do no better.

    Raises NotAuthenticated unless it is an API key: people's passwords are for the sign-in alone.
    """
    try:
        text = base64.b64decode(encoded, validate=True).decode() if len(encoded) <= MAX_BASIC else ""
    except (binascii.Error, ValueError):
        text = ""
    password = text.partition(":")[2]
    if not password.startswith(PREFIX):
        raise NotAuthenticated("Basic takes an API key as the password, and nothing else")
    return password


async def principal(context: Context, key: str, address: str) -> Principal:
    """Who a key speaks for: its user, with the key's permissions, and such groups as both may see.

    Raises NotAuthenticated; who holds a key that is over or revoked is told so.
    """
    if not _FORM.fullmatch(key):
        raise NotAuthenticated("the API key does not hold")
    at = now()
    async with context.db.read() as session:
        asked = select(ApiKey, User).join(User, User.id == ApiKey.user_id).where(ApiKey.key_hash == hash_of(key))
        found = (await session.execute(asked)).first()
        if found is None:
            raise NotAuthenticated("the API key does not hold")
        row, user = found.ApiKey, found.User
        _require_valid(row, user, context.settings.inactive_days, at)
        scope = Scope(await _groups(session, row, user))
    if row.last_used_at is None or at - row.last_used_at > NOTED:
        await _note_use(context, row, user, address, at)
    return Principal(user.id, user.username, Role.of(user.role), scope, row.id, frozenset(row.permissions))


def _require_valid(row: ApiKey, user: User, inactive_days: int, at: datetime) -> None:
    if row.revoked_at is not None:
        raise NotAuthenticated("this API key was revoked; ask an admin for another one", reason="revoked")
    if row.expires_at <= at:
        raise NotAuthenticated("this API key is over; ask an admin for another one", reason="expired")
    if user.disabled:
        raise NotAuthenticated("the account of this API key has been disabled")
    if dormant(user, inactive_days, at):
        raise NotAuthenticated(f"the account of this API key was not used for {inactive_days} days", reason="inactive")


async def _groups(session: AsyncSession, row: ApiKey, user: User) -> frozenset[str] | None:
    """The groups that both the user and the key may see; None: every camera."""
    own = None
    if not user.all_groups:
        own = frozenset(await session.scalars(select(UserGroup.group_id).where(UserGroup.user_id == user.id)))
    if row.all_groups:
        return own
    given = frozenset(await session.scalars(select(ApiKeyGroup.group_id).where(ApiKeyGroup.key_id == row.id)))
    return given if own is None else given & own


async def _note_use(context: Context, row: ApiKey, user: User, address: str, at: datetime) -> None:
    """Write when and from where; of many requests at once one does. The first use is audited."""
    unnoted = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < at - NOTED)
    noting = update(ApiKey).where(ApiKey.id == row.id, unnoted).values(last_used_at=at, last_used_from=address[:64])
    async with context.db.transaction() as session:
        if (await session.execute(noting.returning(ApiKey.id))).first() is None:
            return
        await session.execute(update(User).where(User.id == user.id).values(active_at=at))
        if row.last_used_at is None:
            details = {"name": row.name, "prefix": row.prefix, "user": user.username, "address": address}
            actor = Principal(user.id, user.username, Role.of(user.role), key_id=row.id)
            await audit.record(context.vault, session, actor, audit.Act("api_key.first_used", row.id, None, details))
            log.info("api_key_first_used", key_id=row.id, user_id=user.id)
