"""How cameras fared: kept from events and from silence, each moment once, whatever comes twice or dies."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.cameras import span_rows, spans
from functions.shared.bus import Bus
from functions.shared.contracts import CameraChanged, CameraState, CameraStatus, CameraStatusChanged, new_id, now
from functions.shared.db import Database
from functions.shared.errors import BusUnavailable, Rejected
from functions.shared.tables import Camera, CameraSpan
from functions.shared.topology import STATUS_KV
from tests.functions.cameras.conftest import URL, Register
from tests.functions.cameras.test_feed import eventually

T0 = datetime.fromisoformat("2026-11-23T12:00:00+00:00")


def later(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def said(state: str, since: float, updated: float | None = None, code: str = "", **changed: Any) -> CameraStatus:
    return CameraStatus(
        camera_id=changed.get("camera_id", "cam-1"), state=CameraState(state), reason_code=code, since=later(since),
        updated_at=later(since if updated is None else updated),
    )  # fmt: skip


class Only:
    """A Context as far as `spans.take` needs one."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def status(self, status: CameraStatus) -> None:
        message = CameraStatusChanged(camera_id=status.camera_id, status=status)
        await spans.take(self, message.subject, message.model_dump_json().encode())  # type: ignore[arg-type]

    async def change(self, change: Any, at: float) -> None:
        message = CameraChanged(camera_id="cam-1", change=change, name="C", revision=1, occurred_at=later(at))
        await spans.take(self, message.subject, message.model_dump_json().encode())  # type: ignore[arg-type]

    async def all(self, camera_id: str = "cam-1") -> list[tuple[str, str, float, float | None]]:
        async with self.db.read() as session:
            rows = await span_rows.between(session, camera_id, later(-1e6), later(1e6))
        return [
            (row.state, row.reason_code, _seconds(row.started_at) or 0.0, _seconds(row.ended_at)) for row in rows
        ]  # fmt: skip


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else (at - T0).total_seconds()


@pytest.fixture
async def kept(database: Database) -> Only:
    async with database.transaction() as session:
        session.add(
            Camera(id="cam-1", name="C", url_encrypted="", created_at=T0, updated_at=T0, enabled=True, revision=1)
        )
    return Only(database)


async def test_events_become_spans_without_gaps(kept: Only) -> None:
    await kept.change("created", 0)
    await kept.status(said("online", 5))
    await kept.status(said("degraded", 60, code="silent"))
    await kept.status(said("degraded", 60, 70, code="unreachable"))  # a new reason, the state is the same
    await kept.status(said("offline", 90, code="unreachable"))
    await kept.change("updated", 95)
    await kept.change("disabled", 100)
    await kept.change("enabled", 200)
    await kept.change("deleted", 210)
    assert await kept.all() == [
        ("provisioning", "opening", 0, 5),
        ("online", "", 5, 60),
        ("degraded", "silent", 60, 70),
        ("degraded", "unreachable", 70, 90),
        ("offline", "unreachable", 90, 100),
        ("disabled", "disabled", 100, 200),
        ("provisioning", "opening", 200, 210),
    ]


async def test_what_comes_twice_or_late_changes_nothing(kept: Only) -> None:
    for _ in range(2):
        await kept.status(said("online", 5))
        await kept.status(said("offline", 60, code="silent"))
        await kept.status(said("online", 90))
    await kept.status(said("offline", 60, code="silent"))
    assert await kept.all() == [("online", "", 5, 60), ("offline", "silent", 60, 90), ("online", "", 90, None)]


async def test_writers_at_once_make_no_spans_that_overlap(kept: Only) -> None:
    """Two replicas, or the watch beside the consumer."""
    await asyncio.gather(*(kept.status(said("online", 5)) for _ in range(6)))
    await asyncio.gather(*(kept.status(said("offline", 60, code="silent")) for _ in range(6)))
    assert await kept.all() == [("online", "", 5, 60), ("offline", "silent", 60, None)]


async def test_what_a_pod_says_of_a_camera_that_is_gone_begins_nothing(kept: Only, database: Database) -> None:
    await kept.status(said("online", 5))
    async with database.transaction() as session:
        row = await session.get(Camera, "cam-1")
        assert row is not None
        row.deleted_at = later(50)
    await kept.change("deleted", 50)
    await kept.status(said("offline", 51, code="ended"))
    await kept.status(said("online", 5, camera_id="never-was"))
    assert await kept.all() == [("online", "", 5, 50)]
    assert await kept.all("never-was") == []


