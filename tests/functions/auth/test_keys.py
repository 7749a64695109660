"""Rotation of the signing keys: nobody is signed out by it, and what is over or revoked verifies no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import select, update

from functions.auth import keys
from functions.auth.service import login
from functions.auth.throttle import Origin
from functions.shared import tokens
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import NotAuthenticated
from functions.shared.tables import SigningKey
from tests.functions.auth.conftest import PASSWORD
from tests.functions.auth.test_tokens import part
from tests.functions.serving import Served


@pytest.fixture
async def replica(settings: FunctionSettings) -> AsyncIterator[Context]:
    """Another process on the same database, with keys of its own in memory."""
    context = Context(settings, "cameras")
    yield context
    await context.close()


async def pair_of(auth: Served) -> keys.Pair:
    return (await login(auth.context, "admin", PASSWORD, Origin("127.0.0.1"))).pair


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def rotate(auth: Served, token: str, **body: bool) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    answer = await auth.client.post("/api/auth/keys/rotate", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def published(auth: Served) -> set[str]:
    return {str(key["kid"]) for key in (await auth.client.get("/api/auth/jwks.json")).json()["keys"]}


async def test_a_rotation_signs_nobody_out(auth: Served, replica: Context) -> None:
    old = await pair_of(auth)
    await replica.verifier.principal(old.access)
    new_kid = (await rotate(auth, old.access))["kid"]
    assert new_kid != kid_of(old.access)
    fresh = await pair_of(auth)
    assert kid_of(fresh.access) == new_kid
    # The replica has just asked for the keys, and hears of the new one at its first sight all the same.
    for token in (fresh.access, old.access):
        assert (await replica.verifier.principal(token)).username == "admin"
    assert await published(auth) == {kid_of(old.access), new_kid}
    renewed = await auth.client.post("/api/auth/refresh", json={"refresh_token": old.refresh})
    assert renewed.status_code == 200
    assert kid_of(renewed.json()["access_token"]) == new_kid


async def test_many_tokens_of_a_new_key_ask_the_database_once(
    auth: Served, replica: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And as many of keys that nobody made: an attacker's flood is a few questions a second."""
    old = await pair_of(auth)
    await replica.verifier.principal(old.access)
    await rotate(auth, old.access)
    fresh = await pair_of(auth)
    asked, fetch = set(), tokens.TokenVerifier._fetch

    async def counted(self: tokens.TokenVerifier, at: float) -> None:
        await fetch(self, at)
        asked.add(self._fetched)

    monkeypatch.setattr(tokens.TokenVerifier, "_fetch", counted)
    await asyncio.gather(*(replica.verifier.principal(fresh.access) for _ in range(20)))
    assert 1 <= len(asked) <= 2
    asked.clear()
    forged = [f"{part({'alg': 'RS256', 'kid': f'{number:043}'})}.e30.AAAA" for number in range(40)]
    answers = await asyncio.gather(*(replica.verifier.claims(one, "access") for one in forged), return_exceptions=True)
    assert all(isinstance(one, NotAuthenticated) for one in answers)
    assert 1 <= len(asked) <= 2


async def test_an_old_key_lasts_as_long_as_its_longest_token(auth: Served, replica: Context) -> None:
    old = await pair_of(auth)
    await rotate(auth, old.access)
    life = timedelta(seconds=auth.context.settings.refresh_ttl_s)
    async with auth.context.db.read() as session:
        row = await session.get(SigningKey, kid_of(old.access))
    assert row is not None
    assert row.expires_at is not None
    assert life <= row.expires_at - now() <= life + keys.MARGIN
    async with auth.context.db.transaction() as session:
        await session.execute(update(SigningKey).where(SigningKey.kid == row.kid).values(expires_at=now()))
    assert kid_of(old.access) not in await published(auth)
    with pytest.raises(NotAuthenticated, match="unknown key"):
        await replica.verifier.principal(old.access)
    fresh = await pair_of(auth)
    await rotate(auth, fresh.access)
    async with auth.context.db.read() as session:
        assert row.kid not in set(await session.scalars(select(SigningKey.kid)))


async def test_a_key_that_leaked_is_revoked_in_every_process(
    auth: Served, replica: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await pair_of(auth)
    await replica.verifier.principal(old.access)
    await rotate(auth, old.access, revoke_old=True)
    assert kid_of(old.access) not in await published(auth)
    # The replica has the key in memory, and asks for the keys anew after a while.
    monkeypatch.setattr(tokens, "_KEYS_KEPT_S", 0.0)
    with pytest.raises(NotAuthenticated, match="unknown key"):
        await replica.verifier.principal(old.access)
    await replica.verifier.principal((await pair_of(auth)).access)


async def test_private_keys_are_encrypted_anew_by_a_rotation(auth: Served) -> None:
    pair = await pair_of(auth)
    async with auth.context.db.read() as session:
        before = {row.kid: row.private_encrypted for row in await session.scalars(select(SigningKey))}
    told = await rotate(auth, pair.access)
    assert told["encrypted"] == 2
    async with auth.context.db.read() as session:
        after = {row.kid: row.private_encrypted for row in await session.scalars(select(SigningKey))}
    assert all(after[kid] != before[kid] for kid in before)
