"""Detections whose plate is on a hotlist: entries of each kind, twins, scope, masks; on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from functions.alerts.patterns import Entry
from functions.alerts.patterns import matches as alerted
from functions.search import listed
from functions.search.repository_lists import Pattern
from functions.shared.access import Role
from functions.shared.contracts import new_id, now
from functions.shared.db import Database
from functions.shared.tables import Alert, AuditRow, Detection, Group, Hotlist, HotlistEntry, HotlistGroup
from tests.functions.search.conftest import NOON, URL, add, detection
from tests.functions.search.test_finding import camera, person
from tests.functions.serving import Served


async def hotlist(database: Database, *entries: str | dict[str, Any], **fields: Any) -> str:
    """A list with entries, exact where they say nothing else; its id."""
    groups = fields.pop("groups", None)
    values: dict[str, Any] = {
        "id": new_id(), "name": new_id(), "kind": "watch", "owner": "", "reason": "", "priority": 50, "enabled": True,
        "hours": [], "all_groups": groups is None, "directions": [], "twins": False, "tolerances": {}, "emails": [],
        "escalation_emails": [], "created_by": "admin", "created_at": now(), "updated_at": now(),
    }  # fmt: skip
    row = Hotlist(**{**values, **fields})
    name = row.id
    await add(database, row)
    await add(database, *(HotlistGroup(hotlist_id=name, group_id=each) for each in groups or ()))
    for each in entries:
        given = {"pattern": each} if isinstance(each, str) else each
        entry = {
            "id": new_id(), "hotlist_id": name, "match": "exact", "version": 1, "created_by": "admin",
            "created_at": now(), "updated_at": now(),
        }  # fmt: skip
        await add(database, HotlistEntry(**entry | given))
    return name


async def found(served: Served, *lists: str, **params: Any) -> list[str]:
    answer = await served.client.get(URL, params={"hotlist_id": list(lists), **params})
    assert answer.status_code == 200, answer.text
    return [item["plate"] for item in answer.json()["items"]]


PLATES = ("ABC1D23", "ABC1O23", "ABC1334", "ABC1D34", "XYZ9K88", "AB123CD", "QQQ0A00")


@pytest.mark.parametrize(
    ("entry", "fields", "plates"),
    [
        ({"pattern": "ABC1D23"}, {}, ["ABC1D23"]),
        ({"pattern": "ABC1D34"}, {"twins": True}, ["ABC1334", "ABC1D34"]),
        ({"pattern": "ABC1334"}, {"twins": True}, ["ABC1334", "ABC1D34"]),
        # Shifted by a character it would be a plate of Argentina's; it has no twin.
        ({"pattern": "AB12DCD"}, {"twins": True}, []),
        ({"pattern": "ABC1D*", "match": "wildcard"}, {}, ["ABC1D23", "ABC1D34"]),
        ({"pattern": "ABC1D*", "match": "wildcard"}, {"twins": True}, ["ABC1D23", "ABC1334", "ABC1D34"]),
        ({"pattern": "*8?", "match": "wildcard"}, {}, ["XYZ9K88"]),
        ({"pattern": "ABC1D23", "match": "fuzzy"}, {}, ["ABC1D23", "ABC1O23"]),
        ({"pattern": "ABC1D23", "match": "fuzzy", "tolerance": 0.2}, {}, ["ABC1D23"]),
        ({"pattern": "ABC1D23", "match": "fuzzy"}, {"tolerances": {"7": 0.1}}, ["ABC1D23"]),
        ({"pattern": "ABC1D23", "removed": True}, {}, []),
        ({"pattern": "ABC1D23", "valid_until": NOON}, {}, []),
    ],
)
async def test_entries_of_each_kind(
    served: Served, database: Database, entry: dict[str, Any], fields: dict[str, Any], plates: list[str]
) -> None:
    await add(database, *(detection(plate, -number) for number, plate in enumerate(PLATES)), detection(None))
    name = await hotlist(database, entry, **fields)
    assert await found(served, name) == plates


def test_an_entry_means_here_what_alerts_make_of_it() -> None:
    """Two rooms that may not import each other match by the same rules; this holds them together."""
    stored = [*PLATES, "A8C1D23", "ABC1023", "ABC1D2", "ABC1D233", "ABC1E23", "ABC1423"]
    entries = [
        Entry("1", "ABC1D*", "wildcard"), Entry("2", "A?C1?23", "wildcard"), Entry("3", "*3", "wildcard"),
        *(Entry("4", "ABC1D23", "fuzzy", far) for far in (0.0, 0.3, 0.6, 1.0)),
    ]  # fmt: skip
    for entry in entries:
        for plate in stored:
            for twins in (False, True):
                here = listed.matches(Pattern(entry.pattern, entry.kind, entry.tolerance), plate, with_twins=twins)
                assert here is (alerted(entry, plate, with_twins=twins) is not None), (entry, plate, twins)


async def test_lists_join_and_other_filters_hold(served: Served, database: Database) -> None:
    rows = [detection("ABC1D23", number) for number in range(5)] + [detection("XYZ9K88", 9, camera_id="port")]
    await add(database, *rows, detection("QQQ0A00", 20))
    one, two = await hotlist(database, "ABC1D23"), await hotlist(database, "XYZ9*")
    three = await hotlist(database, {"pattern": "XYZ9*", "match": "wildcard"})
    assert await found(served, one, three, camera_id="port") == ["XYZ9K88"]
    assert await found(served, two) == []
    assert await found(served, one, three, to=NOON.isoformat()) == []
    first = (await served.client.get(URL, params={"hotlist_id": one, "limit": 3})).json()
    rest = (await served.client.get(URL, params={"hotlist_id": one, "cursor": first["next_cursor"]})).json()
    assert len({item["id"] for item in first["items"] + rest["items"]}) == 5
    # A look-up of plates: it tells of blind times, and is written down with how many were shown.
    assert first["blind"] is not None
    text = (await served.client.get(f"{URL}/export.csv", params={"hotlist_id": [one, three]})).text
    assert len(text.splitlines()) == 7
    async with database.read() as session:
        asked = select(AuditRow).where(AuditRow.action == "detections.search").order_by(AuditRow.seq.desc())
        row = (await session.scalars(asked)).first()
    assert row is not None
    assert (row.details["hotlist_id"], row.details["plates"]) == ([one], 1)


async def test_the_platform_s_own_list_shows_what_it_was_told_of(served: Served, database: Database) -> None:
    one, two, wrong = (detection("ABC1D23", minute) for minute in (0, 1, 2))
    ids = [row.id for row in (one, two, wrong)]
    await add(database, one, two, wrong, detection("ABC1D23", 3))

    def alert(first: str, other: str | None, **more: Any) -> Alert:
        return Alert(**{
            "id": new_id(), "hotlist_id": "cloned", "kind": "cloned", "list_name": "Cloned plates", "priority": 80,
            "reason": "", "camera_id": "gate", "detection_id": first, "other_detection_id": other, "seen_at": NOON,
            "plate": "ABC1D23", "uncertain": False, "details": {}, "state": "open", "raised_at": now(),
            "correlation_id": "c", **more,
        })  # fmt: skip

    await add(database, alert(ids[0], ids[1]), alert(ids[2], None, state="withdrawn"))
    items = (await served.client.get(URL, params={"hotlist_id": "cloned"})).json()["items"]
    assert [item["id"] for item in items] == [ids[1], ids[0]]


def alert_of(row: Detection, hotlist_id: str, **more: Any) -> Alert:
    return Alert(**{
        "id": new_id(), "hotlist_id": hotlist_id, "kind": "watch", "list_name": "Wanted", "priority": 50, "reason": "",
        "camera_id": "gate", "detection_id": row.id, "seen_at": NOON, "plate": row.plate, "uncertain": False,
        "details": {}, "state": "open", "raised_at": now(), "correlation_id": "c", **more,
    })  # fmt: skip


async def test_what_a_far_reaching_entry_was_alerted_of_is_found(served: Served, database: Database) -> None:
    """And the answer says that more may be meant: what is farther than 1 is looked for in no index."""
    rows = [detection("ABC9X23"), detection("ABC9X23", 1), detection("ABC8Y23", 2), detection("XYZ9K88", 3)]
    await add(database, *rows, detection("ABC1D23", 4))
    far = await hotlist(database, {"pattern": "ABC1D23", "match": "fuzzy", "tolerance": 2.0})
    near = await hotlist(database, {"pattern": "ABC1D23", "match": "fuzzy", "tolerance": 1.0})
    assert alerted(Entry("1", "ABC1D23", "fuzzy", 2.0), "ABC9X23", with_twins=False) is not None
    await add(
        database, alert_of(rows[0], far), alert_of(rows[2], far, state="withdrawn"),
        # By an entry that was taken out since.
        alert_of(rows[3], far),
    )  # fmt: skip
    assert await found(served, far) == ["ABC1D23", "ABC9X23", "ABC9X23"]
    for lists, whole in (([far], False), ([near], True), ([near, far], False), ([], None)):
        answer = await served.client.get(URL, params={"hotlist_id": lists})
        assert answer.json()["hotlists_whole"] is whole


async def test_a_list_of_others_is_none(served: Served, database: Database) -> None:
    for name in ("ring", "port"):
        await add(database, Group(id=name, name=name, plate_formats=[], created_at=NOON, updated_at=NOON))
    await add(database, camera("mine", "ring"), camera("yours", "port"))
    await add(database, detection("ABC1D23", camera_id="mine"), detection("ABC1D23", 1, camera_id="yours"))
    own, other = (
        await hotlist(database, "ABC1D23", groups=["ring"]),
        await hotlist(database, "ABC1D23", groups=["port"]),
    )
    whole = await hotlist(database, "ABC1D23")
    viewer = await person(served, "vera", "viewer", ["ring"])
    seen = (await served.client.get(URL, params={"hotlist_id": own}, headers=viewer)).json()
    assert [item["camera_id"] for item in seen["items"]] == ["mine"]
    for name in (other, whole, new_id()):
        for path in (URL, f"{URL}/export.csv"):
            answer = await served.client.get(path, params={"hotlist_id": name}, headers=viewer)
            assert answer.status_code == 422, answer.text
            assert answer.json()["error"]["details"]["field"] == "hotlist_id"
    machine = await person(served, "robo", "integrator", ["ring"])
    assert (await served.client.get(URL, params={"hotlist_id": own}, headers=machine)).status_code == 403
    served.context.settings = served.context.settings.model_copy(update={"mask_plates_for": (Role.VIEWER,)})
    assert (await served.client.get(URL, params={"hotlist_id": own}, headers=viewer)).status_code == 403


async def test_a_list_that_asks_for_too_much_says_so(
    served: Served, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed, "MOST_PATTERNS", 1)
    monkeypatch.setattr(listed, "MOST_LOOKED_AT", 2)
    await add(database, *(detection(f"ABC1D2{number}", number) for number in range(4)))
    both = [{"pattern": pattern, "match": "wildcard"} for pattern in ("ABC*", "XYZ*")]
    broad = await hotlist(database, both[0])
    for name in (await hotlist(database, *both), broad):
        answer = await served.client.get(URL, params={"hotlist_id": name})
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["details"]["field"] == "hotlist_id"
    since = (NOON + timedelta(minutes=2)).isoformat()
    assert await found(served, broad, **{"from": since}) == ["ABC1D23", "ABC1D22"]
