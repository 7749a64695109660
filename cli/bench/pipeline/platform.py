"""The platform's side: a private stack, frames through the real bus, and what became of every one of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from cli.bench.pipeline.frames import Film, Frame, in_turn
from functions.shared.cloudevents import frame_headers
from functions.shared.contracts import DetectionRecorded, FrameMeta, frame_id, now
from functions.shared.errors import GTVisionError, Unavailable

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from cli.stack.stack import Stack
    from functions.shared.bus import Bus

STREAM, DURABLE = "FRAMES", "post-processing"
PERIOD_S = 0.5
# Of one camera the stream keeps three frames; what is published beyond these two could push out an unread one.
OF_A_CAMERA, AT_ONCE = 2, 32
FRAME_S, SETTLE_S, QUIET_S = 120.0, 120.0, 8.0
_SAMPLE = re.compile(r"^(?P<name>gtv_reader_\w+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$", re.M)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class Ear:
    """Hears what the bus says of frames and passages: acknowledgements by stream sequence, detections by id."""

    acked: Counter[int] = field(default_factory=Counter)
    given: Counter[int] = field(default_factory=Counter)
    refused: list[int] = field(default_factory=list)
    passages: dict[str, DetectionRecorded] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    last_ack: float = 0.0

    async def on_ack(self, message: Msg) -> None:
        """`$JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>...`, also with an account's domain before it."""
        parts = message.subject.split(".")
        at = parts.index(DURABLE)
        deliveries, sequence = int(parts[at + 1]), int(parts[at + 2])
        if message.data in (b"", b"+ACK"):
            self.acked[sequence] += 1
            self.last_ack = time.perf_counter()
        elif message.data.startswith(b"+TERM"):
            self.refused.append(sequence)
        self.given[sequence] = max(self.given[sequence], deliveries)
        self.changed.set()

    async def on_detection(self, message: Msg) -> None:
        event = DetectionRecorded.model_validate_json(message.data)
        known = self.passages.get(event.detection_id)
        if known is None or event.final or not known.final:
            self.passages[event.detection_id] = event
        self.changed.set()


@dataclass(frozen=True)
class Round:
    """One round of all frames through the platform. CPU in seconds by kind of process and thread, while frames are
    read; `settling_s` of all afterwards, until the passages are final and it is quiet.
    """

    wall_s: float
    cpu_s: dict[str, float]
    settling_s: float
    frames: int
    acknowledged_once: int
    redelivered: int
    passages: int
    final: int
    plates: tuple[str, ...]
    steps_s: dict[str, float]
    read: int
    dropped: int
    failed: int
    stored: int


