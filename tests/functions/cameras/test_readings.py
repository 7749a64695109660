"""Cameras judged by the hour: told once, when it lasts, and only of cameras that could see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import delete, select, update

from functions.cameras import readings
from functions.cameras.health import MENDS
from functions.shared.contracts import CameraState, CameraStatus, CameraStatusChanged, new_id, now
from functions.shared.errors import BusUnavailable
from functions.shared.tables import CameraSpan, Detection, Lease, OutboxMessage, StandingAlarm
from functions.shared.topology import STATUS_KV
from tests.functions.cameras.conftest import Register
from tests.functions.cameras.test_health import passage, with_past

ONLINE = CameraStatus(camera_id="gate", state=CameraState.ONLINE, since=now(), updated_at=now(), holder="pod-a")
KNOWN: Mapping[str, CameraStatus] = {"gate": ONLINE}


def unread(_: int, number: int) -> Detection:
    """As many vehicles as ever, hardly a plate."""
    return passage(now(), plate=number > 4)


def nothing(_: int, __: int) -> None:
    return None


async def seen(register: Register, since: datetime, until: datetime | None = None, state: str = "online") -> None:
    async with register.context.db.transaction() as session:
        session.add(
            CameraSpan(id=new_id(), camera_id="gate", state=state, reason_code="", started_at=since, ended_at=until)
        )


@pytest.fixture
async def street(sqlite_register: Register) -> AsyncIterator[Register]:
    """A camera that was seen all day, and of which hardly a plate is read today."""
    await with_past(sqlite_register, unread)
    await seen(sqlite_register, now() - timedelta(days=20))
    yield sqlite_register
    readings.FAULTS.clear()


async def told(register: Register) -> list[CameraStatusChanged]:
    """What was told of readings, in order."""
    async with register.context.db.read() as session:
        rows = await session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))
        events = [CameraStatusChanged.model_validate_json(row.body) for row in rows if "cameras.status" in row.subject]
    return [event for event in events if event.reading is not None]


async def judge(register: Register) -> list[str]:
    return await readings.judge_all(register.context, KNOWN)


async def like_other_days(register: Register) -> None:
    """Plates are read again."""
    async with register.context.db.transaction() as session:
        recent = Detection.started_at >= now() - timedelta(hours=25)
        await session.execute(update(Detection).where(recent).values(plate="ABC1D23"))


async def shown(register: Register) -> list[list[dict[str, Any]]]:
    """The reading of the camera in the list, and by itself."""
    (item,) = (await register.client.get("/api/cameras")).json()["items"]
    return [item["reading"], (await register.client.get("/api/cameras/gate")).json()["reading"]]


async def test_what_lasts_two_hours_is_told_once_shown_and_measured(street: Register) -> None:
    assert await judge(street) == []
    assert (await told(street), await shown(street)) == ([], [[], []])
    assert await judge(street) == ["gate"]
    assert await judge(street) == []
    (event,) = await told(street)
    assert event.status == ONLINE
    assert event.previous == CameraState.ONLINE
    assert [(fault.code, fault.mend) for fault in event.reading or ()] == [("few_plates", MENDS["few_plates"])]
    fault = {"code": "few_plates", "mend": MENDS["few_plates"]}
    assert await shown(street) == [[fault], [fault]]
    await readings.show(street.context)
    labels = {"camera_id": "gate", "code": "few_plates"}
    assert REGISTRY.get_sample_value("gtv_camera_reading_fault", labels) == 1.0
    # And so is its end.
    await like_other_days(street)
    assert await judge(street) == []
    assert await shown(street) == [[fault], [fault]]
    assert await judge(street) == ["gate"]
    assert (await told(street))[-1].reading == ()
    assert await shown(street) == [[], []]
    await readings.show(street.context)
    assert REGISTRY.get_sample_value("gtv_camera_reading_fault", labels) is None
    async with street.context.db.read() as session:
        assert list(await session.scalars(select(StandingAlarm))) == []


async def test_what_comes_and_goes_is_not_told(street: Register) -> None:
    async with street.context.db.read() as session:
        unread_ids = list(await session.scalars(select(Detection.id).where(Detection.plate.is_(None))))
    for _ in range(3):
        await judge(street)
        await like_other_days(street)
        await judge(street)
        async with street.context.db.transaction() as session:
            await session.execute(update(Detection).where(Detection.id.in_(unread_ids)).values(plate=None))
    assert await told(street) == []


async def test_hours_that_say_nothing_end_nothing(street: Register) -> None:
    """By night few vehicles pass: what stood in the evening still stands in the morning, and is not told anew."""
    await judge(street)
    await judge(street)
    async with street.context.db.transaction() as session:
        await session.execute(delete(Detection).where(Detection.started_at >= now() - timedelta(hours=25)))
        # Neither do they pass at this hour on other days.
        await session.execute(delete(Detection).where(Detection.camera_id == "gate"))
    for _ in range(3):
        assert await judge(street) == []
    assert [fault["code"] for fault in (await shown(street))[0]] == ["few_plates"]
    assert len(await told(street)) == 1


async def test_a_camera_that_could_not_see_is_not_judged(sqlite_register: Register) -> None:
    await with_past(sqlite_register, nothing)
    at = now()
    await seen(sqlite_register, at - timedelta(days=9), at - timedelta(hours=3))
    await seen(sqlite_register, at - timedelta(hours=3), at - timedelta(hours=2), state="offline")
    await seen(sqlite_register, at - timedelta(hours=2))
    for _ in range(3):
        assert await judge(sqlite_register) == []
    async with sqlite_register.context.db.transaction() as session:
        await session.execute(update(CameraSpan).values(state="online"))
    offline = ONLINE.model_copy(update={"state": CameraState.OFFLINE})
    for known in ({}, {"gate": offline}):
        assert [await readings.judge_all(sqlite_register.context, known) for _ in range(2)] == [[], []]
    assert [await judge(sqlite_register) for _ in range(2)] == [[], ["gate"]]
    (event,) = await told(sqlite_register)
    assert [fault.code for fault in event.reading or ()] == ["no_passages"]


async def test_of_a_camera_that_was_switched_off_nothing_stands(street: Register) -> None:
    await judge(street)
    await judge(street)
    await street.client.patch("/api/cameras/gate", json={"enabled": False})
    await judge(street)
    assert await shown(street) == [[], []]


async def test_one_process_judges_in_an_hour(street: Register) -> None:
    bus = await street.context.bus()
    async with street.context.db.transaction() as session:
        await session.execute(delete(Lease))
    await bus.kv_put(STATUS_KV, "gate", ONLINE.model_dump_json().encode())
    assert [await readings.turn(street.context, name) for name in ("a", "b", "a-again")] == [True, False, False]
    assert await told(street) == []
    async with street.context.db.transaction() as session:
        lease = await session.get(Lease, readings.LEASE)
        assert lease is not None
        # Until the next hour is over, and what it brought is written.
        assert lease.until.minute == 2
        assert timedelta(minutes=1) < lease.until - now() < timedelta(minutes=63)
        lease.until = now() - timedelta(seconds=1)
    assert await readings.turn(street.context, "b")
    assert len(await told(street)) == 1
    await bus.kv_delete(STATUS_KV, "gate")


async def test_it_does_not_take_the_hour_while_the_bus_is_away(
    street: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        raise BusUnavailable("NATS is away")

    async with street.context.db.transaction() as session:
        await session.execute(delete(Lease))
    monkeypatch.setattr(street.context, "bus", away)
    with pytest.raises(BusUnavailable):
        await readings.turn(street.context, "a")
    async with street.context.db.read() as session:
        assert await session.get(Lease, readings.LEASE) is None
