"""Fixtures of all tests. Each starts its real part when a test asks for it, and not before."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from functions.shared import bus as bus_module
from functions.shared import logs
from functions.shared.bus import Bus
from functions.shared.config import ENV_PREFIX, FunctionSettings, Settings
from functions.shared.db import Database
from functions.shared.vault import Vault
from tests.support.nats import NatsServer
from tests.support.postgres import Postgres, migrate
from tests.support.s3 import S3Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, so that none of them is the last one running while the other processes are done."""
    items.sort(key=_weight)


def _weight(item: pytest.Item) -> int:
    folder = item.nodeid.split("/")[1]
    if item.get_closest_marker("triton") is not None:
        return 0
    return {"e2e": 1, "capture": 2, "cli": 3}.get(folder, 4)


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests stay out of them."""
    for name in list(os.environ):
        if name.startswith(ENV_PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One real PostgreSQL for the whole run; `postgres.fresh_database()` costs some 50 ms."""
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """A new PostgreSQL database with our tables."""
    return postgres.fresh_database(migrated=True)


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    """A new SQLite database with our tables."""
    path = tmp_path / "gtvision.db"
    shutil.copyfile(_sqlite_template, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new database with our tables, once in each dialect."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
async def bus(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Bus]:
    """A connection to `nats_server` with the topology laid. What other tests of the module published is still there."""
    bus = await bus_module.connect(Settings(nats_url=nats_server.url, data_dir=tmp_path), "test")
    await bus_module.ensure_topology(bus)
    yield bus
    await bus.close()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_bucket(s3: S3Server) -> str:
    """A new empty bucket."""
    return s3.make_bucket(f"b{secrets.token_hex(6)}")


@pytest.fixture
def vault() -> Vault:
    from cryptography.fernet import Fernet

    return Vault((Fernet.generate_key().decode(),))


@pytest.fixture
def function_settings(tmp_path: Path, sqlite_url: str) -> FunctionSettings:
    """Settings of a function with everything below `tmp_path` and no bus."""
    return FunctionSettings(
        data_dir=tmp_path / "data", database_url=sqlite_url, nats_url="nats://127.0.0.1:1", database_wait_s=0.0
    )


@pytest.fixture(scope="session", autouse=True)
def _logging() -> None:
    logs.configure("WARNING", "console")
