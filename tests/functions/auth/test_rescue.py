"""The way back in for who runs the platform, as they would go it: a command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import select, update

from functions.shared.config import FunctionSettings
from functions.shared.tables import AuditRow, User
from tests.functions.serving import Served
from tests.support.cli import environ_of

ROOT = Path(__file__).resolve().parents[3]


def run(settings: FunctionSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = {"GTV_DATABASE_URL": settings.database_url, "GTV_DATA_DIR": str(settings.data_dir)}
    environ = {**environ_of(settings.data_dir), **given}
    command = [sys.executable, "-m", "functions.auth.rescue", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)


async def test_an_admin_that_nobody_can_sign_in_as_is_let_in_again(auth: Served, settings: FunctionSettings) -> None:
    async with auth.context.db.transaction() as session:
        await session.execute(update(User).values(disabled=True, role="viewer", password_hash="!", sign_in="oidc"))
    for name in ("admin", "another"):
        done = run(settings, name)
        assert done.returncode == 0, done.stderr
        password = done.stdout.strip()
        assert password not in done.stderr
        headers = await auth.login(name, password)
        me = (await auth.client.get("/api/auth/me", headers=headers)).json()
        assert (me["role"], me["groups"]) == ("admin", None)
    async with auth.context.db.read() as session:
        rows = list(await session.scalars(select(AuditRow).where(AuditRow.action == "user.rescued")))
    assert [row.details for row in rows] == [{"username": "admin"}, {"username": "another"}]


def test_what_is_no_name_is_refused(settings: FunctionSettings) -> None:
    assert run(settings).returncode == 2
    wrong = run(settings, "No Body")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "user name" in wrong.stderr
