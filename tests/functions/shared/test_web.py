"""What every function answers, whatever its room: the error envelope, limits, headers, health."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI, UploadFile
from pydantic import BaseModel, Field

from functions.shared import access, errors, web
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.web import Ctx, Who, create_app
from tests.functions.shared.test_errors import KINDS
from tests.support.postgres import Postgres

router = APIRouter()


class Body(BaseModel):
    name: str = Field(min_length=2)
    password: str = Field(min_length=12)
    size: int = 1


@router.get("/t/raise/{name}")
async def raise_it(name: str) -> None:
    kind = next(kind for kind in KINDS if kind.__name__ == name)
    raise kind("what is wrong", field="plate", retry_after=7)


@router.get("/t/bug")
async def bug() -> None:
    raise ZeroDivisionError("rtsp://op:s3cret@10.0.0.7/")


@router.post("/t/json")
async def json_body(body: Body) -> dict[str, int]:
    return {"size": body.size}


@router.post("/t/upload")
async def upload(file: UploadFile) -> dict[str, int]:
    return {"size": len(await file.read())}


@router.get("/t/mine")
async def mine(who: Who) -> str:
    return who.username


@router.get("/t/open")
async def open_to_all() -> dict[str, str]:
    return {"ok": "yes"}


@router.get("/api/t/cached")
async def cached() -> dict[str, str]:
    return {}


ROWS = {
    "GET /t/raise/{name}": access.PUBLIC, "GET /t/bug": access.PUBLIC, "POST /t/json": access.PUBLIC,
    "POST /t/upload": access.PUBLIC, "GET /t/open": access.PUBLIC, "GET /api/t/cached": access.PUBLIC,
    "GET /t/mine": access.Rule(access.STAFF),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.shared.web.FILES", access.FILES | {"/t/upload"})
    for route, least in ROWS.items():
        monkeypatch.setitem(access.ACCESS, route, least)


@pytest.fixture
def app(function_settings: FunctionSettings) -> FastAPI:
    return create_app("test", [router], open_context=lambda: Context(function_settings, "test"))


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        yield client


def check_envelope(answer: httpx.Response) -> dict[str, object]:
    assert set(answer.json()) == {"error"}
    error: dict[str, object] = answer.json()["error"]
    assert set(error) == {"code", "message", "details", "correlation_id"}
    assert error["correlation_id"] == answer.headers["x-correlation-id"]
    assert answer.headers["content-type"] == "application/json"
    return error


@pytest.mark.parametrize("kind", KINDS)
async def test_every_error_has_the_one_shape(kind: type[errors.GTVisionError], client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/t/raise/{kind.__name__}")
    assert answer.status_code == web.status_of(kind("x"))
    error = check_envelope(answer)
    assert (error["code"], error["message"]) == (kind.code, "what is wrong")
    assert error["details"] == {"field": "plate", "retry_after": 7}
    assert ("retry-after" in answer.headers) == (answer.status_code in (429, 503))
    assert ("www-authenticate" in answer.headers) == (answer.status_code == 401)


async def test_a_bug_tells_nothing_but_its_correlation_id(client: httpx.AsyncClient) -> None:
    answer = await client.get("/t/bug", headers={"X-Correlation-ID": "abc-1"})
    assert answer.status_code == 500
    error = check_envelope(answer)
    assert error["code"] == "internal"
    assert error["correlation_id"] == "abc-1"
    assert "ZeroDivision" not in answer.text
    assert "s3cret" not in answer.text


async def test_an_unknown_route_and_a_wrong_method(client: httpx.AsyncClient) -> None:
    nowhere = await client.get("/api/nowhere")
    assert nowhere.status_code == 404
    assert check_envelope(nowhere)["message"] == "there is no /api/nowhere"
    assert len((await client.get(f"/{'a' * 50_000}")).content) < 1000, "what was asked is not sent back at length"
    wrong = await client.delete("/t/open")
    assert wrong.status_code == 405
    assert check_envelope(wrong)["code"] == "method_not_allowed"
    assert "GET" in wrong.headers["allow"]


async def test_invalid_fields_are_named_and_not_quoted(client: httpx.AsyncClient) -> None:
    answer = await client.post("/t/json", json={"name": "a", "password": "s3cret", "size": "many"})
    assert answer.status_code == 422
    error = check_envelope(answer)
    assert isinstance(error["details"], dict)
    assert {item["field"] for item in error["details"]["fields"]} == {"name", "password", "size"}
    assert "s3cret" not in answer.text


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe", b"[1]", b'{"name": "\\ud800"}', b"null"])
async def test_a_body_that_is_no_json_of_ours(body: bytes, client: httpx.AsyncClient) -> None:
    answer = await client.post("/t/json", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    check_envelope(answer)


@pytest.mark.parametrize("path", ["/t/json", "/t/upload"])
@pytest.mark.parametrize("announced", [True, False])
async def test_20_mb_are_refused(path: str, announced: bool, client: httpx.AsyncClient) -> None:
    """Whether or not the length is announced, and before the whole body was taken."""
    taken = 0
    boundary = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal taken
        if path == "/t/upload":
            yield boundary
        for _ in range(20):
            taken += 1
            yield bytes(1 << 20)

    headers = {"content-type": "multipart/form-data; boundary=b" if path == "/t/upload" else "application/json"}
    if announced:
        headers["content-length"] = str(20 << 20)
    answer = await client.post(path, content=chunks(), headers=headers)
    assert answer.status_code == 413, answer.text
    error = check_envelope(answer)
    assert error["code"] == "too_large"
    assert ("10 MB" if path == "/t/upload" else "256 kB") in str(error["message"])
    assert taken <= (12 if path == "/t/upload" else 1)


async def test_json_that_would_hold_up_the_process_is_not_parsed(client: httpx.AsyncClient) -> None:
    """Bodies are parsed before the caller is asked who they are."""
    for path in ("/t/json", "/t/json/", "//t/json"):
        answer = await client.post(path, content=b"[" + b"[]," * 100_000 + b"[]]")
        assert answer.status_code == 413, path
    fits = {"name": "n" * (web.MAX_JSON - 100), "password": "p" * 12}
    assert (await client.post("/t/json", json=fits)).status_code == 200


async def test_an_upload_below_the_limit(client: httpx.AsyncClient) -> None:
    answer = await client.post("/t/upload", files={"file": ("x.jpg", bytes(9 << 20))})
    assert answer.json() == {"size": 9 << 20}


@pytest.mark.parametrize("given", ["abc-1.x_Y", "a" * 64])
async def test_a_correlation_id_is_echoed(given: str, client: httpx.AsyncClient) -> None:
    assert (await client.get("/t/open", headers={"X-Correlation-ID": given})).headers["x-correlation-id"] == given


@pytest.mark.parametrize("given", [b"", b"a" * 65, b"a b", b"a<script>", "ação".encode("latin-1")])
async def test_a_strange_correlation_id_is_replaced(given: bytes, client: httpx.AsyncClient) -> None:
    answer = await client.get("/t/open", headers=[(b"X-Correlation-ID", given)])
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-correlation-id"])


async def test_each_request_has_its_own_correlation_id(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.get("/t/raise/NotFound") for _ in range(20)))
    assert len({answer.json()["error"]["correlation_id"] for answer in answers}) == 20


@pytest.mark.parametrize("path", ["/t/open", "/api/nowhere", "/t/bug", "/_/health"])
async def test_security_headers_stand_on_every_answer(path: str, client: httpx.AsyncClient) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'self'" in headers["content-security-policy"]


async def test_answers_of_the_api_are_not_stored(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/t/cached")).headers["cache-control"] == "no-store"


async def test_a_route_with_a_role_needs_a_token(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Basic x"}, {"Authorization": "Bearer "}, {"Authorization": "Bearer a.b.c"}):
        answer = await client.get("/t/mine", headers=headers)
        assert answer.status_code == 401
        check_envelope(answer)
    client.cookies.set(web.ACCESS_COOKIE, "x" * 5000)
    assert (await client.get("/t/mine")).status_code == 401


@pytest.mark.parametrize("path", ["/t/open", "/_/health", "/metrics", "/t/mine", "/nowhere"])
async def test_head_is_get_without_the_body(path: str, client: httpx.AsyncClient) -> None:
    head, get = await client.head(path), await client.get(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]


async def test_the_platforms_routes(client: httpx.AsyncClient) -> None:
    assert (await client.get("/_/health")).json() == {"status": "ok", "function": "test"}
    assert (await client.get("/_/ready")).json() == {"status": "ready", "function": "test"}
    await client.get("/t/raise/NotFound")
    metrics = (await client.get("/metrics")).text
    assert 'gtv_http_requests_total{function="test",method="GET",route="/t/raise/{name}",status="404"}' in metrics
    assert "NotFound" not in metrics, "paths with their values would be a series each"
    await client.get("/a-path-nobody-has")
    assert "a-path-nobody-has" not in (await client.get("/metrics")).text


async def test_openapi_is_served(client: httpx.AsyncClient) -> None:
    described = (await client.get("/api/openapi.json")).json()
    assert "/t/json" in described["paths"]
    assert "/_/health" not in described["paths"]


def test_a_route_without_a_row_does_not_start() -> None:
    stray = APIRouter()
    stray.add_api_route("/t/stray", open_to_all, methods=["GET", "PUT"])
    with pytest.raises(errors.Misconfigured, match="GET /t/stray, PUT /t/stray"):
        create_app("test", [stray])


async def test_startup_and_workers_run_in_order_and_end(function_settings: FunctionSettings) -> None:
    from contextlib import asynccontextmanager

    told: list[str] = []

    async def first(context: Context) -> None:
        await context.db.check()
        told.append("startup")

    @asynccontextmanager
    async def worker(context: Context) -> AsyncIterator[None]:
        told.append("worker in")
        yield
        told.append("worker out")

    app = create_app(
        "test", [router], open_context=lambda: Context(function_settings, "test"), startup=[first], workers=[worker]
    )
    async with app.router.lifespan_context(app):
        assert told == ["startup", "worker in"]
    assert told == ["startup", "worker in", "worker out"]


async def test_the_tables_are_made_at_start_where_the_settings_say_so(tmp_path: Path) -> None:
    settings = FunctionSettings(data_dir=tmp_path, migrate_on_start=True)
    app = create_app("test", [router], open_context=lambda: Context(settings, "test"))
    async with app.router.lifespan_context(app):
        context: Context = app.state.context
        async with context.db.read() as session:
            from sqlalchemy import text

            assert await session.scalar(text("select count(*) from users")) == 0


async def test_without_a_lifespan_the_first_request_opens_the_context(app: FastAPI) -> None:
    """As under AWS Lambda."""

    @app.get("/t/ctx", dependencies=[])
    async def ctx(context: Ctx) -> str:
        return context.name

    access.ACCESS["GET /t/ctx"] = access.PUBLIC
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        assert (await client.get("/t/ctx")).json() == "test"
    del access.ACCESS["GET /t/ctx"]
    await app.state.context.close()


async def test_the_database_goes_away_and_comes_back(tmp_path: Path) -> None:
    with Postgres() as server:
        settings = FunctionSettings(
            data_dir=tmp_path, database_url=server.fresh_database(migrated=True), database_wait_s=0.0
        )
        app = create_app("test", [router], open_context=lambda: Context(settings, "test"))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://t") as client,
        ):
            assert (await client.get("/_/ready")).status_code == 200
            server.kill()
            away = await client.get("/_/ready")
            assert away.status_code == 503
            assert check_envelope(away)["code"] == "database_unavailable"
            assert away.headers["retry-after"] == "2"
            assert server.password not in away.text
            assert (await client.get("/_/health")).status_code == 200, "a restart of the function would mend nothing"
            await asyncio.to_thread(server.start)
            assert (await client.get("/_/ready")).status_code == 200


async def test_a_database_that_never_comes_ends_the_start_with_the_reason(tmp_path: Path) -> None:
    settings = FunctionSettings(
        data_dir=tmp_path, database_url="postgresql+asyncpg://gtv:s3cret@127.0.0.1:1/gtv", database_wait_s=0.0
    )
    app = create_app("test", [router], open_context=lambda: Context(settings, "test"))
    with pytest.raises(errors.DatabaseUnavailable) as caught:
        async with app.router.lifespan_context(app):
            raise AssertionError("it must not start")
    assert "s3cret" not in str(caught.value)
