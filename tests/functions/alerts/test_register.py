"""/api/hotlists and /api/alerts: who sees and changes what, entries, CSV, acknowledgement."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from functions.alerts.hooks import Hook
from functions.alerts.watching import Watch
from functions.shared.context import Context
from functions.shared.tables import AuditRow, Hotlist
from tests.functions.alerts.conftest import add, alerts, detection, make_list, sign_in, told
from tests.functions.serving import Served

URL = "/api/hotlists"
FULL = {
    "name": "Roubados", "owner": "Polícia Civil", "reason": "BO 12/2026", "priority": "high", "enabled": True,
    "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z",
    "hours": [{"days": ["mon", "tue"], "start": "22:00", "end": "06:00"}], "group_ids": ["north"],
    "directions": ["away"], "twins": False, "tolerances": {"7": 1.0}, "escalate_after_min": 10,
    "emails": ["plantao@city.example"], "escalation_emails": ["chefe@city.example"],
}  # fmt: skip


async def actions(context: Context) -> list[str]:
    async with context.db.read() as session:
        return list(await session.scalars(select(AuditRow.action).order_by(AuditRow.seq)))


async def test_a_list_with_all_that_it_may_say(served: Served) -> None:
    answer = await served.client.post(URL, json=FULL)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert {name: made[name] for name in FULL} == {**FULL, "priority": 75}
    assert (made["kind"], made["hook_host"], made["may_change"], made["entries"]) == ("watch", None, True, 0)
    assert answer.headers["ETag"] == '"1"'
    assert (await served.client.get(f"{URL}/{made['id']}")).json() == made
    page = (await served.client.get(URL, params={"q": "roub"})).json()
    assert [item["id"] for item in page["items"]] == [made["id"]]
    assert "hotlists.create" in await actions(served.context)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"priority": 101}, "priority"), ({"priority": "urgent"}, "priority"), ({"name": "  "}, "name"),
    ({"group_ids": []}, "group_ids"), ({"group_ids": ["nowhere"]}, "group_ids"), ({"emails": ["x"]}, "emails"),
    ({"emails": ["a@b.example\nBcc: c@d.example"]}, "emails"), ({"name": "a\nb"}, "name"),
    ({"name": "a\u2028b"}, "name"), ({"reason": "a\u2029b"}, "reason"), ({"owner": "a\x85b"}, "owner"),
    ({"emails": ["a@b.example\n"]}, "emails"), ({"name": "a\x1eb"}, "name"),
    ({"hours": [{"days": [], "start": "22:00", "end": "06:00"}]}, "days"),
    ({"hours": [{"days": ["mon"], "start": "24:00", "end": "06:00"}]}, "start"),
    ({"valid_from": "2027-01-01T00:00:00Z", "valid_until": "2026-01-01T00:00:00Z"}, "valid_until"),
    ({"tolerances": {"0": 1.0}}, "tolerances"), ({"tolerances": {"7": 3.0}}, "tolerances"),
    ({"escalate_after_min": 0}, "escalate_after_min"), ({"kind": "cloned"}, "kind"), ({"strange": 1}, "strange"),
    ({"hook": {"url": "http://169.254.169.254/latest"}}, "hook.url"), ({"hook": {"url": "ftp://x"}}, "hook.url"),
    ({"hook": {"url": "https://10.0.0.1/x"}}, "hook.url"),
    ({"hook": {"url": "http://127.0.0.1/x", "body": {"a": "{password}"}}}, "hook.body"),
]  # fmt: skip


async def test_what_is_wrong_is_named(served: Served) -> None:
    for wrong, field in WRONG:
        answer = await served.client.post(URL, json={"name": "A list", **wrong})
        assert answer.status_code == 422, (wrong, answer.text)
        assert field in answer.json()["error"]["message"] + str(answer.json()["error"]["details"])


async def test_a_hook_goes_in_and_never_comes_out(served: Served) -> None:
    hook = {"url": "http://127.0.0.1:9/KEY-MARK-1", "body": {"routing_key": "KEY-MARK-2", "plate": "{plate}"}}
    answer = await served.client.post(URL, json={"name": "Pager", "hook": hook})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["hook_host"] == "127.0.0.1"
    async with served.context.db.read() as session:
        stored = (await session.scalars(select(Hotlist).where(Hotlist.id == made["id"]))).one()
        rows = list(await session.scalars(select(AuditRow)))
    everything = answer.text + str([row.details for row in rows]) + str(vars(stored))
    assert "KEY-MARK" not in everything
    assert Hook.opened(served.context.vault, str(stored.hook_encrypted)) == (hook["url"], hook["body"])
    # A change of something else leaves it, null takes it out.
    await served.client.patch(f"{URL}/{made['id']}", json={"priority": 10})
    assert (await served.client.get(f"{URL}/{made['id']}")).json()["hook_host"] == "127.0.0.1"
    rotated = await served.client.post(f"{URL}/keys/rotate")
    assert rotated.json() == {"encrypted": 1}
    async with served.context.db.read() as session:
        (act,) = await session.scalars(select(AuditRow).where(AuditRow.action == "hotlists.rotate_keys"))
    assert (act.actor, act.details) == ("admin", {"hooks": 1})
    gone = await served.client.patch(f"{URL}/{made['id']}", json={"hook": None})
    assert gone.json()["hook_host"] is None


async def test_a_change_of_what_was_not_seen_is_refused(served: Served) -> None:
    made = await make_list(served)
    url = f"{URL}/{made['id']}"
    changed = await served.client.patch(url, json={"priority": "low"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["priority"], changed.headers["ETag"]) == (200, 25, '"2"')
    assert (await served.client.patch(url, json={"priority": 3}, headers={"If-Match": '"1"'})).status_code == 409
    assert (await served.client.patch(url, json={"name": None})).status_code == 422
    assert (await served.client.delete(url, headers={"If-Match": '"1"'})).status_code == 409
    assert (await served.client.delete(url)).status_code == 204
    assert (await served.client.get(url)).status_code == 404


async def test_names_are_given_once(served: Served) -> None:
    await make_list(served, name="Stolen")
    assert (await served.client.post(URL, json={"name": "stolen"})).status_code == 409
    other = await make_list(served, name="Other")
    assert (await served.client.patch(f"{URL}/{other['id']}", json={"name": "STOLEN"})).status_code == 409


async def test_a_name_tells_nothing_of_lists_that_are_not_seen(served: Served) -> None:
    await make_list(served, name="Stolen", group_ids=["south"])
    headers = await sign_in(served, "north", "operator", ("north",))
    made = await served.client.post(URL, json={"name": "stolen", "group_ids": ["north"]}, headers=headers)
    assert made.status_code == 201, made.text
    other = await served.client.post(URL, json={"name": "Other", "group_ids": ["north"]}, headers=headers)
    url = f"{URL}/{other.json()['id']}"
    assert (await served.client.patch(url, json={"name": "STOLEN"}, headers=headers)).status_code == 409
    await served.client.patch(f"{URL}/{made.json()['id']}", json={"name": "Gone"}, headers=headers)
    assert (await served.client.patch(url, json={"name": "Stolen"}, headers=headers)).status_code == 200
    # Who sees both pages over both.
    seen: list[str] = []
    cursor = None
    while cursor is not None or not seen:
        page = (await served.client.get(URL, params={"limit": 1, **({"cursor": cursor} if cursor else {})})).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == ["Cloned plates", "Gone", "Stolen", "Stolen"]


async def test_of_two_lists_of_a_name_made_at_once_one_is(served: Served) -> None:
    answers = await asyncio.gather(*(served.client.post(URL, json={"name": "Once"}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_a_post_that_comes_twice_is_done_once(served: Served) -> None:
    headers = {"Idempotency-Key": "k1"}
    one, two = [await served.client.post(URL, json={"name": "Once"}, headers=headers) for _ in range(2)]
    assert (one.json(), two.status_code) == (two.json(), 201)


async def test_the_platform_s_own_list(served: Served) -> None:
    url = f"{URL}/cloned"
    own = (await served.client.get(url)).json()
    assert (own["kind"], own["group_ids"], own["enabled"]) == ("cloned", None, True)
    assert (await served.client.patch(url, json={"emails": ["a@city.example"]})).status_code == 200
    assert (await served.client.delete(url)).status_code == 409
    assert (await served.client.post(f"{url}/entries", json={"pattern": "ABC1D23"})).status_code == 409
    assert (await served.client.post(f"{url}/preview")).status_code == 409


async def test_pages_by_name(served: Served) -> None:
    for name in ("Çedilha", "B", "A", "Ünlü 'x'"):
        await make_list(served, name=name)
    seen: list[str] = []
    cursor = None
    while True:
        page = (await served.client.get(URL, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(["A", "B", "Cloned plates", "Çedilha", "Ünlü 'x'"])
    assert (await served.client.get(URL, params={"cursor": "%%%"})).status_code == 422


# Scope


async def test_a_scoped_operator_sees_and_changes_the_lists_of_their_groups(served: Served) -> None:
    own = await make_list(served, group_ids=["north"])
    both = await make_list(served, group_ids=["north", "south"])
    hidden = [await make_list(served, group_ids=["south"]), await make_list(served)]
    headers = await sign_in(served, "north", "operator", ("north",))
    page = (await served.client.get(URL, headers=headers)).json()
    assert {item["id"]: (item["group_ids"], item["may_change"]) for item in page["items"]} == {
        own["id"]: (["north"], True), both["id"]: (["north"], False),
    }  # fmt: skip
    for made in hidden:
        for method, path in (
            ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/entries"), ("POST", "/entries"), ("POST", "/preview"),
            ("GET", "/entries/export.csv"),
        ):  # fmt: skip
            body = {"pattern": "ABC1D23"} if (method, path) == ("POST", "/entries") else {}
            answer = await served.client.request(method, f"{URL}/{made['id']}{path}", json=body, headers=headers)
            assert answer.status_code == 404, (method, path)
    assert (await served.client.patch(f"{URL}/{both['id']}", json={"priority": 1}, headers=headers)).status_code == 403
    assert (await served.client.patch(f"{URL}/{own['id']}", json={"priority": 1}, headers=headers)).status_code == 200
    for groups in (None, ["south"], ["north", "south"]):
        wanted = {"name": f"New {groups}", "group_ids": groups}
        assert (await served.client.post(URL, json=wanted, headers=headers)).status_code == 422
        moved = await served.client.patch(f"{URL}/{own['id']}", json={"group_ids": groups}, headers=headers)
        assert moved.status_code == 422
    assert (
        await served.client.post(URL, json={"name": "N", "group_ids": ["north"]}, headers=headers)
    ).status_code == 201


async def test_a_scoped_user_sees_alerts_of_their_cameras_alone(served: Served, watch: Watch, context: Context) -> None:
    await make_list(served, "ABC1D23")
    for camera_id in ("gate", "port", "yard"):
        row = detection("ABC1D23", camera_id=camera_id)
        await add(context.db, row)
        await watch.observe(told(row))
    ids = {alert.camera_id: alert.id for alert in await alerts(context.db)}
    assert set(ids) == {"gate", "port", "yard"}
    headers = await sign_in(served, "north", "operator", ("north",))
    page = (await served.client.get("/api/alerts", headers=headers)).json()
    assert [item["camera_id"] for item in page["items"]] == ["gate"]
    assert (await served.client.get("/api/alerts/counts", headers=headers)).json() == {"open": 1, "escalated": 0}
    assert (await served.client.get("/api/alerts/counts")).json() == {"open": 3, "escalated": 0}
    for method, path in (("GET", ""), ("POST", "/acknowledge")):
        url = f"/api/alerts/{ids['port']}{path}"
        assert (await served.client.request(method, url, json={}, headers=headers)).status_code == 404
    nothing = await sign_in(served, "nobody", "operator", ())
    assert (await served.client.get("/api/alerts", headers=nothing)).json()["items"] == []
    assert (await served.client.get(URL, headers=nothing)).json()["items"] == []


# Entries


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"pattern": " abc-1d23 "}, ("ABC1D23", "exact", None)),
        ({"pattern": "abc*"}, ("ABC*", "wildcard", None)),
        ({"pattern": "a?c**3"}, ("A?C*3", "wildcard", None)),
        ({"pattern": "ABC1D23", "match": "fuzzy", "tolerance": 1.0}, ("ABC1D23", "fuzzy", 1.0)),
    ],
)
async def test_entries_are_kept_in_one_spelling(served: Served, given: dict[str, Any], stored: tuple[Any, ...]) -> None:
    made = await make_list(served)
    answer = await served.client.post(f"{URL}/{made['id']}/entries", json=given)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["pattern"], found["match"], found["tolerance"]) == stored
    assert (await served.client.post(f"{URL}/{made['id']}/entries", json=given)).status_code == 409
    assert (await served.client.get(f"{URL}/{made['id']}")).json()["entries"] == 1
    entry = f"{URL}/{made['id']}/entries/{found['id']}"
    assert (await served.client.delete(entry)).status_code == 204
    assert (await served.client.delete(entry)).status_code == 404
    again = await served.client.post(f"{URL}/{made['id']}/entries", json=given)
    assert (again.status_code, (await served.client.get(f"{URL}/{made['id']}")).json()["entries"]) == (201, 1)
    assert (await actions(served.context)).count("hotlists.add_entry") == 2


REFUSED: list[dict[str, Any]] = [
    {"pattern": "*"}, {"pattern": "A*"}, {"pattern": "ABCDEFGHIJK"}, {"pattern": "ABÇ1D23"}, {"pattern": "--"},
    {"pattern": "ABC*", "match": "exact"}, {"pattern": "ABC1D23", "tolerance": 1.0}, {"pattern": "A" * 41},
    {"pattern": "AB1", "match": "fuzzy", "tolerance": 2.0}, {"pattern": "ABC\u00001D23"}, {},
]  # fmt: skip


async def test_entries_that_are_refused(served: Served) -> None:
    made = await make_list(served)
    for given in REFUSED:
        answer = await served.client.post(f"{URL}/{made['id']}/entries", json=given)
        assert answer.status_code == 422, (given, answer.text)


CSV = "placa;match;motivo\r\nABC-1D23;;BO 1\r\nXYZ*;wildcard;\r\nabc1d23;;again\r\n*;;\r\nQQQ1A11;fuzzy;=1+1\r\n"


async def send(served: Served, hotlist_id: str, data: str | bytes, **how: Any) -> Any:
    params = {"hotlist_id": hotlist_id, **{name: str(value).lower() for name, value in how.items()}}
    headers = {"Content-Type": "text/csv"}
    return await served.client.post(f"{URL}/import", content=data, params=params, headers=headers)


async def test_a_file_is_taken_whole_or_by_its_right_lines(served: Served) -> None:
    made = await make_list(served, "XYZ*", "OLD1A11")
    faults = [(4, "plate"), (5, "plate")]
    dry = (await send(served, made["id"], CSV, dry_run=True, mode="valid", replace=True)).json()
    assert (dry["lines"], dry["added"], dry["updated"], dry["removed"]) == (5, 2, 1, 1)
    assert [(fault["line"], fault["field"]) for fault in dry["errors"]] == faults
    refused = await send(served, made["id"], CSV)
    assert refused.status_code == 422
    assert refused.json()["error"]["details"]["errors"] == dry["errors"]
    assert (await served.client.get(f"{URL}/{made['id']}")).json()["entries"] == 2
    done = (await send(served, made["id"], CSV, mode="valid", replace=True)).json()
    assert {**done, "dry_run": True} == dry
    page = (await served.client.get(f"{URL}/{made['id']}/entries")).json()
    assert [(item["pattern"], item["match"], item["note"]) for item in page["items"]] == [
        ("ABC1D23", "exact", "BO 1"), ("QQQ1A11", "fuzzy", "=1+1"), ("XYZ*", "wildcard", None),
    ]  # fmt: skip
    assert (await served.client.get(f"{URL}/{made['id']}")).json()["entries"] == 3


async def test_what_was_exported_can_be_imported(served: Served) -> None:
    made = await make_list(served)
    await send(served, made["id"], CSV, mode="valid")
    answer = await served.client.get(f"{URL}/{made['id']}/entries/export.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "'=1+1" in answer.text, "a note must not become a formula"
    other = await make_list(served)
    report = (await send(served, other["id"], answer.content)).json()
    assert (report["added"], report["errors"]) == (3, [])
    assert "hotlists.export_entries" in await actions(served.context)


@pytest.mark.parametrize("note", ["=1+1", "'=x", "'quoted'", "-5 km", "@desk", "plain 'x'", "''"])
async def test_a_note_comes_back_as_it_was(served: Served, note: str) -> None:
    one, other = await make_list(served, {"pattern": "ABC1D23", "note": note}), await make_list(served)
    sheet = await served.client.get(f"{URL}/{one['id']}/entries/export.csv")
    assert (await send(served, other["id"], sheet.content)).json()["added"] == 1
    (entry,) = (await served.client.get(f"{URL}/{other['id']}/entries")).json()["items"]
    assert entry["note"] == note


async def test_files_that_are_no_list(served: Served) -> None:
    made = await make_list(served)
    for data in (b"", b"name\nABC1D23\n", b"plate,plate\n", b"plate,colour\nABC1D23,red\n", b"\x00"):
        answer = await send(served, made["id"], data)
        assert answer.status_code == 422, answer.text


# Alerts


async def one_alert(served: Served, watch: Watch, **fields: Any) -> str:
    await make_list(served, "ABC1D23", **fields)
    row = detection("ABC1D23", snapshot_key="vehicles/2026/01/01/gate/x.jpg")
    await add(served.context.db, row)
    await watch.observe(told(row))
    return (await alerts(served.context.db))[0].id


async def test_acknowledged_once_with_a_note(served: Served, watch: Watch) -> None:
    name = await one_alert(served, watch, escalate_after_min=1)
    url = f"/api/alerts/{name}/acknowledge"
    body = {"note": "viatura 12 enviada", "outcome": "confirmed"}
    answer = await served.client.post(url, json=body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["state"], shown["acknowledged_by"], shown["note"], shown["outcome"]) == (
        "acknowledged", "admin", "viatura 12 enviada", "confirmed",
    )  # fmt: skip
    assert shown["escalate_at"] is None
    assert (await served.client.post(url, json=body)).status_code == 409
    assert "alerts.acknowledge" in await actions(served.context)
    page = (await served.client.get("/api/alerts", params={"state": "open"})).json()
    assert page["items"] == []


FILTERS: list[tuple[dict[str, Any], int]] = [
    ({"state": "open"}, 1), ({"state": "withdrawn"}, 0), ({"plate": "abc-1d23"}, 1), ({"plate": "ABC1D2"}, 0),
    ({"camera_id": "gate"}, 1), ({"camera_id": "port"}, 0), ({"group_id": "north"}, 1), ({"group_id": "south"}, 0),
    ({"min_priority": 50}, 1), ({"min_priority": 51}, 0), ({"kind": "watch"}, 1), ({"kind": "cloned"}, 0),
    ({"escalated": "true"}, 0), ({"from": "2020-01-01T00:00:00Z"}, 1), ({"to": "2020-01-01T00:00:00Z"}, 0),
    ({"hotlist_id": "0" * 32}, 0),
]  # fmt: skip


async def test_filters(served: Served, watch: Watch) -> None:
    await one_alert(served, watch)
    for query, found in FILTERS:
        answer = await served.client.get("/api/alerts", params=query)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) == found, query


async def test_a_look_up_by_plate_needs_a_reason_where_searches_do(served: Served) -> None:
    served.context.settings = served.context.settings.model_copy(update={"search_reason": "plate"})
    assert (await served.client.get("/api/alerts", params={"plate": "ABC1D23"})).status_code == 422
    query = {"plate": "ABC1D23", "reason": "BO 1"}
    assert (await served.client.get("/api/alerts", params=query)).status_code == 200
    assert (await actions(served.context)).count("alerts.search") == 1


def test_a_secret_stays_out_of_the_shape() -> None:
    from functions.alerts.schemas import HotlistCreate

    given = HotlistCreate.model_validate({"name": "x", "hook": {"url": "https://h/KEY-MARK"}})
    assert given.hook is not None
    assert isinstance(given.hook.url, SecretStr)
    assert "KEY-MARK" not in repr(given)
