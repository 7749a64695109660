"""The bus when nats-server is killed and started again, with everything else left running."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from functions.shared import bus as bus_module
from functions.shared import topology
from functions.shared.bus import Bus
from functions.shared.config import Settings
from functions.shared.contracts import CameraChanged
from functions.shared.errors import BusUnavailable, GTVisionError
from tests.functions.shared.test_bus import DURABLE, changed, consuming, frame, has_follower, until
from tests.support.nats import NatsServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture
async def bus(server: NatsServer, tmp_path: Path) -> AsyncIterator[Bus]:
    bus = await bus_module.connect(Settings(nats_url=server.url, data_dir=tmp_path), "test")
    await bus_module.ensure_topology(bus)
    yield bus
    await bus.close()


async def publish_until_taken(bus: Bus, camera: str) -> None:
    """As capture does: a frame that the bus does not take is dropped, the next is tried."""
    for number in range(200):
        try:
            await bus.publish_frame(frame(camera, number), b"x", timeout_s=0.5)
        except BusUnavailable:
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError("the bus never took a frame again")


async def test_frames_flow_again_after_a_kill_and_a_start(server: NatsServer, bus: Bus) -> None:
    seen: list[str] = []

    async def handler(message: Msg) -> None:
        seen.append(message.subject)

    async with consuming(bus, handler):
        await bus.publish_frame(frame("before"), b"x")
        await until(lambda: "gtv.v1.frames.before" in seen)
        server.kill()
        with pytest.raises(BusUnavailable):
            await bus.publish_frame(frame("during"), b"x", timeout_s=0.5)
        server.start()
        await publish_until_taken(bus, "after")
        await until(lambda: "gtv.v1.frames.after" in seen)


async def test_a_consumer_that_starts_while_the_server_is_away(server: NatsServer, bus: Bus) -> None:
    seen: list[str] = []

    async def handler(message: Msg) -> None:
        seen.append(message.subject)

    server.kill()
    async with consuming(bus, handler):
        await asyncio.sleep(1.5)
        server.start()
        await publish_until_taken(bus, "after")
        await until(lambda: "gtv.v1.frames.after" in seen)


async def test_a_consumer_outlives_the_loss_of_its_stream_while_connected(bus: Bus) -> None:
    seen: list[str] = []

    async def handler(message: Msg) -> None:
        seen.append(message.subject)

    async with consuming(bus, handler):
        await bus.js.delete_stream(topology.FRAMES)

        async def laid_again() -> bool:
            try:
                await bus.publish_frame(frame("after"), b"x", timeout_s=0.5)
            except BusUnavailable:
                return False
            return True

        await until(laid_again, 30)
        await until(lambda: "gtv.v1.frames.after" in seen)


async def test_what_is_kept_survives_and_leases_do_not(server: NatsServer, bus: Bus) -> None:
    await bus.kv_put(topology.CAMERAS_KV, "cam-1", b"spec")
    await bus.kv_put(topology.LEASES_KV, "cam-1", b"pod")
    await bus.publish(changed())
    server.kill()
    server.start()

    async def kept() -> bool:
        try:
            return await bus.kv_get(topology.CAMERAS_KV, "cam-1") == b"spec"
        except BusUnavailable:
            return False

    await until(kept)
    assert (await bus.js.stream_info(topology.EVENTS)).state.messages == 1
    await until(lambda: laid(bus))
    assert await bus.kv_all(topology.LEASES_KV) == {}
    await bus.kv_put(topology.LEASES_KV, "cam-1", b"pod-2")
    assert await bus.kv_get(topology.LEASES_KV, "cam-1") == b"pod-2"


async def laid(bus: Bus) -> bool:
    try:
        await bus.kv_get(topology.LEASES_KV, "nobody")
    except GTVisionError:
        return False
    return True


async def test_a_follower_of_events_is_told_or_goes_on(server: NatsServer, bus: Bus) -> None:
    """It must never sit silent while events pass: either they reach it or it ends with BusUnavailable."""
    follower = bus.events(("gtv.v1.cameras.>",), None)
    upcoming = asyncio.ensure_future(anext(follower))
    await until(lambda: has_follower(bus))
    server.kill()
    server.start()
    revision = 0

    async def told() -> bool:
        nonlocal revision
        revision += 1
        with contextlib.suppress(BusUnavailable):
            await bus.publish(changed(revision=revision), timeout_s=0.5)
        return upcoming.done()

    await until(told, 40)
    try:
        _, _, body = upcoming.result()
    except BusUnavailable:
        return
    assert CameraChanged.model_validate_json(body).camera_id == "cam-1"
    await follower.aclose()


async def test_the_wrong_token_is_named(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats", token="right") as server:
        settings = Settings(nats_url=server.url, nats_token="wrong", data_dir=tmp_path)
        with pytest.raises(BusUnavailable, match="refuses") as caught:
            await bus_module.connect(settings, "test", wait_s=2.0)
        assert "GTV_NATS_TOKEN" in str(caught.value.details["mend"])
        right = await bus_module.connect(Settings(nats_url=server.url, nats_token="right", data_dir=tmp_path), "test")
        await bus_module.ensure_topology(right)
        await right.close()


async def test_a_server_that_comes_late(server: NatsServer, tmp_path: Path) -> None:
    server.kill()
    connecting = asyncio.create_task(bus_module.connect(Settings(nats_url=server.url, data_dir=tmp_path), "t"))
    await asyncio.sleep(0.5)
    server.start()
    late = await connecting
    assert late.connected
    await late.close()


def test_every_consumer_of_the_table_reads_a_stream_of_the_table() -> None:
    for row in topology.CONSUMERS:
        # Of a stream's subjects one, or with `>` at its end all that begin so.
        subjects = topology.stream_of(row.stream).subjects
        begin, wide, rest = row.filter_subject.partition(">")
        assert any(subject.startswith(begin) if wide else subject == begin for subject in subjects), row.durable
        assert rest == ""
        assert row.max_deliver > len(row.backoff_s) - 1
    assert DURABLE in {row.durable for row in topology.CONSUMERS}
