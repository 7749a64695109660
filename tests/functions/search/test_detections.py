"""GET /api/detections and its pictures, through the real app on both databases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from functions.auth import handler as auth
from functions.search import cursors, handler
from functions.shared.config import FunctionSettings
from functions.shared.contracts import new_id, now
from functions.shared.db import Database
from functions.shared.tables import Camera, Detection, Group, PassageObservation
from tests.functions.search.conftest import NOON, PASSWORD, URL, add, detection
from tests.functions.serving import Served, serve
from tests.support.s3 import S3Server


async def _served(stack: AsyncExitStack, settings: FunctionSettings) -> Served:
    made = await stack.enter_async_context(
        serve("search", [auth.router, handler.router], settings, startup=auth.startup, workers=handler.workers)
    )
    made.client.headers.update(await made.login("admin", PASSWORD))
    return made


async def plates(served: Served, **params: Any) -> list[str | None]:
    answer = await served.client.get(URL, params=params)
    assert answer.status_code == 200, answer.text
    return [item["plate"] for item in answer.json()["items"]]


async def test_newest_first_with_all_that_is_known(served: Served, database: Database) -> None:
    at = now()
    await add(database, Camera(id="gate", name="Main gate", url_encrypted="-", created_at=at, updated_at=at))
    await add(database, detection("ABC1D23", 0), detection(None, 2, camera_id="lost"), detection("XYZ9K88", 1))
    answer = (await served.client.get(URL)).json()
    assert [item["plate"] for item in answer["items"]] == [None, "XYZ9K88", "ABC1D23"]
    assert answer["next_cursor"] is None
    assert [item["camera_name"] for item in answer["items"]] == [None, "Main gate", "Main gate"]
    last = answer["items"][2]
    assert {name: last[name] for name in ("type", "confidence", "plate_confidence", "plate_format", "uncertain")} == {
        "type": "car", "confidence": 0.9, "plate_confidence": 0.8, "plate_format": "br_mercosul", "uncertain": False,
    }  # fmt: skip
    assert last["candidates"] == [{"text": "ABC1D23", "confidence": 0.8}]
    assert last["box"] == [1.0, 2.0, 3.0, 4.0]
    assert last["started_at"] == "2026-05-04T12:00:00Z"
    assert (last["final"], last["observations"], last["snapshot_url"]) == (True, 3, None)


ALL = ["ABC1D23", "ABC1D24", "ABD1D23", "XBC1D23", "AB1234", "A%C1D23", "A_C1D23", "A/C1D23", None]


@pytest.mark.parametrize(
    ("plate", "match", "found"),
    [
        ("ABC1D23", "exact", ["ABC1D23"]),
        (" abc-1d23 ", "exact", ["ABC1D23"]),
        ("ABC", "exact", []),
        ("abc", "prefix", ["ABC1D23", "ABC1D24"]),
        ("AB", "prefix", ["ABC1D23", "ABC1D24", "ABD1D23", "AB1234"]),
        ("XBC1D23", "prefix", ["XBC1D23"]),
        ("*", "wildcard", [plate for plate in ALL if plate]),
        ("ABC1D2?", "wildcard", ["ABC1D23", "ABC1D24"]),
        ("ABC*4", "wildcard", ["ABC1D24"]),
        ("*C1D23", "wildcard", ["ABC1D23", "XBC1D23", "A%C1D23", "A_C1D23", "A/C1D23"]),
        ("?B?1D23", "wildcard", ["ABC1D23", "ABD1D23", "XBC1D23"]),
        ("*b?1*", "wildcard", ["ABC1D23", "ABC1D24", "ABD1D23", "XBC1D23"]),
        ("A%*", "wildcard", ["A%C1D23"]),
        ("A_*", "wildcard", ["A_C1D23"]),
        ("*/C1D2?", "wildcard", ["A/C1D23"]),
        ("%", "prefix", []),
        ("ABC1D23", "wildcard", ["ABC1D23"]),
        ("**1234**", "wildcard", ["AB1234"]),
        ("ÇÃ", "prefix", []),
        ("'; drop table detections; *", "wildcard", []),
    ],
)
async def test_by_plate(served: Served, database: Database, plate: str, match: str, found: list[str]) -> None:
    await add(database, *(detection(text, -index) for index, text in enumerate(ALL)))
    assert await plates(served, plate=plate, match=match) == found


async def test_by_camera_time_type_and_state(served: Served, database: Database) -> None:
    await add(
        database,
        detection("AAA0A00", 0, camera_id="north"), detection("AAA0A01", 1, camera_id="south", vehicle_type="bus"),
        detection("AAA0A02", 2, camera_id="east", final=False), detection("AAA0A03", 3, vehicle_type=None),
    )  # fmt: skip
    assert await plates(served, camera_id=["north", "south"]) == ["AAA0A01", "AAA0A00"]
    assert await plates(served, camera_id="east") == ["AAA0A02"]
    assert await plates(served, type="bus") == ["AAA0A01"]
    assert await plates(served, final="false") == ["AAA0A02"]
    assert await plates(served, **{"from": "2026-05-04T12:01:00Z", "to": "2026-05-04T12:03:00Z"}) == [
        "AAA0A02", "AAA0A01",
    ]  # fmt: skip
    assert await plates(served, **{"from": "2026-05-04T09:02:30-03:00"}) == ["AAA0A03"]
    assert await plates(served, plate="AAA", match="prefix", camera_id="gate") == ["AAA0A03"]


async def test_by_what_is_known_of_vehicle_and_plate(served: Served, database: Database) -> None:
    at = now()
    group = Group(id="ring", name="Ring", plate_formats=["br_old"], created_at=at, updated_at=at)
    in_it = Camera(id="north", name="N", url_encrypted="-", group_id="ring", created_at=at, updated_at=at)
    await add(database, group, in_it)
    await add(
        database,
        detection("AAA0A00", 0, camera_id="north", color="red", direction="away", plate_rows=2),
        detection("AAA0A01", 1, color="white", vehicle_type="truck", uncertain=True),
        detection("AAA0001", 2, color="red", plate_format="br_old", vehicle_type="bus", corrected=True),
        detection("QX9", 3, plate_format=None, direction="towards"), detection(None, 4, direction="left"),
    )  # fmt: skip
    assert await plates(served, group_id="ring") == ["AAA0A00"]
    assert await plates(served, group_id=["ring", "none"], camera_id="gate") == []
    assert await plates(served, color="red") == ["AAA0001", "AAA0A00"]
    assert await plates(served, color=["red", "white"], type=["truck", "bus"]) == ["AAA0001", "AAA0A01"]
    assert await plates(served, direction=["away", "left"]) == [None, "AAA0A00"]
    assert await plates(served, uncertain="true") == ["AAA0A01"]
    assert await plates(served, corrected="true") == ["AAA0001"]
    assert await plates(served, corrected="false", uncertain="false", type="car") == [None, "QX9", "AAA0A00"]
    assert await plates(served, plate_format="br_old") == ["AAA0001"]
    assert await plates(served, plate_format="any") == ["QX9"]
    assert await plates(served, plate_format=["any", "br_old"]) == ["QX9", "AAA0001"]
    found = (await served.client.get(URL, params={"group_id": "ring"})).json()["items"][0]
    assert [found[name] for name in ("color", "direction", "rows", "corrected", "plate_read")] == [
        "red", "away", 2, False, "AAA0A00",
    ]  # fmt: skip


async def test_pages_join_without_loss_or_repeat_while_rows_come_in(served: Served, database: Database) -> None:
    """Several rows share one time, and newer ones arrive between the pages."""
    rows = [detection(f"AAA{number:04}", number // 4) for number in range(30)]
    await add(database, *rows)
    seen: list[str] = []
    cursor: str | None = None
    for page in range(10):
        params = {"limit": 7} | ({"cursor": cursor} if cursor else {})
        answer = (await served.client.get(URL, params=params)).json()
        seen += [item["id"] for item in answer["items"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
        await add(database, detection(f"NEW{page:04}", 1000 + page))
    expected = sorted(rows, key=lambda row: (row.started_at, row.id), reverse=True)
    assert seen == [row.id for row in expected]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-05-04T12:00:00"}, "from"),
        ({"to": "9999-12-31T23:59:59-14:00"}, "to"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "from"),
        ({"from": "2026-05-05T00:00:00Z", "to": "2026-05-04T00:00:00Z"}, "from"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "garbage"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": "MTo5OTk5OTk5OTk5OTk5OTk5OTk6MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA"}, "cursor"),
        ({"cursor": "A" * 4000}, "cursor"),
        ({"type": "boat"}, "type.0"),
        ({"color": "pink"}, "color.0"),
        ({"direction": "up"}, "direction.0"),
        ({"plate_format": "us"}, "plate_format.0"),
        ({"uncertain": "perhaps"}, "uncertain"),
        ({"camera_id": "Not An Id"}, "camera_id.0"),
        ({"plate": ""}, "plate"),
        ({"plate": "--"}, "plate"),
        ({"plate": "A" * 33}, "plate"),
        ({"plate": "A\0B"}, "plate"),
        ({"plate": "ABC*"}, "plate"),
        ({"plate": "A" * 11, "match": "fuzzy"}, "plate"),
        ({"plate": "ABC?", "match": "fuzzy"}, "plate"),
        ({"plate": "ABC", "match": "prefix", "twins": "true"}, "twins"),
        ({"min_confidence": "2"}, "min_confidence"),
        ({"plate": "ABC1D23", "reason": "x" * 501}, "reason"),
        ({"plate": "ABC", "match": "regex"}, "match"),
        ({"final": "perhaps"}, "final"),
        ({"plat": "ABC1D23"}, "plat"),
    ],
)
async def test_a_wrong_question_is_refused_by_name(served: Served, params: dict[str, str], field: str) -> None:
    answer = await served.client.get(URL, params=params)
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    named = [item["field"] for item in error["details"].get("fields", [])] or [error["details"]["field"]]
    assert named == [field]
    assert field in error["message"]


def test_a_cursor_says_where_it_was_made() -> None:
    position = cursors.Position(datetime(2026, 5, 4, 12, 0, 0, 123457, tzinfo=UTC), new_id())
    assert cursors.decode(cursors.encode(position)) == position


async def test_one_with_its_observations(served: Served, database: Database) -> None:
    row = detection("ABC1D23")
    await add(database, row)
    for second in (1, 0):
        await add(
            database,
            PassageObservation(
                id=new_id(), detection_id=row.id, frame_id=f"gate:{second}", plate_box=[1, 2, 3, 4],
                captured_at=NOON + timedelta(seconds=second), plate="ABC1D23", plate_confidence=0.5 + second / 10,
                candidates=[{"text": "ABC1D23", "confidence": 0.5}],
            ),
        )  # fmt: skip
    answer = await served.client.get(f"{URL}/{row.id}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["plate"] == "ABC1D23"
    assert [item["plate_confidence"] for item in answer.json()["seen"]] == [0.5, 0.6]


@pytest.mark.parametrize("wrong", ["0" * 32, "x", "%00", "'", "0" * 500])
async def test_one_that_is_not_there_is_404(served: Served, wrong: str) -> None:
    for path in (f"{URL}/{wrong}", f"{URL}/{wrong}/snapshot.jpg"):
        assert (await served.client.get(path)).status_code == 404


async def _with_pictures(served: Served, database: Database) -> Detection:
    row = detection("ABC1D23", snapshot_key="vehicles/2026/05/04/gate/a.jpg", plate_snapshot_key="plates/a.jpg")
    await add(database, row)
    await served.context.store.put("vehicles/2026/05/04/gate/a.jpg", b"vehicle")
    await served.context.store.put("plates/a.jpg", b"plate")
    return row


async def test_pictures_and_links_that_end(served: Served, database: Database) -> None:
    row = await _with_pictures(served, database)
    for kind, body in (("vehicle", b"vehicle"), ("plate", b"plate")):
        answer = await served.client.get(f"{URL}/{row.id}/snapshot.jpg", params={"kind": kind})
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, body, "image/jpeg")
    item = (await served.client.get(f"{URL}/{row.id}")).json()
    async with served.another_client() as anybody:
        shown = await anybody.get(item["snapshot_url"])
        assert (shown.status_code, shown.content) == (200, b"vehicle")
        assert (await anybody.get(item["plate_snapshot_url"])).content == b"plate"
        forged = item["snapshot_url"].replace("a.jpg", "b.jpg")
        assert (await anybody.get(forged)).status_code == 403
        later = item["snapshot_url"].replace("expires=", "expires=9")
        assert (await anybody.get(later)).status_code == 403
        assert (await anybody.get(await served.context.store.link("plates/a.jpg", -5))).status_code == 403
        for signature in ("é", "", "0" * 32, "\0"):
            wrong: dict[str, str | int] = {"expires": 99999999999, "signature": signature}
            assert (await anybody.get("/api/images/plates/a.jpg", params=wrong)).status_code == 403
        assert (await anybody.get("/api/images/../keys/fernet.keys", params=wrong)).status_code in (403, 404)
        assert (await anybody.get(f"{URL}/{row.id}")).status_code == 401


async def test_a_detection_without_a_picture_has_none_to_show(served: Served, database: Database) -> None:
    row = detection(None)
    await add(database, row)
    assert (await served.client.get(f"{URL}/{row.id}/snapshot.jpg")).status_code == 404
    assert (await served.client.get(f"{URL}/{row.id}/snapshot.jpg", params={"kind": "all"})).status_code == 422


async def test_links_of_an_object_store_lead_there(
    settings: FunctionSettings, database: Database, s3: S3Server, s3_bucket: str
) -> None:
    elsewhere = settings.model_copy(
        update={
            "store_url": f"s3://{s3_bucket}/images", "s3_endpoint": s3.endpoint,
            "s3_access_key": SecretStr(s3.access_key), "s3_secret_key": SecretStr(s3.secret_key),
        }
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        served = await _served(stack, elsewhere)
        row = await _with_pictures(served, database)
        url = (await served.client.get(f"{URL}/{row.id}")).json()["snapshot_url"]
        assert url.startswith(s3.endpoint)
        async with httpx.AsyncClient() as anybody:
            assert (await anybody.get(url)).content == b"vehicle"
        answer = await served.client.get(f"{URL}/{row.id}/snapshot.jpg")
        assert answer.content == b"vehicle"
        local = await served.client.get("/api/images/plates/a.jpg", params={"expires": 1, "signature": "0" * 32})
        assert local.status_code == 404


_PARTS = "select inhrelid::regclass::text, inhparent::regclass::text from pg_inherits"


async def _plan(database: Database, sql: str) -> str:
    async with database.read() as session:
        if database.dialect == "sqlite":
            return "\n".join(str(row) for row in await session.execute(text(f"explain query plan {sql}")))
        await session.execute(text("set local enable_seqscan = off"))
        rows: Sequence[Any] = (await session.execute(text(f"explain (format json) {sql}"))).all()
        plan = json.dumps(rows[0][0])
        # A partition's index has a name of its own; what the migrations name is the one that it is a part of.
        for part, whole in await session.execute(text(_PARTS)):
            plan = plan.replace(f'"{part}"', f'"{whole}"')
        return plan


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("plate = 'ABC1D23'", "ix_detections_plate"),
        ("plate >= 'ABC' and plate < 'ABD'", "ix_detections_plate"),
        ("plate_reversed >= '32' and plate_reversed < '33' and plate like '%23' escape '/'",
         "ix_detections_plate_reversed"),
        ("camera_id = 'gate' and started_at < '2027-01-01' order by started_at desc, id desc limit 50",
         "ix_detections_camera_started"),
    ],
)  # fmt: skip
async def test_questions_are_answered_by_an_index(database: Database, condition: str, index: str) -> None:
    await add(database, *(detection(f"AAA{number:04}", number) for number in range(50)))
    plan = await _plan(database, f"select id from detections where {condition}")
    assert "Seq Scan" not in plan
    assert f'"{index}"' in plan or f"INDEX {index}" in plan, plan
