"""API keys: made and shown once, held to their permissions, groups, end and user, and used in two ways."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from functions.shared import api_keys, logs
from functions.shared.access import PERMISSIONS
from functions.shared.contracts import now
from functions.shared.scope import Scope
from functions.shared.tables import ApiKey, AuditRow, Group, IdempotencyKey, User, UserGroup
from tests.functions.auth.conftest import PASSWORD
from tests.functions.serving import Served


@pytest.fixture
async def admin(auth: Served) -> httpx.AsyncClient:
    auth.client.headers.update(await auth.login("admin", PASSWORD))
    return auth.client


async def add_groups(auth: Served, *ids: str) -> None:
    async with auth.context.db.transaction() as session:
        for one in ids:
            session.add(Group(id=one, name=one, plate_formats=["br_old"], created_at=now(), updated_at=now()))


async def machine(admin: httpx.AsyncClient, **more: Any) -> str:
    """The id of an integrator's account without a password."""
    body = {"username": "radar-company", "role": "integrator", "sign_in": "keys", **more}
    answer = await admin.post("/api/auth/users", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def make(admin: httpx.AsyncClient, user_id: str, **more: Any) -> httpx.Response:
    body = {"name": "reads", "user_id": user_id, "permissions": ["detections:read", "ingest:write"], **more}
    return await admin.post("/api/auth/api-keys", json=body)


async def key_of(admin: httpx.AsyncClient, **more: Any) -> str:
    answer = await make(admin, await machine(admin), **more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


async def me(auth: Served, authorization: str) -> httpx.Response:
    async with auth.another_client("10.0.0.9") as client:
        return await client.get("/api/auth/me", headers={"Authorization": authorization})


async def audited(auth: Served, action: str) -> list[AuditRow]:
    async with auth.context.db.read() as session:
        return list(await session.scalars(select(AuditRow).where(AuditRow.action == action)))


async def test_a_key_is_shown_once_and_kept_as_a_hash(auth: Served, admin: httpx.AsyncClient) -> None:
    answer = await make(admin, await machine(admin))
    body = answer.json()
    key = body["key"]
    assert len(key) == 4 + 43
    assert body["prefix"] == key[:12]
    assert len({(await make(admin, body["user_id"])).json()["key"] for _ in range(5)}) == 5
    listed = await admin.get("/api/auth/api-keys")
    assert "key" not in listed.json()["items"][0]
    async with auth.context.db.read() as session:
        row = await session.get(ApiKey, body["id"])
        assert row is not None
        stored = str({column.name: getattr(row, column.name) for column in ApiKey.__table__.columns})
    assert row.key_hash == hashlib.sha256(key.encode()).hexdigest()
    for told in (stored, listed.text, str([row.details for row in await audited(auth, "api_key.created")])):
        assert key not in told
        assert key[12:] not in told


async def test_the_same_idempotency_key_makes_one_and_does_not_show_it_again(
    auth: Served, admin: httpx.AsyncClient
) -> None:
    body = {"name": "reads", "user_id": await machine(admin), "permissions": ["detections:read"]}
    first, second = [
        await admin.post("/api/auth/api-keys", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    assert second.json()["key"] is None
    async with auth.context.db.read() as session:
        kept = list(await session.scalars(select(IdempotencyKey)))
    assert first.json()["key"] not in str([row.response for row in kept])


async def test_a_key_is_taken_as_bearer_and_as_the_password_of_basic(auth: Served, admin: httpx.AsyncClient) -> None:
    key = await key_of(admin)
    basic = [base64.b64encode(f"{name}:{key}".encode()).decode() for name in ("anybody", "")]
    for authorization in (f"Bearer {key}", f"bearer {key}", *(f"Basic {one}" for one in basic), f"BASIC {basic[0]}"):
        answer = await me(auth, authorization)
        assert answer.status_code == 200, answer.text
        assert answer.json()["username"] == "radar-company"
        assert answer.json()["permissions"] == ["detections:read", "ingest:write"]
    async with auth.another_client() as client:
        by_url = await client.get("http://radar:" + key + "@gtv.test/api/auth/me")
    assert by_url.status_code == 200


async def test_basic_takes_no_password_of_a_person(auth: Served, admin: httpx.AsyncClient) -> None:
    for given in (f"admin:{PASSWORD}", "admin", "", ":", "a" * 5000):
        answer = await me(auth, "Basic " + base64.b64encode(given.encode()).decode())
        assert answer.status_code == 401
        assert "API key" in answer.json()["error"]["message"]
    for broken in ("", "%%%", "=", base64.b64encode(b"\xff:\xff").decode()):
        assert (await me(auth, f"Basic {broken}")).status_code == 401


async def test_what_is_no_key_looks_alike(auth: Served, admin: httpx.AsyncClient) -> None:
    key = await key_of(admin)
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    answers = [await me(auth, f"Bearer {one}") for one in (wrong, "gtv_", "gtv_" + "A" * 43, key + "A", key[:20])]
    answers.append(await me(auth, "Bearer gtv_" + "A" * 1_000_000))
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["error"]["message"] for answer in answers} == {"the API key does not hold"}


async def test_a_key_can_do_no_more_than_its_permissions(auth: Served, admin: httpx.AsyncClient) -> None:
    admin_id = (await admin.get("/api/auth/me")).json()["id"]
    answer = await make(admin, admin_id, permissions=list(PERMISSIONS))
    headers = {"Authorization": f"Bearer {answer.json()['key']}"}
    paths = ("users", "api-keys", "sessions", "permissions")
    async with auth.another_client() as client:
        assert (await client.get("/api/auth/me", headers=headers)).status_code == 200
        for path in paths:
            refused = await client.get(f"/api/auth/{path}", headers=headers)
            assert refused.status_code == 403, path
            assert "API key" in refused.json()["error"]["message"]
        for path in ("keys/rotate", "password", "users", "api-keys"):
            body = {"current_password": PASSWORD, "new_password": "x"}
            assert (await client.post(f"/api/auth/{path}", json=body, headers=headers)).status_code == 403


async def test_a_key_sees_what_both_it_and_its_user_see(auth: Served, admin: httpx.AsyncClient) -> None:
    await add_groups(auth, "north", "south", "west")
    user_id = await machine(admin, groups=["north", "south"])
    keys = {}
    for name, groups in {"all": None, "one": ["south"], "both": ["north", "south"], "none": []}.items():
        keys[name] = (await make(admin, user_id, groups=groups)).json()["key"]

    async def seen(name: str) -> Scope:
        return (await api_keys.principal(auth.context, keys[name], "10.0.0.9")).scope

    assert await seen("all") == await seen("both") == Scope(frozenset({"north", "south"}))
    assert await seen("one") == Scope(frozenset({"south"}))
    assert await seen("none") == Scope(frozenset())
    async with auth.context.db.transaction() as session:
        row = await session.get(UserGroup, (user_id, "south"))
        await session.delete(row)
    assert await seen("both") == await seen("all") == Scope(frozenset({"north"}))
    assert await seen("one") == Scope(frozenset())
    refused = await make(admin, user_id, groups=["west"])
    assert refused.json()["error"]["details"]["field"] == "groups"
    async with auth.context.db.transaction() as session:
        await session.delete(await session.get(Group, "north"))
    assert await seen("both") == Scope(frozenset())


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": " \t"}, "name"),
    ({"name": "a\x00b"}, "name"),
    ({"user_id": "0" * 32}, "user_id"),
    ({"user_id": "admin"}, "user_id"),
    ({"permissions": []}, "permissions"),
    ({"permissions": ["*"]}, "permissions"),
    ({"permissions": ["detections:write"]}, "permissions"),
    ({"groups": ["nowhere"]}, "groups"),
    ({"groups": ["\x00"]}, "groups"),
    ({"expires_in_days": 0}, "expires_in_days"),
    ({"expires_in_days": 4000}, "expires_in_days"),
    ({"key": "gtv_mine"}, "key"),
]


async def test_a_wrong_field_is_named(admin: httpx.AsyncClient) -> None:
    user_id = await machine(admin)
    for changed, field in WRONG:
        answer = await make(admin, **{"user_id": user_id, **changed})
        assert answer.status_code == 422, changed
        details = answer.json()["error"]["details"]
        named = [details.get("field"), *(row["field"].split(".")[0] for row in details.get("fields", []))]
        assert field in named, changed


async def test_a_key_that_is_revoked_or_over_is_told_so_and_holds_no_more(
    auth: Served, admin: httpx.AsyncClient
) -> None:
    user_id = await machine(admin)
    revoked, over = [(await make(admin, user_id)).json() for _ in range(2)]
    for _ in range(2):
        assert (await admin.delete(f"/api/auth/api-keys/{revoked['id']}")).status_code == 204
    async with auth.context.db.transaction() as session:
        await session.execute(update(ApiKey).where(ApiKey.id == over["id"]).values(expires_at=now()))
    for body, word in ((revoked, "revoked"), (over, "expired")):
        answer = await me(auth, f"Bearer {body['key']}")
        assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (401, word)
    states = {row["id"]: row["state"] for row in (await admin.get("/api/auth/api-keys")).json()["items"]}
    assert states == {revoked["id"]: "revoked", over["id"]: "expired"}
    assert len(await audited(auth, "api_key.revoked")) == 1
    for unknown in ("0" * 32, "x", "%00"):
        assert (await admin.delete(f"/api/auth/api-keys/{unknown}")).status_code == 404


async def test_a_key_ends_with_its_user(auth: Served, admin: httpx.AsyncClient) -> None:
    user_id = await machine(admin)
    key = (await make(admin, user_id)).json()["key"]
    assert (await me(auth, f"Bearer {key}")).status_code == 200
    assert (await admin.delete(f"/api/auth/users/{user_id}")).status_code == 204
    assert (await me(auth, f"Bearer {key}")).status_code == 401
    assert (await make(admin, user_id)).json()["error"]["details"]["field"] == "user_id"


async def test_a_key_of_a_lesser_role_loses_what_the_role_may_no_more(auth: Served, admin: httpx.AsyncClient) -> None:
    user_id = await machine(admin, role="operator")
    key = (await make(admin, user_id, permissions=["cameras:write"])).json()["key"]
    await admin.patch(f"/api/auth/users/{user_id}", json={"role": "viewer"})
    found = await api_keys.principal(auth.context, key, "")
    assert (found.role, found.permissions) == ("viewer", frozenset({"cameras:write"}))


async def test_the_last_use_is_noted_once_a_minute_and_the_first_is_audited(
    auth: Served, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await key_of(admin)
    await asyncio.gather(*(me(auth, f"Bearer {key}") for _ in range(8)))
    (first,) = await audited(auth, "api_key.first_used")
    assert first.details["address"] == "10.0.0.9"
    assert key not in str(first.details)

    async def used_at() -> Any:
        return (await admin.get("/api/auth/api-keys")).json()["items"][0]["last_used_at"]

    seen = await used_at()
    assert seen
    await me(auth, f"Bearer {key}")
    assert await used_at() == seen
    later = now() + timedelta(seconds=61)
    monkeypatch.setattr(api_keys, "now", lambda: later)
    await me(auth, f"Bearer {key}")
    assert await used_at() > seen
    assert len(await audited(auth, "api_key.first_used")) == 1
    async with auth.context.db.read() as session:
        user = (await session.scalars(select(User).where(User.username == "radar-company"))).one()
    assert user.active_at == later


async def test_keys_are_listed_by_page_and_by_user(admin: httpx.AsyncClient) -> None:
    user_id = await machine(admin)
    other = await machine(admin, username="other-company")
    made = [(await make(admin, user_id, name=f"key {n}")).json()["id"] for n in range(3)]
    await make(admin, other)
    query = {"user_id": user_id, "limit": "2"}
    page = (await admin.get("/api/auth/api-keys", params=query)).json()
    rest = (await admin.get("/api/auth/api-keys", params={**query, "cursor": page["next_cursor"]})).json()
    assert [row["id"] for row in page["items"] + rest["items"]] == made
    assert (len(page["items"]), rest["next_cursor"]) == (2, None)


async def test_the_permissions_that_a_key_may_have_are_told_with_their_routes(admin: httpx.AsyncClient) -> None:
    items = (await admin.get("/api/auth/permissions")).json()["items"]
    assert tuple(item["permission"] for item in items) == PERMISSIONS
    by_name = {item["permission"]: item for item in items}
    assert "POST /api/ingest/frames" in by_name["ingest:write"]["routes"]
    assert by_name["ingest:write"]["roles"] == ["admin", "integrator", "operator"]


async def test_a_key_is_struck_out_of_logs() -> None:
    key = api_keys.new_key()
    for text in (f"got {key} here", f"http://u:{key}@host/x", f"key={key}", f"Authorization: Basic {key}"):
        assert key[4:] not in logs.redact(text)
    assert logs.redact("gtv_console_feed_readers_of_a_name_as_long_as_a_key") == (
        "gtv_console_feed_readers_of_a_name_as_long_as_a_key"
    )
