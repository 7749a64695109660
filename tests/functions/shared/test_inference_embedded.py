"""The embedded engine: the real models on real pictures, and what happens when something is wrong."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from functions.shared.errors import BrokenImage, InferenceUnavailable, Misconfigured
from functions.shared.inference import Box, Effort, FrameReading, Inference, open_inference, probe_picture
from functions.shared.inference_embedded import EmbeddedInference, _Job, shared_out
from tests.support.models import ensure_models, labelled_pictures, photograph


@pytest.fixture(scope="module")
def repository() -> Path:
    return ensure_models()


@pytest.fixture
async def engine(repository: Path) -> AsyncIterator[Inference]:
    engine = open_inference(None, repository, max_in_flight=16, timeout_s=60, threads=2)
    yield engine
    await engine.close()


async def test_a_photograph_is_read(engine: Inference) -> None:
    reading = await engine.read(photograph())
    assert (reading.width, reading.height) == (1200, 784)
    seen = {o.plate.text: o for o in reading.observations if o.plate}
    assert set(seen) == {"NO23456", "MLB803"}
    for text, expected in {
        "NO23456": Box(x1=20, y1=290, x2=580, y2=560),
        "MLB803": Box(x1=510, y1=278, x2=1170, y2=597),
    }.items():
        plate, vehicle = seen[text].plate, seen[text].vehicle
        assert plate is not None
        assert vehicle is not None
        assert vehicle.type == "car"
        assert vehicle.box.iou(expected) > 0.9
        assert plate.format is None  # neither is a Brazilian plate
        assert plate.candidates[0].text == text
        assert 0 < plate.confidence <= 1
        assert plate.box.width > plate.box.height
    assert {"decode", "detect", "corners", "read"} <= set(reading.timings_ms)
    assert FrameReading.model_validate_json(reading.model_dump_json()) == reading


async def test_brazilian_plates_are_read_with_one_view_or_six(repository: Path) -> None:
    pictures = labelled_pictures(4)
    for views in (1, 6):
        engine = open_inference(None, repository, timeout_s=60, effort=Effort(views=views))
        try:
            for data, expected in pictures:
                plates = [o.plate for o in (await engine.read(data)).observations if o.plate]
                assert (expected, "br_old") in [(plate.text, plate.format) for plate in plates]
        finally:
            await engine.close()


async def test_a_broken_picture_fails_alone(engine: Inference) -> None:
    good = photograph()
    frames = [good, b"no picture", good[: len(good) // 2], good]
    results = await asyncio.gather(*(engine.read(frame) for frame in frames), return_exceptions=True)
    assert [type(result) for result in results] == [FrameReading, BrokenImage, BrokenImage, FrameReading]
    assert "end marker" in str(results[2])


async def test_frames_that_wait_are_joined_and_change_nothing(engine: Inference) -> None:
    alone = await engine.read(photograph())
    together = await asyncio.gather(*(engine.read(photograph()) for _ in range(6)))
    for reading in together:
        assert reading.observations == alone.observations


async def test_check_reads_a_small_picture(engine: Inference) -> None:
    await engine.check()
    reading = await engine.read(probe_picture())
    assert (reading.width, reading.height, reading.observations) == (64, 36, ())


async def test_a_frame_past_its_time_is_given_up_and_the_next_is_read(repository: Path) -> None:
    engine = open_inference(None, repository, max_in_flight=8, timeout_s=0.001)
    try:
        with pytest.raises(InferenceUnavailable, match=r"0\.001 s"):
            await engine.read(photograph())
    finally:
        await engine.close()
    with pytest.raises(InferenceUnavailable, match="closed"):
        await open_and_close(repository)


async def open_and_close(repository: Path) -> FrameReading:
    engine = open_inference(None, repository)
    await engine.close()
    return await engine.read(probe_picture())


def test_a_missing_model_is_named_with_the_mend(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="vehicle_detector") as caught:
        open_inference(None, tmp_path)
    assert "gtvision models fetch" in str(caught.value.details["mend"])


async def test_a_spoilt_model_is_named(repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    shutil.copytree(repository, folder)
    (folder / "plate_ocr" / "1" / "model.onnx").write_bytes(b"spoilt")
    engine = open_inference(None, folder)
    try:
        with pytest.raises(Misconfigured, match="plate_ocr"):
            await engine.check()
    finally:
        await engine.close()


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "grpc://localhost", "grpc://:8001", "localhost:8001", "grpc://h:x"]
)
def test_another_address_than_grpc_is_refused(repository: Path, url: str) -> None:
    with pytest.raises(Misconfigured, match="triton_url"):
        open_inference(url, repository)


def test_the_types_cost_no_numerical_library() -> None:
    code = (
        "import sys, functions.shared.inference; "
        "print([m for m in ('numpy', 'cv2', 'onnxruntime', 'tritonclient', 'grpc') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("cores", "most", "shares"), [(2, 8, (2, 1)), (16, 8, (8, 2)), (2, 1, (1, 2)), (1, 8, (1, 1)), (6, 4, (4, 1))]
)
def test_the_cores_are_shared_out_among_frames_at_once(cores: int, most: int, shares: tuple[int, int]) -> None:
    assert shared_out(cores, most) == shares


async def test_frames_that_come_together_are_read_side_by_side(
    engine: Inference, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(engine, EmbeddedInference)
    await engine.check()  # the sessions are made
    for _ in range(3000):
        if engine._idle == 2:  # who has just answered may not be back yet, and the other would take both
            break
        await asyncio.sleep(0.01)
    together, read = threading.Barrier(2), EmbeddedInference._answer

    def waits_for_the_other(self: EmbeddedInference, loop: asyncio.AbstractEventLoop, jobs: Sequence[_Job]) -> None:
        together.wait(30)
        read(self, loop, jobs)

    monkeypatch.setattr(EmbeddedInference, "_answer", waits_for_the_other)
    await asyncio.gather(engine.read(probe_picture()), engine.read(probe_picture()))


async def test_frames_that_wait_when_it_closes_are_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_inference(None, repository, max_in_flight=8, timeout_s=60, threads=1)
    begun, go_on, read = threading.Event(), threading.Event(), EmbeddedInference._answer

    def waits(self: EmbeddedInference, loop: asyncio.AbstractEventLoop, jobs: Sequence[_Job]) -> None:
        begun.set()
        go_on.wait(30)
        read(self, loop, jobs)

    monkeypatch.setattr(EmbeddedInference, "_answer", waits)
    first = asyncio.create_task(engine.read(probe_picture()))
    assert await asyncio.to_thread(begun.wait, 30)
    others = [asyncio.create_task(engine.read(probe_picture())) for _ in range(3)]
    closing = asyncio.create_task(engine.close())
    await asyncio.sleep(0.1)
    go_on.set()
    await closing
    assert (await first).observations == ()
    results = await asyncio.gather(*others, return_exceptions=True)
    assert [type(result) for result in results] == [InferenceUnavailable] * 3
