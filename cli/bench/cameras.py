"""`gtvision bench cameras`: how many cameras this machine holds, what that costs, how soon a vehicle is stored.

A private stack (bus, capture, functions with the real models) runs on free ports in a temporary folder, fed by real
RTSP cameras of 1080p25 on the loopback. Those cost CPU too; they are shown apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import re
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel, ConfigDict, SecretStr
from rich.console import Console

from functions.shared import logs

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from cli.demo.farm import CameraFarm, FarmClips
    from cli.stack.stack import Stack
    from functions.shared.bus import Bus

# Settings that a measurement may be run with; any other one of ours would reach somebody's real data.
_PASSED = re.compile(
    r"GTV_(TRITON_URL|MODEL_REPOSITORY|INFERENCE_\w+|CAMERAS_PER_PROCESS|JPEG_QUALITY|FRAME_MAX_SIDE)$"
)
_COUNTER = re.compile(r"^gtv_capture_frames_(published|dropped)_total\{(?P<labels>[^}]*)\} (?P<value>\S+)$", re.M)
ONLINE_S = 120.0
SETTLE_S = 10.0


class Report(BaseModel):
    """What was measured. CPU in percent of one core over the measured time, memory in MB at its end, times in s.

    `latency` is from the capture of the frame that made or changed a detection to its event, which follows the commit.
    `analysed` counts frames given to the reader; what capture published beyond that was overtaken by newer frames.
    """

    model_config = ConfigDict(frozen=True)

    cameras: int
    moving: int
    online: int
    seconds: float
    cores: int
    load_before: float
    cpu_percent: dict[str, float]
    cpu_percent_total: float
    capture_cpu_per_camera: float
    memory_mb: dict[str, float]
    sampled: int
    published: int
    published_per_second: float
    dropped: dict[str, int]
    analysed: int
    analysed_per_second: float
    detections: int
    latency_p50_s: float | None
    latency_p95_s: float | None


@dataclass(frozen=True)
class Plan:
    """What to measure. `clips` stands in for the rendered street."""

    cameras: int
    seconds: float
    moving_every: int
    pods: int
    clip_folder: Path
    clips: FarmClips | None = None


@dataclass
class Ear:
    """Hears detections: seconds from capture to their event, while `open`."""

    open: bool = False
    latencies: list[float] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def hear(self, body: bytes, arrived: float) -> None:
        from functions.shared.contracts import DetectionRecorded

        event = DetectionRecorded.model_validate_json(body)
        # A final event comes when a passage has been over for a while: it says nothing of speed.
        if self.open and not event.final:
            self.seen.add(event.detection_id)
            self.latencies.append(arrived - event.ended_at.timestamp())


@dataclass(frozen=True)
class Snapshot:
    """Totals at one moment: CPU seconds by process kind, frames."""

    at: float
    cpu: dict[str, float]
    memory: dict[str, float]
    published: int
    dropped: Counter[str]
    delivered: int


def cameras(
    cameras: Annotated[int, typer.Option(min=1, max=200, help="Loopback cameras of 1080p25.")] = 4,
    seconds: Annotated[float, typer.Option(min=5, help="How long to measure, s.")] = 30.0,
    moving_every: Annotated[int, typer.Option(min=0, help="One camera in so many has traffic (0: none has).")] = 4,
    capture_pods: Annotated[int, typer.Option(min=1, max=8, help="Capture pods.")] = 1,
    clips: Annotated[Path, typer.Option(help="Folder that keeps the rendered clips.")] = Path("data/bench"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Hold N cameras for a while: CPU and memory by process, frames, drops, seconds from capture to detection."""
    plan = Plan(cameras, seconds, moving_every, capture_pods, clips)
    logs.configure("ERROR", "console")
    with Console(stderr=True).status("rendering the street (the first time a minute), then measuring"):
        report = asyncio.run(measure(plan))
    if as_json:
        print(report.model_dump_json())
    else:
        _print(report)


