"""Retention with a signed-in admin, through the real app on both databases, with search and its pictures beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from functions.auth import handler as auth
from functions.retention import handler, starting
from functions.search import handler as search
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.store import image_key
from functions.shared.tables import Alert, Camera, Correction, Detection, Group, PassageObservation
from tests.functions.serving import Served, quick_hashes, serve

PASSWORD = "Quarto-Verde-77-Onibus"
PICTURE = b"\xff\xd8 a picture of some bytes \xff\xd9"


def both(test: Any) -> Any:
    """A test whose SQL may differ by database runs on both, any other on SQLite alone."""
    test.on_both = True
    return test


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if getattr(metafunc.function, "on_both", False):
        metafunc.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    kind = getattr(request, "param", "sqlite")
    url: str = request.getfixturevalue("sqlite_url" if kind == "sqlite" else "postgres_url")
    return url


@pytest.fixture(autouse=True)
def _quick_hashes() -> Iterator[None]:
    with quick_hashes():
        yield


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> FunctionSettings:
    return FunctionSettings(
        data_dir=tmp_path / "data", database_url=database_url, nats_url="nats://127.0.0.1:9", database_wait_s=0.0,
        admin_password=SecretStr(PASSWORD), retention_hour=-1, disk_free_min="0",
    )  # fmt: skip


@pytest.fixture
async def served(settings: FunctionSettings) -> AsyncIterator[Served]:
    routers = [auth.router, search.router, handler.router]
    workers = [*search.workers, starting.worker]
    async with serve("retention", routers, settings, startup=auth.startup, workers=workers) as made:
        made.client.headers.update(await made.login("admin", PASSWORD))
        yield made


async def another(served: Served, name: str, role: str = "admin") -> dict[str, str]:
    """The headers of a second person."""
    body = {"username": name, "password": PASSWORD, "role": role}
    answer = await served.client.post("/api/auth/users", json=body)
    assert answer.status_code == 201, answer.text
    return await served.login(name, PASSWORD)


async def add(context: Context, *rows: object) -> None:
    async with context.db.transaction() as session:
        session.add_all(rows)


async def camera(context: Context, camera_id: str, group_id: str | None = None) -> None:
    at = now()
    if group_id is not None:
        async with context.db.transaction() as session:
            if await session.get(Group, group_id) is None:
                session.add(Group(id=group_id, name=group_id, plate_formats=[], created_at=at, updated_at=at))
    await add(
        context,
        Camera(id=camera_id, name=camera_id, url_encrypted="x", group_id=group_id, created_at=at, updated_at=at),
    )


async def passage(context: Context, plate: str | None, days: float, **other: Any) -> Detection:
    """A passage so many days ago with two frames, pictures in the store and all."""
    at: datetime = now() - timedelta(days=days)
    camera_id, name = other.pop("camera_id", "gate"), new_id()
    keys = [image_key(kind, camera_id, at, f"{name}-{number}") for number in (0, 1) for kind in ("vehicles", "plates")]
    if other.pop("pictures", True):
        for key in keys:
            await context.store.put(key, PICTURE)
    else:
        keys = [None] * 4  # type: ignore[list-item]  # columns that may be null
    values: dict[str, Any] = {
        "id": new_id(), "camera_id": camera_id, "started_at": at, "ended_at": at + timedelta(seconds=3), "final": True,
        "vehicle_type": "car", "plate": plate, "plate_read": plate, "corrected": False, "uncertain": False,
        "plate_reversed": plate[::-1] if plate else None, "plate_confidence": 0.8 if plate else None,
        "candidates": [{"text": plate, "confidence": 0.8}] if plate else [], "box": [100.0, 50.0, 500.0, 350.0],
        "observation_count": 2, "correlation_id": "c", "created_at": at, "updated_at": at, "stationary": False,
        "best_score": 1.0, "snapshot_key": keys[2], "plate_snapshot_key": keys[3],
    }  # fmt: skip
    row = Detection(**{**values, **other})
    await add(context, row)
    for number in (0, 1):
        seen = PassageObservation(
            id=new_id(), detection_id=row.id, frame_id=f"{camera_id}:{name}:{number}",
            captured_at=at + timedelta(seconds=number), plate=plate, plate_confidence=0.8, candidates=[],
            vehicle_box=[100.0, 50.0, 500.0, 350.0], plate_box=[250.0, 280.0, 350.0, 310.0],
            snapshot_key=keys[2 * number], plate_snapshot_key=keys[2 * number + 1],
        )  # fmt: skip
        await add(context, seen)
    return row


async def correction(
    context: Context, row: Detection, before: str | None, after: str | None, days: float
) -> Correction:
    at = now() - timedelta(days=days)
    key = image_key("corrections", row.camera_id, at, new_id())
    await context.store.put(key, PICTURE)
    made = Correction(
        id=new_id(), detection_id=row.id, camera_id=row.camera_id, created_at=at, created_by="maria", source="person",
        plate_before=before, plate_after=after, plate_snapshot_key=key,
    )  # fmt: skip
    await add(context, made)
    return made


async def alert(context: Context, row: Detection, days: float = 1.0, **other: Any) -> Alert:
    at = now() - timedelta(days=days)
    values: dict[str, Any] = {
        "id": new_id(), "hotlist_id": new_id(), "kind": "watch", "list_name": "stolen", "priority": 50,
        "reason": "stolen", "camera_id": row.camera_id, "detection_id": row.id, "seen_at": at, "plate": row.plate,
        "uncertain": False, "details": {}, "state": "open", "raised_at": at, "correlation_id": "c",
    }  # fmt: skip
    made = Alert(**{**values, **other})
    await add(context, made)
    return made


def pictures(context: Context) -> set[str]:
    """Keys of the pictures in the folder of the store."""
    root = context.settings.data_dir / "images"
    found = {path.relative_to(root).as_posix() for path in root.rglob("*.jpg")}
    return {key for key in found if not key.startswith("audit/")}
