"""All functions on a real socket, NATS and SQLite, in this process, for a tool that asks from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import httpx
import numpy as np
import uvicorn
from pydantic import SecretStr

from functions import embedded
from functions.cameras import child
from functions.shared.access import Role
from functions.shared.config import ReaderSettings
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.tables import Alert, Camera
from functions.shared.web import create_app
from tests.functions.search.conftest import detection
from tests.functions.serving import quick_hashes
from tests.support.nats import NatsServer
from tests.support.ports import free_port

PASSWORD = "Quarto-Verde-77-Onibus"
# Cameras and receivers of events may be on this machine, and nowhere else.
LOOPBACK = ("127.0.0.0/8",)
# Those that read frames and relay events need models and would change rows behind the tool's back.
_WITHOUT = ("consume_frames",)


@dataclass(frozen=True)
class Platform:
    """A running platform; `tokens` by role, `ids` of what is there, by the names that paths have for them."""

    url: str
    tokens: dict[Role, str]
    ids: dict[str, str]


@contextlib.contextmanager
def platform(folder: Path, database_url: str, nats: NatsServer) -> Iterator[Platform]:
    """No quota counts here, since one caller sends thousands of requests; quotas have tests of their own."""
    settings = ReaderSettings(
        data_dir=folder / "data", database_url=database_url, nats_url=nats.url, admin_password=SecretStr(PASSWORD),
        access_ttl_s=7200, rate_user=0, rate_address=0, rate_pictures=0, rate_ingest=0, rate_camera=0,
        request_timeout_s=60.0, camera_networks=LOOPBACK, webhook_allowed_networks=LOOPBACK,
    )  # fmt: skip
    context = Context(settings, "embedded")
    workers = [worker for worker in embedded.WORKERS if worker.__name__ not in _WITHOUT]
    app = create_app(
        "embedded", embedded.ROUTERS, open_context=lambda: context, startup=embedded.STARTUP, workers=workers
    )
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_config=None, timeout_graceful_shutdown=1))
    ids = asyncio.run(_seed(settings))
    with quick_hashes(), nothing_outside():
        thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.config.port}"
            yield asyncio.run(_signed_in(url, server, ids))
        finally:
            server.should_exit = True
            thread.join(15)


@contextlib.contextmanager
def nothing_outside() -> Iterator[None]:
    """What is made up is never looked up, nor asked: every host but this machine has no address, and no device is
    called by multicast."""
    look_up, ask = socket.getaddrinfo, child.ask

    def only_here(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "localhost")
        if name != "localhost" and not name.startswith("127."):
            raise socket.gaierror(socket.EAI_NONAME, "no name is looked up here")
        return look_up(host, *arguments, **options)

    async def without_multicast(module: str, given: bytes, seconds: float, *arguments: str) -> dict[str, Any]:
        if module == "functions.cameras.discovery_child":
            given = json.dumps(json.loads(given) | {"multicast": False}).encode()
        return await ask(module, given, seconds, *arguments)

    with mock.patch.object(socket, "getaddrinfo", only_here), mock.patch.object(child, "ask", without_multicast):
        yield


async def _seed(settings: ReaderSettings) -> dict[str, str]:
    """Passages with pictures and an alert, so that what is asked about them finds something. They are fresh: retention
    runs among the requests, too. Gives their ids."""
    context = Context(settings, "seed")
    picture = bytes(cv2.imencode(".jpg", np.zeros((90, 160, 3), np.uint8))[1].tobytes())
    await context.store.put("seed/vehicle.jpg", picture)
    await context.store.put("seed/plate.jpg", picture)
    keys: dict[str, Any] = {"snapshot_key": "seed/vehicle.jpg", "plate_snapshot_key": "seed/plate.jpg"}
    at = now()
    keys |= {"started_at": at, "ended_at": at, "created_at": at, "updated_at": at}
    rows = [detection(plate, **keys) for plate in ("ABC1D23", "BRA2E19", None)]
    alert = Alert(
        id=new_id(), hotlist_id="cloned", kind="cloned", list_name="Cloned", priority=90, reason="", camera_id="gate",
        detection_id=rows[0].id, seen_at=at, plate="ABC1D23", uncertain=False, details={}, state="open", raised_at=at,
        correlation_id="c",
    )  # fmt: skip
    async with context.db.transaction() as session:
        session.add(Camera(id="gate", name="Gate", url_encrypted=context.vault.encrypt("rtsp://127.0.0.1:9/"),
                           created_at=now(), updated_at=now(), enabled=True))  # fmt: skip
        session.add_all([*rows, alert])
    await context.close()
    return {"camera_id": "gate", "detection_id": rows[0].id, "alert_id": alert.id}


async def _signed_in(url: str, server: uvicorn.Server, ids: dict[str, str]) -> Platform:
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
        return Platform(url, tokens, ids | await _made(client, ids["detection_id"]))


async def _made(client: httpx.AsyncClient, detection_id: str) -> dict[str, str]:
    """What the API itself makes, with its id: a correction, a webhook and a delivery of it."""

    async def ask(method: str, path: str, body: object = None) -> Any:
        answer = await client.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()

    corrected = await ask("PATCH", f"/api/detections/{detection_id}", {"plate": "ABC1D23"})
    webhook = await ask("POST", "/api/webhooks", {"name": "Desk", "url": "http://127.0.0.1:9/"})
    delivery = await ask("POST", f"/api/webhooks/{webhook['id']}/test")
    return {
        "correction_id": corrected["corrections"][0]["id"], "webhook_id": webhook["id"], "delivery_id": delivery["id"],
    }  # fmt: skip


async def _token(client: httpx.AsyncClient, username: str) -> str:
    answer = await client.post("/api/auth/login", json={"username": username, "password": PASSWORD})
    answer.raise_for_status()
    return str(answer.json()["access_token"])
