"""Lists are look-ups: whoever steps over all there is leaves rows, is counted, raises the alarm and is stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from functions.alerts import handler as alerts
from functions.auth import handler as auth
from functions.search import handler
from functions.shared import lookups
from functions.shared.config import FunctionSettings
from functions.shared.contracts import new_id
from functions.shared.db import Database
from functions.shared.tables import Alert, Correction, HotlistEntry, LookupCount
from tests.functions.search.conftest import NOON, PASSWORD, URL, add, detection
from tests.functions.search.test_finding import acts
from tests.functions.serving import Served, serve

PLATES = 240


@pytest.fixture
async def strict(settings: FunctionSettings) -> AsyncIterator[Served]:
    """Search and alerts where an hour has ten look-ups and no more."""
    few = settings.model_copy(update={"bulk_lookups_hour": 10, "bulk_lookups_stop": True})
    routers = [auth.router, handler.router, alerts.router]
    async with serve("search", routers, few, startup=auth.startup) as made:
        made.client.headers.update(await made.login("admin", PASSWORD))
        yield made


async def many(database: Database) -> None:
    await add(database, *(detection(f"AAA{number // 100}A{number % 100:02}", number) for number in range(PLATES)))


async def looked_up(database: Database) -> int:
    async with database.read() as session:
        return int(await session.scalar(select(func.coalesce(func.sum(LookupCount.lookups), 0))) or 0)


async def test_stepping_from_time_to_time_cannot_copy_the_database(strict: Served, database: Database) -> None:
    await many(database)
    seen, refused = set[str](), None
    for step in range(12):
        window = {"from": NOON + timedelta(minutes=20 * step), "to": NOON + timedelta(minutes=20 * (step + 1))}
        answer = await strict.client.get(
            URL, params={"limit": 200, **{name: at.isoformat() for name, at in window.items()}}
        )
        if answer.status_code == 429:
            refused = answer
            break
        seen |= {item["plate"] for item in answer.json()["items"]}
    assert refused is not None
    assert len(seen) < PLATES
    rows = await acts(database, "detections.search")
    assert rows[0].details["plates"] == 20
    assert rows[0].details["from"] == NOON.isoformat().replace("+00:00", "Z")
    assert len(await acts(database, lookups.ALARM)) == 1


@pytest.mark.parametrize(
    "params", [{"camera_id": "gate"}, {"type": "car"}, {"limit": 200}, {"to": "2026-05-04T14:00:00Z"}, {"final": True}]
)
async def test_a_list_that_is_narrowed_or_long_is_a_lookup(
    served: Served, database: Database, params: dict[str, Any]
) -> None:
    await many(database)
    answer = await served.client.get(URL, params=params)
    (row,) = await acts(database, "detections.search")
    assert row.details["count"] == len(answer.json()["items"])
    assert await looked_up(database) == lookups.weight(row.details["plates"])


async def test_what_the_live_page_asks_for_is_none(served: Served, database: Database) -> None:
    await many(database)
    asked: list[tuple[dict[str, Any], int]] = [({}, 50), ({"limit": 50}, 50), ({"limit": 20, "match": "exact"}, 20)]
    for params, count in asked:
        assert len((await served.client.get(URL, params=params)).json()["items"]) == count
    assert await acts(database, "detections.search") == []


async def test_a_list_without_a_plate_is_none(served: Served, database: Database) -> None:
    await add(database, detection(None), detection(None, 1))
    assert len((await served.client.get(URL, params={"camera_id": "gate"})).json()["items"]) == 2
    assert await acts(database, "detections.search") == []


async def test_corrections_are_looked_up_too(served: Served, database: Database) -> None:
    row = detection("ABC1D23")
    notes = [
        Correction(id=new_id(), detection_id=row.id, camera_id="gate", created_at=NOON + timedelta(minutes=number),
                   created_by="ana", source="person", plate_before="ABC1D23", plate_after=f"ABC1D{number:02}")
        for number in range(60)
    ]  # fmt: skip
    await add(database, row)
    await add(database, *notes)
    assert (await served.client.get("/api/corrections")).status_code == 200
    assert await acts(database, "corrections.search") == []
    await served.client.get("/api/corrections", params={"from": NOON.isoformat(), "limit": 10})
    await served.client.get("/api/corrections", params={"limit": 200})
    first, second = await acts(database, "corrections.search")
    assert (first.details["count"], second.details["count"]) == (10, 60)
    assert await looked_up(database) == 1 + lookups.weight(second.details["plates"])


async def test_a_change_that_changes_nothing_opened_the_passage(served: Served, database: Database) -> None:
    row = detection("ABC1D23", color="red")
    await add(database, row)
    answer = await served.client.patch(f"{URL}/{row.id}", json={"color": "red"})
    assert answer.json()["plate"] == "ABC1D23"
    assert await acts(database, "detections.correct") == []
    (act,) = await acts(database, "detections.show")
    assert (act.subject, act.details["plates"]) == (row.id, 1)
    await served.client.patch(f"{URL}/{row.id}", json={"color": "blue"})
    assert len(await acts(database, "detections.show")) == 1
    assert len(await acts(database, "detections.correct")) == 1


async def test_the_entries_of_a_list_are_looked_up_too(strict: Served, database: Database) -> None:
    answer = await strict.client.post("/api/hotlists", json={"name": "Wanted", "reason": "case 7"})
    assert answer.status_code == 201, answer.text
    list_id = answer.json()["id"]
    facts = {"match": "exact", "version": 1, "created_by": "ana", "created_at": NOON, "updated_at": NOON}
    await add(
        database,
        *(HotlistEntry(id=new_id(), hotlist_id=list_id, pattern=f"AAA1A{number:03}", **facts) for number in range(150)),
    )
    path = f"/api/hotlists/{list_id}/entries"
    first = await strict.client.get(path, params={"limit": 100})
    assert await acts(database, "hotlists.entries") == [], "the console opens a list so"
    await strict.client.get(path, params={"limit": 100, "cursor": first.json()["next_cursor"]})
    await strict.client.get(path, params={"q": "A14"})
    rows = await acts(database, "hotlists.entries")
    assert [(row.subject, row.details["entries"]) for row in rows] == [(list_id, 50), (list_id, 10)]
    assert await looked_up(database) == 2
    assert (await strict.client.get(f"{path}/export.csv")).status_code == 200
    assert await looked_up(database) == 3


async def test_alerts_are_looked_up_too(strict: Served, database: Database) -> None:
    facts: dict[str, Any] = {
        "hotlist_id": "cloned", "kind": "cloned", "list_name": "Cloned plates", "priority": 80, "reason": "",
        "camera_id": "gate", "uncertain": False, "details": {}, "state": "open", "correlation_id": "c",
    }  # fmt: skip
    rows = [detection(f"AAA1A{number:02}", number) for number in range(60)]
    await add(database, *rows)
    await add(
        database,
        *(Alert(id=new_id(), detection_id=row.id, plate=row.plate, seen_at=row.started_at, raised_at=row.started_at,
                **facts) for row in rows),
    )  # fmt: skip
    of_desk: list[dict[str, Any]] = [{"state": "open", "limit": 30}, {"min_priority": 75, "kind": "cloned"}]
    for params in of_desk:
        assert (await strict.client.get("/api/alerts", params=params)).json()["items"]
    assert await acts(database, "alerts.search") == [], "what the desk's page asks for by itself"
    await strict.client.get("/api/alerts", params={"to": (NOON + timedelta(minutes=30)).isoformat(), "limit": 20})
    await strict.client.get("/api/alerts", params={"limit": 200})
    first, second = await acts(database, "alerts.search")
    assert (first.details["plates"], second.details["plates"]) == (20, 60)
    assert first.details["to"].startswith("2026-05-04T12:30")
    assert await looked_up(database) == 4
