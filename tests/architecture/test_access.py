"""Who may do what: the table has a row for every route and none besides, and every function obeys it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from functions.shared.access import ACCESS, FILES, PUBLIC, Role, Rule
from functions.shared.config import ReaderSettings
from functions.shared.context import Context
from functions.shared.errors import Misconfigured
from functions.shared.web import create_app
from tests.functions.signing import add_user, sign_in
from tests.support.nats import NatsServer

ROOT = Path(__file__).resolve().parents[2]
ROOMS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))
ROLES = (None, *Role)
# Paths that a route with a parameter is asked by: well formed, and of nothing that is there.
VALUES = {
    "camera_id": "no-such-camera",
    "group_id": "no-such-group",
    "user_id": "0" * 32,
    "detection_id": "0" * 32,
    "correction_id": "0" * 32,
    "run_id": "0" * 32,
    "hold_id": "0" * 32,
    "class_name": "no_such_class",
    "plate": "ABC1D23",
    "hotlist_id": "0" * 32,
    "entry_id": "0" * 32,
    "alert_id": "0" * 32,
    "session_id": "0" * 32,
    "key_id": "0" * 32,
    "key": "a/b.jpg",
    "path": "x.js",
}
ANSWER_S = 30.0


def app_of(room: str) -> FastAPI:
    app: FastAPI = import_module(f"functions.{room}.handler").app
    return app


def routes_of(app: FastAPI) -> set[str]:
    """`METHOD path` of every route; what FastAPI adds for OPTIONS and HEAD has no row of its own."""
    return {
        f"{method} {route.path}"
        for route in iter_route_contexts(app.routes)
        for method in route.methods or {"ANY"}
        if method not in ("HEAD", "OPTIONS")
    }


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    routes = set().union(*(routes_of(app_of(room)) for room in ROOMS))
    assert sorted(routes - ACCESS.keys()) == []
    assert sorted(ACCESS.keys() - routes) == [], "rows of routes that are not there"


def test_paths_whose_body_may_be_a_file_are_routes() -> None:
    assert {f"POST {path}" for path in FILES} <= ACCESS.keys()


@pytest.mark.parametrize("room", ROOMS)
def test_an_app_has_routes_of_its_own(room: str) -> None:
    """Guards the walk below: an app whose routes are not seen would pass it by saying nothing."""
    alone = routes_of(create_app("none", []))
    assert alone < routes_of(app_of(room))


def test_an_app_with_a_route_that_the_table_lacks_does_not_start() -> None:
    from fastapi import APIRouter

    router = APIRouter()

    @router.get("/api/nobody-thought-of-it")
    async def unguarded() -> None:
        return None

    with pytest.raises(Misconfigured, match="GET /api/nobody-thought-of-it"):
        create_app("test", [router])


@dataclass(frozen=True)
class Platform:
    """The functions on one database and bus, with a token for each role."""

    tokens: Mapping[Role, str]


@pytest.fixture
async def platform(tmp_path: Path, sqlite_url: str, nats_server: NatsServer) -> AsyncIterator[Platform]:
    settings = ReaderSettings(data_dir=tmp_path / "data", database_url=sqlite_url, nats_url=nats_server.url)
    context = Context(settings, "access")
    for room in ROOMS:
        app_of(room).state.context = context
    tokens = {}
    for role in Role:
        tokens[role] = await sign_in(context, await add_user(context, role.value, role))
    yield Platform(tokens)
    for room in ROOMS:
        app_of(room).state.context = None
    await context.close()


async def ask(app: FastAPI, route: str, token: str | None) -> tuple[int, str]:
    """Status and error code of a bare request. Ends a stream once it has begun, since a live feed has no end."""
    method, path = route.split(" ")
    for name, value in VALUES.items():
        path = path.replace(f"{{{name}}}", value).replace(f"{{{name}:path}}", value)
    assert "{" not in path, f"VALUES lacks a value for {route}"
    headers = [(b"host", b"gtv.test"), (b"content-length", b"0")]
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http", "headers": headers,
        "client": ("127.0.0.1", 40_000), "server": ("gtv.test", 80), "state": {},
    }  # fmt: skip
    answer = _Answer()
    running = asyncio.create_task(app(scope, answer.receive, answer.send))
    waiting = asyncio.create_task(answer.told.wait())
    done, _ = await asyncio.wait({running, waiting}, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
    answer.gone.set()
    for task in (running, waiting):
        task.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    assert done, f"{route} did not answer"
    return answer.status, answer.code


class _Answer:
    """The client's end: reads the status and, of an error, the code."""

    def __init__(self) -> None:
        self.status, self.code = 0, ""
        self.told, self.gone = asyncio.Event(), asyncio.Event()
        self._asked = False

    async def receive(self) -> dict[str, Any]:
        if self._asked:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status < 400:
                self.told.set()
        elif self.status >= 400:
            self.code = json.loads(message["body"])["error"]["code"]
            self.told.set()


@pytest.mark.parametrize("room", ROOMS)
async def test_every_route_lets_in_whom_the_table_says(platform: Platform, room: str) -> None:
    app, wrong = app_of(room), []
    # A logout ends the session of the token that it is asked with, so it comes last.
    for route in sorted(routes_of(app), key=lambda route: (route.endswith("/logout"), route)):
        rule = ACCESS[route]
        answers = {role: await ask(app, route, platform.tokens[role] if role else None) for role in ROLES}
        wrong += [
            f"{route} as {role.value if role else 'nobody'}: {answers[role]}"
            for role in ROLES
            if not _is_right(rule, role, answers)
        ]
    assert wrong == []


def _is_right(rule: Rule | None, role: Role | None, answers: Mapping[Role | None, tuple[int, str]]) -> bool:
    status, code = answers[role]
    if rule is PUBLIC:
        # Open to all alike: whoever asks gets the same answer, be it that a signature or a body is missing.
        return status < 500 and answers[role] == answers[None]
    if role is None:
        return (status, code) == (401, "not_authenticated")
    if role not in rule.roles:
        return (status, code) == (403, "forbidden")
    return status not in (401, 403) and status < 500
