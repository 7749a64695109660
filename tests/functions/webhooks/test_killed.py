"""At least once across the death of any process: workers, who records a read, the bus; each real, and killed with
SIGKILL, on both databases."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook as Verifier

from functions.shared.config import FunctionSettings
from functions.shared.contracts import DetectionRecorded
from functions.shared.errors import BusUnavailable
from functions.shared.tables import Detection, OutboxMessage
from functions.shared.topology import EVENTS
from tests.functions.webhooks.conftest import Desk, eventually, passage
from tests.support import processes
from tests.support.hooks import HookServer, Received, Reply
from tests.support.nats import NatsServer
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
# `ingest`, killed by the kernel at the worst moment: the read is in the database, and nothing was told of it.
DIES_AFTER_ITS_COMMIT = """
import os, signal, sys
import uvicorn
from functions.ingest import reads_service

async def instead_of_telling(context):
    os.kill(os.getpid(), signal.SIGKILL)

reads_service._let_out = instead_of_telling
uvicorn.run("functions.ingest.handler:app", port=int(sys.argv[1]))
"""


@pytest.fixture
def more_settings() -> dict[str, Any]:
    # A dead worker's deliveries are due again after 2 * 1 + 2 s. Shorter, and a busy machine lets the worker give up
    # before it is killed.
    return {"webhook_timeout_s": 1.0}


def _enough(hooks: HookServer, number: int) -> bool:
    return len(hooks.received) >= number


def environ_of(settings: FunctionSettings) -> dict[str, str]:
    given = {
        "GTV_DATA_DIR": str(settings.data_dir), "GTV_DATABASE_URL": settings.database_url,
        "GTV_NATS_URL": settings.nats_url, "GTV_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "GTV_WEBHOOK_TIMEOUT_S": "1.0",
    }  # fmt: skip
    return {**os.environ, **given, "PYTHONPATH": str(ROOT)}


@contextmanager
def worker(settings: FunctionSettings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The room as it runs in a container: `uvicorn functions.webhooks.handler:app`."""
    command = [sys.executable, "-m", "uvicorn", "functions.webhooks.handler:app", "--port", str(free_port())]
    with running(command, settings, log) as process:
        yield process


@contextmanager
def running(command: Sequence[str], settings: FunctionSettings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = processes.start(command, log, environ_of(settings))
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


async def record_a_read(desk: Desk, url: str) -> None:
    """Post a read until whoever takes it has died of it."""
    read = {"specversion": "1.0", "id": "read-1", "source": "//other.example/anpr", "type": "anpr.read",
            "data": {"camera_id": "cam-n", "plate": "BRA2E19", "started_at": "2026-11-22T18:30:00Z"}}  # fmt: skip
    headers = {"Authorization": f"Bearer {desk.tokens['bia']}"}
    async with httpx.AsyncClient(headers=headers, timeout=30) as client:
        for _ in range(300):
            try:
                answer = await client.post(url, json=read)
            except httpx.ConnectError:
                await asyncio.sleep(0.1)
            except httpx.TransportError:
                return
            else:
                raise AssertionError(f"nobody died: {answer.status_code} {answer.text}")
    raise AssertionError("ingest did not start")


async def test_who_records_a_read_is_killed_before_anybody_is_told(
    desk: Desk, settings: FunctionSettings, tmp_path: Path
) -> None:
    """Between the commit and the relay: the event waits in the database, and the next process that runs lets it out."""
    async with HookServer() as hooks:
        made = await desk.add("ana", hooks.url)
        port = free_port()
        command = [sys.executable, "-c", DIES_AFTER_ITS_COMMIT, str(port)]
        with running(command, settings, tmp_path / "ingest.log") as ingest:
            await record_a_read(desk, f"http://127.0.0.1:{port}/api/ingest/reads")
            assert await asyncio.to_thread(ingest.wait, 5) == -signal.SIGKILL
        async with desk.context.db.read() as session:
            (detection,) = await session.scalars(select(Detection))
            (told,) = await session.scalars(select(OutboxMessage))
        assert told.published_at is None
        first, last = await (await desk.context.bus()).stream_span(EVENTS)
        assert first == last + 1, "the bus knows of it already: it was killed too late"
        with worker(settings, tmp_path / "worker.log"):
            await eventually(partial(_enough, hooks, 1), 30.0)
    got = Verifier(made["secret"]).verify(hooks.received[0].body, hooks.received[0].headers)
    assert (got["type"], got["data"]["id"]) == (DetectionRecorded.type, detection.id)
    assert hooks.received[0].headers["webhook-id"] == told.message_id


async def span_once_it_answers(desk: Desk) -> tuple[int, int]:
    """The first and last sequence of EVENTS; a request that a dead server had in hand is answered by nobody."""
    bus = await desk.context.bus()
    for _ in range(10):
        with contextlib.suppress(BusUnavailable):
            return await bus.stream_span(EVENTS)
    raise AssertionError("nats-server does not answer again")


async def test_a_bus_that_is_killed_keeps_what_waits(
    desk: Desk, settings: FunctionSettings, nats_server: NatsServer, tmp_path: Path
) -> None:
    """nats-server is killed while nobody reads, and again under a worker's hands; each time it starts on its store."""
    bus = await desk.context.bus()
    events = [passage() for _ in range(40)]

    async def slow(_: Received) -> Reply:
        await asyncio.sleep(0.05)
        return Reply()

    async with HookServer(slow) as hooks:
        await desk.add("ana", hooks.url)
        for event in events[:20]:
            await bus.publish(event)
        nats_server.kill()
        nats_server.start()
        first, last = await span_once_it_answers(desk)
        assert last + 1 - first == 20, "what waited is not there any more"
        with worker(settings, tmp_path / "worker.log"):
            await eventually(partial(_enough, hooks, 3), 30.0)
            for event in events[20:]:
                await bus.publish(event)
            nats_server.kill()
            await asyncio.sleep(1.0)
            nats_server.start()

            async def all_delivered() -> bool:
                rows = await desk.rows()
                return len(rows) == 40 and all(row.state == "delivered" for row in rows)

            await eventually(all_delivered, 60.0)
    assert {got.headers["webhook-id"] for got in hooks.received} == {event.id for event in events}
