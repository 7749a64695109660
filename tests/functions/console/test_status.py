"""GET /api/status on the real bus and database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.console import service
from functions.shared.contracts import CameraState, DeadLetter, FrameMeta, frame_id, new_id, now
from functions.shared.topology import EVENTS, PODS_KV
from tests.functions.console.stack import Stack, eventually, recorded, running


@pytest.fixture(autouse=True)
def _ask_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "KEEP_S", -1.0)


async def status(stack: Stack) -> Any:
    async with await stack.client() as client:
        answer = await client.get("/api/status")
        assert answer.status_code == 200, answer.text
        return answer.json()


async def frame(stack: Stack) -> None:
    at = now()
    meta = FrameMeta(id=frame_id("gate-1", at), camera_id="gate-1", captured_at=at, sequence=0, width=1, height=1)
    await (await stack.context.bus()).publish_frame(meta, b"\xff\xd8")


async def test_an_empty_platform_is_ready_and_says_so(stack: Stack) -> None:
    found = await status(stack)
    assert found["bus"]["state"] == found["database"]["state"] == "ready"
    assert found["capture"]["state"] == found["inference"]["state"] == "idle"
    assert found["cameras"]["total"] == 0
    assert found["last_detection_at"] is None


async def test_messages_that_were_given_up_are_counted(stack: Stack) -> None:
    assert (await status(stack))["dead_letters"] == 0
    letter = DeadLetter(
        consumer="alerts", original_subject="gtv.v1.detections.gate-1", original_headers={}, reason="it was refused",
        body_base64="", id=new_id(),
    )  # fmt: skip
    await (await stack.context.bus()).publish(letter)
    assert (await status(stack))["dead_letters"] == 1


async def test_cameras_are_counted_by_state(stack: Stack) -> None:
    for number in range(5):
        await stack.add_camera(f"gate-{number}", f"Gate {number}", enabled=number != 4)
    await stack.report("gate-0", CameraState.ONLINE)
    await stack.report("gate-1", CameraState.OFFLINE)
    await stack.report("gate-2", CameraState.ONLINE, updated_at=now() - timedelta(minutes=5))

    async def all_known() -> bool:
        return bool((await status(stack))["cameras"]["total"] == 5)

    await eventually(all_known)
    found = await status(stack)
    # gate-2's report is old: its pod is gone. gate-3 was never reported.
    counts = {"total": 5, "online": 1, "offline": 2, "provisioning": 1, "degraded": 0, "disabled": 1}
    assert found["cameras"] == counts
    assert found["capture"]["state"] == "down"
    await (await stack.context.bus()).kv_put(PODS_KV, "pod-1", b"{}")
    assert (await status(stack))["capture"] == {"state": "ready", "message": "1 capture process at work"}


async def test_frames_that_nobody_reads_are_said(stack: Stack) -> None:
    await frame(stack)
    found = await status(stack)
    assert found["inference"]["state"] == "down"
    assert "start post-processing" in found["inference"]["message"]


async def test_a_reader_at_work_is_ready_and_one_that_fails_is_failing(stack: Stack) -> None:
    bus = await stack.context.bus()
    stop, failed = asyncio.Event(), asyncio.Event()

    async def refuse(_: object) -> None:
        failed.set()
        raise RuntimeError("the models are away")

    reader = asyncio.create_task(bus.consume("post-processing", refuse, concurrency=1, stop=stop))

    async def state_is(wanted: str) -> bool:
        return bool((await status(stack))["inference"]["state"] == wanted)

    try:
        await eventually(lambda: state_is("ready"))
        await frame(stack)
        async with asyncio.timeout(20):
            await failed.wait()
        await eventually(lambda: state_is("failing"))
    finally:
        stop.set()
        await reader


async def test_the_last_detection_is_told(stack: Stack) -> None:
    await stack.passage("gate-1", "AAA1A11", ago=timedelta(minutes=9))
    newest = await stack.passage("gate-1", "BBB2B22", ago=timedelta(minutes=3))
    found = await status(stack)
    assert found["last_detection_at"] == newest.ended_at.isoformat().replace("+00:00", "Z")


async def test_a_lost_bus_is_said_and_the_rest_still_told(stack: Stack) -> None:
    await stack.passage("gate-1", "AAA1A11")
    assert (await status(stack))["bus"]["state"] == "ready"
    stack.nats.kill()

    async def down() -> bool:
        return bool((await status(stack))["bus"]["state"] == "down")

    await eventually(down)
    found = await status(stack)
    assert found["cameras"] is None
    assert found["capture"]["state"] == found["inference"]["state"] == "unknown"
    assert found["database"]["state"] == "ready"
    assert found["last_detection_at"] is not None


async def test_events_that_were_discarded_unread_are_told(tmp_path: Path) -> None:
    """Nobody consumes, and the stream is too small for what comes."""
    async with running(tmp_path, consume=False) as stack:
        bus = await stack.context.bus()
        assert (await status(stack))["bus"] == {"state": "ready", "message": "NATS answers"}
        config = (await bus.js.stream_info(EVENTS)).config
        await bus.js.update_stream(config.evolve(max_bytes=8_000))
        for _ in range(30):
            await stack.publish(recorded("gate-1", "ABC1D23", now()))
        first, _ = await bus.stream_span(EVENTS)
        found = await status(stack)
    assert found["bus"]["state"] == "failing"
    assert f"webhooks ({first - 1})" in found["bus"]["message"]
    assert "Start the workers" in found["bus"]["message"]
