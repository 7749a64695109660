"""Once and only once: repeats, races, crashes and parts that are away, on both databases."""

from __future__ import annotations

import asyncio
import errno
import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import event, select, update

from functions.post_processing import repository
from functions.post_processing.service import FrameService, Outcome
from functions.shared.config import ReaderSettings
from functions.shared.contracts import DetectionRecorded, now
from functions.shared.db import Database
from functions.shared.errors import InferenceUnavailable, StorageFull, StoreUnavailable
from functions.shared.store import FolderStore, open_store
from functions.shared.tables import Camera, Detection, OutboxMessage, ProcessedFrame
from functions.shared.vault import Vault
from tests.functions.post_processing.conftest import Memory, Show
from tests.functions.post_processing.scenes import Film, GivenClock, ScriptedInference, car
from tests.support.s3 import S3Server


async def test_a_frame_given_twice_changes_nothing(
    service: FrameService, film: Film, memory: Memory, inference: ScriptedInference
) -> None:
    frame = film.frame(0, car(50, 50, "ABC1D23"))
    assert await service.read(*frame) is Outcome.RECORDED
    before = [row.updated_at for row in await memory.detections()]
    assert await service.read(*frame) is Outcome.DUPLICATE
    assert [row.updated_at for row in await memory.detections()] == before
    assert len(await memory.observations()) == len(await memory.messages()) == inference.calls == 1


async def test_the_same_frame_in_many_hands_at_once_is_recorded_once(
    reader_settings: ReaderSettings, database_url: str, store: FolderStore, inference: ScriptedInference,
    film: Film, memory: Memory,
) -> None:  # fmt: skip
    """Two workers with connections of their own, four tasks each, all through inference before any commits."""
    inference.gate = asyncio.Event()
    databases = [Database(database_url) for _ in range(2)]
    workers = [FrameService(reader_settings, database, store, inference) for database in databases]
    frame = film.frame(0, car(50, 50, "ABC1D23"))
    tasks = [asyncio.create_task(worker.read(*frame)) for worker in workers for _ in range(4)]
    await inference.called(len(tasks))
    inference.gate.set()
    outcomes = await asyncio.gather(*tasks)
    for database in databases:
        await database.close()
    assert sorted(outcomes) == [Outcome.DUPLICATE] * 7 + [Outcome.RECORDED]
    assert len(await memory.detections()) == len(await memory.observations()) == len(await memory.messages()) == 1


async def test_frames_of_a_camera_read_at_once_by_two_workers_open_one_passage(
    reader_settings: ReaderSettings, database_url: str, store: FolderStore, inference: ScriptedInference,
    film: Film, memory: Memory,
) -> None:  # fmt: skip
    inference.gate = asyncio.Event()
    databases = [Database(database_url) for _ in range(2)]
    workers = [FrameService(reader_settings, database, store, inference) for database in databases]
    frames = [film.frame(step / 4, car(50 + 5 * step, 50, "ABC1D23")) for step in range(8)]
    tasks = [asyncio.create_task(workers[step % 2].read(*frame)) for step, frame in enumerate(frames)]
    await inference.called(len(tasks))
    inference.gate.set()
    assert await asyncio.gather(*tasks) == [Outcome.RECORDED] * 8
    for database in databases:
        await database.close()
    (found,) = await memory.detections()
    assert found.observation_count == 8
    assert found.snapshot_key is not None
    assert await store.get(found.snapshot_key)


async def test_a_preview_at_the_first_plate_then_its_changes_then_the_end(
    service: FrameService, show: Show, memory: Memory
) -> None:
    await show((0, car(50, 50)))
    assert await memory.messages() == []
    await show(
        (1, car(60, 55, "ABC1D28", 0.5)), (2, car(70, 60, "ABC1D23", 0.95)), (3, car(80, 65, "ABC1D23", 0.9)), (8,)
    )
    told = [DetectionRecorded.model_validate_json(row.body) for row in await memory.messages()]
    assert [(event.plate, event.final) for event in told] == [("ABC1D28", False), ("ABC1D23", False), ("ABC1D23", True)]
    (found,) = await memory.detections()
    assert {event.detection_id for event in told} == {found.id}
    assert len({event.id for event in told}) == 3
    assert told[-1].observations == 4
    assert told[-1].snapshot_key == found.snapshot_key
    assert {row.subject for row in await memory.messages()} == {"gtv.v1.detections.gate"}
    assert json.loads(json.dumps(found.candidates))[0]["text"] == "ABC1D23"


