"""GET /api/events over a real uvicorn and a real nats-server."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.console import feed as feed_module
from functions.console.reader import Reader
from functions.shared.access import Role
from functions.shared.context import Context
from functions.shared.contracts import (
    BulkLookup,
    CameraChanged,
    CameraState,
    CameraStatus,
    CameraStatusChanged,
    StorageLow,
    now,
)
from functions.shared.tokens import Principal
from functions.shared.topology import EVENTS
from tests.functions.console.sse import following
from tests.functions.console.stack import PASSWORD, Stack, eventually, recorded, running


async def publish(stack: Stack, *plates: str) -> None:
    for plate in plates:
        await stack.publish(recorded("gate-1", plate, now()))


async def test_a_detection_arrives_with_links_and_without_keys(stack: Stack) -> None:
    cookies = await stack.cookies()
    async with following(stack.url, cookies) as reader:
        seen = await stack.passage("gate-1", "ABC1D23", uncertain=True)
        (event,) = await reader.until(1)
    assert (event.name, event.data["id"], event.data["plate"]) == ("detection", seen.detection_id, "ABC1D23")
    assert event.data["uncertain"] is True
    assert event.data["final"] is True
    assert event.data["type"] == "car"
    assert "snapshot_key" not in reader.text
    async with httpx.AsyncClient(base_url=stack.url) as anonymous:
        for name in ("snapshot_url", "plate_snapshot_url"):
            picture = await anonymous.get(event.data[name])
            assert (picture.status_code, picture.content[:2]) == (200, b"\xff\xd8")
            forged = await anonymous.get(re.sub("signature=.{4}", "signature=0000", event.data[name]))
            assert forged.status_code == 403
            assert "expires=" in event.data[name]


async def test_a_detection_says_who_stands_for_its_plate_and_what_took_its_place(stack: Stack) -> None:
    cookies = await stack.cookies()
    facts = {"plate_read": "ABC1D28", "corrected": True, "color": "red", "direction": "away", "plate_rows": 2}
    async with following(stack.url, cookies) as reader:
        await stack.publish(recorded("gate-1", "ABC1D23", now(), **facts, replaced_by="0" * 32))
        (event,) = await reader.until(1)
    shown = {name: event.data[name] for name in ("plate_read", "corrected", "color", "direction", "rows")}
    assert shown == {"plate_read": "ABC1D28", "corrected": True, "color": "red", "direction": "away", "rows": 2}
    assert event.data["replaced_by"] == "0" * 32


async def test_a_detection_without_a_picture_has_no_link(stack: Stack) -> None:
    cookies = await stack.cookies()
    async with following(stack.url, cookies) as reader:
        await stack.publish(recorded("gate-1", None, now(), snapshot_key=None, plate_snapshot_key=None))
        await stack.publish(recorded("gate-1", None, now(), snapshot_key="../../etc/passwd"))
        first, second = await reader.until(2)
    assert first.data["snapshot_url"] is None
    assert second.data["snapshot_url"] is None
    assert "passwd" not in reader.text


async def test_the_id_is_the_sequence_of_the_stream(stack: Stack) -> None:
    cookies = await stack.cookies()
    await publish(stack, "AAA1A11")
    _, last = await (await stack.context.bus()).stream_span(EVENTS)
    async with following(stack.url, cookies) as reader:
        # Known before the first event, so that even a reader that heard nothing resumes where it was.
        assert reader.clocks[0].id == str(last)
        await publish(stack, "BBB2B22", "CCC3C33")
        events = await reader.until(2)
    assert [event.id for event in events] == [str(last + 1), str(last + 2)]


@pytest.mark.parametrize("how", ["header", "address"])
async def test_who_comes_back_gets_exactly_what_was_missed(stack: Stack, how: str) -> None:
    cookies = await stack.cookies()
    async with following(stack.url, cookies) as reader:
        await publish(stack, "AAA1A11", "BBB2B22")
        last = (await reader.until(2))[-1].id
    missed = [f"MIS{number}A{number}{number}" for number in range(9)]
    await publish(stack, *missed)
    again: dict[str, Any] = {"last_event_id": last} if how == "header" else {"query": f"?after={last}"}
    async with following(stack.url, cookies, **again) as reader:
        await reader.until(len(missed))
        await publish(stack, "NEW1A11")
        events = await reader.until(len(missed) + 1)
        await asyncio.sleep(0.3)
    assert [event.data["plate"] for event in events] == [*missed, "NEW1A11"]


async def test_the_header_outweighs_the_address(stack: Stack) -> None:
    """A browser that reconnects by itself keeps the address it was opened with."""
    cookies = await stack.cookies()
    await publish(stack, "AAA1A11", "BBB2B22", "CCC3C33")
    _, last = await (await stack.context.bus()).stream_span(EVENTS)
    async with following(stack.url, cookies, last_event_id=str(last - 1), query=f"?after={last - 3}") as reader:
        events = await reader.until(1)
        await asyncio.sleep(0.3)
    assert [event.data["plate"] for event in events] == ["CCC3C33"]


async def test_two_readers_hear_the_same(stack: Stack) -> None:
    await stack.add_user("ana", "viewer")
    admin, viewer = await stack.cookies(), await stack.cookies("ana", PASSWORD)
    async with following(stack.url, admin) as one, following(stack.url, viewer) as other:
        await publish(stack, "AAA1A11", "BBB2B22", "CCC3C33")
        await asyncio.gather(one.until(3), other.until(3))
    assert [event.data["plate"] for event in one.events] == ["AAA1A11", "BBB2B22", "CCC3C33"]
    assert [event.id for event in one.events] == [event.id for event in other.events]


async def test_a_reader_who_leaves_takes_its_consumer_along(stack: Stack) -> None:
    cookies = await stack.cookies()
    bus = await stack.context.bus()

    async def readers() -> int:
        return len(await bus.js.consumers_info(EVENTS))

    before = await readers()

    async def one_more() -> bool:
        return await readers() == before + 1

    async def as_before() -> bool:
        return await readers() == before

    async with following(stack.url, cookies):
        await eventually(one_more)
    await eventually(as_before)


async def test_one_account_cannot_take_every_feed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_READERS_OF_ONE", 2)
    await stack.add_user("ana", "viewer")
    greedy, other = await stack.cookies("ana", PASSWORD), await stack.cookies()
    async with following(stack.url, greedy), following(stack.url, greedy):
        async with httpx.AsyncClient(base_url=stack.url, cookies=greedy) as client:
            refused = await client.get("/api/events")
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "10"
        async with following(stack.url, other):
            pass

    async def again() -> bool:
        async with (
            httpx.AsyncClient(base_url=stack.url, cookies=greedy) as client,
            client.stream("GET", "/api/events") as answer,
        ):
            return answer.status_code == 200

    await eventually(again)


async def test_cameras_are_told_without_their_secrets(stack: Stack) -> None:
    cookies = await stack.cookies()
    async with following(stack.url, cookies) as reader:
        at = now()
        status = CameraStatus(
            camera_id="gate-1", state=CameraState.OFFLINE, reason="rtsp://op:s3cret@10.0.0.7/live refused",
            reason_code="refused", since=at, updated_at=at, holder="pod-7", decode_reason="as op:pw@ says",
        )  # fmt: skip
        await stack.publish(CameraStatusChanged(camera_id="gate-1", previous=CameraState.ONLINE, status=status))
        await stack.publish(CameraChanged(camera_id="gate-1", change="updated", name="Gate", revision=4))
        state, change = await reader.until(2)
    assert (state.name, state.data["state"], state.data["previous"]) == ("camera-status", "offline", "online")
    assert state.data["reason"] == "rtsp://***@10.0.0.7/live refused"
    assert (change.name, change.data["change"], change.data["revision"]) == ("camera-changed", "updated", 4)
    assert "s3cret" not in reader.text


async def test_adding_a_camera_is_heard_and_shows_no_address(stack: Stack) -> None:
    cookies = await stack.cookies()
    async with following(stack.url, cookies) as reader:
        await stack.add_camera("gate-9", "Gate <9>")
        events = await reader.until(1)
    assert (events[0].data["camera_id"], events[0].data["name"]) == ("gate-9", "Gate <9>")
    assert "s3cret-pass" not in reader.text
    assert "rtsp" not in reader.text
    assert "gAAAA" not in reader.text


async def test_an_event_that_cannot_be_read_does_not_end_the_feed(stack: Stack) -> None:
    cookies = await stack.cookies()
    bus = await stack.context.bus()
    async with following(stack.url, cookies) as reader:
        for body in (b"no json", b"{}", b'{"detection_id": "1"}'):
            await bus.publish_raw("gtv.v1.detections.gate-1", body, {})
        await publish(stack, "AAA1A11")
        events = await reader.until(1)
    assert [event.data["plate"] for event in events] == ["AAA1A11"]


async def test_alarms_that_are_no_camera_s_are_no_riddle_to_the_feed(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Look-ups and disks have subjects beside those of alerts; each open feed would log each of them."""
    warned: list[str] = []
    monkeypatch.setattr(feed_module.log, "warning", lambda event, **_: warned.append(event))
    bus = await stack.context.bus()
    async with following(stack.url, await stack.cookies()) as reader:
        await bus.publish(BulkLookup(user_id="u", username="maria", window="hour", lookups=9, limit=5))
        await bus.publish(
            StorageLow(host="h", place="data", low=True, free_bytes=1, total_bytes=9, least_bytes=2)
        )  # fmt: skip
        await publish(stack, "AAA1A11")
        events = await reader.until(1)
    assert [event.name for event in events] == ["detection"]
    assert warned == []


