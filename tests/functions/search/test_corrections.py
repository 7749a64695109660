"""People set plates right: PATCH /api/detections/{id} and /api/corrections, on both databases."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from sqlalchemy import select, update

from functions.auth import handler as auth
from functions.search import handler
from functions.shared.config import FunctionSettings
from functions.shared.contracts import DetectionRecorded, new_id, now
from functions.shared.db import Database
from functions.shared.errors import NotFound, StorageFull
from functions.shared.locks import lock_camera
from functions.shared.store import FolderStore
from functions.shared.tables import Camera, Correction, Detection, Group, OutboxMessage
from functions.shared.topology import EVENTS
from tests.functions.search.conftest import NOON, PASSWORD, URL, add, detection
from tests.functions.serving import Served, serve
from tests.support.nats import NatsServer

PLATE_KEY = "plates/2026/05/04/gate/a.jpg"
CORRECTIONS = "/api/corrections"


async def patch(served: Served, detection_id: str, **body: Any) -> Any:
    answer = await served.client.patch(f"{URL}/{detection_id}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(served: Served, detection_id: str, **body: Any) -> tuple[int, str]:
    answer = await served.client.patch(f"{URL}/{detection_id}", json=body)
    return answer.status_code, answer.json()["error"]["code"]


async def rows_of(database: Database, table: Any) -> list[Any]:
    async with database.read() as session:
        return list(await session.scalars(select(table).order_by(table.id)))


async def events_of(database: Database) -> list[DetectionRecorded]:
    rows = await rows_of(database, OutboxMessage)
    return [DetectionRecorded.model_validate_json(row.body) for row in rows]


@pytest.fixture
async def seen(served: Served, database: Database) -> Detection:
    """A passage whose plate was misread, with its picture."""
    row = detection("ABC1D28", plate_snapshot_key=PLATE_KEY, uncertain=True, plate_confidence=0.41)
    await add(database, row)
    await served.context.store.put(PLATE_KEY, b"plate as it was read")
    return row


async def test_a_plate_is_set_right_and_what_was_read_is_kept(
    served: Served, database: Database, seen: Detection
) -> None:
    shown = await patch(served, seen.id, plate="abc-1d23", reason="dirt", expected_plate="ABC1D28")
    assert {name: shown[name] for name in ("plate", "plate_read", "corrected", "uncertain", "plate_format")} == {
        "plate": "ABC1D23", "plate_read": "ABC1D28", "corrected": True, "uncertain": False,
        "plate_format": "br_mercosul",
    }  # fmt: skip
    # The readers' own confidence stays: it speaks of what they read.
    assert shown["plate_confidence"] == 0.41
    [made] = shown["corrections"]
    assert (made["plate_before"], made["plate_after"], made["created_by"]) == ("ABC1D28", "ABC1D23", "admin")
    assert (made["source"], made["reason"], made["model"]) == ("person", "dirt", None)
    found = await served.client.get(URL, params={"plate": "*D23", "match": "wildcard", "corrected": True})
    assert [item["id"] for item in found.json()["items"]] == [seen.id]
    [event] = await events_of(database)
    assert (event.detection_id, event.plate, event.final) == (seen.id, "ABC1D23", True)
    assert event.corrected is True


async def test_the_picture_of_a_correction_outlives_the_detections(served: Served, seen: Detection) -> None:
    await patch(served, seen.id, plate="ABC1D23")
    await served.context.store.delete(PLATE_KEY)
    [item] = (await served.client.get(CORRECTIONS)).json()["items"]
    picture = await served.client.get(f"{CORRECTIONS}/{item['id']}/plate.jpg")
    assert (picture.status_code, picture.content) == (200, b"plate as it was read")
    assert (await served.client.get(item["plate_snapshot_url"])).content == b"plate as it was read"
    assert (await served.client.get(f"{CORRECTIONS}/{'0' * 32}/plate.jpg")).status_code == 404
    assert (await served.client.get(f"{CORRECTIONS}/x/plate.jpg")).status_code == 404


async def test_a_plate_that_is_right_is_confirmed_once(served: Served, database: Database, seen: Detection) -> None:
    for _ in range(2):
        shown = await patch(served, seen.id, plate="ABC1D28")
    assert (shown["plate"], shown["corrected"], shown["uncertain"]) == ("ABC1D28", True, False)
    [row] = await rows_of(database, Correction)
    assert (row.plate_before, row.plate_after) == ("ABC1D28", "ABC1D28")
    assert len(await events_of(database)) == 1
    assert isinstance(served.context.store, FolderStore)
    copies = list((served.context.store.root / "corrections").rglob("*.jpg"))
    assert len(copies) == 1


async def test_no_plate_at_all_and_then_one_again(served: Served, database: Database, seen: Detection) -> None:
    shown = await patch(served, seen.id, plate=None)
    assert (shown["plate"], shown["plate_format"], shown["plate_read"]) == (None, None, "ABC1D28")
    shown = await patch(served, seen.id, plate="QX9", expected_plate=None)
    # What fits no format is kept all the same.
    assert (shown["plate"], shown["plate_format"], shown["corrected"]) == ("QX9", None, True)
    assert [one["plate_after"] for one in shown["corrections"]] == [None, "QX9"]
    [row] = await rows_of(database, Detection)
    assert row.plate_reversed == "9XQ"


@pytest.mark.parametrize(
    ("allowed", "plate", "named"),
    [
        (["br_old", "br_mercosul"], "AB123CD", "ar_mercosul"),
        (["uy_mercosul"], "SBC1234", "uy_mercosul"),
        (None, "SBC1234", "br_old"),
    ],
)
async def test_the_format_is_one_of_the_cameras_group_first(
    served: Served, database: Database, seen: Detection, allowed: list[str] | None, plate: str, named: str
) -> None:
    at = now()
    group = "ring" if allowed else None
    await add(database, Camera(id="gate", name="G", url_encrypted="-", group_id=group, created_at=at, updated_at=at))
    if allowed:
        await add(database, Group(id="ring", name="Ring", plate_formats=allowed, created_at=at, updated_at=at))
    assert (await patch(served, seen.id, plate=plate))["plate_format"] == named


async def test_type_and_color_of_a_vehicle_that_has_passed(served: Served, database: Database, seen: Detection) -> None:
    shown = await patch(served, seen.id, type="truck", color="red")
    assert (shown["type"], shown["color"], shown["confidence"], shown["corrected"]) == ("truck", "red", None, False)
    assert await rows_of(database, Correction) == []
    assert [event.vehicle_type for event in await events_of(database)] == ["truck"]
    shown = await patch(served, seen.id, color="red")
    assert len(await events_of(database)) == 1
    open_one = detection("AAA0A00", final=False)
    await add(database, open_one)
    assert await refused(served, open_one.id, color="red") == (409, "conflict")
    assert (await patch(served, open_one.id, plate="AAA0A01"))["final"] is False


@pytest.mark.parametrize(
    "body",
    [
        {}, {"reason": "x"}, {"plate": ""}, {"plate": "--"}, {"plate": "ABCDEFGHIJK"}, {"plate": "ABÇ1D23"},
        {"plate": "A*C1D23"}, {"plate": 7}, {"type": "boat"}, {"color": "pink"}, {"plat": "ABC1D23"},
        {"plate": "ABC1D23", "reason": "x" * 501}, {"plate": "A B\0C"},
    ],
)  # fmt: skip
async def test_a_wrong_change_is_refused(
    served: Served, database: Database, seen: Detection, body: dict[str, Any]
) -> None:
    assert await refused(served, seen.id, **body) == (422, "invalid_input")
    assert await rows_of(database, Correction) == []


async def test_what_changed_meanwhile_is_not_overwritten(served: Served, database: Database, seen: Detection) -> None:
    assert await refused(served, seen.id, plate="ABC1D23", expected_plate="ABC1D20") == (409, "conflict")
    assert await refused(served, seen.id, plate="ABC1D23", expected_plate=None) == (409, "conflict")
    assert await refused(served, "0" * 32, plate="ABC1D23") == (404, "not_found")
    assert await refused(served, "x", plate="ABC1D23") == (404, "not_found")
    assert (await rows_of(database, Correction), await events_of(database)) == ([], [])


async def test_of_two_that_saw_the_same_plate_one_wins(served: Served, database: Database, seen: Detection) -> None:
    answers = await asyncio.gather(
        *(served.client.patch(f"{URL}/{seen.id}", json={"plate": plate, "expected_plate": "ABC1D28"})
          for plate in ("ABC1D20", "ABC1D21", "ABC1D22"))
    )  # fmt: skip
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    [row] = await rows_of(database, Correction)
    assert [item.plate for item in await rows_of(database, Detection)] == [row.plate_after]
    assert isinstance(served.context.store, FolderStore)
    # Those who lost leave no copy of the picture behind.
    assert len(list((served.context.store.root / "corrections").rglob("*.jpg"))) == 1


async def test_a_correction_waits_for_a_frame_that_is_being_recorded(
    served: Served, database: Database, seen: Detection
) -> None:
    """A frame's transaction has read the passage; what it writes must not undo a correction made meanwhile."""
    async with database.transaction() as session:
        await lock_camera(session, "gate")
        row = (await session.scalars(select(Detection).where(Detection.id == seen.id))).one()
        correcting = asyncio.create_task(patch(served, seen.id, plate="ABC1D23"))
        done, _ = await asyncio.wait({correcting}, timeout=0.5)
        waited = not done
        row.plate, row.plate_read, row.ended_at = "ABC1D29", "ABC1D29", NOON
    shown = await correcting
    assert waited or database.dialect == "sqlite"
    assert (shown["plate"], shown["plate_read"]) == ("ABC1D23", "ABC1D29")