async def test_an_uncertain_plate_is_marked_by_the_cameras_own_threshold(
    show: Show, memory: Memory, database: Database
) -> None:
    async with database.transaction() as session:
        at = now()
        session.add(
            Camera(id="gate", name="Gate", url_encrypted="-", min_confidence=0.95, created_at=at, updated_at=at)
        )
    await show((0, car(50, 50, "ABC1D23", 0.9)))
    assert [row.uncertain for row in await memory.detections()] == [True]


async def test_a_passage_stays_open_while_frames_wait_and_closes_when_none_do(
    service: FrameService, show: Show, memory: Memory, database: Database
) -> None:
    await show((0, car(50, 50, "ABC1D23")))
    assert await service.sweep(idle=True) == 0
    async with database.transaction() as session:
        await session.execute(update(Detection).values(updated_at=now() - timedelta(seconds=10)))
    assert await service.sweep(idle=False) == 0
    assert await service.sweep(idle=True) == 1
    assert [row.final for row in await memory.detections()] == [True]
    assert await service.sweep(idle=True) == 0


async def test_after_a_restart_the_sweeper_closes_what_was_left_open(
    service: FrameService, show: Show, memory: Memory, reader_settings: ReaderSettings, store: FolderStore,
    inference: ScriptedInference, database_url: str, database: Database,
) -> None:  # fmt: skip
    await show((0, car(50, 50, "ABC1D23")), (1, car(55, 50, "ABC1D23")))
    async with database.transaction() as session:
        await session.execute(update(Detection).values(updated_at=now() - timedelta(hours=1)))
    again = Database(database_url)
    assert await FrameService(reader_settings, again, store, inference).sweep(idle=False) == 1
    await again.close()
    assert [row.final for row in await memory.detections()] == [True]


async def test_two_sweepers_close_a_passage_once(
    reader_settings: ReaderSettings, database_url: str, store: FolderStore, inference: ScriptedInference, show: Show,
    memory: Memory,
) -> None:  # fmt: skip
    await show((0, car(300, 100, "ABC1D23")), (1, car(420, 100, "ABC1D23")), (2, car(535, 100, size=105)))
    databases = [Database(database_url) for _ in range(3)]
    services = [FrameService(reader_settings, database, store, inference) for database in databases]
    closed = await asyncio.gather(*(service.sweep(idle=True) for service in services))
    for database in databases:
        await database.close()
    assert sum(closed) == 1
    assert [DetectionRecorded.model_validate_json(row.body).final for row in await memory.messages()] == [False, True]


