"""Frames of several cameras share batches at every step, and none fails because of its neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from cli.triton import TritonServer
from functions.shared.errors import BrokenImage, InferenceUnavailable
from functions.shared.inference import FrameReading, Inference, open_inference
from tests.support.models import ensure_models
from tests.support.triton import assert_same_reading, frames_of_cameras, serving, work_of

pytestmark = [pytest.mark.triton, pytest.mark.timeout(600)]
CAMERAS, FRAMES_OF_EACH = 8, 4
INSTANCES, LARGEST_BATCH = 4, 8
"""Of `alpr` on a CPU."""
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


async def test_frames_whose_callers_have_gone_are_not_read(server: TritonServer) -> None:
    """Far more than can be read in their time: but for those in hand when it ends, nothing computes for them."""
    frames = frames_of_cameras(CAMERAS) * 12
    hasty = open_inference(server.url, ensure_models(), max_in_flight=len(frames), timeout_s=0.5)
    before = work_of(server)["vehicle_detector"]
    results = await asyncio.gather(*(hasty.read(frame) for frame in frames), return_exceptions=True)
    late = [result for result in results if isinstance(result, InferenceUnavailable)]
    assert {error.details["kind"] for error in late} == {"timeout"}
    answered = len([result for result in results if isinstance(result, FrameReading)])
    assert answered + len(late) == len(frames)
    in_hand = INSTANCES * LARGEST_BATCH
    assert answered + in_hand < len(frames)
    assert work_of(server)["vehicle_detector"].since(before).pictures <= answered + in_hand
    await hasty.close()


@pytest.mark.parametrize("name", ["config.pbtxt", "configs/gpu.pbtxt"])
def test_every_step_batches_and_no_queue_has_a_policy(name: str) -> None:
    """With one Triton (2.51, and later ones) hands out no batch ahead, and stalls for half a second at a time."""
    configs = sorted(ensure_models().glob(f"*/{name}"))
    assert len(configs) == 6
    for config in configs:
        text = config.read_text()
        assert "dynamic_batching" in text, config
        assert "max_queue_delay_microseconds" in text, config
        assert "queue_policy" not in text, config
        assert "priority_levels" not in text, config