async def measure(plan: Plan) -> Report:
    """Run the stack and the cameras, and measure. Raises GTVisionError when a part cannot start."""
    from cli.demo.farm import CameraFarm
    from cli.stack.options import StackOptions
    from cli.stack.stack import Stack

    load_before = os.getloadavg()[0]
    farm = CameraFarm(plan.clip_folder, plan.cameras, plan.moving_every, clips=plan.clips)
    with tempfile.TemporaryDirectory(prefix="gtvision-bench-") as folder:
        await asyncio.to_thread(farm.start)
        try:
            password = secrets.token_urlsafe(18)
            options = StackOptions(Path(folder), 0, plan.pods, environ=_environ(os.environ, password))
            async with Stack(options) as stack, _listening(stack) as ear:
                await _register(stack.url, password, farm.urls)
                online = await _wait_online(stack, plan.cameras)
                before = await _snapshot(stack, farm)
                ear.open = True
                await asyncio.sleep(plan.seconds)
                ear.open = False
                after = await _snapshot(stack, farm)
        finally:
            await asyncio.to_thread(farm.stop)
    moving = sum(farm.moving(number) for number in range(plan.cameras))
    return _report(plan, (before, after), ear, {"moving": moving, "online": online, "load_before": load_before})


def _environ(environ: Mapping[str, str], password: str) -> dict[str, str]:
    from cli.stack.options import with_own_cameras

    kept = {name: value for name, value in environ.items() if not name.startswith("GTV_") or _PASSED.match(name)}
    return {**with_own_cameras(kept), "GTV_ADMIN_PASSWORD": password, "GTV_LOG_LEVEL": "WARNING"}


@contextlib.asynccontextmanager
async def _bus(stack: Stack) -> AsyncIterator[Bus]:
    from functions.shared.bus import connect
    from functions.shared.config import Settings

    token = stack.environ.get("GTV_NATS_TOKEN")
    settings = Settings(
        nats_url=stack.nats_url, nats_token=SecretStr(token) if token else None, data_dir=stack.data_dir
    )
    bus = await connect(settings, "bench")
    try:
        yield bus
    finally:
        await bus.close()


@contextlib.asynccontextmanager
async def _listening(stack: Stack) -> AsyncIterator[Ear]:
    ear = Ear()

    async def hear(message: Msg) -> None:
        ear.hear(message.data, time.time())

    async with _bus(stack) as bus:
        await bus.client.subscribe("gtv.v1.detections.*", cb=hear)
        yield ear


async def _register(url: str, password: str, urls: Mapping[str, str]) -> None:
    import httpx

    from cli.client import error_of

    async with httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False) as client:
        answer = await client.post("/api/auth/login", json={"username": "admin", "password": password})
        if answer.is_error:
            raise error_of(answer)
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        for name, rtsp_url in urls.items():
            answer = await client.post("/api/cameras", json={"id": name, "name": name, "rtsp_url": rtsp_url})
            if answer.is_error:
                raise error_of(answer)


async def _wait_online(stack: Stack, wanted: int) -> int:
    """Wait until every camera is online, or ONLINE_S; then let the start's burst pass. Returns how many are."""
    until, online = time.monotonic() + ONLINE_S, 0
    while time.monotonic() < until and online < wanted:
        await asyncio.sleep(1.0)
        pages = await _pages(stack)
        online = sum(len(re.findall(r"^gtv_capture_camera_up\{[^}]*\} 1\.0$", page, re.M)) for page in pages)
    await asyncio.sleep(SETTLE_S)
    return online


async def _pages(stack: Stack) -> list[str]:
    """The metrics of every capture pod."""
    import httpx

    ports = [child.part.env["GTV_METRICS_PORT"] for name, child in stack.children.items() if name.startswith("capture")]
    async with httpx.AsyncClient(timeout=10.0, trust_env=False) as client:
        return [(await client.get(f"http://127.0.0.1:{port}/metrics")).text for port in ports]


async def _snapshot(stack: Stack, farm: CameraFarm) -> Snapshot:
    published, dropped = 0, Counter[str]()
    for page in await _pages(stack):
        for found in _COUNTER.finditer(page):
            if found[1] == "published":
                published += int(float(found["value"]))
            else:
                reason = re.search(r'reason="([^"]*)"', found["labels"])
                dropped[reason[1] if reason else ""] += int(float(found["value"]))
    delivered = await _delivered(stack)
    cpu, memory = await asyncio.to_thread(_processes, stack, farm)
    return Snapshot(time.monotonic(), cpu, memory, published, +dropped, delivered)


