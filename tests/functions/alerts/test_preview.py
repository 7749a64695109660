"""What a list would have been told of in the past: the same as comparing each passage with each entry."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from functions.alerts import repository_preview
from functions.alerts.patterns import Book, Entry
from functions.shared.access import Role
from functions.shared.contracts import now
from functions.shared.plates import CONFUSABLE, twins
from functions.shared.scope import EVERYTHING
from tests.functions.alerts.conftest import add, detection, make_list, sign_in
from tests.functions.serving import Served

URL = "/api/hotlists/preview"
AT = now() - timedelta(days=3)
PLATES = ["ABC1334", "ABC1D34", "ABC1D23", "A8C1D23", "ABC1Z23", "XBC1D23", "ABC1D2", "QQQ9K88", None]


async def past(served: Served) -> None:
    rows = [detection(plate, at=AT + timedelta(minutes=index)) for index, plate in enumerate(PLATES)]
    rows.append(detection("ABC1D23", at=now() - timedelta(days=40)))
    rows.append(detection("ABC1D23", at=AT, camera_id="port", direction="away"))
    await add(served.context.db, *rows)


async def asked(served: Served, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
    answer = await served.client.post(URL, json=body, headers=headers or {})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("entry", "plates"),
    [
        ({"pattern": "ABC1334"}, ["ABC1334", "ABC1D34"]),
        ({"pattern": "ABC1*"}, ["ABC1334", "ABC1D34", "ABC1D23", "ABC1Z23", "ABC1D2"]),
        ({"pattern": "*1D23"}, ["ABC1D23", "A8C1D23", "XBC1D23"]),
        ({"pattern": "?B?1D23"}, ["ABC1D23", "XBC1D23"]),
        ({"pattern": "*C1D*"}, ["ABC1D34", "ABC1334", "ABC1D23", "A8C1D23", "XBC1D23", "ABC1D2"]),
        ({"pattern": "ABC1D23", "match": "fuzzy", "tolerance": 0.3}, ["ABC1D23", "A8C1D23"]),
        (
            {"pattern": "ABC1D23", "match": "fuzzy", "tolerance": 1.0},
            ["ABC1D23", "A8C1D23", "ABC1Z23", "XBC1D23", "ABC1D2"],
        ),
    ],
)
async def test_what_it_would_have_caught(served: Served, entry: dict[str, Any], plates: list[str]) -> None:
    await past(served)
    found = await asked(served, entries=[entry], group_ids=["north"])
    assert sorted(item["plate"] for item in found["items"]) == sorted(plates)
    assert found["count"] == len(plates)
    assert found["complete"] is True


async def test_of_a_twin_read_with_another_character(served: Served) -> None:
    await add(served.context.db, *(detection(plate, at=AT) for plate in ("XBC1323", "ABC1D23", "XBC1D2")))
    found = await asked(served, entries=[{"pattern": "ABC1D23", "match": "fuzzy", "tolerance": 1.0}])
    assert (sorted(item["plate"] for item in found["items"]), found["complete"]) == (["ABC1D23", "XBC1323"], True)


async def test_it_equals_what_alerts_would_have_said(served: Served) -> None:
    """Over plates near to some, and entries of every kind: the same passages as judging each of them."""
    chance = random.Random(11)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

    def changed(plate: str) -> str:
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(plate))
            alike = [other for (one, other) in CONFUSABLE if one == plate[at]] or list(letters)
            put = chance.choice([chance.choice(letters), chance.choice(alike), "", plate[at] + chance.choice(letters)])
            plate = (plate[:at] + put + plate[at + 1 :])[:9] or "A"
        return chance.choice([plate, *twins(plate)])

    bases = ["ABC1334", "XYZ9K88", "OBI8B80", "QQQ0A11", "AB123"]
    rows = [detection(changed(chance.choice(bases)), at=AT + timedelta(seconds=index)) for index in range(300)]
    await add(served.context.db, *rows)
    whole = 0
    for number in range(60):
        base = changed(chance.choice(bases))
        at = chance.randrange(len(base))
        wild = base[:at] + chance.choice("*?") + base[at + 1 :]
        match = chance.choice(["exact", "wildcard", "fuzzy", "fuzzy", "fuzzy"])
        entry: dict[str, Any] = {"pattern": wild if match == "wildcard" else base, "match": match}
        if match == "fuzzy":
            entry["tolerance"] = min(chance.choice([0.3, 0.6, 1.0, 1.5, 2.0]), len(base) / 2 - 0.1)
        if len(wild) < 4:
            continue
        book, with_twins = Book(), number % 3 > 0
        book.put(Entry("1", str(entry["pattern"]), match, float(entry.get("tolerance", 0.0))))
        wanted = sorted(str(row.plate) for row in rows if book.find(str(row.plate), 0.0, with_twins=with_twins))
        found = await asked(served, entries=[entry], twins=with_twins, limit=100)
        whole += found["complete"]
        if found["complete"]:
            assert found["count"] == len(wanted), entry
            if len(wanted) <= 100:
                assert sorted(item["plate"] for item in found["items"]) == wanted
    assert whole > 50


async def test_the_rest_of_the_rule_counts(served: Served) -> None:
    await past(served)
    entries = [{"pattern": "ABC1D23"}]
    assert (await asked(served, entries=entries))["count"] == 2
    assert (await asked(served, entries=entries, directions=["away"]))["count"] == 1
    assert (await asked(served, entries=entries, group_ids=["south"]))["count"] == 1
    assert (await asked(served, entries=entries, days=2))["count"] == 0
    assert (await asked(served, entries=entries, limit=1))["items"][0]["camera_id"] == "gate"


async def test_an_allow_list_shows_what_was_not_on_it(served: Served) -> None:
    await past(served)
    found = await asked(served, kind="allow", entries=[{"pattern": "ABC1*"}], group_ids=["north"])
    assert [item["plate"] for item in found["items"]] == ["QQQ9K88", "XBC1D23", "A8C1D23"]


async def test_of_a_list_that_is_there_and_within_the_scope(served: Served) -> None:
    await past(served)
    made = await make_list(served, "ABC1D23", {"pattern": "QQQ*"}, valid_until="2020-01-01T00:00:00Z")
    answer = await served.client.post(f"/api/hotlists/{made['id']}/preview")
    assert answer.json()["count"] == 3
    headers = await sign_in(served, "south", "operator", ("south",))
    assert (
        await served.client.post(URL, json={"entries": [{"pattern": "ABC1D23"}]}, headers=headers)
    ).status_code == 422
    found = await asked(served, headers, entries=[{"pattern": "ABC1D23"}], group_ids=["south", "north"])
    assert [item["camera_id"] for item in found["items"]] == ["port"]


async def test_of_a_list_whose_rule_is_being_changed(served: Served) -> None:
    await past(served)
    made = await make_list(served, "ABC1D23", {"pattern": "QQQ*"}, directions=["away"])
    assert (await served.client.post(f"/api/hotlists/{made['id']}/preview")).json()["count"] == 1
    assert (await asked(served, hotlist_id=made["id"]))["count"] == 3
    assert (await asked(served, hotlist_id=made["id"], directions=["away"]))["count"] == 1
    assert (await asked(served, hotlist_id=made["id"], entries=[{"pattern": "XBC1D23"}]))["count"] == 4
    assert (await served.client.post(URL, json={})).status_code == 422
    for name in ("0" * 32, "cloned"):
        refused = await served.client.post(URL, json={"hotlist_id": name})
        assert (refused.status_code, refused.json()["error"]["details"]["field"]) == (422, "hotlist_id")
    headers = await sign_in(served, "south", "operator", ("south",))
    other = {"hotlist_id": made["id"], "group_ids": ["south"]}
    assert (await served.client.post(URL, json=other, headers=headers)).status_code == 422


async def test_it_says_when_it_did_not_look_at_all(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.alerts import preview

    await past(served)
    monkeypatch.setattr(preview, "_RANGE", 2)
    found = await asked(served, entries=[{"pattern": "ABC1*"}])
    assert (found["complete"], found["looked_at"]) == (False, 2)
    monkeypatch.setattr(preview, "BUDGET_S", -1.0)
    assert (await asked(served, entries=[{"pattern": "ABC1D23"}]))["complete"] is False


async def test_a_masked_role_previews_whole_plates_alone(served: Served) -> None:
    await past(served)
    drafts = [await make_list(served, {"pattern": "ABC1*"}), await make_list(served, "ABC1D23")]
    headers = await sign_in(served, "olga", "operator")
    served.context.settings = served.context.settings.model_copy(update={"mask_plates_for": (Role.OPERATOR,)})
    patterns: list[dict[str, Any]] = [
        {"pattern": "ABC1D2?"},
        {"pattern": "ABC1D23", "match": "fuzzy", "tolerance": 2.0},
    ]
    for entry in patterns:
        body = {"entries": [{"pattern": "ABC1D23"}, entry]}
        assert (await served.client.post(URL, json=body, headers=headers)).status_code == 403
    found = await asked(served, headers, entries=[{"pattern": "ABC1D23"}])
    assert (found["count"], {item["plate"] for item in found["items"]}) == (2, {"AB*****"})
    answers = [await served.client.post(f"/api/hotlists/{made['id']}/preview", headers=headers) for made in drafts]
    assert [answer.status_code for answer in answers] == [403, 200]


async def test_a_reason_is_asked_where_searches_need_one(served: Served) -> None:
    served.context.settings = served.context.settings.model_copy(update={"search_reason": "plate"})
    body: dict[str, Any] = {"entries": [{"pattern": "ABC1D23"}]}
    assert (await served.client.post(URL, json=body)).status_code == 422
    assert (await served.client.post(URL, json={**body, "reason": "BO 1"})).status_code == 200


async def test_each_question_is_answered_by_an_index(served: Served) -> None:
    if served.context.db.dialect != "sqlite":
        pytest.skip("the planner of PostgreSQL reads small tables whole")
    from sqlalchemy import event

    plans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT detections"):
            asking = connection.connection.cursor()
            asking.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.append(" ".join(str(row[-1]) for row in asking.fetchall()))

    await past(served)
    event.listen(served.context.db.engine.sync_engine, "after_cursor_execute", explain)
    where = repository_preview.Where(AT, EVERYTHING, None)
    async with served.context.db.read() as session:
        await repository_preview.of_plates(session, where, ["ABC1D23", "ABC1D24"])
        await repository_preview.of_ends(session, where, "ABC", "", 10)
        await repository_preview.of_ends(session, where, "", "D23", 10)
        await repository_preview.newest(session, where, 10)
    assert len(plans) == 4
    for plan, index in zip(plans, ("plate", "plate", "plate_reversed", "started"), strict=True):
        assert f"ix_detections_{index} " in plan
        assert "SCAN detections" not in plan