class Platform:
    """A running stack of the bench's own with an ear on its bus."""

    def __init__(self, stack: Stack, bus: Bus, ear: Ear, token: str) -> None:
        self._stack, self._bus, self._ear, self._token = stack, bus, ear, token

    async def round(self, films: Sequence[Film], number: int) -> Round:
        """Publish every frame once, wait until all are recorded and their passages are final.

        Raises Unavailable when the platform does not finish, GTVisionError when a frame is refused.
        """
        cameras = [f"bench-{number}-{film.name}" for film in films]
        self._ear.passages.clear()
        before, cpu = await self._metrics(), self._cpu()
        sequences, seconds = await self._publish(films, number)
        cpu_after = self._cpu()
        await self._quiet()
        # What follows is our asking, not the platform's work.
        settled = sum(self._cpu().values()) - sum(cpu_after.values())
        after, stored = await self._metrics(), await self._stored(cameras)
        ours = [event for event in self._ear.passages.values() if event.camera_id in cameras]
        grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
        return Round(
            wall_s=seconds, cpu_s={name: cpu_after[name] - cpu.get(name, 0.0) for name in cpu_after},
            settling_s=settled, frames=len(sequences),
            acknowledged_once=sum(self._ear.acked[sequence] == 1 for sequence in sequences),
            redelivered=sum(self._ear.given[sequence] > 1 for sequence in sequences), passages=len(ours),
            final=sum(event.final for event in ours), plates=tuple(sorted(e.plate for e in ours if e.plate)),
            steps_s={name[1]: value for name, value in grown.items() if name[0] == "gtv_reader_step_seconds_total"},
            read=int(_total(grown, "gtv_reader_frames_read_total")),
            dropped=int(_total(grown, "gtv_reader_frames_dropped_total")),
            failed=int(_total(grown, "gtv_reader_frames_failed_total")), stored=stored,
        )  # fmt: skip

    async def server_alone(self, contents: Sequence[bytes]) -> float | None:
        """Seconds that the Triton server takes for the pictures when nothing but them is asked of it, as many at once
        as the reader gives it; None for a platform without one.
        """
        from functions.shared.config import ReaderSettings
        from functions.shared.inference import open_inference

        url = self._stack.environ.get("GTV_TRITON_URL")
        if not url:
            return None
        given = self._stack.environ.get("GTV_INFERENCE_IN_FLIGHT")
        settings = ReaderSettings(triton_url=url, inference_in_flight=int(given or 0))
        engine = open_inference(url, Path(), max_in_flight=settings.frames_in_hand, timeout_s=FRAME_S)
        began = time.perf_counter()
        try:
            await asyncio.gather(*(engine.read(content) for content in contents))
            return time.perf_counter() - began
        finally:
            await engine.close()

    async def _publish(self, films: Sequence[Film], number: int) -> tuple[list[int], float]:
        """Stream sequences, and the seconds from the first frame's publishing to the last acknowledgement."""
        start = now() - timedelta(seconds=PERIOD_S * max(len(film.frames) for film in films))
        open_frames: dict[int, str] = {}
        sequences: list[int] = []
        began = time.perf_counter()
        for film, index in in_turn(films):
            camera = f"bench-{number}-{film.name}"
            await self._room(open_frames, camera)
            meta = _meta(camera, film.frames[index], start + timedelta(seconds=PERIOD_S * index), index)
            sequence = await self._send(meta, film.frames[index])
            open_frames[sequence] = camera
            sequences.append(sequence)
        while self._left(open_frames):
            await self._wait()
        return sequences, self._ear.last_ack - began

    async def _send(self, meta: FrameMeta, frame: Frame) -> int:
        answer = await self._bus.js.publish(meta.subject, frame.content, headers=frame_headers(meta), timeout=5.0)
        if answer.duplicate:
            raise GTVisionError(f"frame {meta.id} was published before")
        return int(answer.seq)

    async def _room(self, open_frames: dict[int, str], camera: str) -> None:
        while True:
            left = self._left(open_frames)
            if len(left) < AT_ONCE and sum(other == camera for other in left.values()) < OF_A_CAMERA:
                return
            await self._wait()

    def _left(self, open_frames: dict[int, str]) -> dict[int, str]:
        for sequence in [sequence for sequence in open_frames if self._ear.acked[sequence]]:
            del open_frames[sequence]
        if self._ear.refused:
            said = self._stack.children["functions"].log.reason()[0]
            raise GTVisionError(f"the reader gave {len(self._ear.refused)} frames up: {said or 'it did not say why'}")
        return open_frames

    async def _wait(self) -> None:
        self._ear.changed.clear()
        try:
            await asyncio.wait_for(self._ear.changed.wait(), FRAME_S)
        except TimeoutError:
            raise Unavailable(f"no frame was recorded for {FRAME_S:g} s") from None

    async def _quiet(self) -> None:
        """Until all passages that were heard of are final, and none was heard of for QUIET_S. Raises Unavailable.

        The bus is listened to and nobody is asked: asking costs CPU that would be taken for the platform's.
        """
        until = time.monotonic() + SETTLE_S
        while time.monotonic() < until:
            self._ear.changed.clear()
            try:
                await asyncio.wait_for(self._ear.changed.wait(), QUIET_S)
            except TimeoutError:
                if all(event.final for event in self._ear.passages.values()):
                    return
        raise Unavailable(f"the passages were not final after {SETTLE_S:g} s")

    async def _stored(self, cameras: Sequence[str]) -> int:
        return sum([len(await self._detections(camera)) for camera in cameras])

    async def _detections(self, camera: str) -> list[dict[str, Any]]:
        """What the API says that the database holds."""
        answer = await self._get("/api/detections", camera_id=camera, limit="200")
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def _metrics(self) -> dict[tuple[str, str], float]:
        text = (await self._get("/metrics")).text
        return {
            (found["name"], " ".join(value for _, value in _LABEL.findall(found["labels"] or ""))): float(
                found["value"]
            )
            for found in _SAMPLE.finditer(text)
        }

    async def _get(self, path: str, **params: str) -> Any:
        import httpx

        from cli.client import error_of

        headers = {"Authorization": f"Bearer {self._token}"}
        async with httpx.AsyncClient(base_url=self._stack.url, timeout=30.0, trust_env=False) as client:
            answer = await client.get(path, params=params, headers=headers)
        if answer.is_error:
            raise error_of(answer)
        return answer

    def _cpu(self) -> dict[str, float]:
        """CPU seconds so far: the functions' event loop and their other threads apart, every other process whole."""
        spent = {"publisher": time.process_time()}
        for name, pid in self._stack.pids().items():
            if name == "functions":
                loop, others = threads_of(pid)
                spent["functions: event loop"], spent["functions: other threads"] = loop, others
            else:
                spent[name] = _family(pid)
        return spent


