"""Search with a signed-in admin, through the real app on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from functions.auth import handler as auth
from functions.search import handler
from functions.shared.config import FunctionSettings
from functions.shared.contracts import new_id
from functions.shared.db import Database
from functions.shared.tables import Detection
from tests.functions.serving import Served, quick_hashes, serve

PASSWORD = "Quarto-Verde-77-Onibus"
URL = "/api/detections"
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def detection(plate: str | None, minutes: float = 0.0, **other: Any) -> Detection:
    at = NOON + timedelta(minutes=minutes)
    values: dict[str, Any] = {
        "id": new_id(), "camera_id": "gate", "started_at": at, "ended_at": at + timedelta(seconds=3), "final": True,
        "vehicle_type": "car", "vehicle_confidence": 0.9, "plate": plate, "corrected": False,
        "plate_reversed": plate[::-1] if plate else None, "plate_confidence": 0.8 if plate else None,
        "plate_format": "br_mercosul" if plate else None,
        "candidates": [{"text": plate, "confidence": 0.8}] if plate else [], "box": [1.0, 2.0, 3.0, 4.0],
        "observation_count": 3, "correlation_id": "c", "created_at": at, "updated_at": at,
    }  # fmt: skip
    return Detection(**{**values, **other})


async def add(database: Database, *rows: object) -> None:
    async with database.transaction() as session:
        session.add_all(rows)


@pytest.fixture(autouse=True)
def _quick_hashes() -> Iterator[None]:
    with quick_hashes():
        yield


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> FunctionSettings:
    return FunctionSettings(
        data_dir=tmp_path / "data", database_url=database_url, nats_url="nats://127.0.0.1:9", database_wait_s=0.0,
        admin_password=SecretStr(PASSWORD), link_ttl_s=600,
    )  # fmt: skip


@pytest.fixture
async def served(settings: FunctionSettings) -> AsyncIterator[Served]:
    async with serve(
        "search", [auth.router, handler.router], settings, startup=auth.startup, workers=handler.workers
    ) as made:
        made.client.headers.update(await made.login("admin", PASSWORD))
        yield made
