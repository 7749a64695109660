"""Signing in, staying signed in, signing out."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select, update

from functions.auth import keys, passwords, throttle
from functions.shared.addresses import network_of
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.errors import DatabaseUnavailable, NotAuthenticated, Throttled
from functions.shared.tables import RefreshToken, User
from functions.shared.web import ACCESS_COOKIE, COOKIE_HEADER, REFRESH_COOKIE
from tests.functions.auth.conftest import PASSWORD
from tests.functions.serving import Served

CONSOLE = {COOKIE_HEADER: "1"}


async def sign_in(client: httpx.AsyncClient, **changed: str) -> httpx.Response:
    return await client.post("/api/auth/login", json={"username": "admin", "password": PASSWORD, **changed})


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/auth/refresh", json={"refresh_token": token})


def cookies_of(answer: httpx.Response) -> dict[str, str]:
    """Name to attributes, in lower case, of the cookies that an answer sets."""
    lines = answer.headers.get_list("set-cookie")
    return {line.split("=")[0]: line.partition(";")[2].lower() for line in lines}


async def test_login_gives_a_token_pair_that_me_accepts(auth: Served) -> None:
    answer = await sign_in(auth.client, username="Admin ")
    body = answer.json()
    assert answer.status_code == 200
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert not answer.headers.get_list("set-cookie")
    me = await auth.client.get("/api/auth/me", headers={"Authorization": f"Bearer {body['access_token']}"})
    assert me.json() == body["user"]
    assert me.json()["role"] == "admin"


@pytest.mark.parametrize("secure", [False, True])
async def test_a_cookie_session_shows_no_token(auth: Served, settings: FunctionSettings, secure: bool) -> None:
    auth.context.settings = settings.model_copy(update={"cookie_secure": secure})
    answer = await sign_in(auth.client, session="cookie")
    assert set(answer.json()) == {"token_type", "expires_in", "user"}
    found = cookies_of(answer)
    assert set(found) == {ACCESS_COOKIE, REFRESH_COOKIE}
    for attributes in found.values():
        assert "httponly" in attributes
        assert "samesite=strict" in attributes
        assert ("secure" in attributes) is secure
    assert "path=/api;" in found[ACCESS_COOKIE] + ";"
    assert "path=/api/auth;" in found[REFRESH_COOKIE] + ";"


async def test_a_cookie_session_reads_refreshes_and_ends(auth: Served) -> None:
    client = auth.client
    await sign_in(client, session="cookie")
    assert (await client.get("/api/auth/me")).status_code == 200
    before = dict(client.cookies)
    renewed = await client.post("/api/auth/refresh", headers=CONSOLE)
    assert renewed.status_code == 200, renewed.text
    assert "access_token" not in renewed.json()
    assert dict(client.cookies) != before
    assert (await client.get("/api/auth/me")).status_code == 200
    ended = await client.post("/api/auth/logout", headers=CONSOLE)
    assert ended.status_code == 204
    assert not client.cookies
    client.cookies.update(before)
    assert (await client.post("/api/auth/refresh", headers=CONSOLE)).status_code == 401


@pytest.mark.parametrize("path", ["/api/auth/refresh", "/api/auth/logout", "/api/auth/password", "/api/auth/users"])
async def test_another_site_cannot_act_by_cookie(auth: Served, path: str) -> None:
    await sign_in(auth.client, session="cookie")
    answer = await auth.client.post(path)
    assert answer.status_code == 403, answer.text
    assert COOKIE_HEADER in answer.json()["error"]["message"]


async def test_an_unknown_name_a_wrong_password_and_a_disabled_account_look_alike(auth: Served) -> None:
    headers = await auth.login("admin", PASSWORD)
    body = {"username": "carla", "password": "Vento-Norte-2031-Azul", "role": "viewer"}
    made = (await auth.client.post("/api/auth/users", json=body, headers=headers)).json()
    await auth.client.patch(f"/api/auth/users/{made['id']}", json={"disabled": True}, headers=headers)
    answers = [
        await sign_in(auth.client, username="nobody"),
        await sign_in(auth.client, username="no body \x00'"),
        await sign_in(auth.client, password="Wrong-Wrong-1234x"),
        await sign_in(auth.client, username="carla", password=body["password"]),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({without_id(answer) for answer in answers}) == 1


def without_id(answer: httpx.Response) -> str:
    error: dict[str, Any] = answer.json()["error"]
    return str({name: value for name, value in error.items() if name != "correlation_id"})


async def test_an_unknown_name_costs_a_hash_too(auth: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            checked.append(str(hash).rsplit("$", 2)[0])
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "_HASHER", Counting(time_cost=1, memory_cost=8, parallelism=1))
    await sign_in(auth.client, username="nobody")
    await sign_in(auth.client, username="admin", password="Wrong-Wrong-1234x")
    # One verification each, of the same work: type, version and parameters of the two hashes are equal.
    assert len(checked) == 2
    assert checked[0] == checked[1]


async def test_a_refresh_token_holds_once_and_its_reuse_ends_the_family(auth: Served) -> None:
    first = (await sign_in(auth.client)).json()["refresh_token"]
    second = (await refresh(auth.client, first)).json()["refresh_token"]
    other_session = (await sign_in(auth.client)).json()["refresh_token"]
    stolen = await refresh(auth.client, first)
    assert stolen.status_code == 401
    assert "used before" in stolen.json()["error"]["message"]
    # Thief and owner are both out; another session of the same user is not touched.
    assert (await refresh(auth.client, second)).status_code == 401
    assert (await refresh(auth.client, other_session)).status_code == 200


async def test_of_two_refreshes_at_once_one_holds(auth: Served) -> None:
    token = (await sign_in(auth.client)).json()["refresh_token"]
    answers = await asyncio.gather(*(refresh(auth.client, token) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


async def test_logout_ends_the_session_of_a_token(auth: Served) -> None:
    token = (await sign_in(auth.client)).json()["refresh_token"]
    for body in ({"refresh_token": token}, {"refresh_token": token}, {"refresh_token": "none"}, {}):
        assert (await auth.client.post("/api/auth/logout", json=body)).status_code == 204
    assert (await refresh(auth.client, token)).status_code == 401


async def test_refresh_without_a_token_says_so(auth: Served) -> None:
    for body in (None, {}, {"refresh_token": None}):
        answer = await auth.client.post("/api/auth/refresh", json=body)
        assert answer.status_code == 401
        assert "no refresh token" in answer.json()["error"]["message"]


@pytest.mark.parametrize("change", [{"password_hash": "other"}, {"disabled": True}])
async def test_a_change_during_a_sign_in_leaves_no_session_behind(
    auth: Served, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change ends the sessions that are there; the one that is just being made would outlive it."""
    issue = keys.issue

    async def changed_meanwhile(context: Context, user: User, family: str | None = None) -> keys.Pair:
        async with context.db.transaction() as session:
            await session.execute(update(User).where(User.id == user.id).values(**change))
        return await issue(context, user, family)

    monkeypatch.setattr(keys, "issue", changed_meanwhile)
    assert (await sign_in(auth.client)).status_code == 401
    async with auth.context.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(RefreshToken)) == 0