async def test_what_is_no_event_is_refused_for_good(kept: Only) -> None:
    for subject in ("gtv.v1.cameras.status.cam-1", "gtv.v1.cameras.changed.cam-1"):
        with pytest.raises(Rejected):
            await spans.take(kept, subject, b"{}")  # type: ignore[arg-type]
    await spans.take(kept, "gtv.v1.cameras.moved.cam-1", b"{}")  # type: ignore[arg-type]


async def a_camera(register: Register) -> str:
    """A new camera, whose id no other test's messages name, of which the worker has heard."""
    camera_id = f"cam-{new_id()[-10:]}"
    made = await register.client.post("/api/cameras", json={"id": camera_id, "name": "C", "rtsp_url": URL})
    assert made.status_code == 201, made.text

    async def heard() -> bool:
        return await states(register, camera_id) == [("provisioning", "opening")]

    await eventually(heard)
    return camera_id


async def states(register: Register, camera_id: str) -> list[tuple[str, str]]:
    found = (await register.client.get(f"/api/cameras/{camera_id}/history")).json()
    return [(span["state"], span["reason_code"]) for span in found["spans"]]


async def tell(bus: Bus, camera_id: str, state: str, code: str = "", age: float = 0.0, since: float = 0.0) -> None:
    """A pod's word, into the bucket and as an event. Ages in seconds."""
    at = now()
    status = CameraStatus(
        camera_id=camera_id, state=CameraState(state), reason_code=code, since=at - timedelta(seconds=since),
        updated_at=at - timedelta(seconds=age),
    )  # fmt: skip
    await bus.kv_put(STATUS_KV, camera_id, status.model_dump_json().encode())
    await bus.publish(CameraStatusChanged(camera_id=camera_id, status=status))


async def test_the_worker_keeps_what_the_bus_says(register: Register) -> None:
    camera_id, bus = await a_camera(register), await register.context.bus()
    await tell(bus, camera_id, "online")

    async def kept(*wanted: tuple[str, str]) -> bool:
        return await states(register, camera_id) == list(wanted)

    await eventually(lambda: kept(("provisioning", "opening"), ("online", "")))
    await tell(bus, camera_id, "offline", "unreachable")
    await eventually(lambda: kept(("provisioning", "opening"), ("online", ""), ("offline", "unreachable")))
    info = await bus.js.consumer_info("EVENTS", spans.DURABLE)
    assert info.config.max_ack_pending == 1
    await eventually(lambda: _drained(bus))


async def _drained(bus: Bus) -> bool:
    load = await bus.load(spans.DURABLE)
    return (load.waiting, load.in_hand) == (0, 0)


async def test_a_pod_that_died_leaves_a_blind_time_from_its_last_word_on(register: Register) -> None:
    camera_id, bus = await a_camera(register), await register.context.bus()
    async with register.context.db.transaction() as session:
        row = await session.get(Camera, camera_id)
        assert row is not None
        row.created_at = row.updated_at = now() - timedelta(hours=1)
        span = await span_rows.open_span(session, camera_id)
        assert span is not None
        span.started_at = row.created_at
    await tell(bus, camera_id, "online", age=120, since=600)
    await eventually(lambda: _ends_with(register, camera_id, "offline", "no_pod"))
    found = (await register.client.get(f"/api/cameras/{camera_id}/history")).json()
    blind = found["spans"][-1]
    assert (now() - datetime.fromisoformat(blind["started_at"])).total_seconds() == pytest.approx(120, abs=20)
    assert blind["ended_at"] is None
    # Nobody tells that the pod is back: its camera never was anything but online to it.
    status = CameraStatus(
        camera_id=camera_id, state=CameraState.ONLINE, since=now() - timedelta(seconds=600), updated_at=now()
    )
    await bus.kv_put(STATUS_KV, camera_id, status.model_dump_json().encode())
    await spans.watch(register.context)
    found = (await register.client.get(f"/api/cameras/{camera_id}/history")).json()
    assert [span["state"] for span in found["spans"][-3:]] == ["online", "offline", "online"]
    assert found["spans"][-2]["ended_at"] == found["spans"][-1]["started_at"]
    assert (now() - datetime.fromisoformat(found["spans"][-1]["started_at"])).total_seconds() < 30


