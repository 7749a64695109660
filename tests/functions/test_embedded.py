"""All functions in one app: every route of every room, one Context, and a start that says why it failed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions import embedded
from functions.shared.access import ACCESS
from tests.support.cli import environ_of, until
from tests.support.nats import NatsServer
from tests.support.ports import free_port

ROOMS = sorted(path.parent.name for path in Path(embedded.__file__).parent.glob("*/handler.py"))


def _routes(routers: list[Any]) -> set[str]:
    """`METHOD path` of every route; an app keeps an included router as one opaque route, so routers are asked."""
    return {f"{method} {route.path}" for router in routers for route in router.routes for method in route.methods}


def test_there_are_rooms() -> None:
    assert {"auth", "cameras", "console", "ingest", "post_processing", "search"} <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_every_route_of_a_room_is_in_the_one_app(room: str) -> None:
    alone = _routes([import_module(f"functions.{room}.handler").router])
    assert alone
    assert alone <= _routes(embedded.ROUTERS)


@pytest.mark.parametrize("room", ROOMS)
def test_every_startup_and_worker_of_a_room_runs(room: str) -> None:
    handler = import_module(f"functions.{room}.handler")
    for step in getattr(handler, "startup", ()):
        assert step in embedded.STARTUP
    for worker in getattr(handler, "workers", ()):
        assert worker in embedded.WORKERS


def test_every_row_of_the_access_table_has_a_route() -> None:
    served = _routes(embedded.ROUTERS)
    # What create_app adds to every function by itself.
    platform = {
        "GET /_/health", "GET /_/ready", "GET /metrics", "GET /api/openapi.json", "GET /api/docs",
        "GET /api/docs/{file}",
    }  # fmt: skip
    assert ACCESS.keys() - served == platform


class Server:
    """`python -m functions.embedded` on a free port; `facts` are its log's lines."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port, self._log = free_port(), folder / "functions.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "functions.embedded", "--port", str(self.port)],
                env=environ_of(folder, **settings), stdout=log, stderr=log,
            )  # fmt: skip

    def get(self, path: str) -> httpx.Response | None:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=5)
        except httpx.TransportError:
            return None

    @property
    def text(self) -> str:
        return self._log.read_text()

    @property
    def facts(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"GTV_LOG_LEVEL": "LOUD"}, 7, "GTV_LOG_LEVEL"),
        ({"GTV_UNHEARD_OF": "1"}, 7, "GTV_UNHEARD_OF"),
        ({"GTV_ADMIN_PASSWORD": "short"}, 7, "GTV_ADMIN_PASSWORD"),
        ({"GTV_DATABASE_URL": "nonsense://x"}, 7, "GTV_DATABASE_URL"),
    ],
)
def test_a_start_that_cannot_succeed_says_why(tmp_path: Path, settings: dict[str, str], code: int, words: str) -> None:
    server = Server(tmp_path, **settings)
    try:
        assert server.process.wait(60) == code
    finally:
        server.end()
    failed = [fact for fact in server.facts if fact["event"] == "start_failed"]
    assert len(failed) == 1
    assert words in failed[0]["reason"]
    assert failed[0]["mend"]
    assert "Traceback" not in server.text


def test_missing_models_are_named(tmp_path: Path, nats_server: NatsServer) -> None:
    (tmp_path / "models").mkdir()
    server = Server(tmp_path, GTV_MODEL_REPOSITORY=str(tmp_path / "models"), GTV_NATS_URL=nats_server.url)
    try:
        assert server.process.wait(60) == 7
    finally:
        server.end()
    failed = next(fact for fact in server.facts if fact["event"] == "start_failed")
    assert "gtvision models fetch" in failed["mend"]


def test_a_database_that_is_away_is_waited_for_and_then_named(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://gtv:pw-of-db@127.0.0.1:{free_port()}/gtv"
    began = time.monotonic()
    server = Server(tmp_path, GTV_DATABASE_URL=url, GTV_DATABASE_WAIT_S="2")
    try:
        assert server.process.wait(60) == 6
    finally:
        server.end()
    assert time.monotonic() - began >= 2
    assert any(fact["event"] == "database_away" for fact in server.facts)
    assert "pw-of-db" not in server.text


def test_it_serves_page_api_and_health_and_ends_on_sigterm(tmp_path: Path, nats_server: NatsServer) -> None:
    settings = {"GTV_NATS_URL": nats_server.url, "GTV_TRITON_URL": "grpc://127.0.0.1:9"}
    server = Server(tmp_path, **settings)
    try:
        until(lambda: (answer := server.get("/_/ready")) is not None and answer.status_code == 200, 60, server.text)
        page, jwks, closed = server.get("/"), server.get("/api/auth/jwks.json"), server.get("/api/cameras")
        assert page is not None
        assert page.status_code == 200
        assert "text/html" in page.headers["content-type"]
        assert jwks is not None
        assert len(jwks.json()["keys"]) == 1
        assert closed is not None
        assert closed.status_code == 401
    finally:
        code = server.end()
    assert code in (0, -signal.SIGTERM)
    assert os.stat(tmp_path / "data" / "keys" / "admin.password").st_mode & 0o777 == 0o600