async def test_guessing_is_slowed_for_one_account_and_address_alone(auth: Served) -> None:
    for _ in range(throttle.PER_ACCOUNT):
        assert (await sign_in(auth.client, password="Wrong-Wrong-1234x")).status_code == 401
    put_off = await sign_in(auth.client)
    assert put_off.status_code == 429
    assert int(put_off.headers["retry-after"]) > 0
    async with auth.another_client("10.1.2.3") as elsewhere:
        assert (await sign_in(elsewhere)).status_code == 200


async def test_guesses_at_once_do_not_slip_through(auth: Served) -> None:
    tries = throttle.PER_ACCOUNT + 6
    answers = await asyncio.gather(*(sign_in(auth.client, password=f"Wrong-Wrong-{n}-x") for n in range(tries)))
    assert sorted(answer.status_code for answer in answers) == [401] * throttle.PER_ACCOUNT + [429] * 6


def fail(brake: throttle.Throttle, username: str, address: str) -> None:
    with pytest.raises(NotAuthenticated), brake.attempt(username, address):
        raise NotAuthenticated("wrong")


def succeed(brake: throttle.Throttle, username: str, address: str) -> None:
    with brake.attempt(username, address):
        pass


def test_the_brake_lets_go_after_its_window_and_counts_an_address_over_names() -> None:
    at = [0.0]
    brake = throttle.Throttle(lambda: at[0])
    for number in range(throttle.PER_ADDRESS):
        fail(brake, f"user{number}", "10.0.0.1")
    with pytest.raises(Throttled):
        succeed(brake, "one-more", "10.0.0.1")
    succeed(brake, "one-more", "10.0.0.2")
    at[0] = throttle.WINDOW_S + 1
    succeed(brake, "one-more", "10.0.0.1")


