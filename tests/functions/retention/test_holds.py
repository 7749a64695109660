"""Legal holds: what a case needs is kept with its pictures, whatever its age."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from functions.shared.contracts import now
from functions.shared.tables import (
    Alert,
    Correction,
    LegalHold,
)
from tests.functions.retention.conftest import alert, both, camera, correction, passage, pictures
from tests.functions.retention.test_runs import HOLDS, count, hold, plates, run
from tests.functions.serving import Served


@both
async def test_a_hold_keeps_a_plate_and_its_twin_with_their_pictures(served: Served) -> None:
    await passage(served.context, "ABC1234", 90)
    await passage(served.context, "ABC1C34", 80)
    await passage(served.context, "XYZ1C34", 80)
    made = await hold(served, plate="abc-1c34")
    assert (made["plate"], made["twin"], made["in_force"]) == ("ABC1C34", "ABC1234", True)
    found = await run(served)
    assert await plates(served) == ["ABC1234", "ABC1C34"]
    assert found["report"]["classes"]["detections"]["held"] == 2
    assert len(pictures(served.context)) == 8
    released = await served.client.post(f"{HOLDS}/{made['id']}/release", json={"reason": "case closed"})
    assert released.json()["in_force"] is False
    assert (await served.client.post(f"{HOLDS}/{made['id']}/release", json={"reason": "again"})).status_code == 409
    await run(served)
    assert await plates(served) == []
    assert pictures(served.context) == set()


@both
async def test_holds_by_camera_passage_and_time(served: Served) -> None:
    await camera(served.context, "gate")
    one = await passage(served.context, "AAA1A11", 60)
    await passage(served.context, "BBB1B11", 50)
    await passage(served.context, "CCC1C11", 40)
    await passage(served.context, "DDD1D11", 40, camera_id="yard")
    await hold(served, detection_id=one.id)
    day = now() - timedelta(days=40)
    span = {"seen_from": (day - timedelta(hours=1)).isoformat(), "seen_to": (day + timedelta(hours=1)).isoformat()}
    await hold(served, camera_id="gate", **span)
    await run(served)
    assert await plates(served) == ["AAA1A11", "CCC1C11"]


async def test_a_hold_ends_by_itself(served: Served) -> None:
    await passage(served.context, "ABC1234", 90)
    await hold(served, plate="ABC1234", until=(now() + timedelta(days=1)).isoformat())
    await run(served)
    assert await plates(served) == ["ABC1234"]
    async with served.context.db.transaction() as session:
        await session.execute(update(LegalHold).values(until=now()))
    await run(served)
    assert await plates(served) == []


@both
async def test_a_hold_keeps_a_correction_too(served: Served) -> None:
    row = await passage(served.context, "ABC1D23", 200)
    await correction(served.context, row, "ABC1D28", "ABC1D23", 199)
    await correction(served.context, row, "XYZ1D28", "XYZ1D23", 199)
    await hold(served, plate="ABC1D23")
    found = await run(served)
    assert await count(served, Correction) == 1
    assert found["report"]["classes"]["corrections"]["rows"] == 1


async def test_holds_that_do_not_hold(served: Served) -> None:
    bodies: list[dict[str, Any]] = [
        {},
        {"plate": "AB*"},
        {"detection_id": "0" * 32},
        {"camera_id": "nowhere"},
        {"plate": "ABC1D23", "until": "2020-01-01T00:00:00Z"},
        {"seen_from": "2026-02-01T00:00:00Z", "seen_to": "2026-01-01T00:00:00Z"},
        {"plate": "ABC1D23", "reason": " "},
        {"plate": "ABC1D23", "reason": "why\x00not"},
        {"plate": "ABC\x001D23"},
    ]
    for body in bodies:
        answer = await served.client.post(HOLDS, json={"case_number": "1", "reason": "robbery", **body})
        assert answer.status_code == 422, body


async def test_holds_are_listed_by_pages_and_made_once(served: Served) -> None:
    for number in range(5):
        key = {"Idempotency-Key": f"k{number}"}
        body = {"case_number": f"c{number}", "reason": "robbery", "plate": "ABC1D23"}
        first = await served.client.post(HOLDS, json=body, headers=key)
        again = await served.client.post(HOLDS, json=body, headers=key)
        assert first.json() == again.json()
    seen: list[str] = []
    cursor = None
    while True:
        page = (await served.client.get(HOLDS, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [item["case_number"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["c4", "c3", "c2", "c1", "c0"]
    assert (await served.client.get(HOLDS, params={"cursor": "nonsense"})).status_code == 422


async def test_a_hold_keeps_an_alert(served: Served) -> None:
    one = await passage(served.context, "HIT1A11", 200)
    await alert(served.context, one, 200)
    await hold(served, plate="HIT1A11")
    found = await run(served)
    assert found["report"]["classes"]["alerts"]["held"] == 1
    assert await count(served, Alert) == 1
