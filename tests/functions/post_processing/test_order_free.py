"""Through the service and real databases: every order, split, repeat and loss of the same frames has one outcome."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from functions.post_processing.service import FrameService, Outcome
from functions.shared.config import ReaderSettings
from functions.shared.contracts import DetectionRecorded, FrameMeta, now
from functions.shared.db import Database
from functions.shared.store import FolderStore
from functions.shared.tables import Detection, OutboxMessage, PassageObservation
from functions.shared.vault import Vault
from tests.functions.post_processing.scenes import Film, GivenClock, ScriptedInference, picture
from tests.functions.post_processing.streets import Shot, streets
from tests.support.postgres import Postgres, migrate

KEY = Fernet.generate_key().decode()
START = now().replace(microsecond=0)
# Chosen once and not by chance: a street is drawn, its frames' bytes are of no interest here.
JPEGS = functools.cache(picture)
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
# Shrinking a failure runs it hundreds of times.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@dataclass(frozen=True)
class Delivery:
    """Frames, by number, as they reach the workers: `rounds` follow each other, those of one round are read at once."""

    rounds: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def numbers(self) -> set[int]:
        return {number for each in self.rounds for number, _ in each}


@st.composite
def deliveries(draw: st.DrawFn, frames: int, workers: int) -> Delivery:
    """Any order, some frames lost, some given again, in rounds of up to three, each to any worker."""
    order = draw(st.permutations(range(frames)))[draw(st.integers(0, 2)) :]
    order += draw(st.lists(st.sampled_from(order), max_size=3))
    rounds, left = [], list(order)
    while left:
        size = draw(st.integers(1, 3))
        rounds.append(tuple((number, draw(st.integers(0, workers - 1))) for number in left[:size]))
        left = left[size:]
    return Delivery(tuple(rounds))


class Stage:
    """Workers over one database, each with connections of its own."""

    def __init__(self, url: str, folder: Path, street: list[Shot]) -> None:
        self.url, self.folder = url, folder
        self.inference = ScriptedInference()
        self.clock = GivenClock()
        self.clock.at = START + timedelta(seconds=1)
        film = Film(self.inference, start=START - timedelta(seconds=street[-1].second))
        self.frames: list[tuple[FrameMeta, bytes]] = []
        for number, shot in enumerate(street):
            meta, _ = film.frame(shot.second)
            jpeg = JPEGS(number)
            self.inference.script[jpeg] = shot.observations
            self.frames.append((meta, jpeg))

    async def play(self, delivery: Delivery, workers: int) -> dict[str, object]:
        settings = ReaderSettings(data_dir=self.folder, database_url=self.url, frame_max_age_s=3600, database_wait_s=0)
        store = FolderStore(self.folder / "images", Vault((KEY,)))
        async with AsyncExitStack() as stack:
            services = []
            for _ in range(workers):
                database = Database(self.url)
                stack.push_async_callback(database.close)
                services.append(FrameService(settings, database, store, self.inference, self.clock))
            for each in delivery.rounds:
                read = [services[worker].read(*self.frames[number]) for number, worker in each]
                outcomes = await asyncio.gather(*read)
                assert set(outcomes) <= {Outcome.RECORDED, Outcome.DUPLICATE}
                await services[each[0][1]].sweep(idle=False)
                await services[each[0][1]].settle()
            self.clock.at += timedelta(hours=2)
            while await services[0].sweep(idle=True):
                pass
            while await services[0].settle():
                pass
            return await told(services[0].db, store)


async def told(database: Database, store: FolderStore) -> dict[str, object]:
    """All that is recorded but ids and the wall clock. What the events tell must be what is stored."""
    async with database.read() as session:
        rows = list(await session.scalars(select(Detection)))
        seen = list(await session.scalars(select(PassageObservation)))
        messages = list(await session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)))
    last = {item.detection_id: item for item in (DetectionRecorded.model_validate_json(row.body) for row in messages)}
    assert {name for name, item in last.items() if not item.replaced_by} == {row.id for row in rows}
    assert all(last[row.id].final and last[row.id].plate == row.plate for row in rows)
    await _proved(rows, seen, store)
    passages = [
        (
            row.started_at, row.ended_at, row.plate, row.plate_read, row.plate_confidence, row.plate_format,
            row.uncertain,
            str(row.candidates), row.plate_rows, row.vehicle_type, row.vehicle_confidence, row.color,
            row.color_confidence, row.direction, row.stationary, str(row.last_box), row.observation_count, row.final,
            row.snapshot_key, row.plate_snapshot_key, row.snapshot_sha256, row.plate_snapshot_sha256, row.best_score,
            str(row.box),
            tuple(sorted(item.id for item in seen if item.detection_id == row.id)),
        )
        for row in rows
    ]  # fmt: skip
    return {"passages": sorted(passages, key=str), "observations": len(seen)}


async def _proved(rows: Sequence[Detection], seen: Sequence[PassageObservation], store: FolderStore) -> None:
    """Each passage has pictures: those of one of its own sightings, with its plate where that has one, and no others
    are kept. A frame that is lost takes with it only what it alone showed."""
    kept = []
    for row in rows:
        assert row.settled
        (shown,) = [item for item in seen if item.detection_id == row.id and item.snapshot_key is not None]
        assert (row.snapshot_key, row.plate_snapshot_key) == (shown.snapshot_key, shown.plate_snapshot_key)
        assert (row.plate_snapshot_key is None) == (shown.plate is None)
        for key, told_hash in (
            (row.snapshot_key, row.snapshot_sha256), (row.plate_snapshot_key, row.plate_snapshot_sha256)
        ):  # fmt: skip
            if key is not None:
                kept.append(key)
                assert hashlib.sha256(await store.get(key)).hexdigest() == told_hash
    assert sorted(kept) == sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*.jpg"))


def outcome(url: str, folder: Path, street: list[Shot], delivery: Delivery, workers: int) -> dict[str, object]:
    return asyncio.run(Stage(url, folder, street).play(delivery, workers))


def in_order(delivery: Delivery) -> Delivery:
    """The same frames, one by one, as they were captured, to one worker."""
    return Delivery(tuple(((number, 0),) for number in sorted(delivery.numbers)))


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with our tables, to be copied."""
    path = tmp_path_factory.mktemp("tables") / "template.db"
    migrate(f"sqlite+aiosqlite:///{path}")
    return path


@settings(max_examples=20, deadline=None, suppress_health_check=SLOW, phases=PHASES)
@given(data=st.data())
def test_every_delivery_of_the_same_frames_has_the_same_outcome(tables: Path, data: st.DataObject) -> None:
    street = data.draw(streets(9))
    workers = data.draw(st.integers(1, 3))
    delivery = data.draw(deliveries(len(street), workers))
    found = []
    for each, count in ((in_order(delivery), 1), (delivery, workers)):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copyfile(tables, f"{folder}/gtvision.db")
            url = f"sqlite+aiosqlite:///{folder}/gtvision.db"
            found.append(outcome(url, Path(folder), street, each, count))
    event(f"{found[0]['observations']} observations")
    assert found[0] == found[1]


@settings(max_examples=4, deadline=None, suppress_health_check=SLOW, phases=PHASES)
@given(data=st.data())
def test_the_same_on_postgresql_where_workers_truly_write_side_by_side(
    postgres: Postgres, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    street = data.draw(streets(9))
    delivery = data.draw(deliveries(len(street), 3))
    found = [
        outcome(postgres.fresh_database(migrated=True), tmp_path_factory.mktemp("images"), street, each, count)
        for each, count in ((in_order(delivery), 1), (delivery, 3))
    ]
    assert found[0] == found[1]
