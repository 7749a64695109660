"""What a function's process holds: opened at first use, once, and closed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.errors import BusUnavailable
from functions.shared.outbox import enqueue
from functions.shared.topology import EVENTS
from tests.functions.shared.test_bus import changed, until
from tests.functions.shared.test_outbox import none_wait
from tests.support.nats import NatsServer


def context(url: str, database: str, tmp_path: Path) -> Context:
    return Context(FunctionSettings(data_dir=tmp_path, nats_url=url, database_url=database), "test")


async def test_making_one_opens_nothing(tmp_path: Path) -> None:
    held = context("nats://127.0.0.1:1", "", tmp_path / "new")
    await held.close()
    assert not (tmp_path / "new").exists()


async def test_the_bus_is_connected_once_with_its_topology(
    nats_server: NatsServer, sqlite_url: str, tmp_path: Path
) -> None:
    held = context(nats_server.url, sqlite_url, tmp_path)
    several = await asyncio.gather(*(held.bus() for _ in range(5)))
    assert len({id(bus) for bus in several}) == 1
    assert (await several[0].js.stream_info(EVENTS)).config.name == EVENTS
    await held.close()
    assert not several[0].connected


async def test_a_bus_that_is_away_is_asked_again(sqlite_url: str, tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats")
    held = context(server.url, sqlite_url, tmp_path)
    with pytest.raises(BusUnavailable):
        await held.bus()
    with server:
        assert (await held.bus()).connected
        await held.close()


async def test_the_relay_runs_and_ends_with_its_context(
    nats_server: NatsServer, sqlite_url: str, tmp_path: Path
) -> None:
    held = context(nats_server.url, sqlite_url, tmp_path)
    relay = await held.relay()
    assert await held.relay() is relay
    async with held.db.transaction() as session:
        enqueue(session, changed())
    relay.kick()
    await until(lambda: none_wait(held.db))
    before = asyncio.all_tasks()
    await held.close()
    assert "outbox-relay" in {task.get_name() for task in before}
    assert "outbox-relay" not in {task.get_name() for task in asyncio.all_tasks()}
