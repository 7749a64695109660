"""One camera's stream, in a thread of its own: read, decode as little as sampling needs, judge, encode, hand over.

Runs until it is asked to stop or the stream ends; it never tries again by itself: the pod decides that.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from capture import picture
from capture.gate import MotionGate
from capture.sampling import DecodeChoice, Pace
from capture.sight import Sight
from capture.wire import Ended, Frame, Read, Report, Tuning
from functions.shared import rtsp
from functions.shared.errors import CameraUnavailable
from functions.shared.logs import get

log = get("capture.reader")
BACKLOG = 500  # packets since the last keyframe, kept so that a switch to all frames loses none
BAD_PACKETS = 50  # packets in a row that cannot be decoded
KEEP_SIGHT_S = 300.0  # how often what is known of the scene is handed on, to outlive this reader

FrameSink = Callable[[Frame, bytes], bool]


class Reader(threading.Thread):
    """`hand(frame, jpeg)` takes a frame and says whether it displaced one; `done(ended)` is told the end."""

    def __init__(self, order: Read, hand: FrameSink, done: Callable[[Ended], None]) -> None:
        super().__init__(name=f"reader-{order.camera_id}", daemon=True)
        self.order = order
        self.stopping = threading.Event()
        self.left_at = 0.0
        self._hand, self._done = hand, done
        self._facts = rtsp.StreamFacts("", 0, 0, None)
        self._choice = DecodeChoice(order.tuning.sample_fps, order.keyframe_interval_s)
        self._dropped: Counter[str] = Counter()
        self._sampled, self._last_frame_at = 0, 0.0
        self._backlog: list[tuple[Any, float]] = []
        self._bad = 0
        self._tuning, self._pace = order.tuning, Pace(order.tuning.sample_fps)
        self._gate = self._new_gate(order.tuning)
        self._sight = Sight(order.view_epoch, order.sight, order.tuning.fault_s)
        self._started_at = self._kept_sight_at = time.monotonic()

    # --- asked by other threads

    def tune(self, tuning: Tuning) -> None:
        """Apply new sampling, gate and JPEG settings from the next packet on."""
        if tuning.sample_fps != self._tuning.sample_fps:
            self._choice = DecodeChoice(tuning.sample_fps, self._choice.keyframe_interval_s)
            self._pace = Pace(tuning.sample_fps)
        old, self._tuning = self._tuning, tuning
        if old.motion_gate != tuning.motion_gate:
            self._gate = self._new_gate(tuning)
        self._gate.threshold, self._gate.heartbeat_s = tuning.motion_threshold, tuning.heartbeat_s

    def report(self) -> Report:
        choice, facts = self._choice, self._facts
        return Report(
            camera_id=self.order.camera_id, generation=self.order.generation, codec=facts.codec, width=facts.width,
            height=facts.height, fps=facts.fps, sampled=self._sampled, last_frame_at=self._last_frame_at or None,
            decode=choice.mode, decode_reason=choice.reason, keyframe_interval_s=choice.keyframe_interval_s,
            dropped=dict(self._dropped), faults=self._sight.faults, picture=self._sight.statistics(),
            sight=self._sight_to_keep(),
        )  # fmt: skip

    def _sight_to_keep(self) -> str:
        """Early where nothing was known before, since a reader may not live long."""
        early = not self.order.sight and self._kept_sight_at <= self._started_at
        if not early and time.monotonic() - self._kept_sight_at < KEEP_SIGHT_S:
            return ""
        memory = self._sight.memory()
        if memory:
            self._kept_sight_at = time.monotonic()
        return memory

    # --- the thread

    def run(self) -> None:
        try:
            self._read()
            problem = rtsp.failure("ended")
        except CameraUnavailable as error:
            problem = error
        except Exception as error:
            problem = rtsp.explain(error)
            if problem.details["reason"] == "failed":
                # The text of a library's error may quote the URL: its kind alone is told.
                log.warning("reader_failed", camera_id=self.order.camera_id, kind=type(error).__name__)
        self._backlog.clear()
        if not self.stopping.is_set():
            self._done(
                Ended(self.order.camera_id, self.order.generation, str(problem.details["reason"]), problem.message)
            )

    def _read(self) -> None:
        container = rtsp.open_stream(self.order.url, self.order.timeout_s, self.order.networks)
        try:
            self._facts = rtsp.stream_facts(container)
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for packet in container.demux(stream):
                if self.stopping.is_set() or packet.size == 0:
                    return
                self._packet(packet, time.time())
        finally:
            container.close()

    def _packet(self, packet: Any, arrived: float) -> None:
        mode_before = self._choice.mode
        mode = self._choice.packet(packet.is_keyframe, self._stream_time(packet, arrived))
        if packet.is_keyframe:
            self._backlog.clear()
        if mode == "keyframes":
            if packet.is_keyframe:
                self._keyframe(packet, arrived)
            elif len(self._backlog) < BACKLOG:
                self._backlog.append((packet, arrived))
            return
        if mode_before == "keyframes":
            late, self._backlog = self._backlog, []
            for earlier, at in late:
                self._take_all(self._decode(earlier), at)
        self._take_all(self._decode(packet), arrived)

    def _keyframe(self, packet: Any, arrived: float) -> None:
        if not self._pace.near(arrived):
            self._backlog.append((packet, arrived))  # the decoder needs it should all frames be wanted
            return
        pictures = self._decode(packet)
        if not pictures and not self._bad:
            # Streams with B frames hold a picture back: drain the decoder, which then begins anew at the next key.
            context = packet.stream.codec_context
            pictures = list(context.decode(None))
            context.flush_buffers()
            self._backlog.append((packet, arrived))
        if not self._bad:
            self._choice.decoded(len(pictures))
        self._take_all(pictures[-1:], arrived)

    def _decode(self, packet: Any) -> list[Any]:
        """The pictures of a packet. One broken packet is passed over, many in a row end the stream."""
        try:
            pictures = list(packet.decode())
        except Exception as error:
            self._bad += 1
            if self._bad >= BAD_PACKETS:
                raise rtsp.explain(error) from None
            return []
        self._bad = 0
        return pictures

    def _take_all(self, pictures: list[Any], arrived: float) -> None:
        for frame in pictures:
            if self._pace.due(arrived):
                self._take(frame, arrived)

    def _take(self, frame: Any, arrived: float) -> None:
        self._sampled += 1
        self._last_frame_at = arrived
        if (frame.width, frame.height) != (self._facts.width, self._facts.height):
            self._facts = rtsp.StreamFacts(self._facts.codec, frame.width, frame.height, self._facts.fps)
        luma = picture.luma(frame)
        self._sight.see(luma, time.monotonic())
        if not self._gate.judge(luma, time.monotonic()).publish:
            self._dropped["still"] += 1
            return
        try:
            jpeg, width, height = picture.encode(frame, self._tuning.jpeg_quality, self._tuning.max_side)
        except Exception as error:
            self._dropped["encode"] += 1
            log.warning("frame_not_encoded", camera_id=self.order.camera_id, kind=type(error).__name__)
            return
        order = self.order
        if not self.stopping.is_set() and self._hand(
            Frame(order.camera_id, order.generation, arrived, width, height), jpeg
        ):
            self._dropped["late"] += 1

    @staticmethod
    def _stream_time(packet: Any, arrived: float) -> float:
        """The packet's own time where it has one (free of network jitter), in s."""
        if packet.dts is None or packet.time_base is None:
            return arrived
        return float(packet.dts * packet.time_base)

    @staticmethod
    def _new_gate(tuning: Tuning) -> MotionGate:
        return MotionGate(tuning.motion_threshold, tuning.heartbeat_s, tuning.motion_gate)


def alive(readers: list[Reader]) -> Iterator[Reader]:
    return (reader for reader in readers if reader.is_alive())