async def test_nobody_reads_unless_signed_in(stack: Stack) -> None:
    async with httpx.AsyncClient(base_url=stack.url) as client:
        answer = await client.get("/api/events")
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "not_authenticated"
        assert (await client.get("/api/status")).status_code == 401


async def test_a_last_event_id_that_is_none_is_named(stack: Stack) -> None:
    async with await stack.client() as client:
        for wrong in ("abc", "-1", "1" * 30, "٣"):
            answer = await client.get("/api/events", headers=[(b"Last-Event-ID", wrong.encode())])
            assert answer.status_code == 422, wrong
            assert answer.json()["error"]["details"]["field"] == "Last-Event-ID"
        assert (await client.get("/api/events?after=-1")).status_code == 422


async def test_what_is_gone_is_said(stack: Stack) -> None:
    """A sequence of a stream that was made anew, and one older than what the stream keeps."""
    cookies = await stack.cookies()
    await publish(stack, "AAA1A11", "BBB2B22", "CCC3C33")
    bus = await stack.context.bus()
    _, last = await bus.stream_span(EVENTS)
    async with following(stack.url, cookies, last_event_id=str(last + 5000)) as reader:
        await publish(stack, "DDD4D44")
        reset, event = await reader.until(2)
        assert (reset.name, event.data["plate"]) == ("reset", "DDD4D44")
    await bus.js.purge_stream(EVENTS, keep=1)
    async with following(stack.url, cookies, last_event_id="1") as reader:
        reset, event = await reader.until(2)
        assert (reset.name, event.data["plate"]) == ("reset", "DDD4D44")


