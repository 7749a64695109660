"""A real tritonserver for tests, its own counts, and frames of several cameras."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tritonclient.grpc import InferenceServerClient

from cli.triton_server import TritonServer, supported
from functions.shared.errors import Misconfigured, Unavailable
from functions.shared.inference import Box, FrameReading
from tests.support.models import photograph
from tests.support.require import missing


@contextmanager
def serving(repository: Path, log: Path, *, guarded: bool = False) -> Iterator[TritonServer]:
    """A server of one's own. Where its wheel cannot run or be had: skipped with the reason, in CI a failure."""
    server = TritonServer(repository, log=log, guarded=guarded)
    try:
        supported()
        server.start()
    except (Misconfigured, Unavailable) as error:
        if "needs Linux" in error.message or "could not be" in error.message:
            missing(error.message)
        raise
    try:
        yield server
    finally:
        server.stop()


def frames_of_cameras(count: int) -> list[bytes]:
    """JPEGs of 1280 x 720, each its own: the photograph of two cars as `count` cameras of one kind would have it."""
    picture = cv2.imdecode(np.frombuffer(photograph(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    height, width = picture.shape[:2]
    scale = 720 / height
    small = cv2.resize(picture, (round(width * scale), 720), interpolation=cv2.INTER_AREA)
    frames = []
    for number in range(count):
        frame = np.full((720, 1280, 3), 90 + number, np.uint8)
        left = (1280 - small.shape[1]) * number // max(1, count - 1)
        frame[:, left : left + small.shape[1]] = cv2.convertScaleAbs(small, alpha=1 - 0.02 * number, beta=number)
        frames.append(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    return frames


@dataclass(frozen=True)
class Work:
    """What a model has done: pictures, executions, and executions by the number of pictures in each."""

    pictures: int
    executions: int
    by_size: dict[int, int]

    def since(self, before: Work) -> Work:
        sizes = {size: self.by_size.get(size, 0) - before.by_size.get(size, 0) for size in self.by_size}
        return Work(
            self.pictures - before.pictures,
            self.executions - before.executions,
            {size: count for size, count in sizes.items() if count},
        )


def work_of(server: TritonServer) -> dict[str, Work]:
    """By model, from the server's own statistics, once they hold still: what is answered is counted a little later."""
    seen: dict[str, Work] = {}
    with InferenceServerClient(server.url.removeprefix("grpc://")) as client:
        for _ in range(50):
            before, seen = (
                seen,
                {
                    stats.name: Work(
                        stats.inference_count,
                        stats.execution_count,
                        {batch.batch_size: batch.compute_infer.count for batch in stats.batch_stats},
                    )
                    for stats in client.get_inference_statistics().model_stats
                },
            )
            if seen == before:
                break
            time.sleep(0.3)
    return seen


def processes_of(pid: int) -> dict[str, list[int]]:
    """Process ids of each model's stubs, one an instance, by the model's name."""
    children = [int(n) for file in Path(f"/proc/{pid}/task").glob("*/children") for n in file.read_text().split()]
    found: dict[str, list[int]] = {}
    for child in sorted(children):
        try:
            words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue  # it has ended meanwhile
        for word in words:
            parts = Path(word).parts
            if len(parts) > 2 and parts[-2].isdigit() and parts[-1].startswith("model."):
                found.setdefault(parts[-3], []).append(child)
    return found


def kill_process_of(server_pid: int, model: str) -> None:
    """The first one, if it has several instances."""
    os.kill(processes_of(server_pid)[model][0], signal.SIGKILL)


def assert_same_box(one: Box, other: Box) -> None:
    for side in ("x1", "y1", "x2", "y2"):
        assert abs(getattr(one, side) - getattr(other, side)) <= 1, (one, other)


def assert_same_reading(one: FrameReading, other: FrameReading) -> None:
    """The same vehicles and plates, boxes within a pixel, the same texts and formats."""
    assert (one.width, one.height, len(one.observations)) == (other.width, other.height, len(other.observations))
    for mine, theirs in zip(one.observations, other.observations, strict=True):
        assert (mine.vehicle is None) == (theirs.vehicle is None)
        assert (mine.plate is None) == (theirs.plate is None)
        if mine.vehicle and theirs.vehicle:
            assert mine.vehicle.type == theirs.vehicle.type
            assert_same_box(mine.vehicle.box, theirs.vehicle.box)
        if mine.plate and theirs.plate:
            assert (mine.plate.text, mine.plate.format) == (theirs.plate.text, theirs.plate.format)
            assert abs(mine.plate.confidence - theirs.plate.confidence) <= 0.02
            assert_same_box(mine.plate.box, theirs.plate.box)
