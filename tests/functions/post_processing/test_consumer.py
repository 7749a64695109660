"""The consumer of FRAMES on a real nats-server: acks, delays, dead letters, the sweeper and the relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from nats.aio.msg import Msg
from prometheus_client import REGISTRY

from functions.post_processing.handler import DURABLE, Reader, Waiting
from functions.shared.bus import Bus
from functions.shared.cloudevents import frame_headers
from functions.shared.config import ReaderSettings
from functions.shared.context import Context
from functions.shared.contracts import DeadLetter, DetectionRecorded, now
from functions.shared.errors import BrokenImage, InferenceUnavailable
from tests.functions.post_processing.conftest import Memory
from tests.functions.post_processing.scenes import Film, ScriptedInference, car
from tests.support.nats import NatsServer

Start = Callable[[], Awaitable[Context]]


@pytest.fixture
def reader_settings(reader_settings: ReaderSettings, nats_server: NatsServer) -> ReaderSettings:
    return reader_settings.model_copy(update={"nats_url": nats_server.url, "passage_gap_s": 1.0})


@pytest.fixture
async def start(reader_settings: ReaderSettings, inference: ScriptedInference) -> AsyncIterator[Start]:
    """Starts one more worker; all end with the test."""
    async with AsyncExitStack() as stack:

        async def worker() -> Context:
            context = Context(reader_settings, "post-processing")
            stack.push_async_callback(context.close)
            reader = Reader(engine=lambda _: inference)
            await stack.enter_async_context(reader.consume_frames(context))
            return context

        yield worker


@pytest.fixture
async def bus(bus: Bus) -> Bus:
    """With empty streams: the server is shared by the tests of this module."""
    for stream in ("FRAMES", "EVENTS", "DEAD_LETTERS"):
        await bus.js.purge_stream(stream)
    return bus


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.05)


async def settled(bus: Bus) -> bool:
    """Whether every frame of the stream was delivered and acknowledged."""
    last = (await bus.js.stream_info("FRAMES")).state.last_seq
    consumer = await bus.js.consumer_info("FRAMES", DURABLE)
    assert consumer.delivered is not None
    return consumer.delivered.stream_seq >= last and not consumer.num_ack_pending


async def events(bus: Bus, count: int) -> list[DetectionRecorded]:
    found: list[DetectionRecorded] = []
    feed = bus.events(("gtv.v1.detections.*",), 0)
    async with asyncio.timeout(20):
        async for _, _, body in feed:
            found.append(DetectionRecorded.model_validate_json(body))
            if len(found) == count:
                break
    await feed.aclose()
    return found


async def test_frames_become_events_and_the_passage_ends_by_itself(
    bus: Bus, start: Start, film: Film, memory: Memory
) -> None:
    await start()
    film.start = now() - timedelta(seconds=1)
    for step in range(3):
        await bus.publish_frame(*film.frame(step / 3, car(50 + 10 * step, 50, "ABC1D23")))
    told = await events(bus, 2)
    assert [(event.plate, event.final) for event in told] == [("ABC1D23", False), ("ABC1D23", True)]
    assert told[0].detection_id == told[1].detection_id
    assert told[1].observations == 3
    assert await memory.plates() == ["ABC1D23"]
    assert await settled(bus)


async def test_two_workers_share_the_frames_and_double_nothing(
    bus: Bus, start: Start, inference: ScriptedInference, memory: Memory
) -> None:
    await start()
    await start()
    films = [Film(inference, f"cam-{number}", now() - timedelta(seconds=2)) for number in range(4)]
    for step in range(8):
        for number, film in enumerate(films):
            await bus.publish_frame(*film.frame(step / 4, car(50 + 8 * step, 50, f"ABC{number}D23")))
        await asyncio.sleep(0.1)

    async def ended() -> bool:
        rows = await memory.detections()
        return len(rows) == 4 and all(row.final for row in rows)

    await until(ended)
    assert sorted(str(plate) for plate in await memory.plates()) == [f"ABC{number}D23" for number in range(4)]
    assert len(await events(bus, 8)) == 8
    assert len(await memory.messages()) == 8


async def test_a_frame_delivered_again_changes_nothing(
    bus: Bus, start: Start, film: Film, memory: Memory, inference: ScriptedInference
) -> None:
    await start()
    meta, jpeg = film.frame(6, car(50, 50, "ABC1D23"))
    headers = frame_headers(meta)
    for attempt in range(3):
        # Another message id, so that the stream does not drop what a redelivery would bring.
        await bus.publish_raw(meta.subject, jpeg, {**headers, "Nats-Msg-Id": f"{meta.id}-{attempt}"})
        await until(lambda: settled(bus))
    assert len(await memory.observations()) == len(await memory.messages()) == 1


async def test_a_frame_whose_ack_was_lost_is_not_read_again(
    bus: Bus, start: Start, film: Film, memory: Memory, inference: ScriptedInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what the bus gives out again is asked for before it is read: of what is new nothing can be known."""
    acknowledge = Msg.ack

    async def lost_once(message: Msg) -> None:
        if message.metadata.num_delivered == 1:
            await message.nak()
        else:
            await acknowledge(message)

    monkeypatch.setattr(Msg, "ack", lost_once)
    await start()
    await bus.publish_frame(*film.frame(6, car(50, 50, "ABC1D23")))
    await until(lambda: settled(bus))
    assert inference.calls == 1
    assert len(await memory.observations()) == 1


