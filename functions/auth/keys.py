"""Signing keys and the tokens they sign: RS256, `kid` in the header, the private half encrypted in the database."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy.ext.asyncio import AsyncSession

from functions.auth import repository
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import Misconfigured
from functions.shared.tables import SigningKey, User
from functions.shared.tokens import ALGORITHM

log = logs.get("auth")
BITS = 2048
# Another process may sign with a key that it read just before it was retired.
MARGIN = timedelta(minutes=1)
# Private keys that a process has decrypted, by kid.
_loaded: WeakKeyDictionary[Context, dict[str, rsa.RSAPrivateKey]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Pair:
    """An access and a refresh token of one session (`family`); `refresh_id` is the row of the refresh token."""

    access: str
    refresh: str
    refresh_id: str
    family: str


async def ensure_keys(context: Context) -> None:
    """Make the first signing key, and check that the present one can be decrypted. Safe in many processes at once."""
    async with context.db.read() as session:
        present = await repository.signing_key(session)
    if present is None:
        await _first_key(context)
    await _signer(context)


async def _first_key(context: Context) -> None:
    """Make the first key, unless another process was quicker."""
    row = await make(context)
    async with context.db.transaction() as session:
        await repository.lock(session, SigningKey)
        if await repository.signing_key(session) is not None:
            return
        session.add(row)
    log.info("signing_key_made", kid=row.kid)


async def make(context: Context) -> SigningKey:
    """A new key pair, not yet stored."""
    return await asyncio.to_thread(_make, context)


async def replace(context: Context, session: AsyncSession, row: SigningKey) -> None:
    """Let `row` sign from now on. The others verify until the longest token that they signed is over, then they go."""
    at = now()
    await repository.retire_keys(session, at, at + timedelta(seconds=context.settings.refresh_ttl_s) + MARGIN)
    await repository.drop_keys(session, at)
    session.add(row)


def _make(context: Context) -> SigningKey:
    private = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    jwk: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    public = {"kty": "RSA", "n": jwk["n"], "e": jwk["e"], "alg": ALGORITHM, "use": "sig"}
    kid = thumbprint(public)
    return SigningKey(
        kid=kid, private_encrypted=context.vault.encrypt(pem.decode()), public_jwk={**public, "kid": kid},
        created_at=now(), retired_at=None, expires_at=None,
    )  # fmt: skip


def thumbprint(public: dict[str, Any]) -> str:
    """JWK thumbprint (RFC 7638): base64url of the SHA-256 of the required members in order, 43 characters."""
    members = json.dumps({name: public[name] for name in ("e", "kty", "n")}, separators=(",", ":"), sort_keys=True)
    return jwt.utils.base64url_encode(hashlib.sha256(members.encode()).digest()).decode()


async def jwks(context: Context) -> dict[str, Any]:
    """Every public key that a token in use may have been signed with (RFC 7517)."""
    async with context.db.read() as session:
        rows = await repository.valid_keys(session, now())
    return {"keys": [row.public_jwk for row in rows]}


async def _signer(context: Context) -> tuple[str, rsa.RSAPrivateKey]:
    async with context.db.read() as session:
        row = await repository.signing_key(session)
    if row is None:
        raise Misconfigured("there is no signing key", mend="restart `auth`: it makes one at its start")
    loaded = _loaded.setdefault(context, {})
    if row.kid not in loaded:
        pem = context.vault.decrypt(row.private_encrypted)
        private = await asyncio.to_thread(serialization.load_pem_private_key, pem.encode(), None)
        assert isinstance(private, rsa.RSAPrivateKey)
        loaded[row.kid] = private
    return row.kid, loaded[row.kid]


async def issue(context: Context, user: User, family: str | None = None) -> Pair:
    """Sign an access and a refresh token for a user's session; a new one's id is made when none is given.

    The tokens hold once the session's row is stored (`sessions.begin`, `sessions.renew`).
    """
    settings = context.settings
    kid, private = await _signer(context)
    family, refresh_id, at = family or new_id(), new_id(), int(time.time())
    common = {
        "iss": settings.token_issuer, "aud": settings.token_audience, "sub": user.id, "fam": family, "iat": at,
        "nbf": at,
    }  # fmt: skip
    # Name and role are for those who read the token; what counts is looked up at each request.
    access = {
        **common, "use": "access", "jti": new_id(), "exp": at + settings.access_ttl_s, "name": user.username,
        "role": user.role,
    }  # fmt: skip
    refresh = {**common, "use": "refresh", "jti": refresh_id, "exp": at + settings.refresh_ttl_s}
    access_token, refresh_token = await asyncio.to_thread(
        lambda: tuple(jwt.encode(claims, private, ALGORITHM, {"kid": kid}) for claims in (access, refresh))
    )
    return Pair(access_token, refresh_token, refresh_id, family)


async def rotate_secrets(context: Context, session: AsyncSession) -> int:
    """Encrypt every private key anew under the first Fernet key; returns how many."""
    rows = await repository.signing_keys(session)
    for row in rows:
        row.private_encrypted = context.vault.rotate(row.private_encrypted)
    return len(rows)
