"""Frames of several cameras share batches at every step, and none fails because of its neighbour."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from cli.triton import TritonServer
from functions.shared.errors import BrokenImage, InferenceUnavailable
from functions.shared.inference import FrameReading, Inference, open_inference
from tests.support.models import ensure_models
from tests.support.triton import assert_same_reading, frames_of_cameras, serving, work_of

pytestmark = [pytest.mark.triton, pytest.mark.timeout(600)]
CAMERAS, FRAMES_OF_EACH = 8, 4
READERS = {"plate_ocr", "plate_reader"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    with serving(ensure_models(), tmp_path_factory.mktemp("triton") / "triton.log") as running:
        yield running


@pytest.fixture
async def cameras(server: TritonServer) -> AsyncIterator[list[Inference]]:
    """A client for each camera, as several readers would have."""
    engines = [open_inference(server.url, ensure_models(), timeout_s=120) for _ in range(CAMERAS)]
    yield engines
    for engine in engines:
        await engine.close()


async def read_alone(engine: Inference, frames: Sequence[bytes]) -> list[FrameReading]:
    return [await engine.read(frame) for frame in frames]


async def test_eight_cameras_share_batches_at_every_step(server: TritonServer, cameras: list[Inference]) -> None:
    frames = frames_of_cameras(CAMERAS)
    assert len(set(frames)) == CAMERAS
    untouched = work_of(server)
    alone = await read_alone(cameras[0], frames)
    assert {plate.text for reading in alone for plate in (o.plate for o in reading.observations) if plate}
    before = work_of(server)

    async def camera(number: int) -> list[FrameReading]:
        return [await cameras[number].read(frames[number]) for _ in range(FRAMES_OF_EACH)]

    answers = await asyncio.gather(*(camera(number) for number in range(CAMERAS)))
    after = work_of(server)
    for expected, readings in zip(alone, answers, strict=True):
        for reading in readings:
            assert_same_reading(reading, expected)
    done = {model: work.since(before[model]) for model, work in after.items()}
    total = CAMERAS * FRAMES_OF_EACH
    for model in ("alpr", "vehicle_detector", "plate_detector"):
        assert done[model].pictures >= total, (model, done[model])
    for model in ("alpr", "vehicle_detector", "plate_detector", "plate_corners", *(READERS & set(done))):
        mean = done[model].pictures / done[model].executions
        assert mean > 2, f"{model}: {done[model]}"
        # One frame may ask a model for several pictures: that frames were joined shows against the same ones alone.
        one_by_one = before[model].since(untouched[model]).executions * FRAMES_OF_EACH
        assert done[model].executions * 2 < one_by_one, f"{model}: {done[model]}, {one_by_one} one by one"


@pytest.mark.parametrize("cut", [slice(0, 0), slice(0, 4000), slice(0, -20_000)], ids=["none", "header", "half"])
async def test_a_broken_picture_in_a_batch_fails_alone(
    server: TritonServer, cameras: list[Inference], cut: slice
) -> None:
    """Seven good frames and a broken one, until all eight were seen to share their batches of `alpr`."""
    frames = frames_of_cameras(CAMERAS)
    alone = await read_alone(cameras[0], frames)
    broken = frames[3][cut] if cut.stop else b"no picture at all"
    given = [*frames[:3], broken, *frames[4:]]
    merged = 0
    for _ in range(12):
        before = work_of(server)["alpr"]
        # What is read first keeps the model busy while the others gather behind it.
        first = asyncio.create_task(cameras[0].read(frames[0]))
        await asyncio.sleep(0.03)
        results = await asyncio.gather(
            *(camera.read(frame) for camera, frame in zip(cameras, given, strict=True)), return_exceptions=True
        )
        await first
        for number, (result, expected) in enumerate(zip(results, alone, strict=True)):
            if number == 3:
                assert isinstance(result, BrokenImage), result
            else:
                assert isinstance(result, FrameReading), result
                assert_same_reading(result, expected)
        sizes = work_of(server)["alpr"].since(before).by_size
        assert sum(size * count for size, count in sizes.items()) == CAMERAS + 1
        merged += sizes.get(1, 0) == 1  # the one that was read first
        if merged >= 2:
            break
    assert merged >= 2, "the broken frame was never seen in one batch with others"


async def test_more_frames_than_the_queue_holds_are_refused_and_the_rest_are_read(tmp_path: Path) -> None:
    """A refused frame is InferenceUnavailable, which the bus gives out again later; nothing waits without bound."""
    repository = tmp_path / "models"
    shutil.copytree(ensure_models(), repository, ignore=shutil.ignore_patterns("training", "__pycache__"))
    config = repository / "alpr" / "config.pbtxt"
    text = config.read_text()
    for old, new in (
        ("queue_size: 64", "queue_size: 2"),
        ("max_batch_size: 8", "max_batch_size: 1"),
        ("[ 4 ]", "[ 1 ]"),
    ):
        assert old in text
        text = text.replace(old, new)
    config.write_text(text)
    frames = frames_of_cameras(CAMERAS)
    with serving(repository, tmp_path / "triton.log") as server:
        engine = open_inference(server.url, repository, max_in_flight=24, timeout_s=120)
        results = await asyncio.gather(*(engine.read(frame) for frame in frames * 3), return_exceptions=True)
        refused = [result for result in results if isinstance(result, InferenceUnavailable)]
        assert refused
        assert {error.details["kind"] for error in refused} == {"busy"}
        assert (
            len([result for result in results if isinstance(result, FrameReading)]) == len(results) - len(refused) > 0
        )
        await engine.check()
        await engine.close()


def test_every_step_batches_and_bounds_its_queue() -> None:
    for config in sorted(ensure_models().glob("*/config.pbtxt")):
        text = config.read_text()
        for word in ("dynamic_batching", "max_queue_delay_microseconds", "timeout_action: REJECT", "max_queue_size"):
            assert word in text, (config, word)
        assert "default_timeout_microseconds" in text, config