async def _delivered(stack: Stack) -> int:
    """How many frames the reader was given, as NATS counts them."""
    async with _bus(stack) as bus:
        info = await bus.js.consumer_info("FRAMES", "post-processing")
    return int(info.delivered.consumer_seq)


def _processes(stack: Stack, farm: CameraFarm) -> tuple[dict[str, float], dict[str, float]]:
    """CPU seconds so far and memory in MB, by kind of process."""
    cpu: dict[str, float] = {}
    memory: dict[str, float] = {}
    for kind, pid in _kinds(stack, farm):
        for name, seconds, megabytes in _family(kind, pid):
            cpu[name] = cpu.get(name, 0.0) + seconds
            memory[name] = memory.get(name, 0.0) + megabytes
    return cpu, memory


def _kinds(stack: Stack, farm: CameraFarm) -> Iterator[tuple[str, int]]:
    for name, pid in stack.pids().items():
        yield ("capture" if name.startswith("capture") else name), pid
    for pid in farm.pids:
        yield "test cameras", pid


def _family(kind: str, pid: int) -> Iterator[tuple[str, float, float]]:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                name = kind if process is parent else f"{kind} workers"
                yield name, times.user + times.system, process.memory_info().rss / 1e6


def _report(plan: Plan, span: tuple[Snapshot, Snapshot], ear: Ear, facts: Mapping[str, float]) -> Report:
    before, after = span
    seconds = after.at - before.at
    percent = {kind: round((after.cpu[kind] - before.cpu.get(kind, 0.0)) / seconds * 100, 1) for kind in after.cpu}
    published, delivered = after.published - before.published, after.delivered - before.delivered
    dropped = {reason: count for reason, count in sorted((after.dropped - before.dropped).items())}
    capture = sum(value for kind, value in percent.items() if kind.startswith("capture"))
    return Report(
        cameras=plan.cameras, moving=int(facts["moving"]), online=int(facts["online"]), seconds=round(seconds, 1),
        cores=os.cpu_count() or 1, load_before=round(facts["load_before"], 2), cpu_percent=percent,
        cpu_percent_total=round(sum(value for kind, value in percent.items() if kind != "test cameras"), 1),
        capture_cpu_per_camera=round(capture / plan.cameras, 2),
        memory_mb={kind: round(value, 1) for kind, value in after.memory.items()},
        sampled=published + sum(dropped.values()), published=published,
        published_per_second=round(published / seconds, 2), dropped=dropped, analysed=delivered,
        analysed_per_second=round(delivered / seconds, 2), detections=len(ear.seen),
        latency_p50_s=_quantile(ear.latencies, 0.50), latency_p95_s=_quantile(ear.latencies, 0.95),
    )  # fmt: skip


def _quantile(values: list[float], share: float) -> float | None:
    """Nearest rank; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3)


def _print(report: Report) -> None:
    from rich.table import Table

    console = Console()
    head = f"{report.cameras} cameras of 1080p25 ({report.moving} with traffic), {report.online} online"
    table = Table(
        "process", "CPU, % of a core", "memory, MB", title=f"{head}, {report.seconds:g} s, {report.cores} cores"
    )
    for kind, percent in report.cpu_percent.items():
        table.add_row(kind, f"{percent:.1f}", f"{report.memory_mb[kind]:.0f}")
    table.add_row("all but the test cameras", f"{report.cpu_percent_total:.1f}", "", style="bold")
    console.print(table)
    facts = Table("figure", "value", show_header=False)
    facts.add_row("capture, % of a core for each camera", f"{report.capture_cpu_per_camera:.2f}")
    facts.add_row("frames sampled", str(report.sampled))
    facts.add_row("frames published", f"{report.published} ({report.published_per_second}/s)")
    facts.add_row("frames dropped", json.dumps(report.dropped))
    facts.add_row("frames analysed", f"{report.analysed} ({report.analysed_per_second}/s)")
    facts.add_row("detections", str(report.detections))
    latency = "-" if report.latency_p50_s is None else f"p50 {report.latency_p50_s} s, p95 {report.latency_p95_s} s"
    facts.add_row("capture to stored detection", latency)
    facts.add_row("load of the machine before", str(report.load_before))
    console.print(facts)
