"""Sign-in by an OpenID provider, against a real one that insists on PKCE, nonce and registered clients."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from functions.auth import handler, oidc, oidc_provider, repository
from functions.auth.handler_oidc import COOKIE
from functions.auth.oidc_provider import Provider
from functions.shared.access import Role
from functions.shared.config import FunctionSettings, load
from functions.shared.contracts import now
from functions.shared.errors import Misconfigured, NotAuthenticated
from functions.shared.tables import AuditRow, Group
from functions.shared.web import ACCESS_COOKIE, COOKIE_HEADER, REFRESH_COOKIE
from tests.functions.auth.conftest import PASSWORD
from tests.functions.serving import Served, serve
from tests.support.oidc import OidcServer

HERE = "http://gtv.test"
BACK = HERE + oidc.CALLBACK


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Whom a provider names is no question of the dialect."""
    return sqlite_url


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcServer]:
    with OidcServer() as server:
        yield server


@pytest.fixture(scope="module")
def client_at_provider(provider: OidcServer) -> tuple[str, str]:
    return provider.register(BACK)


@pytest.fixture
def settings(settings: FunctionSettings, provider: OidcServer, client_at_provider: tuple[str, str]) -> FunctionSettings:
    client_id, secret = client_at_provider
    given = {
        "oidc_issuer": provider.issuer, "oidc_client_id": client_id, "oidc_client_secret": SecretStr(secret),
        "oidc_role_claim": "realm_access.roles", "oidc_roles": {"gtv-admin": Role.ADMIN, "gtv-op": Role.OPERATOR},
        "oidc_default_role": Role.VIEWER,
    }  # fmt: skip
    return settings.model_copy(update=given)


@pytest.fixture
async def served(settings: FunctionSettings) -> AsyncIterator[Served]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(serve("auth", handler.router, settings, startup=handler.startup))


async def depart(client: httpx.AsyncClient) -> str:
    answer = await client.get("/api/auth/oidc/start")
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def arrive(client: httpx.AsyncClient, back: str) -> str:
    """Where the browser ends."""
    answer = await client.get(back)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def sign_in(client: httpx.AsyncClient, provider: OidcServer, subject: str) -> str:
    return await arrive(client, provider.approve(await depart(client), subject))


