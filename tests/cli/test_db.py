"""`gtvision db`: the tables of both databases from the command line, which does not load the database itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import ROOT, environ_of, gtvision
from tests.support.ports import free_port
from tests.support.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.fresh_database()


def test_an_empty_database_is_migrated_once_and_again(url: str, tmp_path: Path) -> None:
    environ = environ_of(tmp_path, GTV_DATABASE_URL=url)
    before = gtvision("db", "check", "--json", environ=environ)
    assert (before.code, before.json["current"], before.json["revision"]) == (7, False, "")
    for _ in range(2):
        done = gtvision("db", "migrate", "--json", environ=environ)
        assert (done.code, done.json["current"]) == (0, True), done.err
    assert gtvision("db", "check", environ=environ).code == 0


def test_a_database_that_is_away(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://gtv:pw-of-db@127.0.0.1:{free_port()}/gtv"
    environ = environ_of(tmp_path, GTV_DATABASE_URL=url, GTV_DATABASE_WAIT_S="1")
    for action in ("check", "migrate"):
        done = gtvision("db", action, "--json", environ=environ)
        assert done.code == 6
        assert json.loads(done.err)["error"]["code"] == "database_unavailable"
        assert "pw-of-db" not in done.out + done.err


def test_an_address_that_is_none(tmp_path: Path) -> None:
    done = gtvision("db", "check", environ=environ_of(tmp_path, GTV_DATABASE_URL="nonsense"))
    assert done.code == 7
    assert "GTV_DATABASE_URL" in done.err


def test_the_command_line_never_loads_the_database() -> None:
    """Every module of the CLI at once, and still no SQLAlchemy."""
    code = (
        "import sys; from cli.lazy import walk; from cli.main import LATER, app; walk(app, LATER); "
        "sys.exit('sqlalchemy' in sys.modules or 'functions.shared.db' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
