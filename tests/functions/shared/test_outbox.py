"""The outbox: nothing committed stays unsaid, nothing uncommitted is said, in order, once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select

from functions.shared import bus as bus_module
from functions.shared.bus import Bus
from functions.shared.config import Settings
from functions.shared.contracts import CameraChanged
from functions.shared.db import Database
from functions.shared.errors import BusUnavailable, NotFound
from functions.shared.outbox import Relay, enqueue, relay
from functions.shared.tables import OutboxMessage
from functions.shared.topology import EVENTS
from tests.functions.shared.test_bus import changed, until
from tests.support.nats import NatsServer


async def write(database: Database, *revisions: int) -> None:
    async with database.transaction() as session:
        for revision in revisions:
            enqueue(session, changed(revision=revision))
            await session.flush()


async def waiting(database: Database) -> int:
    async with database.read() as session:
        query = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.published_at.is_(None))
        return await session.scalar(query) or 0


async def said(bus: Bus) -> list[int]:
    state = (await bus.js.stream_info(EVENTS)).state
    bodies = [(await bus.js.get_msg(EVENTS, n)).data for n in range(state.first_seq, state.last_seq + 1)]
    return [CameraChanged.model_validate_json(body or b"").revision for body in bodies]


@pytest.fixture(autouse=True)
async def _empty(bus: Bus) -> None:
    await bus.js.purge_stream(EVENTS)


async def test_in_order_and_whole(database: Database, bus: Bus) -> None:
    message = changed(revision=1)
    async with database.transaction() as session:
        enqueue(session, message)
    await write(database, *range(2, 8))
    assert await relay(database, bus, limit=4) == 4
    assert await relay(database, bus, limit=4) == 3
    assert await relay(database, bus) == 0
    assert await said(bus) == [1, 2, 3, 4, 5, 6, 7]
    first = await bus.js.get_msg(EVENTS, (await bus.stream_span(EVENTS))[0])
    assert CameraChanged.model_validate_json(first.data or b"") == message
    assert (first.headers or {})["ce-id"] == message.id
    assert (first.headers or {})["content-type"] == "application/json"


async def test_what_is_rolled_back_is_never_said(database: Database, bus: Bus) -> None:
    async def work() -> None:
        async with database.transaction() as session:
            enqueue(session, changed())
            await session.flush()
            raise NotFound("no such camera")

    with pytest.raises(NotFound):
        await work()
    assert await relay(database, bus) == 0
    assert await said(bus) == []


async def test_a_crash_between_publishing_and_marking_says_nothing_twice(database: Database, bus: Bus) -> None:
    await write(database, 1, 2)
    async with database.read() as session:
        row = (await session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))).first()
    assert row is not None
    await bus.publish_raw(row.subject, row.body.encode(), dict(row.headers))  # and here the process dies
    assert await waiting(database) == 2
    assert await relay(database, bus) == 2
    assert await said(bus) == [1, 2]


async def test_two_relays_at_once(database: Database, bus: Bus) -> None:
    await write(database, *range(1, 31))
    other = Database(database.url)
    await asyncio.gather(relay(database, bus), relay(other, bus))
    await other.close()
    assert await said(bus) == list(range(1, 31))
    assert await waiting(database) == 0


async def test_the_relay_waits_for_the_bus_and_loses_nothing(database: Database, tmp_path: Path) -> None:
    with NatsServer(tmp_path / "own") as server:
        bus = await bus_module.connect(Settings(nats_url=server.url, data_dir=tmp_path), "test")
        await bus_module.ensure_topology(bus)
        relaying = Relay(database, bus, period_s=0.2)
        relaying.start()
        await write(database, 1)
        relaying.kick()
        await until(lambda: none_wait(database))
        server.kill()
        await write(database, 2, 3)
        relaying.kick()
        with pytest.raises(BusUnavailable):
            await bus.publish(changed(revision=99), timeout_s=0.3)
        assert await waiting(database) == 2
        server.start()
        await until(lambda: none_wait(database), 40)
        assert [revision for revision in await said(bus) if revision != 99] == [1, 2, 3]
        await relaying.close()
        await bus.close()


async def none_wait(database: Database) -> bool:
    return await waiting(database) == 0


async def test_the_relay_outlives_a_database_that_fails_it(database: Database, bus: Bus) -> None:
    relaying = Relay(database, bus, period_s=0.05)
    away = Database("postgresql+asyncpg://gtv:x@127.0.0.1:1/gtv")
    relaying._db = away
    relaying.start()
    await asyncio.sleep(0.3)
    relaying._db = database
    await write(database, 1)
    await until(lambda: none_wait(database))
    await relaying.close()
    await away.close()