async def test_the_feed_says_that_it_lives(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "HEARTBEAT_S", 0.2)
    monkeypatch.setattr(feed_module, "CHECK_S", 0.1)
    cookies = await stack.cookies()
    async with following(stack.url, cookies) as reader:
        await reader.until(3, of=reader.clocks)
    assert ": heartbeat\n" in reader.text
    assert reader.clocks[-1].id is None


def anybody(context: Context) -> Reader:
    """A reader who may see all, and always."""
    who = Principal("0" * 32, "ana", Role.VIEWER)

    async def again() -> Principal:
        return who

    return Reader(context, who, again)


async def test_a_feed_lives_as_long_as_an_access_token(tmp_path: Path) -> None:
    """Then the reader is asked anew who it is, and misses nothing."""
    async with running(tmp_path, access_ttl_s=30) as stack:
        # The shortest life that a setting allows is long for a test: the feed alone gets a shorter one.
        short = stack.context.settings.model_copy(update={"access_ttl_s": 1})
        context = Context(short, "short")
        async with contextlib.AsyncExitStack() as ending:
            ending.push_async_callback(context.close)
            feed = feed_module.Feed(context)
            await publish(stack, "AAA1A11")
            text = b"".join([piece async for piece in await feed.open(0, anybody(context))]).decode()
    assert '"plate": "AAA1A11"' in text
    assert text.endswith(f"retry: {feed_module.AT_ONCE_MS}\n\n")


async def test_the_feed_ends_when_nats_is_lost_and_goes_on_after(stack: Stack) -> None:
    cookies = await stack.cookies()
    async with following(stack.url, cookies) as reader:
        await publish(stack, "AAA1A11")
        await reader.until(1)
        stack.nats.kill()
        async with asyncio.timeout(20):
            await reader.ended.wait()
        async with await stack.client() as client:
            refused = await client.get("/api/events")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "bus_unavailable")
    stack.nats.start()
    bus = await stack.context.bus()

    async def connected() -> bool:
        return bus.connected

    await eventually(connected)
    await publish(stack, "BBB2B22")
    async with following(stack.url, cookies, last_event_id=reader.last_id) as again:
        events = await again.until(1)
    assert [event.data["plate"] for event in events] == ["BBB2B22"]
