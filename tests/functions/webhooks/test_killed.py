"""At least once across the death of any process: real workers, killed with SIGKILL, on both databases."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from functions.shared.config import FunctionSettings
from tests.functions.webhooks.conftest import Desk, eventually, passage
from tests.support import processes
from tests.support.hooks import HookServer, Received, Reply
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def more_settings() -> dict[str, Any]:
    # A dead worker's deliveries are due again after 2 * 1 + 2 s. Shorter, and a busy machine lets the worker give up
    # before it is killed.
    return {"webhook_timeout_s": 1.0}


def _enough(hooks: HookServer, number: int) -> bool:
    return len(hooks.received) >= number


@contextmanager
def worker(settings: FunctionSettings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The room as it runs in a container: `uvicorn functions.webhooks.handler:app`."""
    given = {
        "GTV_DATA_DIR": str(settings.data_dir), "GTV_DATABASE_URL": settings.database_url,
        "GTV_NATS_URL": settings.nats_url, "GTV_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "GTV_WEBHOOK_TIMEOUT_S": "1.0",
    }  # fmt: skip
    environ = {**os.environ, **given, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "uvicorn", "functions.webhooks.handler:app", "--port", str(free_port())]
    process = processes.start(command, log, environ)
    try:
        yield process
    finally:
        processes.stop(process, signal.SIGKILL)


async def test_a_worker_killed_between_sending_and_writing_it_down(
    desk: Desk, settings: FunctionSettings, tmp_path: Path
) -> None:
    came, workers = asyncio.Event(), list[subprocess.Popen[bytes]]()

    async def respond(_: Received) -> Reply:
        """The first request is received and never answered: whoever sent it is killed with it in hand, at once."""
        if not came.is_set():
            workers[0].send_signal(signal.SIGKILL)
            came.set()
            await asyncio.sleep(20)
        return Reply()

    async with HookServer(respond) as hooks:
        made = await desk.add("ana", hooks.url)
        event = passage()
        # Nobody works yet: the bus keeps it.
        await (await desk.context.bus()).publish(event)
        with worker(settings, tmp_path / "one.log") as one:
            workers.append(one)
            await asyncio.wait_for(came.wait(), 30)
            await asyncio.to_thread(one.wait, 5)
        (row,) = await desk.rows()
        assert (row.state, row.tries) == ("pending", 0), "nothing of the first attempt was written down"
        assert await desk.attempts() == []
        meanwhile = passage()
        await (await desk.context.bus()).publish(meanwhile)
        with worker(settings, tmp_path / "two.log"):

            async def all_delivered() -> bool:
                states = [row.state for row in await desk.rows()]
                return states == ["delivered", "delivered"]

            await eventually(all_delivered, 30.0)
    ids = [got.headers["webhook-id"] for got in hooks.received]
    assert sorted(ids) == sorted([event.id, event.id, meanwhile.id])
    for got in hooks.received:
        Verifier(made["secret"]).verify(got.body, got.headers)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_worker_killed_at_any_time_loses_nothing(
    desk: Desk, settings: FunctionSettings, tmp_path: Path
) -> None:
    """Forty events while workers are killed in the middle of the work, twice."""
    async with HookServer() as hooks:
        await desk.add("ana", hooks.url)
        events = [passage() for _ in range(40)]
        bus = await desk.context.bus()
        for number in range(2):
            for event in events[number * 10 : number * 10 + 10]:
                await bus.publish(event)
            seen = len(hooks.received)
            with worker(settings, tmp_path / f"{number}.log"):
                await eventually(partial(_enough, hooks, seen + 3), 30.0)
        for event in events[20:]:
            await bus.publish(event)
        with worker(settings, tmp_path / "last.log"):

            async def all_delivered() -> bool:
                rows = await desk.rows()
                return len(rows) == 40 and all(row.state == "delivered" for row in rows)

            await eventually(all_delivered, 40.0)
    assert {got.headers["webhook-id"] for got in hooks.received} == {event.id for event in events}
