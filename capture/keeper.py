"""Keeps one camera that this pod holds: when it is read, when again, and how it fares."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from capture.retry import Retry, RetryRule
from capture.sampling import Mode
from capture.state import StateMachine, StateRule
from capture.wire import Ended, Frame, Read, Report, Tuning
from functions.shared.config import CaptureSettings
from functions.shared.contracts import CameraSpec, CameraStatus

FRAMES_FOR_A_VERDICT = 8  # a rate is judged over at least so many frames that should have come
RATE_WINDOW_S = 20.0
# Rises over all cameras of the process: what an earlier keeper's reader still sends cannot pass for this one's.
_GENERATIONS = itertools.count(1)
# What is wrong with a picture, in words; the codes are those of `capture.sight`.
FAULTS = {
    "blocked": "something covers the lens",
    "dark": "the picture is too dark to show anything",
    "glare": "the picture is too bright to show anything",
    "moved": "the camera shows another scene than it did",
    "blurred": "the picture is much less sharp than it was",
}
SLOW, GOOD = 0.5, 0.75  # share of the wanted rate below which a camera is slow, above which it is well again


class Hands(Protocol):
    """What a keeper asks of the worker processes."""

    def read(self, order: Read) -> None: ...
    def leave(self, camera_id: str) -> None: ...
    def tune(self, camera_id: str, tuning: Tuning) -> None: ...


class Sink(Protocol):
    """Where frames go: `capture.publisher.Outlet`."""

    published: int
    dropped: Counter[str]

    def offer(self, frame: Frame, jpeg: bytes) -> None: ...
    def close(self) -> None: ...


def tuning_of(spec: CameraSpec, settings: CaptureSettings) -> Tuning:
    return Tuning(
        sample_fps=spec.sample_fps, motion_gate=spec.motion_gate, motion_threshold=spec.motion_threshold,
        jpeg_quality=spec.jpeg_quality or settings.jpeg_quality, max_side=spec.max_side or settings.frame_max_side,
        heartbeat_s=settings.heartbeat_s, fault_s=settings.picture_fault_s,
    )  # fmt: skip


def rule_of(spec: CameraSpec, settings: CaptureSettings) -> StateRule:
    """A camera sampled seldom is silent for long without being ill."""
    gap = 2.5 / spec.sample_fps
    return StateRule(
        degraded_s=max(settings.watchdog_s / 3, gap),
        offline_s=max(2 * settings.watchdog_s, 2 * gap),
        recover_s=max(min(5.0, settings.watchdog_s / 3), gap),
    )


def retry_of(settings: CaptureSettings) -> RetryRule:
    return RetryRule(
        first_s=settings.backoff_first_s, longest_s=settings.backoff_longest_s,
        circuit_failures=settings.circuit_failures, circuit_open_s=settings.circuit_open_s,
    )  # fmt: skip


@dataclass
class Reading:
    """One life of the reader: `heard` counts its frames, times are monotonic s."""

    generation: int
    started_at: float
    heard: int = 0
    first_frame_at: float | None = None
    last_frame_at: float | None = None
    dropped: Counter[str] = field(default_factory=Counter)


class Keeper:
    """`url` stays in memory. All its methods run on the pod's event loop."""

    def __init__(
        self, spec: CameraSpec, url: str, settings: CaptureSettings, hands: Hands, outlet: Sink,
        clock: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        # What is known of the scene, of an earlier holder at first; `sight_changed` where it is to be kept.
        self.sight, self.sight_changed = "", False
        self._slow: tuple[str, str] | None = None
        self.spec, self._url, self._settings = spec, url, settings
        self._hands, self.outlet, self._clock = hands, outlet, clock
        now = clock()
        self.machine = StateMachine(rule_of(spec, settings), now)
        self._retry = Retry(retry_of(settings))
        self._since = datetime.now(UTC)
        self._state = self.machine.verdict.state
        self.restarts = 0
        self._started = False
        self.watchdog_restarts = 0
        self._reading: Reading | None = None
        self._again_at: float = now
        self._report: Report | None = None
        self.last_frame: datetime | None = None
        self._dropped: Counter[str] = Counter()
        self._samples: list[tuple[float, int]] = []

    # --- what the register and the workers say

    def update(self, spec: CameraSpec, url: str) -> None:
        """A new specification: only another address starts the stream anew."""
        old, self.spec = self.spec, spec
        if url != self._url:
            self._url = url
            self._retry.steady()
            self.machine = StateMachine(rule_of(spec, self._settings), self._clock())
            self._end_reading()
            self._report = None
            self._again_at = self._clock()
            self.tick()
        elif old.view_epoch != spec.view_epoch:
            # What it shows now is right, somebody says: the next reader learns the scene anew.
            self.sight, self.sight_changed = "", True
            self._end_reading()
            self._again_at = self._clock()
            self.tick()
        elif tuning_of(old, self._settings) != tuning_of(spec, self._settings):
            self.machine.rule = rule_of(spec, self._settings)
            self._samples.clear()
            self._hands.tune(spec.camera_id, tuning_of(spec, self._settings))

    def frame(self, frame: Frame, jpeg: bytes) -> None:
        if self._reading is not None and frame.generation == self._reading.generation:
            self._seen(frame.captured_at)
            self.outlet.offer(frame, jpeg)

    def reported(self, report: Report) -> None:
        reading = self._reading
        if reading is None or report.generation != reading.generation:
            return
        if report.sampled > reading.heard and report.last_frame_at is not None:
            reading.heard = report.sampled
            self._seen(report.last_frame_at)
        reading.dropped = Counter(report.dropped)
        if report.codec:
            self._report = report
            self._judge_picture(report)
        self._judge_rate()

    def ended(self, ended: Ended) -> None:
        if self._reading is not None and ended.generation == self._reading.generation:
            self._fail(ended.code, ended.reason)

    def orphaned(self) -> None:
        """The worker process is gone: nothing of the camera's fault, so it is read again at once."""
        self._end_reading(tell=False)
        self._again_at = self._clock()
        self.tick()

    # --- time

    def tick(self) -> None:
        """Start what is due, restart what is silent. Call it at least each second."""
        now = self._clock()
        reading = self._reading
        if reading is None:
            if now >= self._again_at:
                self._start(now)
        elif now - (reading.last_frame_at or reading.started_at) > self.watchdog_s:
            self.watchdog_restarts += 1
            had_frames = reading.first_frame_at is not None
            words = "no frame for" if had_frames else "no first frame within"
            reason = f"{words} {self.watchdog_s:g} s; the stream is opened again"
            self._fail("stalled" if had_frames else "silent", reason, at_once=had_frames)
        elif reading.first_frame_at is not None and now - reading.first_frame_at >= self._retry.rule.steady_s:
            self._retry.steady()
        self.machine.tick(now)

    def close(self) -> None:
        self._end_reading()
        self.outlet.close()

    @property
    def watchdog_s(self) -> float:
        return max(self._settings.watchdog_s, 3.0 / self.spec.sample_fps)

    @property
    def reading(self) -> bool:
        return self._reading is not None

    # --- what is told

    @property
    def decode(self) -> Mode | None:
        report = self._report
        return None if report is None else "all" if report.decode == "all" else "keyframes"

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the pictures, the gravest first."""
        return self._report.faults if self._report else ()

    @property
    def facts(self) -> tuple[object, ...]:
        """What is known of the stream: a change of it is worth telling at once."""
        report = self._report
        return () if report is None else (
            report.codec, report.width, report.height, report.decode_reason, report.faults
        )  # fmt: skip

    def dropped(self) -> Counter[str]:
        current = self._reading.dropped if self._reading is not None else Counter()
        return self._dropped + current + self.outlet.dropped

    def status(self, holder: str) -> CameraStatus:
        verdict, report = self.machine.verdict, self._report
        if verdict.state is not self._state:
            self._state, self._since = verdict.state, datetime.now(UTC)
        reason = verdict.reason
        if self._reading is None and self._retry.circuit_open:
            pause = max(0.0, self._again_at - self._clock())
            reason = f"{reason}; tried {self._retry.failures} times, next try in {pause:.0f} s"
        return CameraStatus(
            camera_id=self.spec.camera_id, state=verdict.state, reason=reason, reason_code=verdict.reason_code,
            since=self._since, updated_at=datetime.now(UTC), last_frame_at=self.last_frame, holder=holder,
            codec=report.codec if report else None, width=report.width or None if report else None,
            height=report.height or None if report else None, fps=report.fps if report else None,
            decode=self.decode,
            decode_reason=report.decode_reason if report else "",
            keyframe_interval_s=report.keyframe_interval_s if report else None,
            published=self.outlet.published, dropped=dict(self.dropped()), restarts=self.restarts,
            faults=self.faults, picture=report.picture if report else None,
        )  # fmt: skip

    # --- inside

    def _start(self, now: float) -> None:
        self.restarts += self._started
        self._started = True
        self._reading = Reading(next(_GENERATIONS), now)
        self._samples.clear()
        self._hands.read(
            Read(
                self.spec.camera_id, self._reading.generation, self._url, self._settings.open_timeout_s,
                tuning_of(self.spec, self._settings), self._report.keyframe_interval_s if self._report else None,
                self.spec.view_epoch, self.sight, self._settings.camera_networks,
            )
        )  # fmt: skip

    def _end_reading(self, *, tell: bool = True) -> None:
        if self._reading is not None:
            self._dropped += self._reading.dropped
            self._reading = None
            if tell:
                self._hands.leave(self.spec.camera_id)

    def _fail(self, code: str, reason: str, *, at_once: bool = False) -> None:
        now = self._clock()
        reading = self._reading
        good_for = now - reading.first_frame_at if reading and reading.first_frame_at is not None else 0.0
        pause = self._retry.failed(code, good_for)
        self._end_reading()
        self._again_at = now if at_once and not self._retry.circuit_open else now + pause
        self.machine.failed(code, reason, now)

    def _seen(self, at: float) -> None:
        """A frame was decoded at `at`, s since the epoch."""
        now = self._clock()
        assert self._reading is not None
        self._reading.last_frame_at = now
        if self._reading.first_frame_at is None:
            self._reading.first_frame_at = now
        self.last_frame = datetime.fromtimestamp(at, UTC)
        self.machine.frame(now)

    def _judge_picture(self, report: Report) -> None:
        if report.sight:
            self.sight, self.sight_changed = report.sight, True
        self._complain()

    def _complain(self) -> None:
        """The gravest of what is wrong with the pictures, else that too few come."""
        fault = next(iter(self._report.faults), None) if self._report else None
        self.machine.complain((fault, FAULTS.get(fault, fault)) if fault else self._slow, self._clock())

    def _judge_rate(self) -> None:
        """Frames come, but far fewer than asked for: the network, the camera or this machine is too slow."""
        now, reading = self._clock(), self._reading
        assert reading is not None
        window = max(RATE_WINDOW_S, FRAMES_FOR_A_VERDICT / self.spec.sample_fps)
        self._samples = [(at, count) for at, count in self._samples if now - at <= window]
        self._samples.append((now, reading.heard))
        first_at, first_count = self._samples[0]
        if now - first_at < window * 0.9:
            return
        announced = self._report.fps if self._report and self._report.fps else self.spec.sample_fps
        wanted = min(self.spec.sample_fps, announced)
        share = (reading.heard - first_count) / (now - first_at) / wanted
        if share < SLOW:
            words = f"only {share * wanted:.2g} of {wanted:g} frames/s come through"
            self._slow = ("slow", words)
        elif share > GOOD:
            self._slow = None
        self._complain()
