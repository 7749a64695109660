"""The room of alerts with a signed-in admin, through the real app on both databases; passages as others write them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from functions.alerts import handler
from functions.alerts.memory import Memory
from functions.alerts.watching import Watch
from functions.auth import handler as auth
from functions.auth import passwords
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import DetectionRecorded, new_id, now
from functions.shared.db import Database
from functions.shared.tables import Alert, Camera, Detection, Group, User, UserGroup
from tests.functions.serving import Served, quick_hashes, serve

PASSWORD = "Quarto-Verde-77-Onibus"


def detection(plate: str | None, *, at: datetime | None = None, **other: Any) -> Detection:
    """A passage that was surely read and is over."""
    begun = at or now() - timedelta(seconds=10)
    values: dict[str, Any] = {
        "id": new_id(), "camera_id": "gate", "started_at": begun, "ended_at": begun + timedelta(seconds=3),
        "final": True, "vehicle_type": "car", "vehicle_confidence": 0.9, "plate": plate, "corrected": False,
        "plate_read": plate, "plate_reversed": plate[::-1] if plate else None,
        "plate_confidence": 0.97 if plate else None, "plate_format": "br_mercosul" if plate else None,
        "uncertain": False, "candidates": [], "observation_count": 3, "correlation_id": "c", "created_at": begun,
        "updated_at": begun,
    }  # fmt: skip
    return Detection(**{**values, **other})


def told(row: Detection, **other: Any) -> DetectionRecorded:
    """The message about a passage as it stands."""
    own = DetectionRecorded.model_fields.keys() - {"id", "occurred_at"}
    facts = {name: getattr(row, name) for name in own if hasattr(row, name)}
    return DetectionRecorded.model_validate({**facts, "detection_id": row.id, "observations": 3, **other})


async def add(database: Database, *rows: object) -> None:
    async with database.transaction() as session:
        session.add_all(rows)


async def change(database: Database, detection_id: str, **values: Any) -> None:
    async with database.transaction() as session:
        row = await session.get_one(Detection, detection_id)
        for name, value in values.items():
            setattr(row, name, value)


async def alerts(database: Database) -> list[Alert]:
    from sqlalchemy import select

    async with database.read() as session:
        return list(await session.scalars(select(Alert).order_by(Alert.id)))


def camera(name: str, group: str | None = None, **other: Any) -> Camera:
    at = now()
    return Camera(id=name, name=name.title(), url_encrypted="-", group_id=group, created_at=at, updated_at=at, **other)


def group(name: str) -> Group:
    at = now()
    return Group(id=name, name=name.title(), plate_formats=["br_old"], created_at=at, updated_at=at)


@pytest.fixture(autouse=True)
def _quick_hashes() -> Iterator[None]:
    with quick_hashes():
        yield


@pytest.fixture(scope="session")
def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


@pytest.fixture(autouse=True)
def _one_rsa_key(_rsa_key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a database of its own, whose key pair would be made anew: these tests are not about it."""
    monkeypatch.setattr(rsa, "generate_private_key", lambda **_: _rsa_key)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> FunctionSettings:
    return FunctionSettings(
        data_dir=tmp_path / "data", database_url=database_url, nats_url="nats://127.0.0.1:9", database_wait_s=0.0,
        admin_password=SecretStr(PASSWORD), consume=False, public_url="https://city.example",
        webhook_allowed_networks=("127.0.0.0/8",),
    )  # fmt: skip


@pytest.fixture
async def served(settings: FunctionSettings) -> AsyncIterator[Served]:
    """Two groups with a camera each, and one camera of no group."""
    routers = [auth.router, handler.router]
    async with serve("alerts", routers, settings, startup=auth.startup, workers=handler.workers) as made:
        await add(made.context.db, group("north"), group("south"))
        await add(made.context.db, camera("gate", "north"), camera("port", "south"), camera("yard"))
        made.client.headers.update(await made.login("admin", PASSWORD))
        yield made


@pytest.fixture
def context(served: Served) -> Context:
    return served.context


@pytest.fixture
def watch(context: Context) -> Watch:
    return Watch(context, Always(context))


class Always(Memory):
    """Holds nothing for longer than a question: tests change lists faster than people."""

    async def refresh(self, max_age_s: float = 0.0) -> None:
        self._places_at = float("-inf")
        await super().refresh(-1.0)


async def sign_in(served: Served, name: str, role: str, groups: tuple[str, ...] | None = None) -> dict[str, str]:
    """The Authorization header of a new user; `groups` None: of every camera."""
    user = User(
        id=new_id(), username=name, password_hash=passwords._HASHER.hash(PASSWORD), role=role, disabled=False,
        all_groups=groups is None, created_at=now(),
    )  # fmt: skip
    await add(served.context.db, user)
    await add(served.context.db, *(UserGroup(user_id=user.id, group_id=each) for each in groups or ()))
    async with served.another_client() as client:
        answer = await client.post("/api/auth/login", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def make_list(served: Served, *patterns: str | dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A list with entries."""
    answer = await served.client.post("/api/hotlists", json={"name": f"List {new_id()[-6:]}", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    for pattern in patterns:
        body = {"pattern": pattern} if isinstance(pattern, str) else pattern
        added = await served.client.post(f"/api/hotlists/{made['id']}/entries", json=body)
        assert added.status_code == 201, added.text
    return made
