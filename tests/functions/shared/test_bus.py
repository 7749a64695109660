"""The bus on a real nats-server: topology, publish, consume, KV, events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from functions.shared import bus as bus_module
from functions.shared import topology
from functions.shared.bus import Bus
from functions.shared.cloudevents import frame_meta
from functions.shared.config import Settings
from functions.shared.contracts import CameraChanged, DeadLetter, FrameMeta, frame_id, new_id, now
from functions.shared.errors import BusUnavailable, InferenceUnavailable, Rejected, TooLarge
from tests.support.ports import free_port

DURABLE = "post-processing"


def frame(camera: str = "cam-1", sequence: int = 0, ago_s: float = 0.0) -> FrameMeta:
    at = now() - timedelta(seconds=ago_s)
    return FrameMeta(
        id=frame_id(camera, at + timedelta(milliseconds=sequence)), camera_id=camera, captured_at=at,
        sequence=sequence, width=640, height=360,
    )  # fmt: skip


def changed(camera: str = "cam-1", revision: int = 1) -> CameraChanged:
    return CameraChanged(camera_id=camera, change="updated", name=camera, revision=revision)


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if (await held) if not isinstance(held, bool) else held:
                return
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def consuming(
    bus: Bus, handler: Callable[[Msg], Awaitable[None]], concurrency: int = 4
) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(bus.consume(DURABLE, handler, concurrency=concurrency, stop=stop))
    try:
        yield task
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await task


@pytest.fixture
async def clean(bus: Bus) -> Bus:
    for stream in topology.STREAMS:
        await bus.js.purge_stream(stream.name)
    await bus.js.delete_consumer(topology.FRAMES, DURABLE)
    await bus_module.ensure_topology(bus)
    return bus


async def test_the_topology_twice_is_the_topology_once(bus: Bus) -> None:
    async def state() -> list[object]:
        streams = [await bus.js.stream_info(stream.name) for stream in topology.STREAMS]
        buckets = [await bus.js.stream_info(f"KV_{bucket.name}") for bucket in topology.BUCKETS]
        consumers = [await bus.js.consumer_info(row.stream, row.durable) for row in topology.CONSUMERS]
        return [info.config for info in (*streams, *buckets, *consumers)] + [info.created for info in streams]

    before = await state()
    await bus_module.ensure_topology(bus)
    assert await state() == before


async def test_the_topology_is_what_its_table_says(bus: Bus) -> None:
    for stream in topology.STREAMS:
        config = (await bus.js.stream_info(stream.name)).config
        assert tuple(config.subjects or ()) == stream.subjects
        assert config.storage == stream.storage
        assert config.max_age == stream.max_age_s
        assert config.duplicate_window == stream.duplicate_window_s
    for row in topology.CONSUMERS:
        consumer = (await bus.js.consumer_info(row.stream, row.durable)).config
        assert (consumer.ack_wait, consumer.max_deliver) == (row.ack_wait_s, row.max_deliver)
        assert consumer.filter_subject == row.filter_subject


async def test_what_was_changed_by_hand_is_brought_back(bus: Bus) -> None:
    frames = (await bus.js.stream_info(topology.FRAMES)).config
    await bus.js.update_stream(frames.evolve(max_age=15.0))
    leases = (await bus.js.stream_info(f"KV_{topology.LEASES_KV}")).config
    await bus.js.update_stream(leases.evolve(max_age=77.0))
    await bus.js.add_consumer(
        topology.FRAMES, topology.consumer_config(topology.consumer_of(DURABLE)).evolve(ack_wait=5.0)
    )
    await bus_module.ensure_topology(bus)
    assert (await bus.js.stream_info(topology.FRAMES)).config.max_age == 60.0
    assert (await bus.js.stream_info(f"KV_{topology.LEASES_KV}")).config.max_age == 9.0
    assert (await bus.js.consumer_info(topology.FRAMES, DURABLE)).config.ack_wait == 30.0


async def test_frames_arrive_whole_and_are_acknowledged(clean: Bus) -> None:
    sent, jpeg = frame(), b"\xff\xd8 not read here \xff\xd9"
    await clean.publish_frame(sent, jpeg)
    got: list[tuple[FrameMeta, bytes]] = []

    async def handler(message: Msg) -> None:
        got.append((frame_meta(message.headers or {}), message.data))

    async with consuming(clean, handler):
        await until(lambda: bool(got))
        await until(lambda: is_settled(clean))
    assert got == [(sent, jpeg)]


async def is_settled(bus: Bus) -> bool:
    load = await bus.load(DURABLE)
    return load.waiting == 0 and load.in_hand == 0


async def test_at_most_concurrency_messages_are_in_hand(clean: Bus) -> None:
    for number in range(9):
        await clean.publish_frame(frame(f"cam-{number}"), b"x")
    hands, most, done = 0, 0, 0

    async def handler(message: Msg) -> None:
        nonlocal hands, most, done
        hands += 1
        most = max(most, hands)
        await asyncio.sleep(0.05)
        hands, done = hands - 1, done + 1

    async with consuming(clean, handler, concurrency=3):
        await until(lambda: done == 9)
    assert most == 3


async def letters(bus: Bus) -> list[DeadLetter]:
    state = (await bus.js.stream_info("DEAD_LETTERS")).state
    found = []
    for sequence in range(state.first_seq, state.last_seq + 1):
        message = await bus.js.get_msg("DEAD_LETTERS", sequence)
        found.append(DeadLetter.model_validate_json(message.data or b""))
    return found


async def test_what_is_rejected_is_given_up_at_once_with_the_reason(clean: Bus) -> None:
    await clean.publish_frame(frame(), b"x")
    tries = 0

    async def handler(message: Msg) -> None:
        nonlocal tries
        tries += 1
        raise Rejected("no frame of rtsp://op:s3cret@cam/ this is")

    async with consuming(clean, handler):
        await until(lambda: has_letter(clean))
        await until(lambda: is_settled(clean))
    (letter,) = await letters(clean)
    assert tries == 1
    assert letter.consumer == DURABLE
    assert letter.original_subject == "gtv.v1.frames.cam-1"
    assert letter.original_headers["ce-cameraid"] == "cam-1"
    assert "no frame" in letter.reason
    assert "s3cret" not in letter.reason


async def has_letter(bus: Bus) -> bool:
    return bool((await bus.js.stream_info("DEAD_LETTERS")).state.messages)


async def test_what_is_unavailable_is_tried_again_later(clean: Bus) -> None:
    await clean.publish_frame(frame(), b"x")
    tries: list[int] = []

    async def handler(message: Msg) -> None:
        tries.append(message.metadata.num_delivered or 0)
        if len(tries) < 3:
            raise InferenceUnavailable("Triton does not answer")

    async with consuming(clean, handler):
        await until(lambda: len(tries) == 3)
        await until(lambda: is_settled(clean))
    assert tries == [1, 2, 3]
    assert not await has_letter(clean)


async def test_a_handler_that_always_fails_ends_as_a_dead_letter_after_max_deliver(clean: Bus) -> None:
    await clean.publish_frame(frame(), b"x")
    tries = 0

    async def handler(message: Msg) -> None:
        nonlocal tries
        tries += 1
        raise ZeroDivisionError("a bug")

    async with consuming(clean, handler):
        await until(lambda: has_letter(clean))
        await until(lambda: is_settled(clean))
    assert tries == topology.consumer_of(DURABLE).max_deliver
    assert (await letters(clean))[0].reason == "a bug"


async def test_a_message_whose_holder_died_is_delivered_again(clean: Bus) -> None:
    await clean.publish_frame(frame(), b"x")
    quick = topology.consumer_config(topology.consumer_of(DURABLE)).evolve(ack_wait=1.0)
    await clean.js.add_consumer(topology.FRAMES, quick)
    subscription = await clean.js.pull_subscribe_bind(DURABLE, topology.FRAMES)
    held = await subscription.fetch(1, timeout=5)
    assert len(held) == 1, "taken, and never answered: as when a process is killed"
    await subscription.unsubscribe()
    deliveries: list[int] = []

    async def handler(message: Msg) -> None:
        deliveries.append(message.metadata.num_delivered or 0)

    async with consuming(clean, handler):
        await until(lambda: bool(deliveries))
    assert deliveries == [2]


async def test_the_same_message_id_is_stored_once(clean: Bus) -> None:
    message = changed()
    for _ in range(3):
        await clean.publish(message)
    assert (await clean.js.stream_info(topology.EVENTS)).state.messages == 1


async def test_frames_keep_the_newest_three_of_each_camera(clean: Bus) -> None:
    for number in range(5):
        await clean.publish_frame(frame("cam-1", number), bytes([number]))
    await clean.publish_frame(frame("cam-2"), b"other")
    assert (await clean.js.stream_info(topology.FRAMES)).state.messages == 4
    seen: list[bytes] = []

    async def handler(message: Msg) -> None:
        seen.append(message.data)

    async with consuming(clean, handler, concurrency=1):
        await until(lambda: len(seen) == 4)
    assert seen == [b"\x02", b"\x03", b"\x04", b"other"]


async def test_the_last_frame(clean: Bus) -> None:
    assert await clean.last_frame("cam-9") is None
    await clean.publish_frame(frame("cam-9", 1), b"old")
    newest = frame("cam-9", 2)
    await clean.publish_frame(newest, b"new")
    assert await clean.last_frame("cam-9") == (newest, b"new")


async def test_a_message_over_the_servers_limit_is_too_large_and_not_an_outage(bus: Bus) -> None:
    with pytest.raises(TooLarge):
        await bus.publish_frame(frame(), bytes(9_000_000))


async def test_a_subject_that_no_stream_takes(bus: Bus) -> None:
    with pytest.raises(BusUnavailable, match=r"gtv\.v9\.nowhere"):
        await bus.publish_raw("gtv.v9.nowhere", b"{}", {"Nats-Msg-Id": new_id()}, timeout_s=1.0)


async def test_kv(bus: Bus) -> None:
    bucket = topology.CAMERAS_KV
    assert await bus.kv_get(bucket, "a") is None
    before = await bus.kv_revision(bucket)
    await bus.kv_put(bucket, "a", b"1")
    await bus.kv_put(bucket, "a", b"2")
    await bus.kv_put(bucket, "b", b"3")
    assert await bus.kv_revision(bucket) == before + 3
    assert await bus.kv_get(bucket, "a") == b"2"
    assert await bus.kv_all(bucket) == {"a": b"2", "b": b"3"}
    await bus.kv_delete(bucket, "a")
    assert await bus.kv_get(bucket, "a") is None
    assert await bus.kv_all(bucket) == {"b": b"3"}
    await bus.kv_delete(bucket, "b")
    assert await bus.kv_all(bucket) == {}, "and an empty bucket does not hang"


async def test_a_bucket_that_does_not_exist(bus: Bus) -> None:
    with pytest.raises(BusUnavailable, match="nowhere"):
        await bus.kv_get("nowhere", "a")


async def test_events_from_now_on(clean: Bus) -> None:
    await clean.publish(changed(revision=1))
    follower = clean.events(("gtv.v1.cameras.>",), None)
    upcoming = asyncio.ensure_future(anext(follower))
    await until(lambda: has_follower(clean))
    later = changed(revision=2)
    await clean.publish(later)
    sequence, subject, body = await asyncio.wait_for(upcoming, 10)
    assert subject == "gtv.v1.cameras.changed.cam-1"
    assert CameraChanged.model_validate_json(body) == later
    assert sequence == (await clean.stream_span(topology.EVENTS))[1]
    await follower.aclose()
    assert not await has_follower(clean), "who leaves leaves no consumer behind"


async def has_follower(bus: Bus) -> bool:
    durable = {row.durable for row in topology.CONSUMERS}
    return bool({info.name for info in await bus.js.consumers_info(topology.EVENTS)} - durable)


async def test_events_resume_behind_a_sequence(clean: Bus) -> None:
    for revision in (1, 2, 3):
        await clean.publish(changed(revision=revision))
    first, last = await clean.stream_span(topology.EVENTS)
    assert last - first == 2
    follower = clean.events(("gtv.v1.cameras.>", "gtv.v1.detections.*"), first)
    got = [await asyncio.wait_for(anext(follower), 10) for _ in range(2)]
    await follower.aclose()
    assert [sequence for sequence, _, _ in got] == [first + 1, first + 2]
    assert [CameraChanged.model_validate_json(body).revision for _, _, body in got] == [2, 3]


async def test_nobody_listens(tmp_path: Path) -> None:
    settings = Settings(nats_url=f"nats://op:s3cret@127.0.0.1:{free_port()}", data_dir=tmp_path)
    with pytest.raises(BusUnavailable, match="does not answer") as caught:
        await bus_module.connect(settings, "test", wait_s=1.0)
    assert "s3cret" not in str(caught.value)
    assert "GTV_NATS_URL" in str(caught.value.details["mend"])
