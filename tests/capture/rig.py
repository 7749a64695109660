"""A bus, pods as real processes, and an ear on what they publish."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
from cryptography.fernet import Fernet
from nats.aio.msg import Msg

from functions.shared.bus import Bus, connect, ensure_topology
from functions.shared.cloudevents import frame_meta
from functions.shared.config import CaptureSettings
from functions.shared.contracts import CameraSpec, CameraStatus, CameraStatusChanged, FrameMeta
from functions.shared.errors import BusUnavailable
from functions.shared.topology import CAMERAS_KV, LEASES_KV, STATUS_KV
from functions.shared.vault import Vault
from tests.support.nats import NatsServer

ROOT = Path(__file__).resolve().parents[2]
# Waits end as soon as what they wait for is there; where the machine is busy they may take this many times as long.
PATIENCE = 2.5
QUICK = {
    "GTV_WATCHDOG_S": "3",
    "GTV_OPEN_TIMEOUT_S": "2",
    "GTV_BACKOFF_FIRST_S": "0.3",
    "GTV_BACKOFF_LONGEST_S": "1",
    "GTV_CIRCUIT_OPEN_S": "2",
}


class PodProcess:
    """`python -m capture` with its workers."""

    def __init__(self, name: str, environ: dict[str, str], log: Path) -> None:
        self.name, self.log = name, log
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GTV_")}
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "capture"], cwd=ROOT, env={**kept, **environ, "GTV_POD_ID": name},
                stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, how: signal.Signals = signal.SIGTERM, timeout_s: float = 10.0) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout_s)


class Rig:
    """`async with Rig(tmp_path) as rig`: `put` cameras, `pod()` starts one, `frames` fills by itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nats = NatsServer(folder / "nats")
        self.key = Fernet.generate_key().decode()
        self.vault = Vault((self.key,))
        self.pods: list[PodProcess] = []
        self.frames: dict[str, list[tuple[float, FrameMeta, bytes]]] = defaultdict(list)
        self.events: list[CameraStatusChanged] = []
        self.raw_events: list[bytes] = []
        self._revisions: dict[str, int] = defaultdict(int)
        self.bus: Bus

    async def __aenter__(self) -> Rig:
        self.nats.start()
        settings = CaptureSettings(nats_url=self.nats.url, data_dir=self.folder)
        self.bus = await connect(settings, "rig")
        await ensure_topology(self.bus)
        await self.bus.client.subscribe("gtv.v1.frames.*", cb=self._on_frame)
        await self.bus.client.subscribe("gtv.v1.cameras.status.*", cb=self._on_event)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pod in self.pods:
            if pod.process.poll() is None:
                pod.process.kill()
            pod.process.wait(5)
        await self.bus.close()
        self.nats.kill()
        for pod in self.pods:  # pytest shows it when the test failed
            lines = [line for line in pod.log.read_text().splitlines() if "nats_error" not in line]
            print(f"--- {pod.name}", *lines[-40:], sep="\n")

    def pod(self, name: str = "pod-a", **settings: str) -> PodProcess:
        environ = {
            **QUICK, "GTV_NATS_URL": self.nats.url, "GTV_FERNET_KEYS": self.key, "GTV_DATA_DIR": str(self.folder),
            "GTV_LOG_LEVEL": "DEBUG", "GTV_CAMERA_NETWORKS": "0.0.0.0/0,127.0.0.0/8", **settings,
        }  # fmt: skip
        pod = PodProcess(name, environ, self.folder / f"{name}.log")
        self.pods.append(pod)
        return pod

    async def put(self, camera_id: str, url: str, **fields: Any) -> None:
        """Register a camera; sampled faster than by default, so that tests wait less."""
        self._revisions[camera_id] += 1
        fields.setdefault("sample_fps", 4.0)
        spec = CameraSpec(
            camera_id=camera_id, name=camera_id, url_encrypted=self.vault.encrypt(url),
            revision=self._revisions[camera_id], **fields,
        )  # fmt: skip
        await self.bus.kv_put(CAMERAS_KV, camera_id, spec.model_dump_json().encode())

    async def delete(self, camera_id: str) -> None:
        await self.bus.kv_delete(CAMERAS_KV, camera_id)

    async def status(self, camera_id: str) -> CameraStatus | None:
        with suppress(BusUnavailable):
            value = await self.bus.kv_get(STATUS_KV, camera_id)
            return CameraStatus.model_validate_json(value) if value else None
        return None

    async def holders(self) -> dict[str, str]:
        with suppress(BusUnavailable):
            return {camera: pod.decode() for camera, pod in (await self.bus.kv_all(LEASES_KV)).items()}
        return {}

    def sequences(self, camera_id: str) -> list[int]:
        return [meta.sequence for _, meta, _ in self.frames[camera_id]]

    async def reaches(
        self, camera_id: str, state: str, within_s: float = 20.0, code: str | None = None
    ) -> CameraStatus:
        found: list[CameraStatus] = []

        async def there() -> bool:
            status = await self.status(camera_id)
            if status is not None and status.state == state and code in (None, status.reason_code):
                found.append(status)
            return bool(found)

        await until(there, within_s, f"{camera_id} is {state} {code or ''}")
        return found[0]

    async def more_frames(self, camera_id: str, count: int = 2, within_s: float = 15.0) -> None:
        before = len(self.frames[camera_id])

        async def came() -> bool:
            return len(self.frames[camera_id]) >= before + count

        await until(came, within_s, f"{count} more frames of {camera_id}")

    async def _on_frame(self, message: Msg) -> None:
        meta = frame_meta(message.headers or {})
        self.frames[meta.camera_id].append((time.monotonic(), meta, message.data))

    async def _on_event(self, message: Msg) -> None:
        self.raw_events.append(message.data)
        self.events.append(CameraStatusChanged.model_validate_json(message.data))


async def until(check: Callable[[], Awaitable[bool]], within_s: float, what: str) -> float:
    """Seconds until `check` held. Fails when it does not hold in time, PATIENCE times `within_s`."""
    started = time.monotonic()
    while time.monotonic() - started < within_s * PATIENCE:
        if await check():
            return time.monotonic() - started
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {within_s:g} s: {what}")
