"""The outermost layer: time, slow bodies, CORS, TLS in front, gateways, and quotas as HTTP has them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ValidationError

from functions.auth import keys
from functions.shared import access
from functions.shared.config import FunctionSettings, load
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import Misconfigured
from functions.shared.tables import User
from functions.shared.web import Ctx, address_of, create_app
from tests.functions.signing import sign_in
from tests.support.nats import NatsServer
from tests.support.ports import free_port

router = APIRouter()
ended: list[str] = []


class Body(BaseModel):
    name: str


@router.get("/t/slow")
async def slow(context: Ctx) -> str:
    try:
        async with context.db.transaction():
            await asyncio.sleep(30)
    except asyncio.CancelledError:
        ended.append("cancelled")
        raise
    return "done"


@router.get("/t/stubborn")
async def stubborn() -> str:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        raise ValueError("made something else of it") from None
    return "done"


@router.get("/t/stream")
async def stream() -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(6):
            await asyncio.sleep(0.1)
            yield b"x"

    return StreamingResponse(pieces())


@router.post("/t/json")
async def json_body(body: Body) -> str:
    return body.name


@router.post("/t/raw")
async def raw(request: Request) -> int:
    return len(await request.body())


@router.get("/t/where")
async def where(request: Request) -> str:
    return address_of(request)


@router.get("/t/mine")
async def mine() -> str:
    return "yours"


@router.get("/api/images/{key:path}", name="picture")
async def picture(key: str) -> Response:
    return Response(key)


ROUTES = ("GET /t/slow", "GET /t/stubborn", "GET /t/stream", "POST /t/json", "POST /t/raw", "GET /t/where")


@pytest.fixture(autouse=True)
def _rows(monkeypatch: pytest.MonkeyPatch) -> None:
    for route in ROUTES:
        monkeypatch.setitem(access.ACCESS, route, access.PUBLIC)
    monkeypatch.setitem(access.ACCESS, "GET /t/mine", access.Rule(access.EVERYONE))
    ended.clear()


def made(settings: FunctionSettings, **other: Any) -> FastAPI:
    context = Context(settings.model_copy(update=other), "test")
    return create_app("test", [router], open_context=lambda: context)


@contextlib.asynccontextmanager
async def asking(app: FastAPI, peer: str = "203.0.113.9") -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(peer, 4000))
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        yield client


@pytest.mark.parametrize("path", ["/t/slow", "/t/stubborn"])
async def test_work_that_takes_too_long_is_cancelled_and_told(path: str, function_settings: FunctionSettings) -> None:
    app = made(function_settings, request_timeout_s=0.2)
    async with asking(app) as client:
        answer = await client.get(path)
        assert answer.status_code == 504
        assert answer.json()["error"]["code"] == "timed_out"
        assert answer.json()["error"]["details"] == {"seconds": 0.2}
        assert ended == (["cancelled"] if path == "/t/slow" else [])
        assert (await client.get("/_/ready")).status_code == 200, "the database is free again"


async def test_an_answer_that_has_begun_may_take_its_time(function_settings: FunctionSettings) -> None:
    async with asking(made(function_settings, request_timeout_s=0.3)) as client:
        answer = await client.get("/t/stream")
        assert (answer.status_code, answer.content) == (200, b"xxxxxx")


async def test_some_routes_may_take_longer(
    function_settings: FunctionSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(access.LONG, "GET /t/slow", 0.6)
    async with asking(made(function_settings, request_timeout_s=0.1)) as client:
        began = asyncio.get_running_loop().time()
        assert (await client.get("/t/slow")).status_code == 504
        assert asyncio.get_running_loop().time() - began > 0.5


async def drip(pause_s: float, pieces: int) -> AsyncIterator[bytes]:
    yield b'{"name": "'
    for _ in range(pieces):
        await asyncio.sleep(pause_s)
        yield b"a"
    yield b'"}'


@pytest.mark.parametrize("path", ["/t/json", "/t/raw"])
async def test_a_body_that_drips_is_refused(path: str, function_settings: FunctionSettings) -> None:
    """Whether the framework reads it or we do."""
    async with asking(made(function_settings, body_timeout_s=0.2)) as client:
        answer = await client.post(path, content=drip(0.05, 60), headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (408, "too_slow")


async def test_the_time_of_the_work_does_not_run_while_a_body_comes(function_settings: FunctionSettings) -> None:
    async with asking(made(function_settings, request_timeout_s=0.2, body_timeout_s=5.0)) as client:
        answer = await client.post("/t/json", content=drip(0.05, 8), headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()) == (200, "a" * 8)


async def test_a_dripping_body_over_a_socket_gets_its_answer(function_settings: FunctionSettings) -> None:
    app = made(function_settings, body_timeout_s=0.3)
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_config=None))
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(10):
            while True:
                if server.started:
                    break
                await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.config.port)
        writer.write(b"POST /t/raw HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\nabc")
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()
    finally:
        server.should_exit = True
        await task


async def test_another_origin_is_told_nothing_by_default(function_settings: FunctionSettings) -> None:
    async with asking(made(function_settings)) as client:
        answer = await client.get("/t/where", headers={"Origin": "https://map.example"})
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        preflight = {"Origin": "https://map.example", "Access-Control-Request-Method": "GET"}
        refused = await client.options("/t/where", headers=preflight)
        assert refused.status_code == 405
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("origins", [("https://map.example",), ("*",), ("https://map.example", "*")])
async def test_origins_that_are_named_and_never_cookies(
    origins: tuple[str, ...], function_settings: FunctionSettings
) -> None:
    """Credentials and a wildcard never go together: no origin is ever allowed to send cookies."""
    async with asking(made(function_settings, cors_origins=origins)) as client:
        asked = {
            "Origin": "https://map.example", "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "authorization, if-match, idempotency-key",
        }  # fmt: skip
        preflight = await client.options("/t/where", headers=asked)
        assert preflight.status_code == 200
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        plain = await client.get("/t/where", headers={"Origin": "https://map.example", "Cookie": "gtv_access=x"})
        for answer in (preflight, plain):
            assert answer.headers["access-control-allow-origin"] in ("https://map.example", "*")
            assert "access-control-allow-credentials" not in answer.headers
            assert "x-content-type-options" in answer.headers, "the edge stands around it"
        assert "RateLimit" in plain.headers["access-control-expose-headers"]
        if "*" not in origins:
            other = await client.get("/t/where", headers={"Origin": "https://evil.example"})
            assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GTV_CORS_ORIGINS", "map.example"),
        ("GTV_CORS_ORIGINS", "https://map.example/"),
        ("GTV_CORS_ORIGINS", "https://*.example"),
        ("GTV_TRUSTED_PROXIES", "the-gateway"),
        ("GTV_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("GTV_RATE_USER", "-1"),
    ],
)
def test_a_setting_that_cannot_hold_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=name):
        load(FunctionSettings)


def test_settings_take_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GTV_CORS_ORIGINS", "https://map.example, http://127.0.0.1:5173")
    monkeypatch.setenv("GTV_TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8")
    settings = load(FunctionSettings)
    assert settings.cors_origins == ("https://map.example", "http://127.0.0.1:5173")
    assert settings.trusted_proxies == ("10.0.0.0/8", "fd00::/8")
    with pytest.raises(ValidationError):
        FunctionSettings(cors_origins=("javascript:alert(1)",))


@pytest.mark.parametrize("secure", [True, False])
async def test_hsts_where_tls_ends_in_front(secure: bool, function_settings: FunctionSettings) -> None:
    async with asking(made(function_settings, cookie_secure=secure)) as client:
        for path in ("/t/where", "/nowhere", "/_/health"):
            found = (await client.get(path)).headers.get("strict-transport-security")
            assert found == ("max-age=31536000" if secure else None)


@pytest.mark.parametrize("path", ["/t/where", "/api/docs", "/api/docs/start.js", "/api/openapi.json", "/nowhere"])
async def test_one_policy_for_all_and_nothing_inline(path: str, function_settings: FunctionSettings) -> None:
    async with asking(made(function_settings)) as client:
        policy = (await client.get(path)).headers["content-security-policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'self'; ")
        assert not re.search(r"(script|style)-src", policy), "no exception for any"


@pytest.mark.parametrize(
    ("proxies", "peer", "seen"),
    [
        ((), "10.0.0.7", "10.0.0.7"),
        (("10.0.0.0/8",), "10.0.0.7", "198.51.100.4"),
        (("10.0.0.0/8",), "192.0.2.1", "192.0.2.1"),
    ],
)
async def test_the_address_behind_a_gateway(
    proxies: tuple[str, ...], peer: str, seen: str, function_settings: FunctionSettings
) -> None:
    async with asking(made(function_settings, trusted_proxies=proxies), peer) as client:
        answer = await client.get("/t/where", headers={"X-Forwarded-For": "6.6.6.6, 198.51.100.4"})
        assert answer.json() == seen


async def test_one_too_many_is_told_when_to_come_back(function_settings: FunctionSettings) -> None:
    async with asking(made(function_settings, rate_address=3)) as client:
        for left in (2, 1, 0):
            answer = await client.get("/t/where")
            assert answer.status_code == 200
            assert answer.headers["ratelimit-policy"] == '"address";q=3;w=60'
            assert re.fullmatch(rf'"address";r={left};t=\d+', answer.headers["ratelimit"])
            assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("3", str(left))
            assert 1 <= int(answer.headers["ratelimit-reset"]) <= 60
        refused = await client.get("/t/where")
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "throttled"
        assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"]
        assert 1 <= int(refused.headers["retry-after"]) <= 120
        assert (await client.get("/nowhere")).status_code == 429
        metrics = (await client.get("/metrics")).text
        assert 'gtv_http_throttled_total{function="test",policy="address"}' in metrics


async def test_health_metrics_and_pages_are_free(function_settings: FunctionSettings) -> None:
    async with asking(made(function_settings, rate_address=1)) as client:
        for _ in range(3):
            for path in ("/_/health", "/_/ready", "/metrics", "/api/docs", "/api/docs/start.js"):
                answer = await client.get(path)
                assert answer.status_code == 200
                assert "ratelimit" not in answer.headers


async def test_no_limit_by_zero(function_settings: FunctionSettings) -> None:
    async with asking(made(function_settings, rate_address=0)) as client:
        for _ in range(20):
            answer = await client.get("/t/where")
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers


async def test_made_up_tokens_buy_no_quota_of_their_own(function_settings: FunctionSettings) -> None:
    async with asking(made(function_settings, rate_address=5, rate_user=100)) as client:
        statuses = [
            (await client.get(path, headers={"Authorization": f"Bearer made-up-{number}"})).status_code
            for number, path in enumerate(["/t/mine", "/t/where", "/nowhere"] * 3)
        ]
        assert statuses == [401, 200, 404, 401, 200, 429, 429, 429, 429]


async def test_forged_addresses_buy_no_quota_of_their_own(function_settings: FunctionSettings) -> None:
    async with asking(made(function_settings, rate_address=4)) as client:
        statuses = [
            (await client.get("/t/where", headers={"X-Forwarded-For": f"6.6.6.{number}"})).status_code
            for number in range(6)
        ]
        assert statuses == [200] * 4 + [429] * 2


async def token_of(context: Context, name: str) -> dict[str, str]:
    user = User(id=new_id(), username=name, password_hash="-", role="viewer", disabled=False, created_at=now())
    async with context.db.transaction() as session:
        session.add(user)
    return {"Authorization": f"Bearer {await sign_in(context, user)}"}


async def test_colleagues_behind_one_address_do_not_slow_each_other(function_settings: FunctionSettings) -> None:
    app = made(function_settings, rate_user=4, rate_address=2, rate_pictures=3)
    async with asking(app) as client:
        context: Context = app.state.context
        await keys.ensure_keys(context)
        ana, bia = await token_of(context, "ana"), await token_of(context, "bia")
        asked = [(await client.get("/t/mine", headers=ana)).status_code for _ in range(5)]
        assert asked == [200, 200, 200, 200, 429]
        answer = await client.get("/t/mine", headers=bia)
        assert (answer.status_code, answer.headers["ratelimit-policy"]) == (200, '"user";q=4;w=60')
        assert [(await client.get("/t/mine")).status_code for _ in range(3)] == [401, 401, 429]
        shown = [(await client.get("/api/images/a.jpg")).status_code for _ in range(4)]
        assert shown == [200, 200, 200, 429], "pictures of a page count apart"


async def test_two_processes_count_together(function_settings: FunctionSettings, nats_server: NatsServer) -> None:
    """Two Contexts, each with an app and a connection of its own, as two replicas of a function have."""
    given = {"nats_url": nats_server.url, "rate_address": 200}
    async with (
        asking(made(function_settings, **given), "198.51.100.8") as one,
        asking(made(function_settings, **given), "198.51.100.8") as other,
    ):
        # The bus is connected beside the requests that first want it: until then each counts alone.
        for client in (one, other):
            for _ in range(13):
                assert (await client.get("/t/where")).status_code == 200
            app: Any = client._transport.app  # type: ignore[attr-defined]
            await app.state.context.quotas._opening
        passed = 26
        for turn in range(300):
            passed += (await (one if turn % 2 else other).get("/t/where")).status_code == 200
        assert 200 <= passed <= 203
        assert [(await client.get("/t/where")).status_code for client in (one, other)] == [429, 429]


async def test_the_allowed_methods_are_all_of_the_path(function_settings: FunctionSettings) -> None:
    from functions.cameras.handler import router as cameras

    context = Context(function_settings, "test")
    async with asking(create_app("test", [cameras], open_context=lambda: context)) as client:
        for path, methods in (
            ("/api/cameras", "GET, POST"), ("/api/cameras/probe", "POST"), ("/api/cameras/x", "DELETE, GET, PATCH"),
        ):  # fmt: skip
            answer = await client.options(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, methods)


async def test_a_start_without_a_lifespan_has_its_limits_too(tmp_path: Path, sqlite_url: str) -> None:
    """As under AWS Lambda."""
    settings = FunctionSettings(data_dir=tmp_path, database_url=sqlite_url, rate_address=1)
    app = made(settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        assert [(await client.get("/t/where")).status_code for _ in range(2)] == [200, 429]
    await app.state.context.close()
