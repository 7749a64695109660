"""One camera's keeper with a clock in the test's hand; what it asks of workers is written down."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import pytest

from capture.keeper import Keeper
from capture.wire import Ended, Frame, Read, Report, Tuning
from functions.shared.config import CaptureSettings
from functions.shared.contracts import CameraSpec, CameraState

SPEC = CameraSpec(camera_id="one", name="One", url_encrypted="x", revision=1)
SETTINGS = CaptureSettings(watchdog_s=15, circuit_failures=5, circuit_open_s=60)


class Hands:
    """Stands for the worker processes."""

    def __init__(self) -> None:
        self.reads: list[Read] = []
        self.left = 0
        self.tunings: list[Tuning] = []

    def read(self, order: Read) -> None:
        self.reads.append(order)

    def leave(self, camera_id: str) -> None:
        self.left += 1

    def tune(self, camera_id: str, tuning: Tuning) -> None:
        self.tunings.append(tuning)


class Sink:
    """Stands for the way to the bus."""

    def __init__(self) -> None:
        self.published = 0
        self.dropped: Counter[str] = Counter()
        self.offered: list[Frame] = []

    def offer(self, frame: Frame, jpeg: bytes) -> None:
        self.offered.append(frame)

    def close(self) -> None:
        return


class Stage:
    def __init__(self, spec: CameraSpec = SPEC) -> None:
        self.now = 1000.0
        self.hands, self.sink = Hands(), Sink()
        self.keeper = Keeper(spec, "rtsp://h/a", SETTINGS, self.hands, self.sink, lambda: self.now)
        self.keeper.tick()
        self.sampled = 0

    @property
    def generation(self) -> int:
        return self.hands.reads[-1].generation

    def report(self, frames: int = 1, generation: int | None = None) -> None:
        self.sampled += frames
        self.keeper.reported(
            Report(
                "one", generation or self.generation, "h264", 1920, 1080, 25.0, self.sampled, time.time(),
                "keyframes", "why", 1.0, {"still": self.sampled // 2},
            )
        )  # fmt: skip

    def pass_time(self, seconds: int, frames_a_second: int = 1) -> None:
        for _ in range(seconds):
            self.now += 1
            if frames_a_second:
                self.report(frames_a_second)
            self.keeper.tick()


def test_a_camera_is_read_at_once_and_then_left_alone() -> None:
    stage = Stage()
    stage.pass_time(120)
    assert len(stage.hands.reads) == 1
    assert stage.keeper.status("pod").state is CameraState.ONLINE
    assert stage.keeper.status("pod").restarts == 0


def test_the_watchdog_restarts_a_camera_that_had_frames_at_once() -> None:
    stage = Stage()
    stage.pass_time(10)
    stage.pass_time(17, frames_a_second=0)
    assert len(stage.hands.reads) == 2
    assert stage.keeper.watchdog_restarts == 1
    assert stage.hands.left == 1


def test_the_watchdog_knows_that_a_camera_sampled_seldom_is_silent_for_long() -> None:
    stage = Stage(SPEC.model_copy(update={"sample_fps": 0.05}))
    for _ in range(5):
        stage.pass_time(19, frames_a_second=0)
        stage.pass_time(1)
    assert len(stage.hands.reads) == 1
    assert stage.keeper.status("pod").state is CameraState.ONLINE


def test_an_earlier_generation_is_not_listened_to() -> None:
    stage = Stage()
    stage.pass_time(5)
    old = stage.generation
    stage.keeper.ended(Ended("one", old, "ended", "closed"))
    stage.now += 5
    stage.keeper.tick()
    assert stage.generation > old
    stage.keeper.frame(Frame("one", old, time.time(), 10, 10), b"")
    stage.keeper.ended(Ended("one", old, "ended", "closed"))
    stage.report(generation=old)
    assert stage.sink.offered == []
    assert stage.keeper.reading


def test_failures_in_a_row_open_the_circuit_and_the_status_says_when_the_next_try_is() -> None:
    stage = Stage()
    for _ in range(5):
        assert stage.keeper.reading
        stage.keeper.ended(Ended("one", stage.generation, "refused", "nobody listens"))
        stage.now += 31
        if len(stage.hands.reads) < 5:
            stage.keeper.tick()
    stage.keeper.tick()
    assert not stage.keeper.reading
    status = stage.keeper.status("pod")
    assert (status.state, status.reason_code) == (CameraState.OFFLINE, "refused")
    assert "next try in" in status.reason
    stage.now += 36
    stage.keeper.tick()
    assert stage.keeper.reading


def test_only_another_address_starts_the_stream_anew() -> None:
    stage = Stage()
    stage.pass_time(5)
    stage.keeper.update(SPEC.model_copy(update={"name": "Other", "revision": 2}), "rtsp://h/a")
    assert (len(stage.hands.reads), stage.hands.tunings) == (1, [])
    stage.keeper.update(SPEC.model_copy(update={"sample_fps": 2.0, "revision": 3}), "rtsp://h/a")
    assert len(stage.hands.reads) == 1
    assert [tuning.sample_fps for tuning in stage.hands.tunings] == [2.0]
    stage.keeper.update(SPEC.model_copy(update={"sample_fps": 2.0, "revision": 4}), "rtsp://h/b")
    assert [read.url for read in stage.hands.reads] == ["rtsp://h/a", "rtsp://h/b"]


def test_a_dead_process_is_no_failure_of_the_camera() -> None:
    stage = Stage()
    stage.pass_time(5)
    for _ in range(10):
        stage.keeper.orphaned()
        stage.sampled = 0
        stage.pass_time(2)
    assert stage.keeper.reading
    assert stage.keeper.status("pod").state is CameraState.ONLINE


def test_too_few_frames_are_told_as_slow_and_well_again() -> None:
    stage = Stage()
    stage.pass_time(5)
    for _ in range(15):
        stage.pass_time(3, frames_a_second=0)
        stage.pass_time(1)
    status = stage.keeper.status("pod")
    assert (status.state, status.reason_code) == (CameraState.DEGRADED, "slow")
    stage.pass_time(40)
    assert stage.keeper.status("pod").state is CameraState.ONLINE


def test_counts_go_on_over_restarts() -> None:
    stage = Stage()
    stage.pass_time(10)
    before = stage.keeper.dropped()["still"]
    assert before > 0
    stage.keeper.ended(Ended("one", stage.generation, "ended", "closed"))
    stage.now += 2
    stage.keeper.tick()
    stage.sampled = 0
    stage.pass_time(10)
    assert stage.keeper.dropped()["still"] == 2 * before


def test_the_keyframe_interval_is_remembered_for_the_next_opening() -> None:
    stage = Stage()
    stage.pass_time(5)
    stage.keeper.ended(Ended("one", stage.generation, "ended", "closed"))
    stage.now += 2
    stage.keeper.tick()
    assert [read.keyframe_interval_s for read in stage.hands.reads] == [None, 1.0]


def test_an_order_does_not_show_its_address() -> None:
    order = Stage().hands.reads[0]
    assert "rtsp" not in repr(order)
    assert replace(order, generation=7).generation == 7


@pytest.mark.parametrize("quality", [None, 60])
def test_what_the_camera_does_not_say_comes_from_the_settings(quality: int | None) -> None:
    stage = Stage(SPEC.model_copy(update={"jpeg_quality": quality}))
    assert stage.hands.reads[0].tuning.jpeg_quality == (quality or SETTINGS.jpeg_quality)
