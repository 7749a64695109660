from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from functions.post_processing.service import FrameService
from functions.shared.config import ReaderSettings
from functions.shared.db import Database
from functions.shared.store import FolderStore
from functions.shared.tables import Detection, OutboxMessage, PassageObservation
from functions.shared.vault import Vault
from tests.functions.post_processing.scenes import Film, GivenClock, ScriptedInference


@pytest.fixture
def inference() -> ScriptedInference:
    return ScriptedInference()


@pytest.fixture
def film(inference: ScriptedInference) -> Film:
    return Film(inference)


@pytest.fixture
def reader_settings(tmp_path: Path, database_url: str) -> ReaderSettings:
    return ReaderSettings(data_dir=tmp_path / "data", database_url=database_url, database_wait_s=0.0)


@pytest.fixture
def store(tmp_path: Path, vault: Vault) -> FolderStore:
    return FolderStore(tmp_path / "images", vault)


@pytest.fixture
def clock() -> GivenClock:
    return GivenClock()


@pytest.fixture
def service(
    reader_settings: ReaderSettings, database: Database, store: FolderStore, inference: ScriptedInference,
    clock: GivenClock,
) -> FrameService:  # fmt: skip
    return FrameService(reader_settings, database, store, inference, clock)


class Memory:
    """What the database holds, for tests to look at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def detections(self) -> list[Detection]:
        async with self._database.read() as session:
            return list(await session.scalars(select(Detection).order_by(Detection.started_at, Detection.id)))

    async def plates(self) -> list[str | None]:
        return [row.plate for row in await self.detections()]

    async def observations(self) -> list[PassageObservation]:
        async with self._database.read() as session:
            return list(await session.scalars(select(PassageObservation).order_by(PassageObservation.captured_at)))

    async def messages(self) -> list[OutboxMessage]:
        async with self._database.read() as session:
            return list(await session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)))


@pytest.fixture
def memory(database: Database) -> Memory:
    return Memory(database)


Show = Callable[..., Awaitable[None]]


@pytest.fixture
def show(service: FrameService, film: Film) -> Show:
    """`await show((0.0, car(...)), (1.0, car(...), car(...)))`: read frames of one camera in this order."""

    async def given(*frames: tuple[object, ...]) -> None:
        for second, *observations in frames:
            await service.read(*film.frame(second, *observations))  # type: ignore[arg-type]  # seconds, observations

    return given
