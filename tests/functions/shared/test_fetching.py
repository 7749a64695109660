"""What a full stream discards before a consumer had it is noticed: on a real nats-server, with a small stream."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nats.aio.msg import Msg
from prometheus_client import REGISTRY

from functions.shared import fetching
from functions.shared.bus import Bus, ensure_topology
from functions.shared.topology import EVENTS

BODY = b"x" * 900
# About twenty messages of that size.
ROOM = 20_000


@pytest.fixture
async def small(bus: Bus) -> Bus:
    """EVENTS, empty and small, with new consumers."""
    for durable in ("webhooks", "alerts", "camera-spans"):
        await bus.js.delete_consumer(EVENTS, durable)
    await bus.js.purge_stream(EVENTS)
    await ensure_topology(bus)
    config = (await bus.js.stream_info(EVENTS)).config
    await bus.js.update_stream(config.evolve(max_bytes=ROOM))
    return bus


async def tell(bus: Bus, number: int, subject: str = "gtv.v1.detections.gate-1") -> None:
    for _ in range(number):
        await bus.js.publish(subject, BODY)


async def work(bus: Bus, durable: str, number: int) -> list[int]:
    """Run a worker until it has handled `number` messages; their sequences."""
    got: list[int] = []
    stop = asyncio.Event()

    async def handle(message: Msg) -> None:
        got.append(message.metadata.sequence.stream)
        if len(got) >= number:
            stop.set()

    async with asyncio.timeout(20):
        await bus.consume(durable, handle, concurrency=4, stop=stop)
    # Acknowledgements are sent, and answered by nobody.
    await bus.client.flush()
    return got


def counted(durable: str) -> float:
    return REGISTRY.get_sample_value("gtv_events_lost_total", {"consumer": durable}) or 0.0


async def test_a_worker_that_was_away_for_too_long_says_what_it_lost(
    small: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[dict[str, Any]] = []
    monkeypatch.setattr(fetching.log, "error", lambda event, **facts: said.append({"event": event, **facts}))
    before = counted("webhooks")
    await tell(small, 3)
    assert len(await work(small, "webhooks", 3)) == 3
    assert await small.losses() == {}
    await tell(small, 50)
    first, last = await small.stream_span(EVENTS)
    lost = 50 - (last + 1 - first)
    assert lost > 20
    assert (await small.losses())["webhooks"] == lost
    # All that is left still comes, and the loss is told once.
    got = await work(small, "webhooks", 50 - lost)
    assert sorted(got) == list(range(first, last + 1))
    assert counted("webhooks") - before == lost
    assert said == [{"event": "events_lost", "durable": "webhooks", "number": lost, "before_sequence": first}]
    await tell(small, 1)
    await work(small, "webhooks", 1)
    assert counted("webhooks") - before == lost
    assert "webhooks" not in await small.losses()


async def test_a_worker_that_is_too_slow_says_so_while_it_works(small: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "LOOK_S", 0.0)
    before = counted("webhooks")
    await tell(small, 4)
    stop, seen = asyncio.Event(), 0

    async def handle(_: Msg) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            await tell(small, 60)
        if counted("webhooks") > before:
            stop.set()

    async with asyncio.timeout(20):
        await small.consume("webhooks", handle, concurrency=1, stop=stop)
    assert 30 < counted("webhooks") - before <= 63


async def test_what_was_never_for_a_consumer_is_not_lost_to_it(small: Bus) -> None:
    """Other subjects filled the stream, and a consumer that is made later begins with what is there."""
    await tell(small, 2, "gtv.v1.cameras.status.gate-1")
    await work(small, "webhooks", 2)
    await tell(small, 50)
    assert set(await small.losses()) == {"webhooks", "alerts"}
    # Only what a consumer of some subjects may have lost: something of its own waits, and the stream is full.
    await small.js.purge_stream(EVENTS, subject="gtv.v1.detections.>")
    assert "alerts" not in await small.losses()
    await tell(small, 50)
    await small.js.delete_consumer(EVENTS, "webhooks")
    config = (await small.js.stream_info(EVENTS)).config
    await ensure_topology(small)
    await small.js.update_stream(config)
    assert "webhooks" not in await small.losses()