async def test_whether_frames_of_one_camera_wait_is_told_by_its_newest(bus: Bus, film: Film) -> None:
    """Beside cameras whose frames do."""
    (first, jpeg), (second, other) = film.frame(0, car(50, 50)), film.frame(1, car(60, 50))
    assert await Waiting(bus).is_quiet("gate", None), "it never sent any"
    await bus.publish_frame(first, jpeg)
    assert not await Waiting(bus).is_quiet("gate", None)
    assert await Waiting(bus).is_quiet("gate", first.captured_at)
    await bus.publish_frame(second, other)
    assert not await Waiting(bus).is_quiet("gate", first.captured_at)
    assert await Waiting(bus).is_quiet("gate", second.captured_at)
    assert await Waiting(bus).is_quiet("other", None)


async def test_inference_away_brings_the_frame_back_later(
    bus: Bus, start: Start, film: Film, memory: Memory, inference: ScriptedInference
) -> None:
    inference.errors.append(InferenceUnavailable("Triton does not answer"))
    await start()
    await bus.publish_frame(*film.frame(6, car(50, 50, "ABC1D23")))

    async def recorded() -> bool:
        return len(await memory.detections()) == 1

    await until(recorded)
    assert inference.calls == 2
    await until(lambda: settled(bus))


async def test_a_worker_that_ends_gives_its_frames_back(
    bus: Bus, reader_settings: ReaderSettings, start: Start, film: Film, memory: Memory
) -> None:
    """The frame is in the engine's hands when its worker is told to end; another worker reads it."""
    stuck = ScriptedInference()
    stuck.gate = asyncio.Event()
    context = Context(reader_settings, "post-processing")
    frame = film.frame(6, car(50, 50, "ABC1D23"))
    async with Reader(engine=lambda _: stuck).consume_frames(context):
        await bus.publish_frame(*frame)
        await stuck.called(1)
    await context.close()
    await start()

    async def recorded() -> bool:
        return len(await memory.detections()) == 1

    await until(recorded)


async def dead_letter(bus: Bus) -> DeadLetter:
    subject = f"gtv.v1.dead_letters.{DURABLE}"

    async def there() -> bool:
        info = await bus.js.stream_info("DEAD_LETTERS")
        return bool(info.state.messages)

    await until(there)
    found = await bus.js.get_last_msg("DEAD_LETTERS", subject)
    assert found.data is not None
    return DeadLetter.model_validate_json(found.data)


async def test_a_broken_picture_goes_to_the_dead_letters_at_once(
    bus: Bus, start: Start, film: Film, inference: ScriptedInference
) -> None:
    inference.errors.append(BrokenImage("the frame is not an image that can be decoded"))
    await start()
    meta, jpeg = film.frame(6)
    await bus.publish_frame(meta, jpeg)
    letter = await dead_letter(bus)
    assert letter.reason == "the frame is not an image that can be decoded"
    assert letter.original_subject == "gtv.v1.frames.gate"
    assert letter.original_headers["ce-id"] == meta.id
    assert letter.body_base64 == ""
    assert inference.calls == 1


async def test_a_frame_without_its_facts_goes_to_the_dead_letters(bus: Bus, start: Start) -> None:
    await start()
    await bus.publish_raw("gtv.v1.frames.gate", b"\xff\xd8\xff", {"ce-id": "x"})
    assert "headers do not hold" in (await dead_letter(bus)).reason


async def test_an_empty_frame_goes_to_the_dead_letters(bus: Bus, start: Start, film: Film) -> None:
    await start()
    meta, _ = film.frame(6)
    await bus.publish_frame(meta, b"")
    assert (await dead_letter(bus)).reason == "the frame is empty"


async def test_an_old_frame_is_dropped_and_counted(
    bus: Bus, start: Start, inference: ScriptedInference, memory: Memory
) -> None:
    def dropped() -> float:
        return REGISTRY.get_sample_value("gtv_reader_frames_dropped_total", {"reason": "too_old"}) or 0.0

    before = dropped()
    await start()
    await bus.publish_frame(*Film(inference, start=now() - timedelta(seconds=50)).frame(0, car(50, 50)))
    await until(lambda: settled(bus))
    assert (dropped() - before, inference.calls) == (1.0, 0)
    assert await memory.detections() == []


async def test_a_server_that_comes_back_is_read_again(
    start: Start, bus: Bus, film: Film, memory: Memory, nats_server: NatsServer
) -> None:
    await start()
    await bus.publish_frame(*film.frame(4, car(50, 50, "ABC1D23")))

    async def one() -> bool:
        return len(await memory.detections()) == 1

    await until(one)
    nats_server.kill()
    nats_server.start()

    async def taken() -> bool:
        try:
            await bus.publish_frame(*film.frame(5, car(400, 50, "QWE5R66")))
        except Exception:
            return False
        return True

    await until(taken)

    async def both() -> bool:
        return len(await memory.detections()) == 2

    await until(both)
