"""Detections by day on PostgreSQL: rows find their day, days are made ahead, empty ones go, nothing is lost."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, text, update

from functions.shared import partitions
from functions.shared.contracts import least_id, new_id, now
from functions.shared.db import Database
from functions.shared.tables import Detection, PassageObservation
from tests.support.postgres import Postgres

DAY = timedelta(days=1)


def row(at: datetime, plate: str = "ABC1D23", **other: object) -> Detection:
    facts = {
        "id": least_id(at)[:12] + new_id()[12:],
        "started_at": at,
        "ended_at": at,
        "created_at": at,
        "updated_at": at,
    }
    return Detection(camera_id="gate", plate=plate, candidates=[], correlation_id="c", **{**facts, **other})


async def place_of(database: Database, detection_id: str) -> str:
    async with database.read() as session:
        found = await session.scalar(
            text("SELECT tableoid::regclass::text FROM detections WHERE id = :id"), {"id": detection_id}
        )
    return str(found)


@pytest.fixture
async def database(postgres_url: str) -> Database:  # type: ignore[misc]  # an async generator
    database = Database(postgres_url)
    yield database
    await database.close()


async def names(database: Database) -> set[str]:
    async with database.read() as session:
        return await partitions._held(session)


async def test_a_row_lies_in_its_day_and_is_found_there_alone(database: Database) -> None:
    at = now()
    seen, odd = row(at), row(at, id="0" * 32)
    async with database.transaction() as session:
        session.add_all([seen, odd])
    assert await place_of(database, seen.id) == partitions.name_of(at)
    assert await place_of(database, odd.id) == partitions.DEFAULT
    async with database.read() as session:
        plan = list(await session.scalars(text(f"EXPLAIN SELECT * FROM detections WHERE id = '{seen.id}'")))
    touched = {word for line in plan for word in line.split() if word.startswith("detections_p")}
    assert {name for name in touched if not name.endswith("_pkey")} == {partitions.name_of(at)}, plan
    assert partitions.DEFAULT not in " ".join(plan)


async def test_a_window_spares_the_days_before_it(database: Database) -> None:
    start = now() + 5 * DAY
    async with database.read() as session:
        plan = "\n".join(
            await session.scalars(
                text(
                    f"EXPLAIN SELECT * FROM detections WHERE started_at >= '{start.isoformat()}' "
                    f"AND id >= '{least_id(start - partitions.SKEW)}'"
                )
            )
        )
    assert partitions.name_of(start) in plan
    assert partitions.name_of(start - 3 * DAY) not in plan


async def test_a_start_that_moves_and_a_delete_take_what_belongs_to_it(database: Database) -> None:
    """An earlier frame arrives late, over midnight: the row stays where its id says."""
    at = now().replace(hour=0, minute=0, second=1)
    seen = row(at)
    async with database.transaction() as session:
        session.add(seen)
        await session.flush()
        session.add(PassageObservation(id=new_id(), detection_id=seen.id, frame_id="f", captured_at=at, candidates=[]))
    async with database.transaction() as session:
        found = await session.get(Detection, seen.id)
        assert found is not None
        found.started_at = at - timedelta(seconds=5)
    async with database.transaction() as session:
        assert (await session.get(Detection, seen.id)) is not None
        await session.execute(update(Detection).where(Detection.id == seen.id).values(plate="ABC1D24"))
        await session.execute(delete(Detection).where(Detection.id == seen.id))
    async with database.read() as session:
        assert list(await session.scalars(select(PassageObservation.id))) == []


async def test_days_are_made_ahead_and_empty_ones_of_the_past_go(database: Database) -> None:
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert await partitions.ensure(database) == []
    later = today + 40 * DAY
    kept = row(today)
    async with database.transaction() as session:
        session.add(kept)
    changed = await partitions.ensure(database, later)
    held = await names(database)
    assert {partitions.name_of(later + number * DAY) for number in range(partitions.AHEAD.days)} <= held
    assert partitions.name_of(today) in held, "it holds a row"
    assert partitions.name_of(today + DAY) not in held
    assert partitions.name_of(today + DAY) in changed
    assert partitions.DEFAULT in held
    assert await partitions.ensure(database, later) == []
    assert await place_of(database, kept.id) == partitions.name_of(today)


async def test_a_day_whose_rows_came_before_it_stays_in_the_default_one(database: Database) -> None:
    late = now() + 30 * DAY
    stray = row(late)
    async with database.transaction() as session:
        session.add(stray)
    assert await place_of(database, stray.id) == partitions.DEFAULT
    changed = await partitions.ensure(database, late)
    assert partitions.name_of(late) not in changed
    assert partitions.name_of(late + DAY) in changed
    another = row(late)
    async with database.transaction() as session:
        session.add(another)
    assert await place_of(database, another.id) == partitions.DEFAULT


async def test_several_processes_at_once(database: Database) -> None:
    code = (
        "import asyncio, sys\nfrom datetime import datetime\nfrom functions.shared import partitions\n"
        "from functions.shared.db import Database\n"
        "asyncio.run(partitions.ensure(Database(sys.argv[1]), datetime.fromisoformat(sys.argv[2])))"
    )
    at = (now() + 60 * DAY).isoformat()
    command = [sys.executable, "-c", code, database.url, at]
    running = [await asyncio.create_subprocess_exec(*command) for _ in range(3)]
    assert await asyncio.gather(*(process.wait() for process in running)) == [0, 0, 0]
    assert partitions.name_of(now() + 60 * DAY) in await names(database)


async def test_rows_of_before_the_partitions_are_moved(postgres: Postgres) -> None:
    database = Database(postgres.fresh_database())
    await database.migrate("0009")
    old = [now() - 3 * DAY, now() - timedelta(hours=1)]
    ids = [least_id(at)[:12] + new_id()[12:] for at in old] + ["f" * 32]
    async with database.transaction() as session:
        for detection_id, at in zip(ids, [*old, old[0]], strict=True):
            await session.execute(
                text(
                    "INSERT INTO detections (id, camera_id, started_at, ended_at, final, plate, plate_reversed, "
                    "corrected, uncertain, candidates, stationary, observation_count, best_score, correlation_id, "
                    "created_at, updated_at) VALUES (:id, 'gate', :at, :at, true, 'A8C1O23', '32O1C8A', "
                    "false, false, '[]', false, "
                    "1, 0.5, 'c', :at, :at)"
                ),
                {"id": detection_id, "at": at},
            )
            await session.execute(
                text(
                    "INSERT INTO observations (id, detection_id, frame_id, captured_at, candidates) "
                    "VALUES (:id, :id, 'f', :at, '[]')"
                ),
                {"id": detection_id, "at": at},
            )
    await database.migrate()
    assert [await place_of(database, one) for one in ids] == [
        partitions.name_of(old[0]), partitions.name_of(old[1]), partitions.DEFAULT,
    ]  # fmt: skip
    async with database.transaction() as session:
        assert set(await session.scalars(select(Detection.plate_folded))) == {"48C1023"}
        await session.execute(delete(Detection).where(Detection.id == ids[0]))
        assert len(list(await session.scalars(select(PassageObservation.id)))) == 2
    await database.close()


async def test_sqlite_has_none(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    assert await partitions.ensure(database) == []
    await database.close()


def test_a_name_says_its_day() -> None:
    assert partitions.day_of(partitions.name_of(datetime(2026, 5, 4, tzinfo=UTC))) == datetime(2026, 5, 4, tzinfo=UTC)
    assert partitions.day_of(partitions.DEFAULT) is None
