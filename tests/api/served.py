"""All functions on a real socket, NATS and SQLite, in this process, for a tool that asks from outside."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import httpx
import numpy as np
import uvicorn
from pydantic import SecretStr

from functions import embedded
from functions.shared.access import Role
from functions.shared.config import ReaderSettings
from functions.shared.context import Context
from functions.shared.tables import Camera
from functions.shared.web import create_app
from tests.functions.search.conftest import NOON, detection
from tests.functions.serving import quick_hashes
from tests.support.nats import NatsServer
from tests.support.ports import free_port

PASSWORD = "Quarto-Verde-77-Onibus"
# Those that read frames and relay events need models and would change rows behind the tool's back.
_WITHOUT = ("consume_frames",)


@dataclass(frozen=True)
class Platform:
    """A running platform; `tokens` by role."""

    url: str
    tokens: dict[Role, str]


@contextlib.contextmanager
def platform(folder: Path, database_url: str, nats: NatsServer) -> Iterator[Platform]:
    """No quota counts here, since one caller sends thousands of requests; quotas have tests of their own."""
    settings = ReaderSettings(
        data_dir=folder / "data", database_url=database_url, nats_url=nats.url, admin_password=SecretStr(PASSWORD),
        access_ttl_s=7200, rate_user=0, rate_address=0, rate_pictures=0, rate_ingest=0, rate_camera=0,
        request_timeout_s=60.0,
    )  # fmt: skip
    context = Context(settings, "embedded")
    workers = [worker for worker in embedded.WORKERS if worker.__name__ not in _WITHOUT]
    app = create_app(
        "embedded", embedded.ROUTERS, open_context=lambda: context, startup=embedded.STARTUP, workers=workers
    )
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_config=None, timeout_graceful_shutdown=1))
    asyncio.run(_seed(settings))
    with quick_hashes():
        thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.config.port}"
            yield asyncio.run(_signed_in(url, server))
        finally:
            server.should_exit = True
            thread.join(15)


async def _seed(settings: ReaderSettings) -> None:
    """Passages with pictures, so that what is asked about them finds something."""
    context = Context(settings, "seed")
    picture = bytes(cv2.imencode(".jpg", np.zeros((90, 160, 3), np.uint8))[1].tobytes())
    await context.store.put("seed/vehicle.jpg", picture)
    await context.store.put("seed/plate.jpg", picture)
    keys = {"snapshot_key": "seed/vehicle.jpg", "plate_snapshot_key": "seed/plate.jpg"}
    rows = [detection(plate, minute, **keys) for minute, plate in enumerate(("ABC1D23", "BRA2E19", None))]
    async with context.db.transaction() as session:
        session.add(Camera(id="gate", name="Gate", url_encrypted=context.vault.encrypt("rtsp://127.0.0.1:9/"),
                           created_at=NOON, updated_at=NOON, enabled=True))  # fmt: skip
        session.add_all(rows)
    await context.close()


async def _signed_in(url: str, server: uvicorn.Server) -> Platform:
    async with asyncio.timeout(60):
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event to wait for
            await asyncio.sleep(0.05)
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        tokens = {Role.ADMIN: await _token(client, "admin")}
        client.headers["Authorization"] = f"Bearer {tokens[Role.ADMIN]}"
        for role in Role:
            if role is not Role.ADMIN:
                user = {"username": f"the-{role.value}", "password": PASSWORD, "role": role.value}
                (await client.post("/api/auth/users", json=user)).raise_for_status()
                tokens[role] = await _token(client, user["username"])
    return Platform(url, tokens)


async def _token(client: httpx.AsyncClient, username: str) -> str:
    answer = await client.post("/api/auth/login", json={"username": username, "password": PASSWORD})
    answer.raise_for_status()
    return str(answer.json()["access_token"])
