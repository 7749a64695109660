"""Runs of retention: what is due goes, row and picture together, and nothing else does; whatever dies in between."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from cli.stack.logfile import MAX_BYTES as LOG_BYTES
from functions.retention import audit_log, deleting, due, reconcile
from functions.shared.errors import Conflict, StoreUnavailable
from functions.shared.store import FolderStore
from functions.shared.tables import (
    AuditRow,
    Camera,
    Correction,
    Detection,
    DoomedImage,
    PassageObservation,
    User,
)
from functions.shared.topology import BUCKETS, STREAMS, stream_of
from tests.functions.retention.conftest import alert, another, both, camera, correction, passage, pictures
from tests.functions.serving import Served

RUNS = "/api/retention/runs"


async def run(served: Served, **body: Any) -> Any:
    answer = await served.client.post(RUNS, json=body)
    assert answer.status_code == 202, answer.text
    found = answer.json()
    assert found["state"] == "done", found
    return found


async def count(served: Served, table: Any) -> int:
    async with served.context.db.read() as session:
        return int(await session.scalar(select(func.count()).select_from(table)) or 0)


async def plates(served: Served) -> list[str]:
    async with served.context.db.read() as session:
        return sorted(await session.scalars(select(Detection.plate)))


@both
async def test_passages_go_with_their_pictures_when_their_time_is_over(served: Served) -> None:
    await passage(served.context, "OLD1A11", 31)
    kept = await passage(served.context, "NEW1A11", 29)
    found = await run(served)
    entry = found["report"]["classes"]["detections"]
    assert (entry["days"], entry["rows"], entry["images"], entry["held"]) == (30, 1, 4, 0)
    assert entry["bytes"] > 0
    assert await plates(served) == ["NEW1A11"]
    assert len(pictures(served.context)) == 4
    assert kept.snapshot_key in pictures(served.context)
    assert await count(served, PassageObservation) == 2
    assert await count(served, DoomedImage) == 0
    assert found["report"]["missing"] == found["report"]["orphans"] == 0


async def test_a_dry_run_counts_and_deletes_nothing(served: Served) -> None:
    await passage(served.context, "OLD1A11", 31)
    found = await run(served, dry_run=True)
    assert found["report"]["classes"]["detections"]["rows"] == 1
    assert found["dry_run"] is True
    assert len(pictures(served.context)) == 4
    assert await plates(served) == ["OLD1A11"]


@both
async def test_pictures_may_go_before_their_passage(served: Served) -> None:
    await passage(served.context, "ABC1D23", 20)
    await passage(served.context, "NEW1D23", 3)
    answer = await served.client.put("/api/retention/policy/images", json={"days": 15, "reason": "decree 12/2026"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["days"] == 15
    found = await run(served)
    assert found["report"]["classes"]["images"]["images"] == 4
    assert await plates(served) == ["ABC1D23", "NEW1D23"]
    assert len(pictures(served.context)) == 4
    shown = (await served.client.get("/api/detections", params={"plate": "ABC1D23"})).json()["items"][0]
    assert shown["snapshot_url"] is None
    assert (await run(served))["report"]["classes"]["images"]["images"] == 0


@both
async def test_a_group_may_keep_for_another_time(served: Served) -> None:
    await camera(served.context, "gate", "north")
    await camera(served.context, "yard", "south")
    for name in ("gate", "yard", "gone"):
        await passage(served.context, f"{name.upper()}10", 10, camera_id=name)
        await passage(served.context, f"{name.upper()}40", 40, camera_id=name)
    body = {"days": 5, "group_id": "north", "reason": "school zone"}
    assert (await served.client.put("/api/retention/policy/detections", json=body)).status_code == 200
    body = {"days": 0, "group_id": "south", "reason": "inquiry"}
    assert (await served.client.put("/api/retention/policy/detections", json=body)).status_code == 200
    await run(served)
    assert await plates(served) == ["GONE10", "YARD10", "YARD40"]
    # Back to what holds for all.
    gone = await served.client.delete("/api/retention/policy/detections", params={"group_id": "south"})
    assert gone.json()["groups"] == [{"group_id": "north", "days": 5}]
    await run(served)
    assert await plates(served) == ["GONE10", "YARD10"]


async def test_a_rule_that_does_not_hold_names_its_field(served: Served) -> None:
    bodies: list[tuple[dict[str, Any], str]] = [
        ({"days": -1, "reason": "because"}, "days"),
        ({"days": 3}, "reason"),
        ({"days": 3, "reason": "because", "group_id": "nowhere"}, "group_id"),
        ({"days": 3, "reason": "because", "hours": 2}, "hours"),
    ]
    for body, field in bodies:
        answer = await served.client.put("/api/retention/policy/detections", json=body)
        assert answer.status_code == 422, body
        assert field in answer.text


async def test_classes_whose_days_are_fixed_are_not_changed(served: Served) -> None:
    body = {"days": 3, "reason": "because"}
    assert (await served.client.put("/api/retention/policy/outbox", json=body)).status_code == 422
    assert (await served.client.put("/api/retention/policy/nothing", json=body)).status_code == 404
    assert (await served.client.put("/api/retention/policy/audit", json=body | {"group_id": "x"})).status_code == 422


HOLDS = "/api/retention/holds"


async def hold(served: Served, **body: Any) -> Any:
    answer = await served.client.post(HOLDS, json={"case_number": "IP 77/2026", "reason": "robbery", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


@both
async def test_a_store_that_is_away_leaves_nothing_unknown_and_the_next_run_goes_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    await passage(served.context, "OLD1A11", 31)

    async def away(self: FolderStore, keys: Any) -> Any:
        raise StoreUnavailable("the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(FolderStore, "delete_many", away)
        answer = await served.client.post(RUNS, json={})
    assert (answer.json()["state"], answer.json()["message"]) == ("failed", "the disk is gone")
    # Nobody is shown a passage without its picture, and no picture is forgotten.
    assert await plates(served) == []
    assert await count(served, DoomedImage) == 4
    assert len(pictures(served.context)) == 4
    await run(served)
    assert await count(served, DoomedImage) == 0
    assert pictures(served.context) == set()


async def test_a_process_that_dies_between_the_rows_and_the_pictures(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    await passage(served.context, "OLD1A11", 31)

    async def dies(work: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as broken:
        broken.setattr(deleting, "drain", dies)
        with pytest.raises(asyncio.CancelledError):
            await deleting.run(served.context, "test")
    assert await count(served, DoomedImage) == 4
    await run(served)
    assert pictures(served.context) == set()


async def test_pictures_that_cannot_be_deleted_are_named_and_tried_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await passage(served.context, "OLD1A11", 31)
    real = FolderStore._delete_many

    def stubborn(self: FolderStore, keys: Any) -> Any:
        done = real(self, [key for key in keys if key != old.snapshot_key])
        done.failed.update(dict.fromkeys((key for key in keys if key == old.snapshot_key), "Operation not permitted"))
        return done

    with monkeypatch.context() as broken:
        broken.setattr(FolderStore, "_delete_many", stubborn)
        found = await run(served)
    assert found["report"]["errors"]["examples"] == [old.snapshot_key]
    assert pictures(served.context) == {old.snapshot_key}
    again = await run(served)
    assert "errors" not in again["report"]
    assert pictures(served.context) == set()


@both
async def test_one_process_runs_at_a_time_and_a_dead_ones_lease_ends(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = deleting.Run(served.context, "run", "elsewhere")
    await held.begin()
    assert (await served.client.post(RUNS, json={})).status_code == 409
    with pytest.raises(Conflict):
        await deleting.run(served.context, "test")
    # Nobody has to wait to count.
    await run(served, dry_run=True)
    monkeypatch.setattr(deleting, "LEASE_LIFE", timedelta(seconds=-1))
    await held.renew()
    monkeypatch.undo()
    await run(served)
    left = (await served.client.get(f"{RUNS}/{held.id}")).json()
    assert left["state"] == "stopped"


@both
async def test_many_that_start_at_once_delete_once(served: Served) -> None:
    for _ in range(6):
        await passage(served.context, "OLD1A11", 31, pictures=False)
    done = await asyncio.gather(*(deleting.run(served.context, "test") for _ in range(5)), return_exceptions=True)
    refused = [item for item in done if isinstance(item, Conflict)]
    reports = [(await served.client.get(f"{RUNS}/{item}")).json() for item in done if isinstance(item, str)]
    assert len(refused) + len(reports) == 5
    assert sum(item["report"]["classes"]["detections"]["rows"] for item in reports) == 6


@both
async def test_batches_go_on_to_the_end(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deleting, "BATCH", 2)
    monkeypatch.setattr(deleting, "IMAGES", 3)
    for _ in range(5):
        await passage(served.context, "OLD1A11", 31)
    found = await run(served)
    assert found["report"]["classes"]["detections"]["rows"] == 5
    assert pictures(served.context) == set()


@both
async def test_runs_are_in_the_log_and_listed(served: Served) -> None:
    await passage(served.context, "OLD1A11", 31)
    await run(served, dry_run=True)
    done = await run(served)
    async with served.context.db.read() as session:
        rows = list(await session.scalars(select(AuditRow).where(AuditRow.action == "retention.run")))
    assert [(row.actor, row.subject, row.details["rows"]) for row in rows] == [("admin", done["id"], 1)]
    listed = (await served.client.get(RUNS)).json()["items"]
    assert [item["dry_run"] for item in listed] == [False, True]
    assert (await served.client.get(f"{RUNS}/{'0' * 32}")).status_code == 404


async def test_every_class_that_is_not_the_buss_is_swept(served: Served) -> None:
    """A class without a way to delete it would be promised in the README and kept for ever."""
    from functions.retention.classes import CLASSES

    assert {each.name for each in CLASSES if not each.by_itself} - {"images", "audit"} == set(due.ROWS)


def test_every_table_is_in_a_class() -> None:
    """What a room keeps and no class names would be missing from the README, the reports and what a city publishes."""
    from functions.shared.tables import Table

    # Keys, leases, marks and rules of the platform's own: nothing on anybody.
    own = {
        "audit_checkpoints", "audit_head", "doomed_images", "leases", "retention_rules", "signing_keys",
        "standing_alarms",
    }  # fmt: skip
    tables = set(Table.metadata.tables)
    named = named_as("table")
    assert named <= tables, "a class names a table that there is none of"
    assert tables - named == own


def named_as(kind: str) -> set[str]:
    """What classes name of a kind of place: table, stream, bucket, store."""
    from functions.retention.classes import CLASSES

    lists = (found for each in CLASSES for found in re.findall(rf"{kind}s? ((?:`[\w/]+`(?:, )?)+)", each.where))
    return {name for one in lists for name in re.findall(r"`([\w/]+)`", one)}


def test_every_stream_bucket_and_part_of_the_store_is_in_a_class() -> None:
    assert named_as("stream") == {stream.name for stream in STREAMS}
    assert named_as("bucket") == {bucket.name for bucket in BUCKETS}
    kept = named_as("store")
    assert kept == {f"{kind}/" for kind in (*reconcile.KINDS, audit_log.ANCHOR.partition("/")[0])}
    # Whatever a room puts into the store goes under one of these.
    root = Path(deleting.__file__).parents[2]
    source = "\n".join(file.read_text() for file in (root / "functions").rglob("*.py"))
    put = set(re.findall(r'image_key\("(\w+)"', source)) | set(re.findall(r'key = f"(\w+)/', source))
    assert put == {"vehicles", "plates", "corrections", "audit"}
    assert {f"{kind}/" for kind in put} == kept


def test_days_that_other_rooms_keep_are_theirs() -> None:
    from functions.auth import throttle
    from functions.retention.classes import BY_NAME

    assert timedelta(days=BY_NAME["sessions"].fixed or 0) == throttle.KNOWN
    for name, stream in (("events", "EVENTS"), ("dead_letters", "DEAD_LETTERS")):
        assert (BY_NAME[name].fixed or 0) * 86_400 == stream_of(stream).max_age_s
    assert stream_of("FRAMES").max_age_s == 60, "1 minute"
    assert LOG_BYTES == 5_000_000


async def test_a_camera_may_keep_for_a_time_of_its_own(served: Served) -> None:
    """The days of the register count for what the camera saw, before those of its group; a correction has its own."""
    await camera(served.context, "gate", "ring")
    await camera(served.context, "port", "ring")
    async with served.context.db.transaction() as session:
        await session.execute(update(Camera).where(Camera.id == "gate").values(retention_days=5))
    body = {"days": 20, "reason": "decree 3", "group_id": "ring"}
    assert (await served.client.put("/api/retention/policy/detections", json=body)).status_code == 200
    row = await passage(served.context, "GAT1A06", 6)
    await correction(served.context, row, "GAT1A06", "GAT1A06", 6)
    await passage(served.context, "GAT1A04", 4)
    await passage(served.context, "POR1A06", 6, camera_id="port")
    await passage(served.context, "POR1A21", 21, camera_id="port")
    found = await run(served)
    assert await plates(served) == ["GAT1A04", "POR1A06"]
    assert found["report"]["classes"]["detections"]["rows"] == 2
    assert await count(served, Correction) == 1


@both
async def test_an_alert_keeps_its_passage_and_pictures_for_as_long_as_itself(served: Served) -> None:
    one = await passage(served.context, "HIT1A11", 60)
    await alert(served.context, one, 60)
    two = await passage(served.context, "OFF1A11", 60)
    await alert(served.context, two, 60, state="withdrawn")
    found = await run(served)
    assert await plates(served) == ["HIT1A11"]
    assert len(pictures(served.context)) == 4
    assert found["report"]["classes"]["detections"]["needed"] == 1
    body = {"days": 45, "reason": "decree 3"}
    assert (await served.client.put("/api/retention/policy/alerts", json=body)).status_code == 200
    found = await run(served)
    assert found["report"]["classes"]["alerts"]["rows"] == 2
    assert await plates(served) == []
    assert pictures(served.context) == set()


async def test_only_administrators_of_all_groups_may(served: Served) -> None:
    await camera(served.context, "gate", "north")
    await another(served, "partial")
    async with served.context.db.transaction() as session:
        user = (await session.scalars(select(User).where(User.username == "partial"))).one()
        user.all_groups = False
    headers = await served.login("partial", "Quarto-Verde-77-Onibus")
    for method, path in (("GET", "/api/retention/policy"), ("GET", "/api/auth/audit"), ("GET", HOLDS)):
        answer = await served.client.request(method, path, headers=headers)
        assert answer.status_code == 403, path