async def test_the_pictures_store_is_full_then_nothing_is_changed(
    served: Served, database: Database, seen: Detection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StorageFull("the disk of the images is full")

    monkeypatch.setattr(served.context.store, "put", full)
    assert await refused(served, seen.id, plate="ABC1D23") == (507, "storage_full")
    assert await rows_of(database, Correction) == []
    monkeypatch.undo()
    await served.context.store.delete(PLATE_KEY)
    with pytest.raises(NotFound):
        await served.context.store.get(PLATE_KEY)
    # A picture that is gone keeps nobody from correcting.
    [made] = (await patch(served, seen.id, plate="ABC1D23"))["corrections"]
    assert made["plate_snapshot_url"] is None


async def test_corrections_by_time_camera_and_source_in_pages(served: Served, database: Database) -> None:
    for number in range(7):
        row = detection(f"AAA0A0{number}", number, camera_id=f"gate-{number % 2}")
        await add(database, row)
        await patch(served, row.id, plate=f"BBB0B0{number}")
    async with database.transaction() as session:
        await session.execute(update(Correction).values(created_at=NOON))
    source = {"source": "reread", "model": "m"}
    await add(
        database,
        Correction(id=new_id(), detection_id=new_id(), camera_id="gate-9", created_at=NOON.replace(year=2027),
                   created_by="x", plate_before=None, plate_after="CCC0C00", **source),
    )  # fmt: skip

    async def after(**params: Any) -> list[str]:
        answer = await served.client.get(CORRECTIONS, params=params)
        assert answer.status_code == 200, answer.text
        return [item["plate_after"] for item in answer.json()["items"]]

    assert await after(source="reread") == ["CCC0C00"]
    assert len(await after(source="person", camera_id="gate-0")) == 4
    assert await after(**{"from": "2026-12-31T00:00:00Z"}) == ["CCC0C00"]
    assert len(await after(to="2026-12-31T00:00:00Z")) == 7
    paged: list[str] = []
    cursor: str | None = None
    for _ in range(9):
        answer = (
            await served.client.get(CORRECTIONS, params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        ).json()
        paged += [item["plate_after"] for item in answer["items"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert paged == ["CCC0C00", *(f"BBB0B0{number}" for number in reversed(range(7)))]
    for wrong in ({"source": "dog"}, {"cursor": "x"}, {"from": "2027-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}):
        assert (await served.client.get(CORRECTIONS, params=wrong)).status_code == 422


async def test_who_may(served: Served, seen: Detection) -> None:
    body = {"username": "vera", "password": PASSWORD + "-2", "role": "viewer"}
    assert (await served.client.post("/api/auth/users", json=body)).status_code == 201
    viewer = await served.login("vera", PASSWORD + "-2")
    answers = [
        await served.client.patch(f"{URL}/{seen.id}", json={"plate": "ABC1D23"}, headers=viewer),
        await served.client.get(CORRECTIONS, headers=viewer),
        await served.client.post(f"{URL}/reread", json={}, headers=viewer),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    await patch(served, seen.id, plate="ABC1D23")
    # Who looks at a passage sees that, and by whom, its plate was set right.
    shown = (await served.client.get(f"{URL}/{seen.id}", headers=viewer)).json()
    assert shown["corrections"][0]["created_by"] == "admin"


async def test_without_a_bus_the_event_waits_in_the_outbox(served: Served, database: Database, seen: Detection) -> None:
    await patch(served, seen.id, plate="ABC1D23")
    [message] = await rows_of(database, OutboxMessage)
    assert message.published_at is None
    assert message.subject == "gtv.v1.detections.gate"


async def test_the_event_goes_out_by_the_bus(
    settings: FunctionSettings, database: Database, nats_server: NatsServer
) -> None:
    row = detection("ABC1D28")
    await add(database, row)
    with_bus = settings.model_copy(update={"nats_url": nats_server.url})
    routers, startup, workers = [auth.router, handler.router], auth.startup, handler.workers
    async with serve("search", routers, with_bus, startup=startup, workers=workers) as served:
        served.client.headers.update(await served.login("admin", PASSWORD))
        bus = await served.context.bus()
        _, last = await bus.stream_span(EVENTS)
        await patch(served, row.id, plate="ABC1D23")
        async with asyncio.timeout(20), contextlib.aclosing(bus.events(("gtv.v1.detections.gate",), last)) as events:
            async for _, _, body in events:
                told = DetectionRecorded.model_validate_json(body)
                break
    assert (told.plate, told.plate_read, told.corrected) == ("ABC1D23", "ABC1D28", True)
