"""What capture is told, over a real nats-server that is also killed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.cameras import repository, status
from functions.cameras.feed import reconcile_cameras
from functions.cameras.schemas import StatusView
from functions.shared.bus import Bus
from functions.shared.contracts import CameraSpec, CameraState, CameraStatus, FrameMeta, frame_id, new_id, now
from functions.shared.errors import BusUnavailable
from functions.shared.scope import EVERYTHING
from functions.shared.tables import Camera
from functions.shared.topology import CAMERAS_KV, STATUS_KV
from tests.functions.cameras.conftest import URL, Register, serve_cameras, settings_of
from tests.support.nats import NatsServer

SOON_S = 30.0


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `check` holds; what is waited for takes a second or two, the limit only ends a broken test."""
    until = time.monotonic() + SOON_S
    while not await check():
        assert time.monotonic() < until
        await asyncio.sleep(0.1)


async def specs(bus: Bus) -> dict[str, CameraSpec]:
    found = await bus.kv_all(CAMERAS_KV)
    return {name: CameraSpec.model_validate_json(value) for name, value in found.items()}


async def make(register: Register, camera_id: str, **changed: Any) -> None:
    body = {"id": camera_id, "name": camera_id, "rtsp_url": URL, **changed}
    answer = await register.client.post("/api/cameras", json=body)
    assert answer.status_code == 201, answer.text


async def last_sequence(bus: Bus) -> int:
    return int((await bus.js.stream_info("EVENTS")).state.last_seq)