async def me(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/auth/me")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_first_sign_in_makes_a_user_and_the_second_finds_it(served: Served, provider: OidcServer) -> None:
    provider.add("s-1", preferred_username="Ana.Souza", name="Ana Souza", realm_access={"roles": ["x", "gtv-op"]})
    assert await sign_in(served.client, provider, "s-1") == "/#/oidc"
    first = await me(served.client)
    assert (first["username"], first["full_name"], first["role"]) == ("ana.souza", "Ana Souza", "operator")
    assert (first["sign_in"], first["groups"]) == ("oidc", [])
    # The page changes the cookies at once for its own; a session like any other.
    renewed = await served.client.post("/api/auth/refresh", headers={COOKIE_HEADER: "1"})
    assert renewed.json()["user"]["username"] == "ana.souza"
    sessions = (await served.client.get("/api/auth/sessions")).json()["items"]
    assert [row["method"] for row in sessions] == ["oidc"]
    async with served.another_client() as another:
        # The name may change there; who they are does not.
        provider.add("s-1", preferred_username="ana.lima", realm_access={"roles": ["gtv-admin", "gtv-op"]})
        assert await sign_in(another, provider, "s-1") == "/#/oidc"
        second = await me(another)
    assert (second["id"], second["username"], second["role"]) == (first["id"], "ana.souza", "admin")
    async with served.context.db.read() as session:
        rows = list(await session.scalars(select(AuditRow).where(AuditRow.actor != "auth").order_by(AuditRow.seq)))
    assert [row.action for row in rows] == ["user.created", "login", "user.updated", "login"]


async def test_what_the_browser_is_sent_away_with(served: Served, settings: FunctionSettings) -> None:
    answer = await served.client.get("/api/auth/oidc/start")
    query = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert query["response_type"] == "code"
    assert (query["redirect_uri"], query["client_id"]) == (BACK, settings.oidc_client_id)
    assert query["code_challenge_method"] == "S256"
    cookie = answer.headers["set-cookie"].lower()
    for attribute in ("httponly", "samesite=lax", "path=/api/auth/oidc", "max-age=600"):
        assert attribute in cookie
    kept = json.loads(served.context.vault.decrypt(served.client.cookies[COOKIE]))
    assert oidc_provider.challenge_of(kept["verifier"]) == query["code_challenge"]
    assert (kept["state"], kept["nonce"]) == (query["state"], query["nonce"])
    for secret in (kept["verifier"], kept["nonce"]):
        assert secret not in answer.headers["set-cookie"]
    assert kept["verifier"] not in answer.headers["location"]
    again = await depart(served.client)
    assert parse_qs(urlsplit(again).query)["state"][0] != query["state"]


async def refused(client: httpx.AsyncClient, back: str) -> str:
    """The reason that the page is told; no cookie of a session is set."""
    answer = await client.get(back)
    assert answer.status_code == 302, answer.text
    place = answer.headers["location"]
    assert place.startswith("/#/oidc-refused?reason="), place
    assert not any(ACCESS_COOKIE in line or REFRESH_COOKIE in line for line in answer.headers.get_list("set-cookie"))
    return place.partition("=")[2]


async def test_a_way_back_that_this_browser_did_not_begin(served: Served, provider: OidcServer) -> None:
    """Somebody sends the link that would end their own sign-in: the browser that follows it has no such cookie."""
    async with served.another_client() as attacker:
        back = provider.approve(await depart(attacker), "s-2")
        assert await refused(served.client, back) == "state"
        await depart(served.client)
        assert await refused(served.client, back) == "state"
        assert await arrive(attacker, back) == "/#/oidc"


async def test_a_way_back_is_gone_once(served: Served, provider: OidcServer) -> None:
    provider.add("s-3", preferred_username="bia")
    back = provider.approve(await depart(served.client), "s-3")
    cookie = served.client.cookies[COOKIE]
    assert await arrive(served.client, back) == "/#/oidc"
    assert COOKIE not in served.client.cookies
    async with served.another_client() as thief:
        # Even with the cookie: the provider takes a code once.
        assert (
            (await thief.get(back, headers={"Cookie": f"{COOKIE}={cookie}"})).headers["location"].endswith("identity")
        )


async def test_a_way_back_that_took_too_long(
    served: Served, provider: OidcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = provider.approve(await depart(served.client), "s-4")
    later = time.time() + oidc.LIFE_S + 1
    monkeypatch.setattr("functions.auth.oidc.time.time", lambda: later)
    assert await refused(served.client, back) == "state"


async def test_ways_back_that_are_wrong(served: Served, provider: OidcServer) -> None:
    for query, reason in {"": "state", "?state=&code=x": "state", "?state=%00&code=x": "state"}.items():
        await depart(served.client)
        assert await refused(served.client, BACK + query) == reason
    back = provider.approve(await depart(served.client), "s-5")
    assert await refused(served.client, f"{back}&iss=http://evil.test") == "provider"
    for cookie_text in ("", "x", "gAAAAA", served.context.vault.encrypt("{}"), served.context.vault.encrypt("[")):
        async with served.another_client() as client:
            answer = await client.get(back, headers={"Cookie": f"{COOKIE}={cookie_text}"})
        assert answer.headers["location"].endswith("reason=state")


async def test_somebody_who_says_no_there(served: Served, provider: OidcServer) -> None:
    back = provider.deny(await depart(served.client))
    state = parse_qs(urlsplit(await depart(served.client)).query)["state"][0]
    assert "error=access_denied" in back
    assert await refused(served.client, f"{BACK}?error=access_denied&state={state}") == "provider"


async def test_an_account_of_that_name_is_not_taken_over(served: Served, provider: OidcServer) -> None:
    provider.add("evil", preferred_username="admin")
    assert await refused(served.client, provider.approve(await depart(served.client), "evil")) == "name_taken"
    async with served.context.db.read() as session:
        user = await repository.user_named(session, "admin")
    assert user is not None
    assert user.oidc_subject is None
    await served.login("admin", PASSWORD)


async def test_an_account_that_waits_for_its_person(served: Served, provider: OidcServer) -> None:
    headers = await served.login("admin", PASSWORD)
    body = {"username": "carla", "role": "viewer", "sign_in": "oidc"}
    made = (await served.client.post("/api/auth/users", json=body, headers=headers)).json()
    provider.add("s-6", preferred_username="carla", realm_access={"roles": ["gtv-op"]})
    assert await sign_in(served.client, provider, "s-6") == "/#/oidc"
    found = await me(served.client)
    assert (found["id"], found["role"]) == (made["id"], "operator")
    # It is tied to that person from now on: another one of the same name does not enter.
    provider.add("s-7", preferred_username="carla")
    async with served.another_client() as another:
        assert await refused(another, provider.approve(await depart(another), "s-7")) == "name_taken"


async def test_who_has_no_role_there_does_not_enter_where_none_is_given(
    served: Served, provider: OidcServer, settings: FunctionSettings
) -> None:
    served.context.settings = settings.model_copy(update={"oidc_default_role": None})
    provider.add("s-8", preferred_username="davi")
    assert await refused(served.client, provider.approve(await depart(served.client), "s-8")) == "no_access"
    async with served.context.db.read() as session:
        assert await repository.user_named(session, "davi") is None
    provider.add("s-8", preferred_username="davi", realm_access={"roles": ["gtv-op"]})
    assert await sign_in(served.client, provider, "s-8") == "/#/oidc"
    # A role that is taken away there counts at the next sign-in.
    provider.add("s-8", preferred_username="davi", realm_access={"roles": []})
    assert await refused(served.client, provider.approve(await depart(served.client), "s-8")) == "no_access"


async def test_a_disabled_account_does_not_enter(served: Served, provider: OidcServer) -> None:
    provider.add("s-9", preferred_username="edu")
    await sign_in(served.client, provider, "s-9")
    user_id = (await me(served.client))["id"]
    async with served.another_client() as admin:
        admin.headers.update(await served.login("admin", PASSWORD))
        assert (await admin.delete(f"/api/auth/users/{user_id}")).status_code == 204
    assert (await served.client.get("/api/auth/me")).status_code == 401
    assert await refused(served.client, provider.approve(await depart(served.client), "s-9")) == "disabled"


async def test_groups_come_from_the_claim_or_the_default(
    served: Served, provider: OidcServer, settings: FunctionSettings
) -> None:
    async with served.context.db.transaction() as session:
        for one in ("north", "south"):
            session.add(Group(id=one, name=one, plate_formats=["br_old"], created_at=now(), updated_at=now()))
    served.context.settings = settings.model_copy(update={"oidc_default_groups": ("south", "gone")})
    provider.add("s-10", preferred_username="fabio", areas=["north", "nowhere"])
    await sign_in(served.client, provider, "s-10")
    assert (await me(served.client))["groups"] == ["south"]
    served.context.settings = settings.model_copy(update={"oidc_groups_claim": "areas"})
    await sign_in(served.client, provider, "s-10")
    assert (await me(served.client))["groups"] == ["north"]
    provider.add("s-10", preferred_username="fabio", areas="*")
    await sign_in(served.client, provider, "s-10")
    assert (await me(served.client))["groups"] is None


async def test_a_provider_that_is_away_is_told_on_the_page(served: Served, settings: FunctionSettings) -> None:
    served.context.settings = settings.model_copy(update={"oidc_issuer": "http://localhost:9"})
    oidc._providers.pop(served.context, None)
    answer = await served.client.get("/api/auth/oidc/start")
    assert answer.headers["location"] == "/#/oidc-refused?reason=away"


@pytest.mark.parametrize("how", ["none", "client_secret_post"])
async def test_the_ways_in_which_we_prove_who_we_are(
    served: Served, provider: OidcServer, settings: FunctionSettings, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client_id, secret = provider.register(BACK, how)
    given = SecretStr(secret) if how != "none" else None
    served.context.settings = settings.model_copy(update={"oidc_client_id": client_id, "oidc_client_secret": given})
    oidc._providers.pop(served.context, None)
    read = Provider._read
    # The provider's description does not say which ways it takes.
    monkeypatch.setattr(
        Provider, "_read", lambda self, found: read(self, {**found, "token_endpoint_auth_methods_supported": [how]})
    )
    provider.add("s-11", preferred_username="gil")
    assert await sign_in(served.client, provider, "s-11") == "/#/oidc"


async def test_the_address_of_the_way_back_is_the_public_one(served: Served, settings: FunctionSettings) -> None:
    served.context.settings = settings.model_copy(update={"public_url": "https://placas.example.gov.br/"})
    query = parse_qs(urlsplit(await depart(served.client)).query)
    assert query["redirect_uri"] == ["https://placas.example.gov.br/api/auth/oidc/callback"]


async def test_without_a_provider_there_is_no_such_page(served: Served, settings: FunctionSettings) -> None:
    served.context.settings = settings.model_copy(update={"oidc_issuer": ""})
    for path in ("start", "callback"):
        assert (await served.client.get(f"/api/auth/oidc/{path}")).status_code == 404


async def test_userinfo_of_another_subject_adds_nothing(
    served: Served, provider: OidcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def swapped(self: Provider, access_token: str) -> dict[str, Any]:
        return {"sub": "somebody-else", "realm_access": {"roles": ["gtv-admin"]}}

    monkeypatch.setattr(Provider, "userinfo", swapped)
    provider.add("s-12", preferred_username="hugo")
    await sign_in(served.client, provider, "s-12")
    assert (await me(served.client))["role"] == "viewer"


def test_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GTV_OIDC_ISSUER", "https://id.example.org/realms/city/")
    monkeypatch.setenv("GTV_OIDC_ROLES", "ou=x=admin , staff=viewer")
    monkeypatch.setenv("GTV_OIDC_DEFAULT_GROUPS", "north, south")
    monkeypatch.setenv("GTV_OIDC_DEFAULT_ROLE", "viewer")
    found = load(FunctionSettings)
    assert found.oidc_issuer == "https://id.example.org/realms/city"
    assert found.oidc_roles["staff"] is Role.VIEWER
    assert found.oidc_default_groups == ("north", "south")
    for name, wrong in (("ISSUER", "http://id.example.org"), ("ROLES", "staff=root"), ("DEFAULT_ROLE", "root")):
        with monkeypatch.context() as patched:
            patched.setenv(f"GTV_OIDC_{name}", wrong)
            with pytest.raises(Misconfigured, match=f"GTV_OIDC_{name}"):
                load(FunctionSettings)


async def test_half_a_configuration_stops_the_start(settings: FunctionSettings) -> None:
    async with AsyncExitStack() as stack:
        half = settings.model_copy(update={"oidc_client_id": ""})
        with pytest.raises(Misconfigured, match="GTV_OIDC_CLIENT_ID"):
            await stack.enter_async_context(serve("auth", handler.router, half, startup=handler.startup))


def test_names_that_a_claim_gives(settings: FunctionSettings) -> None:
    names = {"Ana.Souza@city.gov.br": "ana.souza", "João Á": "jo-o--", "..x1": "x1"}
    for claim, name in names.items():
        assert oidc._username(settings, {"preferred_username": claim, "sub": "s"}) == name
    assert oidc._username(settings, {"email": "bia@x.br", "sub": "s"}) == "bia"
    for strange in ("", "!", "-"):
        with pytest.raises(NotAuthenticated):
            oidc._username(settings, {"preferred_username": strange or None, "sub": "-"})
