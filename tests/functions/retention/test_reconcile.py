"""The store and the rows held against each other, in a folder and on a real S3 server."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from functions.retention import deleting, due, reconcile, repository, watch
from functions.retention.due import Doom
from functions.retention.reconcile import NOTHING, Mend, Span
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.store import image_key, open_store
from functions.shared.tables import Detection
from functions.shared.vault import Vault
from tests.functions.retention.conftest import PICTURE, both, correction, passage, pictures
from tests.functions.serving import Served
from tests.support.s3 import S3Server


def older(context: Context, key: str, hours: float = 2) -> None:
    path = context.settings.data_dir / "images" / key
    at = time.time() - hours * 3600
    os.utime(path, (at, at))


async def reconciled(served: Served, **body: Any) -> Any:
    answer = await served.client.post("/api/retention/reconcile", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "done", answer.text
    return answer.json()["report"]


@both
async def test_what_does_not_agree_is_named_and_mended_when_asked(served: Served) -> None:
    context = served.context
    kept = await passage(context, "ABC1D23", 1)
    await correction(context, kept, "ABC1D28", "ABC1D23", 1)
    stray = image_key("vehicles", "gate", now() - timedelta(days=9), "stray")
    young = image_key("vehicles", "gate", now(), "young")
    for key in (stray, young):
        await context.store.put(key, PICTURE)
    older(context, stray)
    assert kept.plate_snapshot_key is not None
    await context.store.delete(kept.plate_snapshot_key)
    found = await reconciled(served)
    assert (found["orphans"], found["orphan_examples"]) == (1, [stray])
    assert (found["missing"], found["missing_examples"]) == (1, [kept.plate_snapshot_key])
    assert found["mended"] == 0
    assert (await reconciled(served, days=3))["orphans"] == 0
    mended = await reconciled(served, delete_orphans=True, forget_missing=True)
    assert mended["mended"] == 2
    assert stray not in pictures(context)
    assert young in pictures(context)
    async with context.db.read() as session:
        row = await session.get(Detection, kept.id)
    assert row is not None
    assert (row.snapshot_key, row.plate_snapshot_key) == (kept.snapshot_key, None)
    again = await reconciled(served)
    assert (again["orphans"], again["missing"]) == (0, 0)


@both
async def test_only_days_with_rows_or_pictures_are_asked_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One old row, of a recorder whose clock was wrong, must not make it walk through every day since."""
    days = [await passage(served.context, "ABC1D23", age) for age in (9000, 400, 1, 1)]
    asked: list[tuple[str, str]] = []
    look = reconcile._look_at_day

    async def noted(context: Context, kind: str, day: Any, *others: Any) -> None:
        asked.append((kind, f"{day:%Y-%m-%d}"))
        await look(context, kind, day, *others)

    monkeypatch.setattr(reconcile, "_look_at_day", noted)
    rows = sorted({f"{row.started_at:%Y-%m-%d}" for row in days})
    await reconcile.look(served.context, Span(), NOTHING)
    assert asked == [("vehicles", day) for day in rows] + [("plates", day) for day in rows]
    asked.clear()
    await reconcile.look(
        served.context, Span(since=now() - timedelta(days=500), before=now() - timedelta(days=200)), NOTHING
    )
    assert asked == [("vehicles", rows[1]), ("plates", rows[1])]


async def test_the_days_run_deletes_pictures_of_no_row_only_when_their_time_is_over_too(served: Served) -> None:
    """Rows may be back tomorrow, from a backup of the database."""
    context = served.context
    fresh = image_key("vehicles", "gate", now() - timedelta(days=1), "fresh")
    overdue = image_key("plates", "gate", now() - timedelta(days=400), "overdue")
    for key in (fresh, overdue):
        await context.store.put(key, PICTURE)
        older(context, key)
    run_id = await deleting.run(context, "test")
    report = (await served.client.get(f"/api/retention/runs/{run_id}")).json()["report"]
    assert (report["orphans"], report["overdue"]["orphans"]) == (1, 1)
    assert pictures(context) == {fresh}


async def test_a_disk_that_is_not_mounted_makes_no_row_forget_its_picture(served: Served) -> None:
    kept = await passage(served.context, "ABC1D23", 1)
    images = served.context.settings.data_dir / "images"
    images.rename(images.with_name("elsewhere"))
    run_id = await deleting.run(served.context, "test")
    report = (await served.client.get(f"/api/retention/runs/{run_id}")).json()["report"]
    assert (report["missing"], report["mended"]) == (4, 0)
    images.with_name("elsewhere").rename(images)
    assert (await served.client.get(f"/api/detections/{kept.id}/snapshot.jpg")).content == PICTURE


async def test_on_a_real_s3_server(tmp_path: Path, sqlite_url: str, s3: S3Server, s3_bucket: str, vault: Vault) -> None:
    settings = FunctionSettings(
        data_dir=tmp_path / "data", database_url=sqlite_url, store_url=f"s3://{s3_bucket}/images",
        s3_endpoint=s3.endpoint, s3_access_key=SecretStr(s3.access_key), s3_secret_key=SecretStr(s3.secret_key),
    )  # fmt: skip
    context = Context(settings, "test")
    store = open_store(settings, vault)
    context.__dict__["store"] = store
    old, new = await passage(context, "OLD1A11", 31), await passage(context, "NEW1A11", 2)
    stray = image_key("vehicles", "yard", now() - timedelta(days=400), "stray")
    await store.put(stray, PICTURE)
    # Just written: the grace of an hour must not hide it here, where no clock can be turned back.
    reconcile.GRACE, grace = timedelta(0), reconcile.GRACE
    try:
        found = await reconcile.look(context, Span(), NOTHING)
        assert (found["files"], found["orphans"], found["missing"]) == (9, 1, 0)
        run_id = await deleting.run(context, "test")
    finally:
        reconcile.GRACE = grace
    async with context.db.read() as session:
        ran = await repository.run(session, run_id)
    assert ran is not None
    report = ran.report
    assert report["classes"]["detections"] | {"cutoff": ""} == {
        "days": 30, "cutoff": "", "rows": 1, "images": 4, "bytes": 4 * len(PICTURE), "held": 0, "needed": 0,
    }  # fmt: skip
    left = {item.key async for item in store.listed("vehicles/")}
    assert old.snapshot_key not in left
    assert stray not in left
    assert new.snapshot_key in left
    assert await store.folders("vehicles/") == [f"{new.started_at:%Y}"]
    done = await store.delete_many([str(new.snapshot_key), "vehicles/2020/01/01/gate/none.jpg"])
    assert (done.count, done.size, done.failed) == (1, len(PICTURE), {})
    await context.close()


async def test_doomed_once_is_enough(served: Served) -> None:
    doom = Doom("images", None)
    for _ in range(2):
        async with served.context.db.transaction() as session:
            await doom.pictures(session, {"vehicles/2026/01/01/gate/a.jpg"})
    async with served.context.db.read() as session:
        found = await due.doomed(session, 10, now() + timedelta(seconds=1))
    assert [row.key for row in found] == ["vehicles/2026/01/01/gate/a.jpg"]
    assert Mend().orphans is None
    assert timedelta(days=1) == watch.YOUNG
