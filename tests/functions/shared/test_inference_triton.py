"""The real tritonserver: the same answers as the embedded engine, and what a client is told when it fails."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from cli.triton import TritonServer
from cli.triton_server import SHARED_MEMORY, free_port, require_free, supported
from functions.shared.errors import BrokenImage, InferenceUnavailable, Misconfigured, Unavailable
from functions.shared.inference import (
    Ask,
    Box,
    Effort,
    FrameReading,
    Inference,
    PlateReading,
    VehicleSighting,
    open_inference,
)
from tests.support.models import ensure_models, labelled_folder, labelled_pictures, photograph
from tests.support.require import missing

pytestmark = [pytest.mark.triton, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def repository() -> Path:
    return ensure_models()


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    try:
        supported()
        # Unguarded: a guard's own pictures would be counted with those of the tests.
        running = TritonServer(repository, log=tmp_path_factory.mktemp("triton") / "triton.log", guarded=False)
        running.start()
    except (Misconfigured, Unavailable) as error:
        if "needs Linux" in error.message or "could not be" in error.message:
            missing(error.message)
        raise
    yield running
    running.stop()
    assert not list(SHARED_MEMORY.glob(f"gtv_triton_{os.getpid()}_{running.grpc_port}_*"))


@pytest.fixture
async def triton(server: TritonServer, repository: Path) -> AsyncIterator[Inference]:
    engine = open_inference(server.url, repository, max_in_flight=16, timeout_s=60)
    yield engine
    await engine.close()


@pytest.fixture
async def embedded(repository: Path) -> AsyncIterator[Inference]:
    engine = open_inference(None, repository, max_in_flight=16, timeout_s=60)
    yield engine
    await engine.close()


def assert_same_box(one: Box, other: Box) -> None:
    for side in ("x1", "y1", "x2", "y2"):
        assert getattr(one, side) == pytest.approx(getattr(other, side), abs=1), (one, other)


def assert_same(one: FrameReading, other: FrameReading) -> None:
    """The same vehicles and plates, boxes within a pixel, the same text."""
    assert (one.width, one.height, len(one.observations)) == (other.width, other.height, len(other.observations))
    for mine, theirs in zip(one.observations, other.observations, strict=True):
        for a, b in ((mine.vehicle, theirs.vehicle), (mine.plate, theirs.plate)):
            assert (a is None) == (b is None)
            if isinstance(a, VehicleSighting) and isinstance(b, VehicleSighting):
                assert (a.type, a.color) == (b.type, b.color)
                assert_same_box(a.box, b.box)
            if isinstance(a, PlateReading) and isinstance(b, PlateReading):
                assert (a.text, a.format, a.rows, set(a.lattice)) == (b.text, b.format, b.rows, set(b.lattice))
                assert a.confidence == pytest.approx(b.confidence, abs=0.02)
                assert_same_box(a.box, b.box)


async def test_the_same_answers_as_the_embedded_engine(triton: Inference, embedded: Inference) -> None:
    reading = await triton.read(photograph())
    assert {o.plate.text for o in reading.observations if o.plate} == {"NO23456", "MLB803"}
    assert_same(reading, await embedded.read(photograph()))


async def test_the_same_answers_on_brazilian_plates(triton: Inference, embedded: Inference) -> None:
    pictures = labelled_pictures(8)
    assert labelled_folder().is_dir()
    together = await asyncio.gather(*(triton.read(data) for data, _ in pictures))
    for (data, expected), reading in zip(pictures, together, strict=True):
        assert expected in {o.plate.text for o in reading.observations if o.plate}
        assert_same(reading, await embedded.read(data))


async def test_what_a_camera_asks_for_reaches_the_server(triton: Inference, embedded: Inference) -> None:
    """Frames of one batch may ask for different things."""
    asks = [Ask(formats=("ar_old",)), Ask(min_plate_height=300), Ask(formats=("any",), min_plate_height=5), None]
    seen = []
    for engine in (triton, embedded):
        readings = await asyncio.gather(*(engine.read(photograph(), ask) for ask in asks))
        seen.append([{(o.plate.text, o.plate.format) for o in r.observations if o.plate} for r in readings])
        assert all(len({o.vehicle.box for o in r.observations if o.vehicle}) >= 2 for r in readings)
    plain = {("NO23456", None), ("MLB803", None)}
    assert seen[0] == seen[1] == [{("NO23456", None), ("MLB803", "ar_old")}, set(), plain, plain]


def test_a_request_that_asks_for_nonsense_is_refused_alone(server: TritonServer) -> None:
    frame = InferInput("jpeg", [1, 1], "BYTES")
    frame.set_data_from_numpy(np.array([[photograph()]], dtype=np.object_))
    with InferenceServerClient(server.url.removeprefix("grpc://")) as client:
        for parameters in ({"formats": '["xx_new"]'}, {"formats": "no JSON"}, {"min_plate_height": '"high"'}):
            with pytest.raises(InferenceServerException, match="parameters: "):
                client.infer("alpr", [frame], parameters=parameters)
        assert client.infer("alpr", [frame]).as_numpy("observations") is not None


async def test_a_broken_picture_fails_alone(triton: Inference) -> None:
    good = photograph()
    frames = [good, b"no picture", good[: len(good) // 2], good]
    results = await asyncio.gather(*(triton.read(frame) for frame in frames), return_exceptions=True)
    assert [type(result) for result in results] == [FrameReading, BrokenImage, BrokenImage, FrameReading]
    assert "end marker" in str(results[2])


def counted(server: TritonServer, metric: str, model: str) -> float:
    address = f"http://127.0.0.1:{server.metrics_port}/metrics"
    with urllib.request.urlopen(address, timeout=5) as answer:
        text = answer.read().decode()
    return sum(float(n) for n in re.findall(rf'^{metric}{{[^}}]*model="{model}"[^}}]*}} (\S+)$', text, re.MULTILINE))


async def settled(server: TritonServer, model: str) -> tuple[float, float]:
    """(requests, executions) of a model, once they stay the same: a request is counted a little after its answer."""
    seen = (-1.0, -1.0)
    for _ in range(50):
        now = counted(server, "nv_inference_count", model), counted(server, "nv_inference_exec_count", model)
        if now == seen:
            break
        seen = now
        await asyncio.sleep(0.5)
    return seen


async def test_frames_of_many_cameras_share_batches(server: TritonServer, triton: Inference) -> None:
    before = {model: await settled(server, model) for model in ("alpr", "vehicle_detector")}
    await asyncio.gather(*(triton.read(photograph()) for _ in range(12)))
    for model, (requests, executions) in before.items():
        requests_after, executions_after = await settled(server, model)
        assert requests_after - requests == 12
        assert executions_after - executions < 12


async def test_what_a_caller_asks_for_reaches_the_model(server: TritonServer, repository: Path) -> None:
    engine = open_inference(server.url, repository, timeout_s=60, effort=Effort(views=1, fallback=False))
    before, _ = await settled(server, "plate_ocr")
    await engine.read(photograph())
    await engine.close()
    after, _ = await settled(server, "plate_ocr")
    assert after - before == 2  # two plates, one view each


async def test_a_frame_past_its_time_is_unavailable(server: TritonServer, repository: Path) -> None:
    engine = open_inference(server.url, repository, max_in_flight=8, timeout_s=0.01)
    results = await asyncio.gather(*(engine.read(photograph()) for _ in range(8)), return_exceptions=True)
    assert {type(result) for result in results} == {InferenceUnavailable}
    await engine.close()


async def test_no_server_is_unavailable(repository: Path) -> None:
    engine = open_inference(f"grpc://127.0.0.1:{free_port()}", repository, timeout_s=5)
    with pytest.raises(InferenceUnavailable, match=r"127\.0\.0\.1"):
        await engine.check()
    await engine.close()


def stubs_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in children for child in path.read_text().split()]


async def test_a_dead_model_process_shows_in_check_alone(repository: Path, tmp_path: Path) -> None:
    """Triton goes on saying that it is ready; only a real picture tells."""
    with TritonServer(repository, log=tmp_path / "triton.log", guarded=False) as server:
        engine = open_inference(server.url, repository, timeout_s=20)
        await engine.check()
        assert server.pid is not None
        stubs = stubs_of(server.pid)
        assert len(stubs) >= 5
        for stub in stubs:
            os.kill(stub, signal.SIGKILL)
        with pytest.raises(InferenceUnavailable):
            await engine.check()
        assert server.ready()
        await engine.close()
    assert server.pid is None


def test_a_server_that_cannot_start_says_why(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="lacks alpr"):
        TritonServer(tmp_path).start()
    broken = tmp_path / "broken"
    shutil.copytree(repository, broken)
    (broken / "plate_ocr" / "1" / "model.onnx").write_bytes(b"no model")
    with pytest.raises(Misconfigured, match=r"tritonserver ended at start: .*plate_ocr"):
        TritonServer(broken).start()


def test_nobody_can_hand_it_a_model(server: TritonServer, tmp_path: Path) -> None:
    """The port asks nobody who they are, and a python model is code that runs as the owner of the server."""
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w').close()\nclass TritonPythonModel:\n    def execute(self, requests): return []\n"
    tensor = {"data_type": "TYPE_UINT8", "dims": [1]}
    config = {"backend": "python", "input": [{"name": "a", **tensor}], "output": [{"name": "b", **tensor}]}
    with InferenceServerClient(server.url.removeprefix("grpc://")) as client:
        with pytest.raises(InferenceServerException, match="not allowed"):
            client.load_model("evil", config=json.dumps(config), files={"file:1/model.py": code.encode()})
        with pytest.raises(InferenceServerException, match="not allowed"):
            client.unload_model("alpr")
        assert client.is_model_ready("alpr")
    assert not mark.exists()


def test_a_port_in_use_is_named(server: TritonServer) -> None:
    with pytest.raises(Misconfigured, match=f"port {server.grpc_port} is in use"):
        require_free(server.grpc_port, "--grpc-port")


def run_command(log: Path, *options: str) -> subprocess.Popen[bytes]:
    """`gtvision triton` as a process of its own."""
    code = "from cli.triton import app; app()"
    with log.open("wb") as output:
        return subprocess.Popen([sys.executable, "-c", code, *options], stdout=output, stderr=output)


async def test_the_command_becomes_the_server(repository: Path, tmp_path: Path) -> None:
    grpc_port, metrics_port = free_port(), free_port()
    process = run_command(tmp_path / "triton.log", "--grpc-port", str(grpc_port), "--metrics-port", str(metrics_port))
    engine = open_inference(f"grpc://127.0.0.1:{grpc_port}", repository, timeout_s=20)
    try:
        for _ in range(240):
            assert process.poll() is None, (tmp_path / "triton.log").read_text()
            try:
                await engine.check()
                break
            except InferenceUnavailable:
                await asyncio.sleep(0.5)
        assert {o.plate.text for o in (await engine.read(photograph())).observations if o.plate} == {
            "NO23456",
            "MLB803",
        }
        assert Path(f"/proc/{process.pid}/exe").resolve().name == "tritonserver"
    finally:
        await engine.close()
        process.send_signal(signal.SIGINT)
        process.wait(40)
    assert not list(SHARED_MEMORY.glob(f"gtv_triton_{process.pid}_*"))
