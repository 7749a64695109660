"""A disk that gets low: said once, shown, and nothing deleted for it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from functions.console.service import StatusBoard
from functions.retention import watch
from functions.shared import disk
from functions.shared.config import FunctionSettings, load
from functions.shared.context import Context
from functions.shared.errors import Misconfigured
from functions.shared.tables import AuditRow, OutboxMessage, StandingAlarm
from tests.functions.retention.conftest import passage, pictures
from tests.support.disk import fill, small_disk


def stat_of(free: int, total: int = 1000) -> Any:
    def stat(_: Path) -> Any:
        return SimpleNamespace(f_blocks=total, f_frsize=1 << 20, f_bavail=free)

    return stat


def test_the_least_is_a_share_or_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk.least_of("10%", 1000) == 100
    assert disk.least_of("5GB", 1) == 5 << 30
    assert disk.least_of("512M", 1) == 512 << 20
    assert disk.least_of("1000", 1) == 1000
    monkeypatch.setenv("GTV_DISK_FREE_MIN", "a little")
    with pytest.raises(Misconfigured, match="GTV_DISK_FREE_MIN"):
        load(FunctionSettings)


async def told(context: Context) -> tuple[list[str], list[str]]:
    async with context.db.read() as session:
        events = [row.subject for row in await session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))]
        rows = await session.scalars(select(AuditRow.action).where(AuditRow.action.startswith("storage.")))
        return events, list(rows)


async def test_it_is_said_once_a_crossing_and_does_not_flutter(function_settings: FunctionSettings) -> None:
    context = Context(function_settings.model_copy(update={"disk_free_min": "10%"}), "test")
    for free in (500, 99, 98, 99, 105, 109):
        await watch.look_at_disks(context, stat_of(free))
    assert await told(context) == (["gtv.v1.alerts.storage.low"], ["storage.low"])
    async with context.db.read() as session:
        assert (await session.scalars(select(StandingAlarm))).one().details["free_bytes"] == 99 << 20  # type: ignore[index]
    await watch.look_at_disks(context, stat_of(111))
    assert (await told(context))[0] == ["gtv.v1.alerts.storage.low", "gtv.v1.alerts.storage.room"]
    await watch.look_at_disks(context, stat_of(50))
    assert len((await told(context))[0]) == 3
    await context.close()


async def test_a_real_disk_that_fills_up_alarms_and_nothing_is_deleted(tmp_path: Path, sqlite_url: str) -> None:
    with small_disk(tmp_path / "disk", "4m") as place:
        settings = FunctionSettings(
            data_dir=tmp_path / "data", database_url=sqlite_url, store_url=f"file://{place}/images",
            disk_free_min="10%", nats_url="nats://127.0.0.1:9",
        )  # fmt: skip
        context = Context(settings, "test")
        await passage(context, "ABC1D23", 1)
        before = sorted(str(path) for path in (place / "images").rglob("*.jpg"))
        found = {each.place: each for each in await watch.look_at_disks(context)}
        assert not found["images"].low
        filler = fill(place)
        found = {each.place: each for each in await watch.look_at_disks(context)}
        assert found["images"].low
        part = StatusBoard(context)._look_at_disks()
        assert part.state == "failing"
        assert "images" in part.message
        assert "gtvision retention" in part.message
        assert sorted(str(path) for path in (place / "images").rglob("*.jpg")) == before
        filler.unlink()
        await watch.look_at_disks(context)
        # The machine's own disk, where the data lies, may be low by itself.
        events = [name for name in (await told(context))[0] if name.startswith("gtv.v1.alerts.storage")]
        assert events.count("gtv.v1.alerts.storage.room") == 1
        await context.close()
    assert pictures(context) == set()


async def test_the_status_says_how_the_disks_are(function_settings: FunctionSettings) -> None:
    context = Context(function_settings.model_copy(update={"disk_free_min": "0"}), "test")
    assert StatusBoard(context)._look_at_disks().state == "ready"
    low = Context(function_settings.model_copy(update={"disk_free_min": "100%"}), "test")
    assert StatusBoard(low)._look_at_disks().state == "failing"
    assert disk.size(1536) == "1.5 KB"
    assert os.path.exists(disk.disks(context.settings)[0].path)
