"""Access tokens: RS256 with `kid`, made by `auth`, verified here by every function against the keys in the database."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import jwt
from sqlalchemy import select

from functions.shared.access import Role
from functions.shared.db import Database
from functions.shared.errors import NotAuthenticated
from functions.shared.scope import EVERYTHING, Scope
from functions.shared.tables import SigningKey, User, UserGroup

ALGORITHM = "RS256"
MAX_TOKEN = 4096
_LEEWAY_S = 5
_REFETCH_S = 5.0


@dataclass(frozen=True)
class Principal:
    """Who is asking, and which cameras they may see. `permissions`: those of an API key; None: all of the role."""

    user_id: str
    username: str
    role: Role
    scope: Scope = EVERYTHING
    key_id: str | None = None
    permissions: frozenset[str] | None = None


class TokenVerifier:
    """Verifies tokens; keeps the public keys and asks for them anew when an unknown `kid` turns up."""

    def __init__(self, db: Database, issuer: str, audience: str) -> None:
        self._db, self._issuer, self._audience = db, issuer, audience
        self._keys: dict[str, Any] = {}
        self._fetched = float("-inf")

    async def principal(self, token: str) -> Principal:
        """Who an access token speaks for, as the database knows them now: a role or a group that was taken away, or
        an account that was disabled, counts at once. Raises NotAuthenticated."""
        claims = await self.claims(token, "access")
        async with self._db.read() as session:
            user = await session.get(User, str(claims["sub"]))
            if user is None or user.disabled:
                raise NotAuthenticated("this account has been disabled")
            groups = None
            if not user.all_groups:
                asked = select(UserGroup.group_id).where(UserGroup.user_id == user.id)
                groups = frozenset(await session.scalars(asked))
        return Principal(user.id, user.username, Role.of(user.role), Scope(groups))

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
        return claims

    async def _key(self, token: str) -> Any:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError):
            raise NotAuthenticated("that is no token") from None
        kid = header.get("kid")
        if not isinstance(kid, str) or header.get("alg") != ALGORITHM:
            raise NotAuthenticated("the token does not hold")
        if kid not in self._keys and time.monotonic() - self._fetched > _REFETCH_S:
            await self._fetch()
        if kid not in self._keys:
            raise NotAuthenticated("the token was signed with an unknown key")
        return self._keys[kid]

    async def _fetch(self) -> None:
        async with self._db.read() as session:
            rows = list(await session.scalars(select(SigningKey)))
        self._keys = {row.kid: jwt.PyJWK(row.public_jwk, algorithm=ALGORITHM).key for row in rows}
        self._fetched = time.monotonic()
