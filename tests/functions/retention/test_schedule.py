"""When the daily run is due, and the run of a CronJob."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from functions.retention import deleting, once, watch
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.exits import OK
from functions.shared.tables import AuditRow, Detection
from tests.functions.retention.conftest import passage
from tests.functions.serving import Served


async def test_the_days_run_is_due_after_its_hour_and_once(served: Served) -> None:
    context = served.context
    at = now().replace(hour=12)
    object.__setattr__(context, "settings", context.settings.model_copy(update={"retention_hour": 6}))
    # A new platform has nothing to delete; one that never ran for a day has.
    assert await watch.is_due(context, at) is False
    assert await watch.is_due(context, at + timedelta(days=2)) is True
    await deleting.run(context, "test")
    assert await watch.is_due(context, at + timedelta(days=1)) is True
    assert await watch.is_due(context, now()) is False
    object.__setattr__(context, "settings", context.settings.model_copy(update={"retention_hour": -1}))
    assert await watch.is_due(context, at + timedelta(days=9)) is False


async def test_a_failed_run_is_tried_again_after_a_while(served: Served) -> None:
    context = served.context
    object.__setattr__(context, "settings", context.settings.model_copy(update={"retention_hour": 6}))
    work = deleting.Run(context, "run", "test")
    await work.begin()
    await work.end(RuntimeError("a disk"))
    at = now() + timedelta(days=2)
    assert await watch.is_due(context, at) is True
    assert await watch.is_due(context, now() + timedelta(minutes=5)) is False


async def test_a_cron_job_runs_once_and_checks_the_log(tmp_path: Path, sqlite_url: str) -> None:
    settings = FunctionSettings(data_dir=tmp_path / "data", database_url=sqlite_url, nats_url="nats://127.0.0.1:9")
    context = Context(settings, "test")
    await passage(context, "OLD1A11", 31)
    assert await once.run(settings) == OK
    async with context.db.read() as session:
        assert (await session.scalars(select(Detection))).all() == []
        actions = list(await session.scalars(select(AuditRow.action).order_by(AuditRow.seq)))
    assert actions == ["retention.run", "audit.verify"]
    await context.close()
