"""The functions that the console stands on, in one app under a real uvicorn, with a real nats-server behind it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import uvicorn
from pydantic import SecretStr

from functions.auth import handler as auth
from functions.cameras import handler as cameras
from functions.console import handler as console
from functions.retention import handler as retention
from functions.search import handler as search
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import CameraState, CameraStatus, DetectionRecorded, new_id, now
from functions.shared.store import image_key
from functions.shared.tables import Detection
from functions.shared.topology import STATUS_KV
from functions.shared.web import ACCESS_COOKIE, COOKIE_HEADER, create_app
from tests.support.nats import NatsServer
from tests.support.ports import free_port

PASSWORD = "Correct-Horse-7-Battery"
ROOMS: tuple[Any, ...] = (auth, cameras, search, retention, console)


def settings_of(folder: Path, nats_url: str, **more: Any) -> FunctionSettings:
    given = {"data_dir": folder, "nats_url": nats_url, "admin_password": SecretStr(PASSWORD), **more}
    return FunctionSettings(migrate_on_start=True, **given)


@contextmanager
def serving(settings: FunctionSettings, port: int | None = None) -> Iterator[str]:
    """The address of the functions, served by a thread until the block ends."""
    routers = [room.router for room in ROOMS]
    startup = [step for room in ROOMS for step in getattr(room, "startup", [])]
    workers = [worker for room in ROOMS for worker in getattr(room, "workers", [])]
    context = partial(Context, settings, "console-test")
    app = create_app("console-test", routers, open_context=context, startup=startup, workers=workers)
    port = port or free_port()
    config = uvicorn.Config(app, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.02)
    assert server.started, "the functions did not start"
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@dataclass
class Stack:
    """The running functions: their address, and a context of the test's own to the same bus, database and images."""

    url: str
    context: Context
    nats: NatsServer

    async def cookies(self, username: str = "admin", password: str = PASSWORD) -> dict[str, str]:
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as client:
            body = {"username": username, "password": password, "session": "cookie"}
            answer = await client.post("/api/auth/login", json=body)
            assert answer.status_code == 200, answer.text
            return {ACCESS_COOKIE: answer.cookies[ACCESS_COOKIE]}

    async def client(self) -> httpx.AsyncClient:
        """A client signed in as the first admin, by cookie."""
        headers = {COOKIE_HEADER: "1"}
        return httpx.AsyncClient(base_url=self.url, cookies=await self.cookies(), headers=headers, timeout=30)

    async def add_user(self, username: str, role: str) -> None:
        async with await self.client() as client:
            body = {"username": username, "password": PASSWORD, "role": role}
            answer = await client.post("/api/auth/users", json=body)
            assert answer.status_code == 201, answer.text

    async def add_camera(self, camera_id: str, name: str, **more: Any) -> None:
        async with await self.client() as client:
            body = {"id": camera_id, "name": name, "rtsp_url": "rtsp://viewer:s3cret-pass@127.0.0.1:9/live", **more}
            answer = await client.post("/api/cameras", json=body)
            assert answer.status_code == 201, answer.text

    async def report(self, camera_id: str, state: CameraState, **more: Any) -> CameraStatus:
        """Say how a camera fares, as its capture pod does."""
        facts = {"since": now(), "updated_at": now(), **more}
        status = CameraStatus(camera_id=camera_id, state=state, **facts)
        await (await self.context.bus()).kv_put(STATUS_KV, camera_id, status.model_dump_json().encode())
        return status

    async def publish(self, message: Any) -> None:
        await (await self.context.bus()).publish(message)

    async def passage(self, camera_id: str, plate: str | None, **more: Any) -> DetectionRecorded:
        """A passage as post-processing leaves it: row, pictures, event. `pictures` are the two JPEGs."""
        pictures = more.pop("pictures", (picture(320, 200, (90, 70, 50)), picture(120, 40, (200, 200, 200))))
        ago = more.pop("ago", timedelta(0))
        seen = recorded(camera_id, plate, now() - ago, **more)
        for key, jpeg in zip((seen.snapshot_key, seen.plate_snapshot_key), pictures, strict=True):
            if key is not None:
                await self.context.store.put(key, jpeg)
        async with self.context.db.transaction() as session:
            await session.merge(row_of(seen))
        await self.publish(seen)
        return seen


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Wait until `check` holds; TimeoutError when it never does."""
    async with asyncio.timeout(seconds):
        while True:
            if await check():
                return
            await asyncio.sleep(0.05)


def recorded(camera_id: str, plate: str | None, at: datetime, **more: Any) -> DetectionRecorded:
    """An event of a passage that began at `at`."""
    detection_id = more.pop("detection_id", new_id())
    facts: dict[str, Any] = {
        "detection_id": detection_id, "camera_id": camera_id, "started_at": at, "ended_at": at + timedelta(seconds=2),
        "final": True, "vehicle_type": "car", "vehicle_confidence": 0.91, "plate": plate,
        "plate_confidence": 0.97 if plate else None, "plate_format": "br_mercosul" if plate else None,
        "observations": 3, "candidates": [{"text": plate, "confidence": 0.97}] if plate else [],
        "box": (10, 20, 300, 200), "snapshot_key": image_key("vehicles", camera_id, at, detection_id),
        "plate_snapshot_key": image_key("plates", camera_id, at, detection_id) if plate else None,
    }  # fmt: skip
    return DetectionRecorded(**{**facts, **more})


def row_of(seen: DetectionRecorded) -> Detection:
    return Detection(
        id=seen.detection_id, camera_id=seen.camera_id, started_at=seen.started_at, ended_at=seen.ended_at,
        final=seen.final, vehicle_type=seen.vehicle_type, vehicle_confidence=seen.vehicle_confidence,
        plate=seen.plate, plate_reversed=seen.plate[::-1] if seen.plate else None,
        plate_confidence=seen.plate_confidence, plate_format=seen.plate_format, uncertain=seen.uncertain,
        candidates=[one.model_dump() for one in seen.candidates], box=list(seen.box) if seen.box else None,
        observation_count=seen.observations, best_score=0.9, snapshot_key=seen.snapshot_key,
        plate_snapshot_key=seen.plate_snapshot_key, correlation_id=seen.correlation_id,
        created_at=seen.started_at, updated_at=seen.ended_at,
    )  # fmt: skip


def picture(width: int, height: int, color: tuple[int, int, int]) -> bytes:
    """A JPEG of one colour with a diagonal."""
    image = np.full((height, width, 3), color, np.uint8)
    cv2.line(image, (0, 0), (width, height), (255, 255, 255), 3)
    good, data = cv2.imencode(".jpg", image)
    assert good
    return bytes(data)


@asynccontextmanager
async def running(folder: Path, port: int | None = None, **settings: Any) -> AsyncIterator[Stack]:
    """nats-server and the functions, each real, until the block ends."""
    with NatsServer(folder / "nats") as nats:
        chosen = settings_of(folder / "data", nats.url, **settings)
        # Started and ended off the loop, so that the test's own requests go on meanwhile.
        server = serving(chosen, port)
        url = await asyncio.to_thread(server.__enter__)
        context = Context(chosen, "test")
        try:
            yield Stack(url, context, nats)
        finally:
            await context.close()
            await asyncio.to_thread(server.__exit__, None, None, None)