def test_an_address_that_is_put_off_cannot_push_its_own_count_out() -> None:
    brake = throttle.Throttle(lambda: 0.0)
    for number in range(throttle.PER_ADDRESS):
        fail(brake, f"user{number}", "10.0.0.1")
    for number in range(throttle._KEPT + 10):
        with pytest.raises(Throttled):
            succeed(brake, f"other{number}", "10.0.0.1")


def test_the_addresses_of_one_line_are_counted_as_one() -> None:
    brake = throttle.Throttle()
    for number in range(throttle.PER_ACCOUNT):
        fail(brake, "ana", f"2001:db8:0:7::{number:x}")
    with pytest.raises(Throttled):
        succeed(brake, "ana", "2001:db8:0:7:ffff::1")
    succeed(brake, "ana", "2001:db8:0:8::1")
    assert network_of("::ffff:10.0.0.1") == network_of("10.0.0.1") == "10.0.0.1"
    assert network_of("a unix socket") == "a unix socket"


def test_signing_in_rightly_is_never_braked() -> None:
    brake = throttle.Throttle()
    for _ in range(10 * throttle.PER_ADDRESS):
        succeed(brake, "ana", "10.0.0.1")


def test_a_success_forgives_the_account_but_not_the_address() -> None:
    brake = throttle.Throttle()
    for _ in range(throttle.PER_ADDRESS // (throttle.PER_ACCOUNT - 1)):
        for _ in range(throttle.PER_ACCOUNT - 1):
            fail(brake, "ana", "10.0.0.1")
        succeed(brake, "ana", "10.0.0.1")
    for number in range(throttle.PER_ADDRESS % (throttle.PER_ACCOUNT - 1)):
        fail(brake, f"user{number}", "10.0.0.1")
    with pytest.raises(Throttled):
        succeed(brake, "ana", "10.0.0.1")


def test_a_failure_of_ours_is_nobodys_guess() -> None:
    brake = throttle.Throttle()
    for _ in range(2 * throttle.PER_ADDRESS):
        with pytest.raises(DatabaseUnavailable), brake.attempt("ana", "10.0.0.1"):
            raise DatabaseUnavailable("away")
    succeed(brake, "ana", "10.0.0.1")


MALFORMED = [
    b"",
    b"{",
    b"[]",
    b"{}",
    b'{"username": "admin"}',
    b'{"username": 1, "password": 2}',
    b'{"username": "admin", "password": "S3CRET-MARK", "session": "other"}',
    b'{"username": "admin", "password": "S3CRET-MARK", "extra": 1}',
    b'{"username": "admin", "password": "' + b"S3CRET-MARK" * 100 + b'"}',
    b'{"username": "admin", "password": "\\ud800S3CRET-MARK"}',
    b'{"username": "admin", "password": "S3CRET-MARK", "\\ud800": 1}',
]


async def test_a_malformed_login_is_named_without_the_password(auth: Served) -> None:
    for body in MALFORMED:
        answer = await auth.client.post("/api/auth/login", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, body
        assert "S3CRET-MARK" not in answer.text
        assert answer.json()["error"]["details"]["fields"]
