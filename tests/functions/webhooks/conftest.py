from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from functions.auth import keys
from functions.shared.access import Role
from functions.shared.cloudevents import cloud_headers
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import DetectionRecorded, Message, new_id, now
from functions.shared.tables import Camera, Group, User, UserGroup, WebhookAttempt, WebhookDelivery
from functions.shared.web import create_app
from functions.webhooks import handler, queueing
from functions.webhooks.worker import Sender, deliver, open_outbound
from tests.functions.serving import client_of
from tests.functions.signing import sign_in
from tests.support.nats import NatsServer

PLATE = "BRA2E19"


def passage(camera_id: str = "cam-n", **changed: Any) -> DetectionRecorded:
    at = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
    facts: dict[str, Any] = {
        "camera_id": camera_id, "detection_id": new_id(), "started_at": at, "ended_at": at + timedelta(seconds=2),
        "final": True, "vehicle_type": "car", "vehicle_confidence": 0.9, "plate": PLATE, "plate_read": PLATE,
        "plate_confidence": 0.97, "plate_format": "br_mercosul", "plate_rows": 1, "observations": 4,
        "candidates": [{"text": PLATE, "confidence": 0.97}, {"text": "BRA2E1S", "confidence": 0.02}],
        "snapshot_key": "vehicles/2026/11/22/cam-n/a.jpg", "plate_snapshot_key": "plates/2026/11/22/cam-n/a.jpg",
    }  # fmt: skip
    return DetectionRecorded.model_validate(facts | changed)


async def eventually(true: Callable[[], Awaitable[bool] | bool], seconds: float = 15.0) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        found = true()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come true in time")


@dataclass
class Desk:
    """The real app of webhooks on a real database: an admin, an operator, `ana` who sees the group north alone, and
    `bia` who sees all; the cameras cam-n (north), cam-s (south) and cam-x (of no group)."""

    context: Context
    client: httpx.AsyncClient
    users: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    async def ask(self, who: str, method: str, path: str = "", **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens[who]}", **arguments.pop("headers", {})}
        return await self.client.request(method, f"/api/webhooks{path}", headers=headers, **arguments)

    async def add(self, who: str, url: str, **more: Any) -> dict[str, Any]:
        answer = await self.ask(who, "POST", json={"name": "Receiver", "url": url, **more})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def tell(self, message: Message, **extra: Any) -> int:
        """What the consumer does with a message; how many deliveries it made."""
        body = json.loads(message.model_dump_json()) | extra
        event, at = queueing.event_of(cloud_headers(message), json.dumps(body).encode())
        return await queueing.queue(self.context, event, at)

    @asynccontextmanager
    async def sender(self) -> AsyncIterator[Sender]:
        outbound = open_outbound(self.context)
        sender = Sender(self.context, outbound)
        yield sender
        await sender.close()
        await outbound.close()

    async def send(self) -> int:
        """Send all that is due now, to the end; how many deliveries were begun."""
        begun = 0
        async with self.sender() as sender:
            while number := await sender.send_due():
                begun += number
                await asyncio.wait(set(sender._tasks))
        return begun

    async def rows(self, **equal: Any) -> list[WebhookDelivery]:
        async with self.context.db.read() as session:
            asked = select(WebhookDelivery).filter_by(**equal).order_by(WebhookDelivery.id)
            return list(await session.scalars(asked))

    async def attempts(self) -> list[WebhookAttempt]:
        async with self.context.db.read() as session:
            return list(await session.scalars(select(WebhookAttempt).order_by(WebhookAttempt.id)))

    async def later(self) -> None:
        """As if the time of every further try had come."""
        async with self.context.db.transaction() as session:
            pending = update(WebhookDelivery).where(WebhookDelivery.state == "pending")
            await session.execute(pending.values(next_at=now() - timedelta(seconds=1)))


@pytest.fixture
def more_settings() -> Mapping[str, Any]:
    """For a module to override."""
    return {}


@pytest.fixture
def settings(
    tmp_path: Path, database_url: str, nats_server: NatsServer, more_settings: Mapping[str, Any]
) -> FunctionSettings:
    given = {
        "data_dir": tmp_path / "data", "database_url": database_url, "nats_url": nats_server.url,
        "webhook_allowed_networks": ("127.0.0.0/8",), "webhook_timeout_s": 2.0, "public_url": "https://gtv.example",
    }  # fmt: skip
    return FunctionSettings(**{**given, **more_settings})


@pytest.fixture
async def desk(settings: FunctionSettings) -> AsyncIterator[Desk]:
    context = Context(settings, "webhooks")
    bus = await context.bus()
    await bus.js.purge_stream("EVENTS")
    await keys.ensure_keys(context)
    app = create_app("webhooks", [handler.router], open_context=lambda: context)
    async with client_of(app) as client:
        made = Desk(context, client)
        await furnish(made)
        yield made
    await context.close()


async def furnish(desk: Desk) -> None:
    at = now()
    async with desk.context.db.transaction() as session:
        for group in ("north", "south"):
            session.add(Group(id=group, name=group, plate_formats=["br_old"], created_at=at, updated_at=at))
        await session.flush()
        for camera, group_id in (("cam-n", "north"), ("cam-s", "south"), ("cam-x", None)):
            row = Camera(id=camera, name=camera.upper(), url_encrypted="-", created_at=at, updated_at=at)
            row.group_id = group_id
            session.add(row)
        for name, role in (("root", Role.ADMIN), ("op", Role.OPERATOR), ("ana", Role.INTEGRATOR),
                           ("bia", Role.INTEGRATOR), ("eva", Role.VIEWER)):  # fmt: skip
            user = User(id=new_id(), username=name, password_hash="-", role=role.value, created_at=at)
            user.all_groups, user.disabled = name != "ana", False
            session.add(user)
            desk.users[name] = user
        await session.flush()
        session.add(UserGroup(user_id=desk.users["ana"].id, group_id="north"))
    for name, user in desk.users.items():
        desk.tokens[name] = await sign_in(desk.context, user)


@asynccontextmanager
async def working(desk: Desk) -> AsyncIterator[None]:
    """With the room's own worker running."""
    async with deliver(desk.context):
        yield