def _total(grown: Mapping[tuple[str, str], float], name: str) -> float:
    return sum(value for key, value in grown.items() if key[0] == name)


def _meta(camera: str, frame: Frame, at: Any, sequence: int) -> FrameMeta:
    return FrameMeta(
        id=frame_id(camera, at), camera_id=camera, captured_at=at, sequence=sequence, width=frame.width,
        height=frame.height,
    )  # fmt: skip


def threads_of(pid: int) -> tuple[float, float]:
    """CPU seconds of a process's first thread, which runs its event loop, and of all its others, ended ones too."""
    import psutil

    process = psutil.Process(pid)
    times = process.cpu_times()
    first = next((t.user_time + t.system_time for t in process.threads() if t.id == pid), 0.0)
    return first, max(0.0, times.user + times.system - first)


def _family(pid: int) -> float:
    import psutil

    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
    return total


@contextlib.asynccontextmanager
async def running(folder: Path, repository: Path, triton: bool, database_url: str) -> AsyncIterator[Platform]:
    """A stack without capture, in a folder of its own, on free ports of the loopback; ended with the block."""
    import secrets

    from cli.bench.cameras import _environ
    from cli.stack.options import StackOptions
    from cli.stack.stack import Stack
    from functions.shared.bus import connect
    from functions.shared.config import Settings

    password = secrets.token_urlsafe(18)
    environ = {
        **_environ(os.environ, password), "GTV_MODEL_REPOSITORY": str(repository.resolve()),
        "GTV_FRAME_MAX_AGE_S": "3600", "GTV_INFERENCE_TIMEOUT_S": "60",
    }  # fmt: skip
    environ.pop("GTV_TRITON_URL", None)
    if database_url:
        environ["GTV_DATABASE_URL"] = database_url
    async with Stack(StackOptions(folder, 0, 0, triton=triton, environ=environ)) as stack:
        token = stack.environ.get("GTV_NATS_TOKEN")
        settings = Settings(
            nats_url=stack.nats_url, nats_token=SecretStr(token) if token else None, data_dir=stack.data_dir
        )
        bus = await connect(settings, "bench")
        try:
            ear = Ear()
            await bus.client.subscribe(f"$JS.ACK.{STREAM}.{DURABLE}.>", cb=ear.on_ack)
            await bus.client.subscribe("gtv.v1.detections.*", cb=ear.on_detection)
            await bus.client.flush()
            yield Platform(stack, bus, ear, await _login(stack.url, password))
        finally:
            await bus.close()


async def _login(url: str, password: str) -> str:
    import httpx

    from cli.client import error_of

    async with httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False) as client:
        answer = await client.post("/api/auth/login", json={"username": "admin", "password": password})
    if answer.is_error:
        raise error_of(answer)
    return str(answer.json()["access_token"])
