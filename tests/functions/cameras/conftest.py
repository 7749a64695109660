from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from functions.auth import handler as auth_handler
from functions.cameras import handler
from functions.shared.config import FunctionSettings
from tests.functions.serving import Served, quick_hashes, serve
from tests.support.nats import NatsServer

PASSWORD = "Quarto-Verde-77-Onibus"
URL = "rtsp://op:S3CRET-MARK@127.0.0.1:8554/cam1"


@dataclass
class Register(Served):
    """The real app of `cameras` beside that of `auth`, on one database and one bus, with an admin signed in."""

    headers: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A server of the test's own, to be killed; not started yet."""
    server = NatsServer(tmp_path / "nats")
    yield server
    server.kill()


def settings_of(tmp_path: Path, database_url: str, nats_url: str) -> FunctionSettings:
    return FunctionSettings(
        data_dir=tmp_path / "data", database_url=database_url, admin_password=PASSWORD,
        nats_url=nats_url, camera_networks=("0.0.0.0/0", "::/0", "127.0.0.0/8"),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _quick_hashes() -> Iterator[None]:
    with quick_hashes():
        yield


@pytest.fixture
def settings(tmp_path: Path, database_url: str, nats_server: NatsServer) -> FunctionSettings:
    return settings_of(tmp_path, database_url, nats_server.url)


@asynccontextmanager
async def serve_cameras(settings: FunctionSettings) -> AsyncIterator[Register]:
    routers = [auth_handler.router, handler.router]
    startup = [*auth_handler.startup, *handler.startup]
    async with serve("cameras", routers, settings, startup=startup, workers=handler.workers) as served:
        headers = await served.login("admin", PASSWORD)
        served.client.headers.update(headers)
        yield Register(served.app, served.context, served.client, headers)


@pytest.fixture
async def register(settings: FunctionSettings) -> AsyncIterator[Register]:
    async with serve_cameras(settings) as served:
        yield served


@pytest.fixture
async def sqlite_register(tmp_path: Path, sqlite_url: str, nats_server: NatsServer) -> AsyncIterator[Register]:
    """For what asks nothing of the dialect."""
    async with serve_cameras(settings_of(tmp_path, sqlite_url, nats_server.url)) as served:
        yield served
