"""The worker on a real bus: a preview to an alert, to the outbox, to EVENTS and to a mail's log."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from functions.alerts import handler, work
from functions.auth import handler as auth
from functions.shared.bus import Bus
from functions.shared.config import FunctionSettings
from functions.shared.contracts import AlertRaised
from functions.shared.topology import EVENTS
from tests.functions.alerts.conftest import add, alerts, camera, detection, group, make_list, told
from tests.functions.serving import Served, serve
from tests.support.nats import NatsServer


@pytest.fixture
async def live(settings: FunctionSettings, nats_server: NatsServer, bus: Bus) -> AsyncIterator[Served]:
    """The room with its worker at work, on a stream that others' messages are gone from."""
    await bus.js.purge_stream(EVENTS)
    own = settings.model_copy(update={"nats_url": nats_server.url, "consume": True})
    async with serve(
        "alerts", [auth.router, handler.router], own, startup=auth.startup, workers=handler.workers
    ) as made:
        await add(made.context.db, group("north"), camera("gate", "north"))
        made.client.headers.update(await made.login("admin", "Quarto-Verde-77-Onibus"))
        yield made


async def eventually(ask: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> Any:
    until = time.monotonic() + seconds
    while not (found := await ask()):
        assert time.monotonic() < until, "it did not come about"
        await asyncio.sleep(0.02)
    return found


async def raised(live: Served, bus: Bus) -> tuple[AlertRaised, float]:
    """The alert of a vehicle in sight, and how long after its message it was on the bus, s."""
    row = detection("ABC1D23", final=False)
    await add(live.context.db, row)
    waiting = bus.events(("gtv.v1.alerts.>",), (await bus.js.stream_info(EVENTS)).state.last_seq)
    started = time.monotonic()
    await bus.publish(told(row))
    async for _, subject, body in waiting:
        assert subject == "gtv.v1.alerts.raised.gate"
        message = AlertRaised.model_validate_json(body)
        break
    took = time.monotonic() - started
    assert message.detection_id == row.id
    return message, took


async def test_a_preview_becomes_an_alert_on_the_bus_within_a_second(live: Served, bus: Bus) -> None:
    await make_list(live, "ABC1D23", emails=["a@city.example"])
    await asyncio.sleep(work.TICK_S)
    # On a machine that others use too: the median of some, and once more where it was busy just then.
    medians = []
    for _ in range(3):
        found = [await raised(live, bus) for _ in range(5)]
        medians.append(statistics.median(took for _, took in found))
        if medians[-1] < 1.0:
            break
    assert min(medians) < 1.0, medians
    message, _ = found[-1]

    async def tried() -> bool:
        shown = (await live.client.get(f"/api/alerts/{message.alert_id}")).json()
        return bool(shown["notifications"][0]["attempts"])

    await eventually(tried)


async def test_messages_that_are_none_are_given_up_and_the_next_is_judged(live: Served, bus: Bus) -> None:
    await make_list(live, "ABC1D23")
    await asyncio.sleep(work.TICK_S)
    await bus.publish_raw("gtv.v1.detections.gate", b"{nonsense", {"ce-id": "x"})
    row = detection("ABC1D23")
    await add(live.context.db, row)
    await bus.publish(told(row))
    assert await eventually(lambda: alerts(live.context.db))
    assert (await bus.load("alerts")).waiting == 0


async def test_where_another_process_consumes_this_one_does_not(
    settings: FunctionSettings, nats_server: NatsServer, bus: Bus
) -> None:
    await bus.js.purge_stream(EVENTS)
    own = settings.model_copy(update={"nats_url": nats_server.url})
    async with serve(
        "alerts", [auth.router, handler.router], own, startup=auth.startup, workers=handler.workers
    ) as made:
        await add(made.context.db, camera("gate"))
        await bus.publish(told(detection("ABC1D23")))
        await asyncio.sleep(0.3)
        assert (await bus.load("alerts")).readers == 0
    info = await bus.load("alerts")
    assert info.waiting + info.in_hand == 1
