"""Fuzzy search by score, twins, certainty, blind times, reasons, scope and masks; on both databases."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from functions.auth import handler as auth
from functions.auth import passwords
from functions.search import cursors, fuzzy, handler
from functions.shared.access import Role
from functions.shared.config import FunctionSettings
from functions.shared.contracts import new_id, now
from functions.shared.db import Database
from functions.shared.plates import distance, fold
from functions.shared.tables import AuditRow, Camera, CameraSpan, Group, User, UserGroup
from tests.functions.search.conftest import NOON, PASSWORD, URL, add, detection
from tests.functions.serving import Served, serve


async def found(served: Served, **params: Any) -> list[dict[str, Any]]:
    answer = await served.client.get(URL, params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def acts(database: Database, *actions: str) -> list[AuditRow]:
    async with database.read() as session:
        asked = select(AuditRow).where(AuditRow.action.in_(actions)).order_by(AuditRow.seq)
        return list(await session.scalars(asked))


def camera(name: str, group: str | None = None, **other: Any) -> Camera:
    values: dict[str, Any] = {"created_at": NOON - timedelta(days=30), "updated_at": NOON}
    return Camera(id=name, name=name.title(), url_encrypted="-", group_id=group, **{**values, **other})


def test_no_plate_within_the_distance_is_missed() -> None:
    """Plates that differ by one to four random or confusable characters, or by a character too many or too few."""
    pick, letters = random.Random(7), "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    near = 0
    for _ in range(20_000):
        plate = "".join(pick.choices(letters, k=7))
        other = list(plate)
        for _ in range(pick.randint(1, 4)):
            place = pick.randrange(len(other))
            likely = [char for char in letters if distance(other[place], char) <= 0.5]
            other[place] = pick.choice(likely if pick.random() < 0.7 else letters)
        if pick.random() < 0.2:
            other.insert(pick.randrange(8), pick.choice(letters))
        elif pick.random() < 0.2:
            other.pop(pick.randrange(len(other)))
        text = "".join(other)
        if distance(plate, text) <= fuzzy.FARTHEST:
            near += 1
            assert fold(text) in fuzzy.neighbours(plate), (plate, text)
    assert near > 2000
    assert max(len(fuzzy.neighbours(plate)) for plate in ("OOO0000", "MNH1234", "ABCDEFGHIJ")) < 1500


async def test_fuzzy_is_ordered_by_likeness_then_time(served: Served, database: Database) -> None:
    others = {
        "ABC1D23": 0,
        "A8C1D23": 3,
        "ABC1O23": 9,
        "ABC1D24": 7,
        "ABC1D2": 5,
        "ABC1D233": 4,
        "ABC9X23": 20,
        "XYZ9K88": 30,
    }
    await add(database, *(detection(plate, minutes) for plate, minutes in others.items()), detection("ABC1D23", -60))
    items = await found(served, plate="abc-1d23", match="fuzzy")
    assert [(item["plate"], item["score"]) for item in items] == [
        ("ABC1D23", 1.0), ("ABC1D23", 1.0), ("ABC1O23", 0.957), ("A8C1D23", 0.957), ("ABC1D233", 0.875),
        ("ABC1D24", 0.857), ("ABC1D2", 0.857),
    ]  # fmt: skip
    assert items[0]["started_at"] > items[1]["started_at"]
    assert [item["score"] for item in await found(served, plate="ABC1D23")] == [None, None]


async def test_pages_of_a_fuzzy_search_join(served: Served, database: Database) -> None:
    rows = [detection(plate, minutes) for minutes in range(6) for plate in ("ABC1D23", "ABC1O23", "ABC1D24")]
    await add(database, *rows)
    seen: list[tuple[str, str]] = []
    cursor: str | None = None
    for _ in range(20):
        params: dict[str, str | int] = {"plate": "ABC1D23", "match": "fuzzy", "limit": 4}
        params |= {"cursor": cursor} if cursor else {}
        answer = (await served.client.get(URL, params=params)).json()
        seen += [(item["plate"], item["started_at"]) for item in answer["items"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 18
    assert [plate for plate, _ in seen] == ["ABC1D23"] * 6 + ["ABC1O23"] * 6 + ["ABC1D24"] * 6
    assert seen[:6] == sorted(seen[:6], key=lambda item: item[1], reverse=True)
    plain = cursors.encode(cursors.Position(NOON, new_id()))
    wrong = await served.client.get(URL, params={"plate": "ABC1D23", "match": "fuzzy", "cursor": plain})
    assert wrong.json()["error"]["details"]["field"] == "cursor"


async def test_twins_of_the_two_numberings(served: Served, database: Database) -> None:
    await add(
        database, detection("ABC1234", 0), detection("ABC1C34", 1), detection("ABC1C84", 2), detection("ABC1D34", 3)
    )
    assert [item["plate"] for item in await found(served, plate="ABC1234")] == ["ABC1234"]
    assert [item["plate"] for item in await found(served, plate="ABC1234", twins=True)] == ["ABC1C34", "ABC1234"]
    assert [item["plate"] for item in await found(served, plate="ABC1C34", twins=True)] == ["ABC1C34", "ABC1234"]
    likely = await found(served, plate="ABC1234", twins=True, match="fuzzy")
    assert [(item["plate"], item["score"]) for item in likely] == [
        ("ABC1C34", 1.0), ("ABC1234", 1.0), ("ABC1C84", 0.929), ("ABC1D34", 0.857),
    ]  # fmt: skip


async def test_filters_hold_for_fuzzy_and_by_certainty(served: Served, database: Database) -> None:
    await add(
        database,
        detection("ABC1D23", 0, camera_id="north", plate_confidence=0.4), detection("ABC1O23", 1, camera_id="south"),
        detection("ABC1D24", 2, camera_id="north", plate_confidence=0.95),
        detection("ABC1D25", 3, camera_id="north", plate_confidence=0.1, corrected=True), detection(None, 4),
    )  # fmt: skip
    north = await found(served, plate="ABC1D23", match="fuzzy", camera_id="north")
    assert [item["plate"] for item in north] == ["ABC1D23", "ABC1D25", "ABC1D24"]
    sure = await found(served, min_confidence=0.7)
    assert [item["plate"] for item in sure] == ["ABC1D25", "ABC1D24", "ABC1O23"]
    late = await found(served, plate="ABC1D23", match="fuzzy", **{"from": "2026-05-04T12:01:00Z"})
    assert "ABC1D23" not in [item["plate"] for item in late]
    assert len(late) == 3


async def test_a_list_of_many_days_is_whole_and_in_order(served: Served, database: Database) -> None:
    """The newest are looked for in short spans first; what lies behind them is not lost."""
    rows = [
        detection(f"AB{days:05}", -1440 * days, camera_id=f"c{days % 3}") for days in (0, 1, 2, 20, 29, 31, 45, 400)
    ]
    await add(database, *rows)
    every = [row.plate for row in rows]
    assert [item["plate"] for item in await found(served)] == every
    assert [item["plate"] for item in await found(served, plate="A", match="prefix")] == every
    assert [item["plate"] for item in await found(served, plate="*B*", match="wildcard")] == every
    assert [item["plate"] for item in await found(served, camera_id=["c0", "c1"], limit=3)] == [
        row.plate for row in rows if row.camera_id in ("c0", "c1")
    ][:3]
    window = {"from": "2026-03-01T00:00:00Z", "to": "2026-05-04T00:00:00Z"}
    assert [item["plate"] for item in await found(served, **window)] == every[1:7]


async def test_a_blind_camera_is_told_of(served: Served, database: Database) -> None:
    def span(name: str, state: str, start: float, end: float | None, reason: str = "") -> CameraSpan:
        ended = None if end is None else NOON + timedelta(minutes=end)
        return CameraSpan(
            id=new_id(),
            camera_id=name,
            state=state,
            reason_code=reason,
            started_at=NOON + timedelta(minutes=start),
            ended_at=ended,
        )

    await add(database, Group(id="ring", name="Ring", plate_formats=[], created_at=NOON, updated_at=NOON))
    await add(
        database, camera("north", "ring"), camera("south", created_at=NOON + timedelta(minutes=30)),
        camera("gone", deleted_at=NOON - timedelta(days=2)), span("north", "online", -600, 10),
        span("north", "offline", 10, 20, "unauthorized"), span("north", "degraded", 20, 40, "slow"),
        span("north", "degraded", 40, 45, "dark"), span("north", "degraded", 45, 50, "blocked"),
        span("north", "online", 50, None),
        span("south", "online", 30, 50), span("gone", "online", -9000, -2880),
    )  # fmt: skip
    window = {"from": "2026-05-04T12:00:00Z", "to": "2026-05-04T13:00:00Z"}
    answer = (await served.client.get(URL, params={"plate": "ABC1D23", **window})).json()
    told = [(each["camera_id"], each["from"][11:16], each["to"][11:16], each["reason"]) for each in answer["blind"]]
    assert told == [
        ("north", "12:10", "12:20", "unauthorized"), ("north", "12:40", "12:45", "dark"),
        ("north", "12:45", "12:50", "blocked"), ("south", "12:00", "12:30", "not_registered"),
        ("south", "12:50", "13:00", "no_record"),
    ]  # fmt: skip
    assert answer["blind_window"] == {"from": "2026-05-04T12:00:00Z", "to": "2026-05-04T13:00:00Z", "more": False}
    assert answer["blind"][0]["camera_name"] == "North"
    only = (await served.client.get(URL, params={"camera_id": "gone", **window})).json()
    assert [(each["camera_id"], each["reason"]) for each in only["blind"]] == [("gone", "deleted")]
    ring = (await served.client.get(URL, params={"group_id": "ring", **window})).json()
    assert {each["camera_id"] for each in ring["blind"]} == {"north"}
    plain = (await served.client.get(URL)).json()
    assert (plain["blind"], plain["blind_window"]) == (None, None)
    assert (await served.client.get(URL, params={"blind": True})).json()["blind"] != []


async def test_each_search_by_plate_is_written_down(served: Served, database: Database) -> None:
    row = detection("ABC1D23")
    await add(database, row, detection("ABC1D24", 1), detection(None, 2))
    await found(served)
    await found(served, plate="abc-1d2", match="prefix", reason="  case 7 ", type="car")
    page = (await served.client.get(URL, params={"limit": 1})).json()
    await found(served, limit=2, cursor=page["next_cursor"])
    assert (await served.client.get(f"{URL}/{row.id}")).status_code == 200
    searched = await acts(database, "detections.search")
    assert [(act.subject, act.reason, act.actor) for act in searched] == [
        ("ABC1D2", "case 7", "admin"),
        ("", None, "admin"),
    ]
    assert searched[0].details == {
        "plate": "abc-1d2", "match": "prefix", "type": ["car"], "count": 2, "plates": 2,
    }  # fmt: skip
    assert searched[1].details == {"count": 2, "plates": 2}
    (shown,) = await acts(database, "detections.show")
    assert (shown.subject, shown.details["plates"], shown.details["plate"]) == (row.id, 1, "ABC1D23")


async def test_a_correction_is_written_down(served: Served, database: Database) -> None:
    row = detection("ABC1D28")
    await add(database, row)
    answer = await served.client.patch(f"{URL}/{row.id}", json={"plate": "ABC1D23", "reason": "dirt"})
    assert answer.status_code == 200, answer.text
    (act,) = await acts(database, "detections.correct")
    assert (act.subject, act.reason, act.details) == (row.id, "dirt", {"plate_before": "ABC1D28", "plate": "ABC1D23"})


# Reasons, scope and masks


async def person(served: Served, name: str, role: str, groups: list[str] | None = None) -> dict[str, str]:
    user = User(
        id=new_id(), username=name, password_hash=passwords._HASHER.hash(PASSWORD), role=role, disabled=False,
        all_groups=groups is None, created_at=now(),
    )  # fmt: skip
    await add(served.context.db, user)
    await add(served.context.db, *(UserGroup(user_id=user.id, group_id=group) for group in groups or ()))
    return await served.login(name, PASSWORD)


async def _served(stack: AsyncExitStack, settings: FunctionSettings) -> Served:
    made = await stack.enter_async_context(
        serve("search", [auth.router, handler.router], settings, startup=auth.startup, workers=handler.workers)
    )
    made.client.headers.update(await made.login("admin", PASSWORD))
    return made


async def test_a_search_by_plate_needs_a_reason_where_one_is_asked_for(
    settings: FunctionSettings, database: Database
) -> None:
    row = detection("ABC1D23")
    await add(database, row)
    async with AsyncExitStack() as stack:
        served = await _served(stack, settings.model_copy(update={"search_reason": "plate"}))
        plate = {"plate": "ABC1D23"}
        asked: list[tuple[str, dict[str, str]]] = [
            (URL, plate), (f"{URL}/export.csv", {}), (f"{URL}/{row.id}/evidence.pdf", {}),
            ("/api/plates/ABC1D23/route", {}), ("/api/plates/ABC1D23/companions", {}),
        ]  # fmt: skip
        for path, params in asked:
            for without in ({}, {"reason": "   "}):
                answer = await served.client.get(path, params={**params, **without})
                assert answer.status_code == 422, (path, answer.text)
                assert answer.json()["error"]["details"]["field"] == "reason"
            answer = await served.client.get(path, params={**params, "reason": "case 7"})
            assert answer.status_code == 200, (path, answer.text)
        assert (await served.client.get(URL)).status_code == 200
        assert (await served.client.get("/api/search/settings")).json() == {
            "reason": "plate", "time_zone": "America/Sao_Paulo", "masked": False, "export_limit": 50_000,
        }  # fmt: skip
    written = await acts(
        database, "detections.search", "detections.export", "detections.evidence", "detections.route",
        "detections.companions",
    )  # fmt: skip
    assert [act.reason for act in written] == ["case 7"] * 5


async def test_nothing_of_other_groups_is_shown(served: Served, database: Database) -> None:
    await add(
        database, *(Group(id=name, name=name, plate_formats=[], created_at=NOON, updated_at=NOON) for name in "ab")
    )
    await add(database, camera("mine", "a"), camera("other", "b"), camera("free"))
    here, there = detection("ABC1D23", 0, camera_id="mine"), detection("ABC1D23", 1, camera_id="other")
    await add(
        database, here, there, detection("ABC1O23", 2, camera_id="free"), detection("XYZ9K88", 1.5, camera_id="other")
    )
    served.client.headers.update(await person(served, "ana", "operator", ["a"]))
    for params in (
        {},
        {"plate": "ABC1D23"},
        {"plate": "ABC1D23", "match": "fuzzy"},
        {"plate": "AB", "match": "prefix"},
    ):
        assert [item["id"] for item in await found(served, **params)] == [here.id], params
    assert await found(served, camera_id="other") == []
    blind = (await served.client.get(URL, params={"blind": True, "to": "2026-05-05T00:00:00Z"})).json()["blind"]
    assert {each["camera_id"] for each in blind} == {"mine"}
    for path in ("", "/snapshot.jpg", "/evidence.pdf"):
        assert (await served.client.get(f"{URL}/{there.id}{path}")).status_code == 404
    assert (await served.client.patch(f"{URL}/{there.id}", json={"plate": "ABC1D20"})).status_code == 404
    reread = {"detection_id": there.id, "expected_plate": "ABC1D23", "plate": "ABC1D24", "confidence": 0.9}
    answer = await served.client.post(f"{URL}/reread", json={"model": "m", "items": [reread]})
    assert answer.json()["items"][0]["outcome"] == "not_found"
    route = (await served.client.get("/api/plates/ABC1D23/route")).json()
    assert [point["camera_id"] for point in route["items"]] == ["mine"]
    counted = (await served.client.get(f"{URL}/stats", params={"to": "2026-05-05T00:00:00Z", "by": "camera"})).json()
    assert [(key["key"], key["count"]) for key in counted["keys"]] == [("mine", 1)]
    text = (await served.client.get(f"{URL}/export.csv")).text
    assert here.id in text
    assert there.id not in text


async def test_masked_for_a_role(settings: FunctionSettings, database: Database) -> None:
    row = detection("ABC1D23", snapshot_key="vehicles/a.jpg", plate_snapshot_key="plates/a.jpg")
    await add(database, row)
    async with AsyncExitStack() as stack:
        served = await _served(stack, settings.model_copy(update={"mask_plates_for": (Role.VIEWER,)}))
        await served.context.store.put("plates/a.jpg", b"plate")
        served.client.headers.update(await person(served, "eva", "viewer"))
        (item,) = await found(served, plate="ABC1D23")
        assert (item["plate"], item["plate_read"], item["masked"]) == ("AB*****", "AB*****", True)
        # Of the picture the route that shows it without its plate.
        blurred = f"{URL}/{row.id}/snapshot.jpg"
        assert (item["candidates"], item["snapshot_url"], item["plate_snapshot_url"]) == ([], blurred, None)
        whole = (await served.client.get(f"{URL}/{row.id}")).text
        assert "ABC1D23" not in whole
        for match in ("prefix", "wildcard", "fuzzy"):
            answer = await served.client.get(URL, params={"plate": "ABC1D2", "match": match})
            assert answer.status_code == 403, "a pattern tells a plate character by character"
        assert (await served.client.get(f"{URL}/{row.id}/snapshot.jpg", params={"kind": "plate"})).status_code == 403
        assert (await served.client.get(f"{URL}/{row.id}/evidence.pdf")).status_code == 403
        assert "ABC1D23" not in (await served.client.get(f"{URL}/export.csv")).text
        assert (await served.client.get("/api/search/settings")).json()["masked"] is True
