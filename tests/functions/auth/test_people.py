"""Groups that people see, sessions that end at once, accounts that sleep, and what the audit log says of it all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.scope import Scope
from functions.shared.tables import AuditRow, Group, User
from functions.shared.web import COOKIE_HEADER
from tests.functions.auth.conftest import PASSWORD
from tests.functions.serving import Served

OTHER = "Vento-Norte-2031-Azul"


@pytest.fixture
async def admin(auth: Served) -> httpx.AsyncClient:
    auth.client.headers.update(await auth.login("admin", PASSWORD))
    async with auth.context.db.transaction() as session:
        for one in ("north", "south"):
            session.add(Group(id=one, name=one, plate_formats=["br_old"], created_at=now(), updated_at=now()))
    return auth.client


async def make(admin: httpx.AsyncClient, **changed: Any) -> dict[str, Any]:
    answer = await admin.post(
        "/api/auth/users", json={"username": "carla", "password": OTHER, "role": "operator", **changed}
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def pair_of(auth: Served, username: str = "carla", password: str = OTHER) -> dict[str, Any]:
    async with auth.another_client() as client:
        answer = await client.post("/api/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def holds(auth: Served, pair: dict[str, Any]) -> bool:
    async with auth.another_client() as client:
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        answer = await client.get("/api/auth/me", headers=headers)
        assert answer.status_code in (200, 401)
        return answer.status_code == 200


async def scope_of(auth: Served, pair: dict[str, Any]) -> Scope:
    return (await auth.context.verifier.principal(pair["access_token"])).scope


async def audited(context: Context, action: str) -> list[AuditRow]:
    async with context.db.read() as session:
        rows = await session.scalars(select(AuditRow).where(AuditRow.action == action).order_by(AuditRow.seq))
        return list(rows)


async def test_a_change_of_groups_and_role_counts_at_once(auth: Served, admin: httpx.AsyncClient) -> None:
    made = await make(admin, groups=["north"])
    assert made["groups"] == ["north"]
    pair = await pair_of(auth)
    assert pair["user"]["groups"] == ["north"]
    assert await scope_of(auth, pair) == Scope(frozenset({"north"}))
    path = f"/api/auth/users/{made['id']}"
    for groups in (["north", "south"], [], None):
        changed = await admin.patch(path, json={"groups": groups})
        assert changed.json()["groups"] == groups
        assert await scope_of(auth, pair) == Scope(None if groups is None else frozenset(groups))
    await admin.patch(path, json={"role": "viewer"})
    assert (await auth.context.verifier.principal(pair["access_token"])).role == "viewer"
    # What is not named stays.
    await admin.patch(path, json={"groups": ["south"]})
    await admin.patch(path, json={"full_name": "Carla Souza"})
    found = (await admin.get(path)).json()
    assert (found["groups"], found["full_name"], found["role"]) == (["south"], "Carla Souza", "viewer")
    page = (await admin.get("/api/auth/users")).json()["items"]
    assert {row["username"]: row["groups"] for row in page} == {"admin": None, "carla": ["south"]}


async def test_a_group_that_is_deleted_takes_its_cameras_from_nobody_else(
    auth: Served, admin: httpx.AsyncClient
) -> None:
    await make(admin, groups=["north", "south"])
    pair = await pair_of(auth)
    async with auth.context.db.transaction() as session:
        await session.delete(await session.get(Group, "north"))
    assert await scope_of(auth, pair) == Scope(frozenset({"south"}))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"groups": ["nowhere"]}, "groups"),
    ({"groups": ["North!"]}, "groups"),
    ({"groups": "north"}, "groups"),
    ({"role": "admin", "groups": ["north"]}, "groups"),
    ({"full_name": "a\x07b"}, "full_name"),
    ({"sign_in": "keys"}, "password"),
    ({"password": None}, "password"),
    ({"password": None, "sign_in": "magic"}, "sign_in"),
]


async def test_a_wrong_field_is_named(admin: httpx.AsyncClient) -> None:
    for changed, field in WRONG:
        body = {"username": "carla", "password": OTHER, "role": "operator", **changed}
        answer = await admin.post("/api/auth/users", json=body)
        assert answer.status_code == 422, changed
        details = answer.json()["error"]["details"]
        named = [details.get("field"), *(row["field"].split(".")[0] for row in details.get("fields", []))]
        assert field in named, (changed, answer.text)


async def test_two_admins_who_look_at_one_user_do_not_undo_each_other(admin: httpx.AsyncClient) -> None:
    path = f"/api/auth/users/{(await make(admin))['id']}"
    seen = (await admin.get(path)).headers["etag"]
    first = await admin.patch(path, json={"role": "viewer"}, headers={"If-Match": seen})
    second = await admin.patch(path, json={"groups": []}, headers={"If-Match": seen})
    assert (first.status_code, second.status_code) == (200, 409)
    assert first.headers["etag"] != seen
    assert (await admin.delete(path, headers={"If-Match": seen})).status_code == 409
    assert (await admin.patch(path, json={"groups": []}, headers={"If-Match": "x"})).status_code == 422
    assert (await admin.delete(path, headers={"If-Match": first.headers["etag"]})).status_code == 204
    assert (await admin.get(path)).json()["disabled"] is True


async def test_logout_stops_the_access_token_too(auth: Served, admin: httpx.AsyncClient) -> None:
    await make(admin)
    for body in ({"refresh": True}, {}):
        pair, other = await pair_of(auth), await pair_of(auth)
        async with auth.another_client() as client:
            given = {"refresh_token": pair["refresh_token"]} if body else {}
            headers = {} if body else {"Authorization": f"Bearer {pair['access_token']}"}
            assert (await client.post("/api/auth/logout", json=given, headers=headers)).status_code == 204
        assert not await holds(auth, pair)
        assert await holds(auth, other)
        async with auth.another_client() as client:
            again = await client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})
        assert again.status_code == 401
    assert len(await audited(auth.context, "logout")) == 2


async def test_reuse_of_a_refresh_token_stops_the_access_tokens_of_its_session(
    auth: Served, admin: httpx.AsyncClient
) -> None:
    await make(admin)
    stolen = await pair_of(auth)
    async with auth.another_client() as client:
        body = {"refresh_token": stolen["refresh_token"]}
        renewed = (await client.post("/api/auth/refresh", json=body)).json()
        assert await holds(auth, renewed)
        assert (await client.post("/api/auth/refresh", json=body)).status_code == 401
    assert not await holds(auth, renewed)
    assert not await holds(auth, stolen)
    assert len(await audited(auth.context, "session.token_reused")) == 1


async def test_sessions_are_listed_and_ended_one_by_one(auth: Served, admin: httpx.AsyncClient) -> None:
    user = await make(admin)
    pairs = [await pair_of(auth) for _ in range(3)]
    async with auth.another_client() as client:
        client.headers["Authorization"] = f"Bearer {pairs[0]['access_token']}"
        listed = (await client.get("/api/auth/sessions")).json()["items"]
        assert len(listed) == 3
        assert [row["current"] for row in listed].count(True) == 1
        assert {(row["method"], row["address"]) for row in listed} == {("password", "127.0.0.1")}
        assert all(row["agent"].startswith("python-httpx") for row in listed)
        theirs = (await admin.get("/api/auth/sessions")).json()["items"][0]["id"]
        # Another's session is not there for who is no admin, and one that never was neither.
        for one in (theirs, "0" * 32, "x", "%00"):
            assert (await client.delete(f"/api/auth/sessions/{one}")).status_code == 404
        victim = next(row["id"] for row in listed if not row["current"])
        assert (await client.delete(f"/api/auth/sessions/{victim}")).status_code == 204
        assert [await holds(auth, pair) for pair in pairs].count(True) == 2
        assert (await client.delete("/api/auth/sessions")).status_code == 204
        assert [await holds(auth, pair) for pair in pairs] == [True, False, False]
    path = f"/api/auth/users/{user['id']}/sessions"
    (left,) = (await admin.get(path)).json()["items"]
    assert (await admin.delete(f"/api/auth/sessions/{left['id']}")).status_code == 204
    pair = await pair_of(auth)
    assert (await admin.delete(path)).status_code == 204
    assert not await holds(auth, pair)
    assert (await admin.get(f"/api/auth/users/{'0' * 32}/sessions")).status_code == 404


async def test_a_new_password_ends_the_other_sessions_and_not_the_one_that_set_it(
    auth: Served, admin: httpx.AsyncClient
) -> None:
    await make(admin)
    mine, other = await pair_of(auth), await pair_of(auth)
    async with auth.another_client() as client:
        body = {"current_password": OTHER, "new_password": "Chuva-Lenta-884-Muro"}
        headers = {"Authorization": f"Bearer {mine['access_token']}"}
        assert (await client.post("/api/auth/password", json=body, headers=headers)).status_code == 204
    assert await holds(auth, mine)
    assert not await holds(auth, other)


async def test_a_password_that_an_admin_sets_ends_every_session(auth: Served, admin: httpx.AsyncClient) -> None:
    user = await make(admin)
    pair = await pair_of(auth)
    path = f"/api/auth/users/{user['id']}"
    assert (await admin.patch(path, json={"password": "Chuva-Lenta-884-Muro"})).status_code == 200
    assert not await holds(auth, pair)
    await pair_of(auth, password="Chuva-Lenta-884-Muro")
    (row,) = await audited(auth.context, "user.updated")
    assert row.details == {"username": "carla", "password": "set"}


async def test_an_account_becomes_a_machines_and_a_persons_again(auth: Served, admin: httpx.AsyncClient) -> None:
    path = f"/api/auth/users/{(await make(admin))['id']}"
    pair = await pair_of(auth)
    assert (await admin.patch(path, json={"sign_in": "keys"})).json()["sign_in"] == "keys"
    assert not await holds(auth, pair)
    assert (await admin.patch(path, json={"password": OTHER})).status_code == 422
    assert (await admin.patch(path, json={"sign_in": "password"})).status_code == 422
    assert (await admin.patch(path, json={"sign_in": "password", "password": OTHER})).status_code == 200
    assert await holds(auth, await pair_of(auth))


async def test_an_account_that_nobody_used_is_locked_and_let_in_again(
    auth: Served, admin: httpx.AsyncClient, settings: FunctionSettings
) -> None:
    auth.context.settings = settings.model_copy(update={"inactive_days": 90})
    user = await make(admin)
    await pair_of(auth)
    await age(auth, "carla", 91)
    body = {"username": "carla", "password": OTHER}
    async with auth.another_client() as client:
        refused = await client.post("/api/auth/login", json=body)
        assert (refused.status_code, refused.json()["error"]["details"]["reason"]) == (401, "inactive")
        # Who does not know the password is not told that there is such an account.
        wrong = await client.post("/api/auth/login", json={**body, "password": "Wrong-Wrong-1234x"})
        assert "reason" not in wrong.json()["error"]["details"]
    path = f"/api/auth/users/{user['id']}"
    assert (await admin.get(path)).json()["inactive"] is True
    assert (await admin.patch(path, json={"disabled": False})).json()["inactive"] is False
    await pair_of(auth)
    assert [row.details["why"] for row in await audited(auth.context, "login.refused")] == ["inactive", "password"]


async def test_the_last_admin_that_is_left_is_let_in_however_long_it_was(
    auth: Served, admin: httpx.AsyncClient, settings: FunctionSettings
) -> None:
    auth.context.settings = settings.model_copy(update={"inactive_days": 90})
    await make(admin, role="admin")
    for name in ("admin", "carla"):
        await age(auth, name, 200)
    await pair_of(auth, "admin", PASSWORD)
    async with auth.another_client() as client:
        refused = await client.post("/api/auth/login", json={"username": "carla", "password": OTHER})
    assert refused.status_code == 401


async def age(auth: Served, username: str, days: int) -> None:
    async with auth.context.db.transaction() as session:
        await session.execute(
            update(User).where(User.username == username).values(active_at=now() - timedelta(days=days))
        )


async def test_the_last_sign_in_is_shown(auth: Served, admin: httpx.AsyncClient) -> None:
    path = f"/api/auth/users/{(await make(admin))['id']}"
    assert (await admin.get(path)).json()["last_login_at"] is None
    await pair_of(auth)
    first = (await admin.get(path)).json()
    assert first["last_login_at"]
    assert first["active_at"] == first["last_login_at"]


async def test_every_act_is_in_the_audit_log_without_a_secret(auth: Served, admin: httpx.AsyncClient) -> None:
    user = await make(admin, groups=["north"])
    pair = await pair_of(auth)
    await auth.client.post("/api/auth/login", json={"username": "carla", "password": "Wrong-Wrong-1234x"})
    await auth.client.post("/api/auth/login", json={"username": "typed-My-Password-Here", "password": "x"})
    await admin.patch(f"/api/auth/users/{user['id']}", json={"groups": None, "role": "viewer"})
    await admin.patch(f"/api/auth/users/{user['id']}", json={"role": "viewer"})
    await auth.client.post("/api/auth/logout", json={"refresh_token": pair["refresh_token"]})
    await admin.post("/api/auth/keys/rotate")
    async with auth.context.db.read() as session:
        rows = list(await session.scalars(select(AuditRow).order_by(AuditRow.seq)))
    assert [(row.action, row.actor) for row in rows] == [
        ("user.created", "auth"), ("login", "admin"), ("user.created", "admin"), ("login", "carla"),
        ("login.refused", "carla"), ("login.refused", "nobody"), ("user.updated", "admin"), ("logout", "carla"),
        ("signing_key.rotated", "admin"),
    ]  # fmt: skip
    changed = rows[6].details
    assert (changed["role"], changed["groups"]) == (["operator", "viewer"], [["north"], None])
    told = str([(row.subject, row.details) for row in rows]).lower()
    for secret in (OTHER, PASSWORD, "Wrong-Wrong-1234x", "typed-My-Password-Here", pair["refresh_token"]):
        assert secret.lower() not in told


async def test_the_ways_to_sign_in_are_told_to_anybody(auth: Served, settings: FunctionSettings) -> None:
    assert (await auth.client.get("/api/auth/ways")).json() == {"password": True, "oidc": None}
    given = {"oidc_issuer": "https://id.example.org", "oidc_client_id": "gtv", "oidc_name": "Prefeitura"}
    auth.context.settings = settings.model_copy(update=given)
    assert (await auth.client.get("/api/auth/ways")).json() == {"password": True, "oidc": "Prefeitura"}


async def test_a_cookie_session_that_was_ended_elsewhere_is_over(auth: Served, admin: httpx.AsyncClient) -> None:
    user = await make(admin)
    async with auth.another_client() as browser:
        body = {"username": "carla", "password": OTHER, "session": "cookie"}
        await browser.post("/api/auth/login", json=body)
        assert (await browser.get("/api/auth/me")).status_code == 200
        await admin.delete(f"/api/auth/users/{user['id']}/sessions")
        assert (await browser.get("/api/auth/me")).status_code == 401
        assert (await browser.post("/api/auth/refresh", headers={COOKIE_HEADER: "1"})).status_code == 401
