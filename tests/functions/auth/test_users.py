"""Users, roles and passwords, through the routes."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from functions.auth import first_start, repository
from tests.functions.auth.conftest import PASSWORD
from tests.functions.serving import Served

OTHER = "Vento-Norte-2031-Azul"


@pytest.fixture
async def admin(auth: Served) -> httpx.AsyncClient:
    auth.client.headers.update(await auth.login("admin", PASSWORD))
    return auth.client


async def make(admin: httpx.AsyncClient, **changed: Any) -> httpx.Response:
    body = {"username": "carla", "password": OTHER, "role": "operator", **changed}
    return await admin.post("/api/auth/users", json=body)


async def admin_id(admin: httpx.AsyncClient) -> str:
    return str((await admin.get("/api/auth/me")).json()["id"])


async def test_a_user_is_made_listed_and_signs_in(auth: Served, admin: httpx.AsyncClient) -> None:
    made = await make(admin)
    assert made.status_code == 201, made.text
    assert made.json().items() >= {"username": "carla", "role": "operator", "disabled": False, "groups": None}.items()
    assert made.headers["location"] == f"/api/auth/users/{made.json()['id']}"
    headers = await auth.login("carla", OTHER)
    async with auth.another_client() as client:
        assert (await client.get("/api/auth/me", headers=headers)).json()["role"] == "operator"
        assert (await client.get("/api/auth/users", headers=headers)).status_code == 403
    page = (await admin.get("/api/auth/users", params={"limit": 1})).json()
    rest = (await admin.get("/api/auth/users", params={"limit": 1, "cursor": page["next_cursor"]})).json()
    assert [row["username"] for row in page["items"] + rest["items"]] == ["admin", "carla"]
    assert rest["next_cursor"] is None
    assert "argon2" not in str(page) + str(rest)


async def test_a_name_is_given_once(admin: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(make(admin) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_the_same_idempotency_key_makes_one_user(admin: httpx.AsyncClient) -> None:
    body = {"username": "carla", "password": OTHER}
    answers = [await admin.post("/api/auth/users", json=body, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"username": "Carla"}, "username"),
    ({"username": "c"}, "username"),
    ({"username": "carla\x00"}, "username"),
    ({"username": "../etc"}, "username"),
    ({"password": "carla-carla-2026-xyz"}, "password"),
    ({"password": "short"}, "password"),
    ({"role": "root"}, "role"),
    ({"more": 1}, "more"),
]


async def test_a_wrong_field_is_named(admin: httpx.AsyncClient) -> None:
    for changed, field in WRONG:
        answer = await make(admin, **changed)
        assert answer.status_code == 422
        details = answer.json()["error"]["details"]
        assert field in (details.get("field"), *(row["field"] for row in details.get("fields", [])))


async def test_a_disabled_user_can_refresh_and_sign_in_no_more(auth: Served, admin: httpx.AsyncClient) -> None:
    made = (await make(admin)).json()
    body = {"username": "carla", "password": OTHER}
    pair = (await auth.client.post("/api/auth/login", json=body)).json()
    changed = await admin.patch(f"/api/auth/users/{made['id']}", json={"disabled": True})
    assert changed.json()["disabled"] is True
    for path, given in (("refresh", {"refresh_token": pair["refresh_token"]}), ("login", body)):
        assert (await auth.client.post(f"/api/auth/{path}", json=given)).status_code == 401
    me = await auth.client.get("/api/auth/me", headers={"Authorization": f"Bearer {pair['access_token']}"})
    assert me.status_code == 401
    await admin.patch(f"/api/auth/users/{made['id']}", json={"disabled": False})
    # Switched on again, the sessions of before stay ended.
    again = await auth.client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert again.status_code == 401
    assert (await auth.client.post("/api/auth/login", json=body)).status_code == 200


async def test_a_new_role_is_in_the_next_token(auth: Served, admin: httpx.AsyncClient) -> None:
    made = (await make(admin)).json()
    login = await auth.client.post("/api/auth/login", json={"username": "carla", "password": OTHER})
    await admin.patch(f"/api/auth/users/{made['id']}", json={"role": "viewer"})
    renewed = await auth.client.post("/api/auth/refresh", json={"refresh_token": login.json()["refresh_token"]})
    assert renewed.json()["user"]["role"] == "viewer"


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "viewer"}, {"role": "operator", "disabled": True}])
async def test_the_last_active_admin_stays(admin: httpx.AsyncClient, change: dict[str, Any]) -> None:
    answer = await admin.patch(f"/api/auth/users/{await admin_id(admin)}", json=change)
    assert answer.status_code == 409
    assert "last active admin" in answer.json()["error"]["message"]
    me = (await admin.get("/api/auth/me")).json()
    assert me["role"] == "admin"


async def test_two_admins_cannot_remove_each_other_at_once(
    admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = repository.other_active_admins

    async def slowly(session: AsyncSession, user_id: str) -> int:
        """Long enough between the question and the commit for the other request to ask too, were it let in."""
        found = await count(session, user_id)
        await asyncio.sleep(0.3)
        return found

    monkeypatch.setattr(repository, "other_active_admins", slowly)
    second = (await make(admin, role="admin")).json()["id"]
    first = await admin_id(admin)
    answers = await asyncio.gather(
        *(admin.patch(f"/api/auth/users/{one}", json={"role": "viewer"}) for one in (first, second))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_an_unknown_user_is_not_found(admin: httpx.AsyncClient) -> None:
    for user_id in ["0" * 32, "none", "..", "%00", "x" * 500]:
        assert (await admin.patch(f"/api/auth/users/{user_id}", json={"disabled": True})).status_code == 404


async def test_changing_the_own_password_ends_other_sessions(auth: Served, admin: httpx.AsyncClient) -> None:
    pair = (await auth.client.post("/api/auth/login", json={"username": "admin", "password": PASSWORD})).json()
    change = {"current_password": PASSWORD, "new_password": OTHER}
    assert (await admin.post("/api/auth/password", json=change)).status_code == 204
    old = await auth.client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert old.status_code == 401
    await auth.login("admin", OTHER)


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [
        ("Wrong-Wrong-1234x", OTHER, "current_password"),
        (PASSWORD, "123456789012", "new_password"),
        (PASSWORD, "x-admin-x-admin-7q", "new_password"),
        (PASSWORD, PASSWORD, "new_password"),
    ],
)
async def test_a_refused_new_password(admin: httpx.AsyncClient, current: str, new: str, field: str) -> None:
    answer = await admin.post("/api/auth/password", json={"current_password": current, "new_password": new})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["field"] == field
    assert current not in answer.text
    assert new not in answer.text


async def test_the_first_password_file_goes_with_the_first_password(auth: Served, admin: httpx.AsyncClient) -> None:
    file = first_start.password_file(auth.context)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("old\n")
    change = {"current_password": PASSWORD, "new_password": OTHER}
    assert (await admin.post("/api/auth/password", json=change)).status_code == 204
    assert not file.exists()
