"""A camera's health: its faults with what to mend, and its plates hour by hour against its own past."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from functions.cameras.health import MENDS
from functions.shared.contracts import CameraState, CameraStatus, new_id, now
from functions.shared.tables import AuditRow, Camera, Detection, PassageObservation
from functions.shared.topology import CAMERAS_KV, STATUS_KV
from tests.functions.cameras.conftest import URL, Register

HOURS = 24
DAYS = 10


def passage(at: datetime, *, plate: bool = True, uncertain: bool = False) -> Detection:
    return Detection(
        id=new_id(), camera_id="gate", started_at=at, ended_at=at + timedelta(seconds=2), final=True,
        plate="ABC1D23" if plate else None, uncertain=uncertain, corrected=False, candidates=[], correlation_id="c",
        created_at=at, updated_at=at,
    )  # fmt: skip


async def with_past(register: Register, today: Callable[[int, int], Detection | None] | None = None) -> None:
    """Ten days of six passages an hour, five of them read, one of these uncertain; `today(hours ago, number)` says what
    the last day was like (None: the same)."""
    answer = await register.client.post("/api/cameras", json={"id": "gate", "name": "Gate", "rtsp_url": URL})
    assert answer.status_code == 201, answer.text
    top = now().replace(minute=0, second=0, microsecond=0)
    rows: list[Detection] = []
    for back in range(1, (DAYS + 1) * 24 + 1):
        for number in range(6):
            at = top - timedelta(hours=back) + timedelta(minutes=1 + 9 * number)
            usual = passage(at, plate=number > 0, uncertain=number == 1)
            row = usual if today is None or back > HOURS else today(back, number)
            if row is not None:
                row.started_at, row.ended_at = at, at + timedelta(seconds=2)
                rows.append(row)
    async with register.context.db.transaction() as session:
        camera = await session.get(Camera, "gate")
        assert camera is not None
        camera.created_at = top - timedelta(days=DAYS + 1)
        session.add_all(rows)


async def health(register: Register, **query: Any) -> dict[str, Any]:
    answer = await register.client.get("/api/cameras/gate/health", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def codes(found: dict[str, Any]) -> list[str]:
    return [one["code"] for one in found["reading"]["verdicts"]]


async def test_a_day_like_the_others_has_nothing_to_mend(register: Register) -> None:
    await with_past(register)
    found = await health(register)
    hours = found["reading"]["hours"]
    assert len(hours) == HOURS
    assert codes(found) == []
    assert {(hour["passages"], hour["plates"], hour["uncertain"]) for hour in hours} == {(6, 5, 1)}
    assert {(hour["usual_passages"], hour["usual_plate_share"], hour["usual_uncertain_share"]) for hour in hours} == {
        (6.0, 0.833, 0.2)
    }
    assert [hour["at"] for hour in hours] == sorted(hour["at"] for hour in hours)


@pytest.mark.parametrize(
    ("today", "code"),
    [
        (lambda back, number: None, "no_passages"),
        (lambda back, number: passage(now()) if number == 0 and back != 2 else None, "few_passages"),
        (lambda back, number: passage(now(), plate=number > 4), "few_plates"),
        (lambda back, number: passage(now(), uncertain=number > 2), "uncertain"),
    ],
)
async def test_what_is_worse_than_usual_is_named_with_what_to_mend(
    sqlite_register: Register, today: Callable[[int, int], Detection | None], code: str
) -> None:
    await with_past(sqlite_register, today)
    found = await health(sqlite_register)
    assert codes(found) == [code]
    assert found["reading"]["verdicts"][0]["mend"] == MENDS[code]


async def test_a_new_camera_is_not_judged_by_a_past_that_it_has_not(sqlite_register: Register) -> None:
    await sqlite_register.client.post("/api/cameras", json={"id": "gate", "name": "Gate", "rtsp_url": URL})
    found = await health(sqlite_register)
    assert codes(found) == []
    assert {hour["usual_passages"] for hour in found["reading"]["hours"]} == {None}
    assert found["reading"]["plate_height"] is None


async def test_small_plates_are_told(sqlite_register: Register) -> None:
    await with_past(sqlite_register)
    async with sqlite_register.context.db.transaction() as session:
        row = passage(now() - timedelta(minutes=1))
        session.add(row)
        await session.flush()
        for height in (9.0, 11.0, 12.0):
            session.add(
                PassageObservation(
                    id=new_id(), detection_id=row.id, frame_id="f", captured_at=row.started_at, plate="ABC1D23",
                    plate_box=[10.0, 20.0, 60.0, 20.0 + height], candidates=[],
                )
            )  # fmt: skip
    found = await health(sqlite_register)
    assert (found["reading"]["plate_height"], codes(found)) == (11.0, ["small_plates"])


async def test_faults_of_the_picture_come_with_their_statistics(sqlite_register: Register) -> None:
    await with_past(sqlite_register)
    status = CameraStatus(
        camera_id="gate", state=CameraState.DEGRADED, reason="r", reason_code="blocked", since=now(), updated_at=now(),
        faults=("blocked", "moved"), picture={"brightness": 90.0, "contrast": 2.0, "sharpness": 0.0, "view_match": 0.1},
    )  # fmt: skip
    bus = await sqlite_register.context.bus()
    await bus.kv_put(STATUS_KV, "gate", status.model_dump_json().encode())
    found = await health(sqlite_register)
    assert [one["code"] for one in found["faults"]] == ["blocked", "moved"]
    assert all(one["mend"] for one in found["faults"])
    assert (found["picture"]["brightness"], found["picture"]["usual_sharpness"]) == (90.0, None)
    assert found["status"]["mend"] == MENDS["blocked"]
    await bus.kv_delete(STATUS_KV, "gate")


async def test_accepting_a_view_reaches_capture_and_the_audit_log(sqlite_register: Register) -> None:
    await with_past(sqlite_register)
    before = (await sqlite_register.client.get("/api/cameras/gate")).json()["revision"]
    answer = await sqlite_register.client.post("/api/cameras/gate/health/accept")
    assert answer.status_code == 204, answer.text
    bus = await sqlite_register.context.bus()
    assert b'"view_epoch":1' in (await bus.kv_get(CAMERAS_KV, "gate") or b"")
    assert (await sqlite_register.client.get("/api/cameras/gate")).json()["revision"] == before + 1
    async with sqlite_register.context.db.read() as session:
        actions = list(await session.scalars(select(AuditRow.action).order_by(AuditRow.seq.desc()).limit(1)))
    assert actions == ["cameras.accept_view"]


async def test_nonsense_is_refused_by_name_and_no_camera_is_not_found(sqlite_register: Register) -> None:
    assert (await sqlite_register.client.get("/api/cameras/nobody/health")).status_code == 404
    assert (await sqlite_register.client.post("/api/cameras/nobody/health/accept")).status_code == 404
    answer = await sqlite_register.client.get("/api/cameras/nobody/health", params={"hours": 0})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["fields"][0]["field"] == "hours"
