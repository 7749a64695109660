"""A model process that dies on the real server: its frames fail, the guard heals it, and both can be seen."""

from __future__ import annotations

import asyncio
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from platformdirs import user_cache_path
from prometheus_client import REGISTRY, generate_latest

from cli.triton_server import SHARED_MEMORY, free_port
from functions.shared.bus import Bus
from functions.shared.errors import InferenceUnavailable
from functions.shared.inference import FrameReading, Inference, open_inference
from functions.shared.inference_health import InferenceReport, WatchedInference
from functions.shared.topology import READERS_KV
from functions.shared.triton_guard import Guard
from tests.functions.shared.test_inference_triton import run_command
from tests.support.models import ensure_models
from tests.support.triton import assert_same_reading, frames_of_cameras, kill_process_of, processes_of, serving

pytestmark = [pytest.mark.triton, pytest.mark.timeout(600)]


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def read_until_well(engine: Inference, frame: bytes, seconds: float) -> tuple[FrameReading, list[str]]:
    """The first answer, and the kinds of the failures before it."""
    kinds: list[str] = []
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await engine.read(frame), kinds
            except InferenceUnavailable as error:
                kinds.append(str(error.details["kind"]))
                await asyncio.sleep(0.2)


async def told_of_heals(guard: Guard, seconds: float = 60) -> str:
    """The guard's metrics once it has counted a heal and found every model well.

    It counts when its own picture is answered; a reader who asks a model that has just come back may be served before.
    """
    end = time.monotonic() + seconds
    while True:
        ready, told = guard.ready, generate_latest(guard.metrics.registry).decode()
        if (ready and "gtv_triton_heals_total{" in told) or time.monotonic() > end:
            return told
        await asyncio.sleep(0.1)


async def processes_without(server_pid: int, model: str, gone: set[int]) -> set[int]:
    """The model's processes, once none of `gone` is among them."""
    end = time.monotonic() + 90
    while True:
        now = set(processes_of(server_pid)[model])
        if not now & gone:
            return now
        assert time.monotonic() < end, f"{sorted(now & gone)} are still there"
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("victim", ["vehicle_detector", "plate_ocr", "alpr"])
async def test_a_dead_process_is_unloaded_and_loaded(victim: str, tmp_path: Path) -> None:
    (frame,) = frames_of_cameras(1)
    with serving(ensure_models(), tmp_path / "triton.log", guarded=True) as server:
        engine = open_inference(server.url, ensure_models(), max_in_flight=16, timeout_s=30)
        before = await engine.read(frame)
        assert server.pid is not None
        gone = set(processes_of(server.pid)[victim])
        assert len(gone) == (4 if victim == "alpr" else 1)
        kill_process_of(server.pid, victim)
        assert server.ready(), "the server itself never says so"
        # Frames go on until one meets the dead process, as in the field: one an instance at the least.
        met: list[object] = []
        while not any(isinstance(error, InferenceUnavailable) for error in met):
            several = 16 if victim == "alpr" else 1
            met += await asyncio.gather(*(engine.read(frame) for _ in range(several)), return_exceptions=True)
            assert len(met) <= 160
        assert server.guard is not None
        told = await told_of_heals(server.guard)
        after, kinds = await read_until_well(engine, frame, 180)
        assert_same_reading(after, before)
        # Triton may leave the siblings of the dead one behind; the new instances end them.
        new = await processes_without(server.pid, victim, gone)
        assert len(new) == len(gone)
        assert set(kinds) <= {"dead_process", "no_model", "error"}, kinds
        assert f'gtv_triton_heals_total{{model="{victim}",ok="true"}} 1.0' in told
        assert len(re.findall(r"^gtv_triton_heals_total{", told, re.MULTILINE)) == 1, told
        assert server.guard.ready
        await engine.close()


async def test_an_outage_is_counted_told_to_the_bus_and_its_frames_wait(bus: Bus, tmp_path: Path) -> None:
    """As a reader does it: the frame that comes while the models are down is read when they are back."""
    (frame,) = frames_of_cameras(1)
    outages, recoveries = (
        sample("gtv_inference_outages_total", engine="triton", kind="dead_process"),
        sample("gtv_inference_recoveries_total", engine="triton"),
    )
    with serving(ensure_models(), tmp_path / "triton.log", guarded=True) as server:
        engine = WatchedInference(open_inference(server.url, ensure_models(), timeout_s=30), "triton")
        stop = asyncio.Event()
        watch = asyncio.create_task(engine.watch(bus, stop))
        await engine.read(frame)
        assert sample("gtv_inference_up", engine="triton") == 1
        began = time.time()
        assert server.pid is not None
        kill_process_of(server.pid, "plate_detector")
        failed = await asyncio.gather(*(engine.read(frame) for _ in range(3)), return_exceptions=True)
        assert {type(error) for error in failed} == {InferenceUnavailable}
        report = await reported(bus, "down")
        assert (report.engine, report.reason) == ("triton", "dead_process")
        assert began <= report.since.timestamp() <= time.time()
        assert "plate_detector" in report.message
        reading, _ = await read_until_well(engine, frame, 180)
        assert reading.observations
        assert sample("gtv_inference_up", engine="triton") == 1
        assert sample("gtv_inference_outages_total", engine="triton", kind="dead_process") == outages + 1
        assert sample("gtv_inference_recoveries_total", engine="triton") == recoveries + 1
        assert (await reported(bus, "ok")).since > report.since
        stop.set()
        await watch
        assert not any((await bus.kv_all(READERS_KV)).values()), "it takes its leave"
        await engine.close()


async def reported(bus: Bus, state: str) -> InferenceReport:
    async with asyncio.timeout(60):
        while True:
            for raw in (await bus.kv_all(READERS_KV)).values():
                report = InferenceReport.model_validate_json(raw) if raw else None
                if report is not None and report.state == state:
                    return report
            await asyncio.sleep(0.2)


def page(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


async def appears(port: int, path: str, text: str) -> None:
    for _ in range(360):
        if text in await asyncio.to_thread(page, port, path):
            return
        await asyncio.sleep(0.5)
    raise AssertionError(f"{path} never said {text}: {page(port, path)}")


async def test_the_command_has_a_guard_beside_it(tmp_path: Path) -> None:
    ensure_models()
    ports = [free_port() for _ in range(3)]
    options = [
        text
        for name, port in zip(("--grpc-port", "--metrics-port", "--guard-port"), ports, strict=True)
        for text in (name, str(port))
    ]
    process = run_command(tmp_path / "triton.log", *options)
    view = user_cache_path("gtvision", appauthor=False) / "triton" / "served" / f"{process.pid}-{ports[0]}"
    try:
        await appears(ports[2], "/_/ready", "every model answers")
        assert view.is_dir()
        kill_process_of(process.pid, "plate_corners")
        await appears(ports[2], "/metrics", 'gtv_triton_heals_total{model="plate_corners",ok="true"} 1.0')
        await appears(ports[2], "/_/ready", "every model answers")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    for _ in range(100):
        if not view.exists():
            break
        await asyncio.sleep(0.2)
    assert not view.exists()
    assert not list(SHARED_MEMORY.glob(f"gtv_triton_{process.pid}_*"))