async def changes_after(bus: Bus, sequence: int, wanted: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(SOON_S), aclosing(bus.events(("gtv.v1.cameras.changed.*",), sequence)) as events:
        async for _, _, body in events:
            found.append(json.loads(body))
            if len(found) == wanted:
                break
    return found


async def test_each_change_is_an_event_and_a_spec(register: Register) -> None:
    bus, client = await register.context.bus(), register.client
    begin = await last_sequence(bus)
    await make(register, "cam-1", sample_fps=2, jpeg_quality=70, max_side=1280, motion_gate=False)
    spec = (await specs(bus))["cam-1"]
    assert (spec.revision, spec.sample_fps, spec.jpeg_quality, spec.max_side) == (1, 2, 70, 1280)
    assert register.context.vault.decrypt(spec.url_encrypted) == URL
    for change in ({"name": "Other"}, {"enabled": False}, {"enabled": True, "name": "Back"}):
        await client.patch("/api/cameras/cam-1", json=change, headers={"X-Correlation-ID": "corr-1"})
    assert (await specs(bus))["cam-1"].revision == 4
    await client.delete("/api/cameras/cam-1")
    assert await specs(bus) == {}
    events = await changes_after(bus, begin, 5)
    assert [event["change"] for event in events] == ["created", "updated", "disabled", "enabled", "deleted"]
    assert [event["revision"] for event in events] == [1, 2, 3, 4, 5]
    assert [event["correlation_id"] for event in events[1:4]] == ["corr-1"] * 3
    assert {event["camera_id"] for event in events} == {"cam-1"}


async def test_a_refused_request_tells_nobody(register: Register) -> None:
    bus = await register.context.bus()
    begin = await last_sequence(bus)
    await make(register, "cam-1")
    await register.client.post("/api/cameras", json={"id": "cam-1", "name": "x", "rtsp_url": URL})
    await register.client.patch("/api/cameras/cam-1", json={"name": "x"}, headers={"If-Match": '"9"'})
    await register.client.patch("/api/cameras/cam-1", json={"name": "cam-1"})
    await make(register, "cam-2")
    assert [event["camera_id"] for event in await changes_after(bus, begin, 2)] == ["cam-1", "cam-2"]


async def test_reconcile_writes_what_differs_and_deletes_what_is_gone(register: Register) -> None:
    bus = await register.context.bus()
    for camera_id in ("same", "stale", "broken", "lost"):
        await make(register, camera_id)
    right = await specs(bus)
    await bus.kv_put(
        CAMERAS_KV, "stale", right["stale"].model_copy(update={"sample_fps": 9}).model_dump_json().encode()
    )
    await bus.kv_put(CAMERAS_KV, "broken", b"{")
    await bus.kv_put(CAMERAS_KV, "stranger", right["same"].model_dump_json().encode())
    await bus.kv_delete(CAMERAS_KV, "lost")
    # The worker reconciles on its own now and then: whoever was first, the bucket is right and nothing is left to do.
    await reconcile_cameras(register.context)
    assert await specs(bus) == right
    assert await reconcile_cameras(register.context) == (0, 0)


@pytest.fixture
async def away(tmp_path: Path, sqlite_url: str, own_nats: NatsServer) -> AsyncIterator[Register]:
    """Served while the bus is away."""
    async with serve_cameras(settings_of(tmp_path, sqlite_url, own_nats.url)) as served:
        yield served


async def test_without_a_bus_requests_succeed_and_are_told_later(away: Register, own_nats: NatsServer) -> None:
    for camera_id in ("cam-1", "cam-2", "cam-3"):
        await make(away, camera_id)
    assert (await away.client.patch("/api/cameras/cam-1", json={"name": "New"})).status_code == 200
    assert (await away.client.delete("/api/cameras/cam-2")).status_code == 204
    page = (await away.client.get("/api/cameras")).json()
    assert [item["status"]["state"] for item in page["items"]] == ["unknown", "unknown"]
    assert (await away.client.get("/api/cameras/cam-1/status")).json()["reason_code"] == "bus_away"
    for path in ("/api/cameras/cam-1/snapshot.jpg", "/api/cameras?state=online"):
        answer = await away.client.get(path)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "bus_unavailable"
    own_nats.start()

    async def told() -> bool:
        try:
            bus = await away.context.bus()
        except BusUnavailable:
            return False
        return {name: spec.revision for name, spec in (await specs(bus)).items()} == {"cam-1": 2, "cam-3": 1}

    await eventually(told)
    events = await changes_after(await away.context.bus(), 0, 5)
    assert [(event["camera_id"], event["change"]) for event in events] == [
        ("cam-1", "created"), ("cam-2", "created"), ("cam-3", "created"), ("cam-1", "updated"), ("cam-2", "deleted"),
    ]  # fmt: skip


async def test_a_bus_that_dies_and_comes_back_empty_is_told_again(
    tmp_path: Path, sqlite_url: str, own_nats: NatsServer
) -> None:
    own_nats.start()
    async with serve_cameras(settings_of(tmp_path, sqlite_url, own_nats.url)) as register:
        await make(register, "cam-1")
        bus = await register.context.bus()
        own_nats.kill()
        await eventually(lambda: _is(not bus.connected))
        assert (await register.client.patch("/api/cameras/cam-1", json={"sample_fps": 3})).status_code == 200
        page = (await register.client.get("/api/cameras")).json()
        assert page["items"][0]["status"]["state"] == "unknown"
        own_nats.folder = tmp_path / "another-nats"
        own_nats.start()

        async def told() -> bool:
            try:
                return {name: spec.sample_fps for name, spec in (await specs(bus)).items()} == {"cam-1": 3}
            except BusUnavailable:
                return False

        await eventually(told)


async def _is(value: bool) -> bool:
    return value


def reported(camera_id: str, **changed: Any) -> CameraStatus:
    at = now()
    facts: dict[str, Any] = {
        "camera_id": camera_id, "state": CameraState.ONLINE, "reason": "frames arrive", "since": at, "updated_at": at,
        "last_frame_at": at, "holder": "pod-1", "codec": "h264", "width": 1920, "height": 1080, "fps": 25.0,
        "decode": "keyframes", "published": 7, "dropped": {"still": 3},
    }  # fmt: skip
    return CameraStatus(**{**facts, **changed})


async def put(bus: Bus, found: CameraStatus) -> None:
    await bus.kv_put(STATUS_KV, found.camera_id, found.model_dump_json().encode())


async def test_the_status_is_what_the_pod_said_and_offline_when_it_falls_silent(register: Register) -> None:
    bus, client = await register.context.bus(), register.client
    await make(register, "cam-1")
    # Another test of the module may have left a status; this camera's pod has not reported yet.
    await bus.kv_delete(STATUS_KV, "cam-1")
    fresh = (await client.get("/api/cameras/cam-1/status")).json()
    assert (fresh["state"], fresh["reason_code"]) == ("provisioning", "no_pod")
    await put(bus, reported("cam-1"))
    online = (await client.get("/api/cameras/cam-1/status")).json()
    assert (online["state"], online["holder"], online["dropped"]) == ("online", "pod-1", {"still": 3})
    assert (await client.get("/api/cameras", params={"state": "online"})).json()["items"][0]["id"] == "cam-1"
    assert (await client.get("/api/cameras/cam-1")).json()["status"]["state"] == "online"
    await put(bus, reported("cam-1", updated_at=now() - timedelta(minutes=1)))
    async with register.context.db.transaction() as session:
        row = await repository.camera(session, "cam-1", EVERYTHING)
        assert row is not None
        row.updated_at = now() - timedelta(minutes=5)
    silent = (await client.get("/api/cameras/cam-1/status")).json()
    assert (silent["state"], silent["reason_code"], silent["codec"]) == ("offline", "no_pod", "h264")
    assert "no capture pod reports on it" in silent["reason"]
    assert silent["mend"] == "start capture, or one more capture pod"
    assert online["mend"] == ""
    await put(bus, reported("cam-1", state="offline", reason_code="unauthorized", reason="refused"))
    refused = (await client.get("/api/cameras/cam-1/status")).json()
    assert "check user and password" in refused["mend"]
    await bus.kv_put(STATUS_KV, "cam-1", b"not a status")
    broken = (await client.get("/api/cameras/cam-1/status")).json()
    assert broken["state"] == "offline"
    listed = (await client.get("/api/cameras")).json()["items"][0]["status"]
    assert listed == {**broken, "since": listed["since"]}
    await client.patch("/api/cameras/cam-1", json={"enabled": False})
    await put(bus, reported("cam-1"))
    assert (await client.get("/api/cameras/cam-1/status")).json()["state"] == "disabled"


def test_a_status_is_believed_for_fifteen_seconds_and_shown_in_full() -> None:
    at = now()
    camera = Camera(id="cam-1", enabled=True, updated_at=at - timedelta(days=1))
    for age, state in ((14.9, "online"), (15.1, "offline")):
        said = reported("cam-1", updated_at=at - timedelta(seconds=age))
        assert status.view(camera, {"cam-1": said}, at).state == state
    assert CameraStatus.model_fields.keys() <= StatusView.model_fields.keys()


async def test_the_snapshot_is_the_newest_frame_or_says_why_there_is_none(register: Register) -> None:
    bus, client = await register.context.bus(), register.client
    camera_id = f"snap-{new_id()[-8:]}"  # FRAMES still holds what the other dialect's test published
    await make(register, camera_id)
    none = await client.get(f"/api/cameras/{camera_id}/snapshot.jpg")
    assert none.status_code == 404
    assert "no capture pod" in none.json()["error"]["message"]
    for number in range(3):
        at = now()
        meta = FrameMeta(
            id=frame_id(camera_id, at), camera_id=camera_id, captured_at=at, sequence=number, width=64, height=48
        )
        await bus.publish_frame(meta, b"\xff\xd8jpeg %d\xff\xd9" % number)
        await asyncio.sleep(0.01)
    found = await client.get(f"/api/cameras/{camera_id}/snapshot.jpg")
    assert found.status_code == 200
    assert found.headers["content-type"] == "image/jpeg"
    assert found.headers["cache-control"] == "no-store"
    assert found.headers["x-captured-at"] == at.isoformat()
    assert found.content == b"\xff\xd8jpeg 2\xff\xd9"
