"""Endpoints through their routes, on both databases: who keeps which, what is refused, and where secrets end."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from sqlalchemy import select, text, update

from functions.shared.access import ACCESS
from functions.shared.contracts import EVENTS, now
from functions.shared.tables import AuditRow, Camera, IdempotencyKey, Table, Webhook
from functions.webhooks import payload, sending
from tests.functions.signing import api_key
from tests.functions.webhooks.conftest import Desk, passage

DETECTION = "gtv.detection.recorded.v1"
URL = "https://hooks.example.org/in?token=URL-MARK"


async def test_an_endpoint_is_made_shown_changed_and_deleted(desk: Desk) -> None:
    made = await desk.ask("ana", "POST", json={"name": " Police ", "url": URL, "group_ids": ["north"]})
    assert made.status_code == 201, made.text
    facts = made.json()
    assert facts.pop("secret").startswith("whsec_")
    path = f"/{facts['id']}"
    assert made.headers["location"] == f"/api/webhooks{path}"
    assert (facts["name"], facts["url"], facts["owner"], facts["state"]) == ("Police", URL, "ana", "ok")
    shown = await desk.ask("ana", "GET", path)
    assert (shown.json(), shown.headers["etag"]) == (facts, made.headers["etag"])
    tag = {"If-Match": shown.headers["etag"]}
    changed = await desk.ask("ana", "PATCH", path, json={"previews": True, "enabled": False}, headers=tag)
    assert changed.status_code == 200, changed.text
    assert (changed.json()["previews"], changed.json()["state"]) == (True, "disabled")
    assert changed.json()["disabled_reason"] == "user"
    assert (await desk.ask("ana", "PATCH", path, json={"name": "x"}, headers=tag)).status_code == 409
    assert (await desk.ask("ana", "DELETE", path, headers=tag)).status_code == 409
    again = (await desk.ask("ana", "PATCH", path, json={"enabled": True})).json()
    assert (again["state"], again["disabled_reason"], again["disabled_at"]) == ("ok", None, None)
    assert (await desk.ask("ana", "DELETE", path)).status_code == 204
    for method, rest in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/test")):
        body = {"name": "x"} if method == "PATCH" else None
        assert (await desk.ask("ana", method, path + rest, json=body)).status_code == 404


async def test_everybody_keeps_their_own_and_an_admin_keeps_all(desk: Desk) -> None:
    hers = await desk.add("ana", URL)
    his = await desk.add("op", URL)
    assert [item["id"] for item in (await desk.ask("ana", "GET")).json()["items"]] == [hers["id"]]
    assert [item["id"] for item in (await desk.ask("root", "GET")).json()["items"]] == [his["id"], hers["id"]]
    assert (await desk.ask("eva", "GET")).status_code == 403
    for route in ACCESS:
        method, path = route.split(" ")
        if not path.startswith("/api/webhooks/{"):
            continue
        rest = path.removeprefix("/api/webhooks").replace("{webhook_id}", his["id"]).replace("{delivery_id}", "0" * 32)
        body: Any = {"name": "x"} if method == "PATCH" else {"delivery_ids": ["0" * 32]} if "replay" in rest else None
        assert (await desk.ask("ana", method, rest, json=body)).status_code == 404, route
    changed = await desk.ask("root", "PATCH", f"/{hers['id']}", json={"name": "Renamed"})
    assert (changed.json()["name"], changed.json()["owner"]) == ("Renamed", "ana")


@pytest.mark.parametrize("owner", ["root", "op"])
async def test_a_key_that_sees_less_than_its_account_gets_no_more_by_a_webhook(desk: Desk, owner: str) -> None:
    desk.tokens["key"] = await api_key(desk.context, desk.users[owner], groups=["north"])
    whole = await desk.add(owner, URL)
    bound = await desk.add("key", URL)
    assert (whole["bound_to"], bound["bound_to"]) == (None, ["north"])
    assert [item["id"] for item in (await desk.ask("key", "GET")).json()["items"]] == [bound["id"]]
    assert len((await desk.ask(owner, "GET")).json()["items"]) == 2
    assert (await desk.ask("key", "GET", f"/{whole['id']}/deliveries")).status_code == 404
    assert (await desk.ask("key", "PATCH", f"/{whole['id']}", json={"url": URL})).status_code == 404
    for camera in ("cam-n", "cam-s", "cam-x"):
        await desk.tell(passage(camera))
    assert [row.camera_id for row in await desk.rows(webhook_id=bound["id"])] == ["cam-n"]
    assert len(await desk.rows(webhook_id=whole["id"])) == 3
    # What waits when the camera is given to another group does not go out either.
    async with desk.context.db.transaction() as session:
        await session.execute(update(Camera).where(Camera.id == "cam-n").values(group_id="south"))
    (row,) = await desk.rows(webhook_id=bound["id"])
    assert await sending.build(desk.context, row) == (sending.Skip(sending.OUT_OF_SCOPE), ANY)
    desk.tokens["other"] = await api_key(desk.context, desk.users[owner], groups=["south"])
    assert (await desk.ask("other", "GET", f"/{bound['id']}")).status_code == 404


async def test_a_key_has_sent_to_it_what_it_may_read_and_no_more(desk: Desk) -> None:
    desk.tokens["writer"] = await api_key(desk.context, desk.users["root"], ["webhooks:read", "webhooks:write"])
    desk.tokens["reader"] = await api_key(
        desk.context, desk.users["root"], ["webhooks:read", "webhooks:write", "detections:read"]
    )
    refused = await desk.ask("writer", "POST", json={"name": "x", "url": URL, "event_types": [DETECTION]})
    assert refused.status_code == 403
    assert refused.json()["error"]["details"]["field"] == "event_types"
    assert "detections:read" in refused.json()["error"]["message"]
    # Where nothing is named it is all that the key may read, which the answer says.
    assert (await desk.add("writer", URL))["event_types"] == ["gtv.webhook.disabled.v1"]
    assert DETECTION in (readable := await desk.add("reader", URL))["event_types"]
    assert not [name for name in readable["event_types"] if "alert" in name or "camera" in name]
    # Nor does it take over what another endpoint is sent, by giving it another address.
    whole = await desk.add("root", URL)
    bodies: list[dict[str, Any]] = [{"url": URL}, {"event_types": [DETECTION]}, {"event_types": []}]
    for body in bodies:
        assert (await desk.ask("writer", "PATCH", f"/{whole['id']}", json=body)).status_code == 403, body
    assert (await desk.ask("reader", "PATCH", f"/{whole['id']}", json={"event_types": []})).status_code == 403
    # Not by making it send less either: what it was sent before waits there, and can be replayed.
    narrowing = {"event_types": [DETECTION]}
    assert (await desk.ask("reader", "PATCH", f"/{whole['id']}", json=narrowing)).status_code == 403
    assert (await desk.ask("root", "PATCH", f"/{whole['id']}", json=narrowing)).status_code == 200
    renamed = await desk.ask("reader", "PATCH", f"/{whole['id']}", json={"name": "Renamed"})
    assert (renamed.json()["name"], renamed.json()["event_types"]) == ("Renamed", [DETECTION])


async def test_a_key_with_every_permission_has_all_types_as_a_person_has(desk: Desk) -> None:
    desk.tokens["all"], desk.tokens["root's"] = [
        await api_key(desk.context, desk.users[name]) for name in ("op", "root")
    ]
    assert (await desk.add("all", URL))["event_types"] == []
    # Who looked up too much is a matter between people.
    named = (await desk.add("root's", URL))["event_types"]
    assert sorted({*payload.event_types()} - {*named}) == ["gtv.privacy.bulk_lookup.v1"]


async def test_pages_follow_each_other(desk: Desk) -> None:
    ids = [(await desk.add("ana", URL, name=f"n{number}"))["id"] for number in range(5)]
    seen, cursor = [], None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await desk.ask("ana", "GET", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ids[::-1]
    assert (await desk.ask("ana", "GET", params={"cursor": "nonsense"})).status_code == 422


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"url": "http://hooks.example.org/"}, "url"),
    ({"url": "https://169.254.169.254/latest/meta-data"}, "url"),
    ({"url": "https://10.0.0.7/"}, "url"),
    ({"url": "https://[::1]/"}, "url"),
    ({"url": "https://user:pw@hooks.example.org/"}, "url"),
    ({"url": "ftp://hooks.example.org/"}, "url"),
    ({"url": "https://hooks.example.org/\n"}, "url"),
    ({"name": ""}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"event_types": ["gtv.nothing.v1"]}, "event_types"),
    ({"camera_ids": ["no-such"]}, "camera_ids"),
    ({"camera_ids": ["cam-s"]}, "camera_ids"),
    ({"group_ids": ["south"]}, "group_ids"),
    ({"payload": "fat"}, "payload"),
    ({"secret": "whsec_c2hvcnQ="}, "secret"),
    ({"secret": "whsec_" + base64.b64encode(b"x" * 65).decode()}, "secret"),
    ({"owner_id": "0" * 32}, "owner_id"),
]


async def test_what_is_wrong_is_named(desk: Desk) -> None:
    """`ana` may see the group north alone: what lies outside is not there for her."""
    for change, field in WRONG:
        answer = await desk.ask("ana", "POST", json={"name": "n", "url": URL, **change})
        assert answer.status_code == 422, answer.text
        assert field in answer.json()["error"]["message"]
        if field == "secret":
            assert change["secret"] not in answer.text
        if field == "url" and "10.0" in change["url"]:
            assert "GTV_WEBHOOK_ALLOWED_NETWORKS" in answer.text
    assert (await desk.ask("ana", "GET")).json()["items"] == []


async def test_secrets_are_shown_once_and_kept_encrypted(desk: Desk) -> None:
    key = {"Idempotency-Key": "k1"}
    body = {"name": "n", "url": URL}
    made = (await desk.ask("ana", "POST", json=body, headers=key)).json()
    repeated = await desk.ask("ana", "POST", json=body, headers=key)
    assert repeated.headers["idempotent-replayed"] == "true"
    assert repeated.json() == made | {"secret": None}
    path = f"/{made['id']}"
    rotated = (await desk.ask("ana", "POST", f"{path}/rotate-secret", json={}, headers=key)).json()
    again = (await desk.ask("ana", "POST", f"{path}/rotate-secret", json={}, headers=key)).json()
    assert rotated["secret"] != made["secret"]
    assert again == rotated | {"secret": None}
    others = [await desk.ask("ana", "GET", path), await desk.ask("ana", "GET"), await desk.ask("root", "GET")]
    secrets = [made["secret"].removeprefix("whsec_"), rotated["secret"].removeprefix("whsec_")]
    for answer in others:
        assert not [secret for secret in secrets if secret in answer.text]
    async with desk.context.db.read() as session:
        log = list(await session.scalars(select(AuditRow).order_by(AuditRow.seq)))
        kept: list[Table] = [*log, *await session.scalars(select(Webhook))]
        kept += list(await session.scalars(select(IdempotencyKey)))
        whole = json.dumps([{name: str(value) for name, value in vars(row).items()} for row in kept])
        assert await session.scalar(text("select count(*) from webhooks where url_encrypted like '%MARK%'")) == 0
    assert not [secret for secret in secrets if secret in whole]
    assert "MARK" not in whole, "an address may hold a token of the receiver's"
    assert [row.action for row in log] == ["webhooks.create", "webhooks.rotate_secret"]


async def test_a_key_is_of_one_webhook(desk: Desk) -> None:
    one, other = await desk.add("ana", URL), await desk.add("ana", URL)
    key = {"Idempotency-Key": "same"}
    first = (await desk.ask("ana", "POST", f"/{one['id']}/rotate-secret", json={}, headers=key)).json()
    second = (await desk.ask("ana", "POST", f"/{other['id']}/rotate-secret", json={}, headers=key)).json()
    assert second["secret"] not in (None, first["secret"])


async def test_a_secret_of_ones_own_and_a_rotation_at_once(desk: Desk) -> None:
    own = "whsec_" + base64.b64encode(b"k" * 24).decode()
    made = await desk.add("ana", URL, secret=own)
    assert made["secret"] == own
    path = f"/{made['id']}/rotate-secret"
    same = await desk.ask("ana", "POST", path, json={"secret": own})
    assert same.status_code == 422
    overlapping = (await desk.ask("ana", "POST", path)).json()
    assert overlapping["previous_secret_until"] > (now() + timedelta(hours=23, minutes=59)).isoformat()
    leaked = (await desk.ask("ana", "POST", path, json={"at_once": True})).json()
    assert leaked["previous_secret_until"] is None
    assert (await desk.ask("ana", "GET", f"/{made['id']}")).json()["previous_secret_until"] is None


async def test_keys_rotate(desk: Desk) -> None:
    made = await desk.add("ana", URL)
    async with desk.context.db.read() as session:
        before = (await session.scalars(select(Webhook.secret_encrypted))).one()
    assert (await desk.ask("ana", "POST", "/keys/rotate")).status_code == 403
    assert (await desk.ask("root", "POST", "/keys/rotate")).json() == {"encrypted": 1}
    async with desk.context.db.read() as session:
        after = (await session.scalars(select(Webhook.secret_encrypted))).one()
        (act,) = await session.scalars(select(AuditRow).where(AuditRow.action == "webhooks.rotate_keys"))
    assert (act.actor, act.details) == ("root", {"webhooks": 1})
    assert after != before
    assert desk.context.vault.decrypt(after) == made["secret"]


async def test_the_types_of_events_are_those_of_the_bus(desk: Desk) -> None:
    items = (await desk.ask("ana", "GET", "/event-types")).json()["items"]
    assert {item["type"] for item in items} == {kind.type for kind in EVENTS}
    assert all(item["description"] for item in items)


async def test_odd_text_is_refused_and_not_stumbled_over(desk: Desk) -> None:
    made = await desk.add("ana", URL)
    for odd in ("\0", "\ud800", "\u202e\n", " "):
        for field in ("name", "url"):
            body = json.dumps({"name": "n", "url": URL, field: odd})
            answer = await desk.ask("ana", "POST", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 422, (field, odd, answer.text)
    for params in ({"type": "\0"}, {"state": "\0"}, {"cursor": "\0"}, {"from": "0001-01-01T00:00:00+14:00"}):
        assert (await desk.ask("ana", "GET", f"/{made['id']}/deliveries", params=params)).status_code == 422
    for path in ("/%00", f"/{made['id']}/deliveries/%00", f"/{'é' * 32}"):
        assert (await desk.ask("ana", "GET", path)).status_code == 404


async def test_an_account_has_fifty_at_the_most(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.webhooks.service.MAX_OF_ONE", 2)
    for _ in range(2):
        await desk.add("ana", URL)
    refused = await desk.ask("ana", "POST", json={"name": "n", "url": URL})
    assert refused.status_code == 409
    await desk.add("bia", URL)
