"""Access tokens: RS256 with `kid`, made by `auth`, verified here by every function against the keys in the database."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from sqlalchemy import or_, select

from functions.shared.access import Role
from functions.shared.contracts import now
from functions.shared.db import Database
from functions.shared.errors import NotAuthenticated
from functions.shared.scope import EVERYTHING, Scope
from functions.shared.tables import SigningKey, User, UserGroup, UserSession

ALGORITHM = "RS256"
MAX_TOKEN = 4096
_LEEWAY_S = 5
# Keys are asked for anew when they are this old, so that one that was revoked stops in every process ...
_KEYS_KEPT_S = 30.0
# ... and for a `kid` that is not known, at the most this often: whoever asks sooner waits for that answer.
_REFETCH_S = 0.25
_KID = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Principal:
    """Who is asking, and which cameras they may see. `permissions`: those of an API key; None: all of the role.

    `session_id` is the sign-in that the access token came of; None of an API key.
    """

    user_id: str
    username: str
    role: Role
    scope: Scope = EVERYTHING
    key_id: str | None = None
    permissions: frozenset[str] | None = None
    session_id: str | None = None


class TokenVerifier:
    """Verifies tokens; keeps the public keys and asks for them anew when an unknown `kid` turns up."""

    def __init__(self, db: Database, issuer: str, audience: str) -> None:
        self._db, self._issuer, self._audience = db, issuer, audience
        self._keys: dict[str, Any] = {}
        self._fetched = float("-inf")
        self._fetching = asyncio.Lock()

    async def principal(self, token: str) -> Principal:
        """Who an access token speaks for, as the database knows them now: a role or a group that was taken away, an
        account that was disabled, a session that was ended count at once. Raises NotAuthenticated."""
        claims = await self.claims(token, "access")
        asked = select(User, UserSession.ended_at).join(UserSession, UserSession.user_id == User.id)
        async with self._db.read() as session:
            found = (
                await session.execute(asked.where(User.id == claims["sub"], UserSession.id == claims["fam"]))
            ).first()
            if found is None or found.ended_at is not None:
                raise NotAuthenticated("this session has ended; sign in again")
            user: User = found.User
            if user.disabled:
                raise NotAuthenticated("this account has been disabled")
            groups = None
            if not user.all_groups:
                of_user = select(UserGroup.group_id).where(UserGroup.user_id == user.id)
                groups = frozenset(await session.scalars(of_user))
        return Principal(user.id, user.username, Role.of(user.role), Scope(groups), session_id=claims["fam"])

    async def claims(self, token: str, use: str) -> dict[str, Any]:
        """The claims of a token of one use, "access" or "refresh". Raises NotAuthenticated."""
        if len(token) > MAX_TOKEN:
            raise NotAuthenticated("the token is too long")
        key = await self._key(token)
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=[ALGORITHM], issuer=self._issuer, audience=self._audience, leeway=_LEEWAY_S,
                options={"require": ["exp", "iat", "nbf", "iss", "aud", "sub", "jti"]},
            )  # fmt: skip
        except jwt.ExpiredSignatureError:
            raise NotAuthenticated("the token is over; sign in again or refresh it", reason="expired") from None
        except (jwt.PyJWTError, ValueError):
            raise NotAuthenticated("the token does not hold") from None
        if claims.get("use") != use:
            raise NotAuthenticated("the token is of another use")
        if not isinstance(claims.get("fam"), str):
            raise NotAuthenticated("the token names no session; sign in again or refresh it")
        return claims

    async def _key(self, token: str) -> Any:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError):
            raise NotAuthenticated("that is no token") from None
        kid = header.get("kid")
        if not isinstance(kid, str) or not _KID.fullmatch(kid) or header.get("alg") != ALGORITHM:
            raise NotAuthenticated("the token does not hold")
        if kid not in self._keys or time.monotonic() - self._fetched > _KEYS_KEPT_S:
            await self._fetch(time.monotonic())
        if kid not in self._keys:
            raise NotAuthenticated("the token was signed with an unknown key")
        return self._keys[kid]

    async def _fetch(self, asked: float) -> None:
        """Ask for the keys, once for all who wait: a key that was made before somebody asked is in their answer."""
        async with self._fetching:
            if self._fetched >= asked:
                return
            await asyncio.sleep(max(0.0, self._fetched + _REFETCH_S - time.monotonic()))
            began = time.monotonic()
            valid = or_(SigningKey.expires_at.is_(None), SigningKey.expires_at > now())
            async with self._db.read() as session:
                rows = list(await session.scalars(select(SigningKey).where(valid)))
            self._keys = {row.kid: jwt.PyJWK(row.public_jwk, algorithm=ALGORITHM).key for row in rows}
            self._fetched = began


def dormant(user: User, days: int, at: datetime) -> bool:
    """Whether an account was not used for so many days that it is locked (`GTV_INACTIVE_DAYS`; 0: never)."""
    return days > 0 and (user.active_at or user.created_at) < at - timedelta(days=days)