async def test_a_crash_between_the_pictures_and_the_commit_is_healed_by_the_next_delivery(
    service: FrameService, film: Film, memory: Memory, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = film.frame(0, car(50, 50, "ABC1D23"))

    async def crash(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(repository, "mark_processed", crash)
        with pytest.raises(SystemExit):
            await service.read(*frame)
    left = {path for path in store.root.rglob("*.jpg")}
    assert len(left) == 2
    assert await memory.detections() == []
    assert await memory.messages() == []
    assert await service.read(*frame) is Outcome.RECORDED
    assert {path for path in store.root.rglob("*.jpg")} == left
    assert await memory.plates() == ["ABC1D23"]


class NoRoom(FolderStore):
    """A folder on a disk without room; `room` makes some."""

    room = False

    def _write(self, path: Path, data: bytes) -> None:
        if not self.room:
            raise StorageFull("the disk of the images is full") from OSError(errno.ENOSPC, "no space")
        super()._write(path, data)


async def test_without_room_nothing_is_recorded_and_the_frame_may_come_again(
    reader_settings: ReaderSettings, database: Database, store: FolderStore, inference: ScriptedInference, film: Film,
    memory: Memory,
) -> None:  # fmt: skip
    full = NoRoom(store.root, store._vault)
    service = FrameService(reader_settings, database, full, inference)
    frame = film.frame(0, car(50, 50, "ABC1D23"))
    with pytest.raises(StorageFull):
        await service.read(*frame)
    assert await memory.detections() == []
    full.room = True
    assert await service.read(*frame) is Outcome.RECORDED


async def test_a_store_that_deletes_nothing_does_not_keep_a_passage_open(
    service: FrameService, show: Show, memory: Memory, store: FolderStore, clock: GivenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    async def away(_: str) -> None:
        raise StoreUnavailable("S3 does not answer")

    monkeypatch.setattr(store, "delete", away)
    await show((0, car(50, 50, "ABC1D23", 0.5)), (1, car(60, 55, "ABC1D23", 0.95)), (9,))
    clock.at += timedelta(minutes=1)
    assert await service.settle() == 1
    assert [(row.final, row.settled) for row in await memory.detections()] == [(True, True)]


async def test_inference_away_leaves_the_frame_unread(
    service: FrameService, film: Film, inference: ScriptedInference, memory: Memory
) -> None:
    inference.errors.append(InferenceUnavailable("Triton does not answer"))
    frame = film.frame(0, car(50, 50, "ABC1D23"))
    with pytest.raises(InferenceUnavailable):
        await service.read(*frame)
    assert await service.read(*frame) is Outcome.RECORDED


async def test_what_guards_against_repeats_is_forgotten_in_time(
    service: FrameService, show: Show, database: Database, memory: Memory
) -> None:
    await show((0, car(50, 50, "ABC1D23")), (1,))
    day = now() - timedelta(hours=25)
    async with database.transaction() as session:
        await session.execute(update(OutboxMessage).values(published_at=day))
        await session.execute(update(ProcessedFrame).values(processed_at=day))
        session.add(ProcessedFrame(id="gate:fresh", camera_id="gate", captured_at=day, processed_at=now()))
        session.add(
            OutboxMessage(message_id="waits", subject="gtv.v1.detections.gate", headers={}, body="{}", created_at=day)
        )
    await service.forget()
    assert [row.message_id for row in await memory.messages()] == ["waits"]
    async with database.read() as session:
        assert list(await session.scalars(select(ProcessedFrame.id))) == ["gate:fresh"]
    assert await memory.plates() == ["ABC1D23"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_pictures_go_to_a_real_object_store_and_spare_ones_leave_it(
    reader_settings: ReaderSettings, database: Database, inference: ScriptedInference, film: Film, memory: Memory,
    vault: Vault, s3: S3Server, s3_bucket: str,
) -> None:  # fmt: skip
    settings = reader_settings.model_copy(
        update={
            "store_url": f"s3://{s3_bucket}", "s3_endpoint": s3.endpoint, "s3_access_key": SecretStr(s3.access_key),
            "s3_secret_key": SecretStr(s3.secret_key),
        }
    )  # fmt: skip
    clock = GivenClock()
    service = FrameService(settings, database, open_store(settings, vault), inference, clock)
    await service.read(*film.frame(0, car(50, 50, "ABC1D23", 0.5)))
    await service.read(*film.frame(1, car(60, 55, "ABC1D23", 0.95)))
    await service.read(*film.frame(8))
    clock.at += timedelta(minutes=1)
    assert await service.settle() == 1
    (found,) = await memory.detections()
    client = s3.client()
    kept = {item["Key"] for item in client.list_objects_v2(Bucket=s3_bucket).get("Contents", [])}
    client.close()
    pictures = {key for key in kept if key.endswith(".jpg")}
    assert pictures == {found.snapshot_key, found.plate_snapshot_key}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_each_frame_and_sweep_asks_walks_no_table(database: Database) -> None:
    """Of a table of years only the few rows that are not done with, or stand there, are looked at."""
    asked: list[tuple[str, object]] = []

    def listen(_: object, __: object, statement: str, values: object, *___: object) -> None:
        asked.append((statement, values))

    event.listen(database.engine.sync_engine, "before_cursor_execute", listen)
    at = now()
    async with database.read() as session:
        await repository.standing(session, "gate", at - timedelta(hours=12), at, 9)
        await repository.unsettled(session, at, 9)
        await repository.open_passages(session, at)
        await repository.frames_around(session, "gate", at, at, 3)
        await repository.detections_between(session, "gate", at, at, (), 9)
    told = [(text, values) for text, values in asked if "SELECT" in text]
    plans = []
    async with database.engine.connect() as connection:
        for text, values in told:
            found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)  # type: ignore[arg-type]  # as given
            plans.append(" ".join(str(row._mapping["detail"]) for row in found))
    wanted = ["standing", "unsettled", "unsettled", "processed_frames_camera", "camera_ended"]
    for plan, index in zip(plans, wanted, strict=True):
        assert "SCAN" not in plan.replace("SCALAR", "")
        assert f"INDEX ix_{index}" in plan.replace("ix_detections_", "ix_"), plan
