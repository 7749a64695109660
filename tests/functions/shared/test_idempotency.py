"""The same key twice: done once, answered alike. On both databases, and with both requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared import idempotency
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import Conflict, InvalidInput
from functions.shared.idempotency import Answer, Attempt, once
from functions.shared.tables import IdempotencyKey, User


@pytest.fixture
async def context(tmp_path: Path, database_url: str) -> AsyncIterator[Context]:
    context = Context(FunctionSettings(data_dir=tmp_path, database_url=database_url), "test")
    yield context
    await context.close()


def attempt(key: str | None = "k1", body: bytes = b'{"n": 1}', owner: str = "ana", route: str = "POST /x") -> Attempt:
    return Attempt(key, owner, route, body)


async def add_user(session: AsyncSession) -> Answer:
    """Work that shows how often it was done: one row each."""
    user = User(id=new_id(), username=new_id(), password_hash="-", role="viewer", disabled=False, created_at=now())
    session.add(user)
    await session.flush()
    return Answer(201, {"id": user.id})


async def rows(context: Context) -> int:
    async with context.db.read() as session:
        return await session.scalar(select(func.count()).select_from(User)) or 0


async def test_the_same_key_and_body_get_the_same_answer(context: Context) -> None:
    first = await once(context, attempt(), add_user)
    second = await once(context, attempt(), add_user)
    assert (second.status, second.body) == (first.status, first.body)
    assert (first.replayed, second.replayed) == (False, True)
    assert second.headers == {"Idempotent-Replayed": "true"}
    assert await rows(context) == 1


async def test_without_a_key_each_is_done(context: Context) -> None:
    first = await once(context, attempt(None), add_user)
    second = await once(context, attempt(None), add_user)
    assert first.body != second.body
    assert await rows(context) == 2


async def test_another_body_under_the_key_is_a_conflict(context: Context) -> None:
    await once(context, attempt(), add_user)
    with pytest.raises(Conflict, match="another body"):
        await once(context, attempt(body=b'{"n": 2}'), add_user)
    assert await rows(context) == 1


async def test_a_key_belongs_to_its_owner_and_route(context: Context) -> None:
    for other in (attempt(), attempt(owner="bia"), attempt(route="POST /y")):
        assert not (await once(context, other, add_user)).replayed
    assert await rows(context) == 3


async def test_many_at_once_are_done_once(context: Context) -> None:
    answers = await asyncio.gather(*(once(context, attempt(), add_user) for _ in range(8)))
    assert len({answer.body["id"] for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert await rows(context) == 1


async def test_two_processes_at_once_do_it_once(context: Context, tmp_path: Path, database_url: str) -> None:
    """Two contexts share the database and the keys, and nothing in memory."""
    other = Context(FunctionSettings(data_dir=tmp_path, database_url=database_url), "test")
    try:
        assert other.vault is not context.vault
        answers = await asyncio.gather(*(once(side, attempt(), add_user) for side in (context, other) * 3))
    finally:
        await other.close()
    assert len({answer.body["id"] for answer in answers}) == 1
    assert await rows(context) == 1


async def test_work_that_fails_leaves_the_key_free(context: Context) -> None:
    async def fail(session: AsyncSession) -> Answer:
        await add_user(session)
        raise InvalidInput("wrong", field="x")

    with pytest.raises(InvalidInput):
        await once(context, attempt(), fail)
    assert await rows(context) == 0
    assert not (await once(context, attempt(), add_user)).replayed


async def test_of_two_at_once_the_second_takes_over_when_the_first_fails(context: Context) -> None:
    calls = 0

    async def fail_at_first(session: AsyncSession) -> Answer:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.sleep(0.2)
            raise InvalidInput("wrong", field="x")
        return await add_user(session)

    answers = await asyncio.gather(*(once(context, attempt(), fail_at_first) for _ in range(2)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Answer", "InvalidInput"]
    assert await rows(context) == 1


async def test_a_key_is_forgotten_after_its_time(context: Context) -> None:
    await once(context, attempt(), add_user)
    async with context.db.transaction() as session:
        await session.execute(update(IdempotencyKey).values(created_at=now() - idempotency.KEPT - timedelta(hours=1)))
    assert not (await once(context, attempt(body=b"other"), add_user)).replayed
    assert await rows(context) == 2


async def test_the_body_is_kept_as_a_keyed_hash(context: Context) -> None:
    import hashlib

    body = b'{"password": "S3CRET-MARK"}'
    await once(context, attempt(body=body), add_user)
    async with context.db.read() as session:
        row = (await session.scalars(select(IdempotencyKey))).one()
    assert row.body_sha256 != hashlib.sha256(body).hexdigest()
    assert b"S3CRET-MARK" not in repr(vars(row)).encode()


async def test_the_same_key_at_another_address_of_one_route_is_another_request() -> None:
    from starlette.requests import Request

    from functions.shared.access import Role
    from functions.shared.tokens import Principal

    async def body() -> dict[str, object]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def of(path: str) -> Attempt:
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "scheme": "http",
                 "server": ("t", 80), "headers": [(b"idempotency-key", b"k")]}  # fmt: skip
        return await idempotency.attempt_of(Request(scope, body), Principal("u", "ana", Role.ADMIN))

    one, two = await of("/api/hotlists/a/entries"), await of("/api/hotlists/b/entries")
    assert one.route != two.route
    long, longer = await of("/api/" + "x" * 300), await of("/api/" + "x" * 301)
    assert long.route != longer.route
    assert max(len(long.route), len(longer.route)) <= idempotency.MAX_ROUTE