async def test_a_camera_that_no_pod_takes_is_blind_and_set_right_once(register: Register) -> None:
    camera_id = await a_camera(register)
    async with register.context.db.transaction() as session:
        row = await session.get(Camera, camera_id)
        assert row is not None
        row.updated_at = now() - timedelta(minutes=5)
    await spans.watch(register.context)
    assert await states(register, camera_id) == [("offline", "no_pod")]
    assert await spans.watch(register.context) == 0


async def _ends_with(register: Register, camera_id: str, state: str, code: str) -> bool:
    await spans.watch(register.context)
    found = await states(register, camera_id)
    return bool(found) and found[-1] == (state, code)


async def test_an_event_is_acknowledged_after_its_commit_and_kept_once_across_a_death(register: Register) -> None:
    """The database refuses for a while: the message comes again, and those behind it wait."""
    camera_id, bus = await a_camera(register), await register.context.bus()
    await eventually(lambda: _drained(bus))
    transaction, refusals = register.context.db.transaction, 0

    def refusing() -> Any:
        nonlocal refusals
        if refusals < 2:
            refusals += 1
            raise BusUnavailable("away for the test")
        return transaction()

    register.context.db.transaction = refusing  # type: ignore[method-assign]
    try:
        await tell(bus, camera_id, "offline", "silent")
        await tell(bus, camera_id, "online")
        await eventually(lambda: _drained(bus))
    finally:
        register.context.db.transaction = transaction  # type: ignore[method-assign]
    assert refusals == 2
    assert (await states(register, camera_id))[-2:] == [("offline", "silent"), ("online", "")]


async def test_history_counts_what_was_seen_and_what_was_not(register: Register) -> None:
    camera_id = await a_camera(register)
    async with register.context.db.transaction() as session:
        row = await session.get(Camera, camera_id)
        assert row is not None
        row.created_at = row.updated_at = T0
        await span_rows.hold(session, camera_id)
        for state, start, end in (("online", 0, 600), ("offline", 600, 900), ("degraded", 900, 1000),
                                  ("disabled", 1000, 3000)):  # fmt: skip
            session.add(
                CameraSpan(
                    id=new_id(),
                    camera_id=camera_id,
                    state=state,
                    reason_code="",
                    started_at=later(start),
                    ended_at=later(end),
                )
            )

    async def ask(since: float, until: float) -> dict[str, Any]:
        params = {"from": later(since).isoformat(), "to": later(until).isoformat()}
        answer = await register.client.get(f"/api/cameras/{camera_id}/history", params=params)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    whole = await ask(0, 4000)
    # Of the last 1000 s nobody said anything: blind, like the time offline.
    assert (whole["seen_s"], whole["blind_s"], whole["disabled_s"], whole["uptime"]) == (700, 1300, 2000, 0.35)
    part = await ask(500, 700)
    assert [(span["state"], span["started_at"], span["ended_at"]) for span in part["spans"]] == [
        ("online", "2026-11-23T12:08:20Z", "2026-11-23T12:10:00Z"),
        ("offline", "2026-11-23T12:10:00Z", "2026-11-23T12:11:40Z"),
    ]
    assert (part["uptime"], part["blind_s"]) == (0.5, 100)
    # Before it was registered there was nothing to see; while it is switched off nothing is asked of it.
    assert (await ask(-1000, 600))["uptime"] == 1.0
    assert (await ask(1000, 3000))["uptime"] is None
    assert (await ask(-1000, -500))["uptime"] is None


async def test_a_wrong_time_is_refused(sqlite_register: Register) -> None:
    camera_id = await a_camera(sqlite_register)
    for params in (
        {"to": "0001-01-01T00:00:00Z"}, {"from": "0001-01-01T00:00:00+14:00"}, {"from": "yesterday"},
        {"from": "2026-01-01T00:00:00"},
        {"to": "2020-01-01T00:00:00Z", "from": "2021-01-01T00:00:00Z"},
        {"from": "2999-01-01T00:00:00Z"}, {"from": "2020-01-01T00:00:00Z", "to": "2021-01-01T00:00:00Z"}, {"x": "1"},
    ):  # fmt: skip
        answer = await sqlite_register.client.get(f"/api/cameras/{camera_id}/history", params=params)
        assert answer.status_code == 422, params
    assert (await sqlite_register.client.get("/api/cameras/nobody/history")).status_code == 404
