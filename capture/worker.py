"""A worker process: up to `cameras_per_process` readers as threads, and one socket to its pod.

Run by the pod as `python -m capture.worker FD`. It ends when told to, and when the pod's end of the socket closes,
so that none is left behind by a pod that was killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
import time

import cv2

from capture.reader import Reader, alive
from capture.wire import LENGTHS, Beat, Ended, Frame, Leave, Read, Stop, Tune, pack, unpack
from functions.shared import logs

log = logs.get("capture.worker")
BEAT_S = 1.0
CLOSE_S = 1.5
HUNG_S = 2.0  # a reader that was left this long ago and still lives hangs in the library
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Outbox:
    """What waits for the socket: per camera the newest frame alone, and the ends of readers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frames: dict[str, tuple[Frame, bytes]] = {}
        self._ended: list[Ended] = []

    def frame(self, frame: Frame, jpeg: bytes) -> bool:
        """Newest wins; returns whether an older frame was displaced."""
        with self._changed:
            displaced = frame.camera_id in self._frames
            self._frames[frame.camera_id] = (frame, jpeg)
            self._changed.notify()
        return displaced

    def ended(self, ended: Ended) -> None:
        with self._changed:
            self._ended.append(ended)
            self._changed.notify()

    def take(self, timeout_s: float) -> list[bytes]:
        """Everything that waits, packed; waits up to `timeout_s` for something."""
        with self._changed:
            if not self._frames and not self._ended:
                self._changed.wait(timeout_s)
            frames, self._frames = self._frames, {}
            ended, self._ended = self._ended, []
        return [pack(frame, jpeg) for frame, jpeg in frames.values()] + [pack(one) for one in ended]


class Worker:
    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._outbox = Outbox()
        self._lock = threading.Lock()
        self._readers: dict[str, Reader] = {}
        self._left: list[Reader] = []

    def run(self) -> None:
        threading.Thread(target=self._send, name="sender", daemon=True).start()
        stream = self._channel.makefile("rb")
        while lengths := stream.read(LENGTHS.size):
            if len(lengths) < LENGTHS.size:
                break
            head_size, body_size = LENGTHS.unpack(lengths)
            message = unpack(stream.read(head_size))
            stream.read(body_size)
            if isinstance(message, Stop):
                break
            self._obey(message)
        self._close()

    def _obey(self, message: object) -> None:
        if isinstance(message, Read):
            self._leave(message.camera_id)
            reader = Reader(message, self._outbox.frame, self._outbox.ended)
            with self._lock:
                self._readers[message.camera_id] = reader
            reader.start()
        elif isinstance(message, Leave):
            self._leave(message.camera_id)
        elif isinstance(message, Tune) and message.camera_id in self._readers:
            self._readers[message.camera_id].tune(message.tuning)

    def _leave(self, camera_id: str) -> None:
        """A reader may hang in the library, where no thread can be ended: it is told to stop and left behind."""
        with self._lock:
            reader = self._readers.pop(camera_id, None)
            self._left = list(alive(self._left))
            if reader is not None:
                reader.left_at = time.monotonic()
                reader.stopping.set()
                self._left.append(reader)

    def _beat(self) -> bytes:
        with self._lock:
            readers = list(self._readers.values())
            self._left = list(alive(self._left))
            hung = sum(time.monotonic() - reader.left_at > HUNG_S for reader in self._left)
        return pack(Beat(hung, tuple(reader.report() for reader in readers)))

    def _send(self) -> None:
        due = time.monotonic()
        try:
            while True:
                for message in self._outbox.take(max(0.0, due - time.monotonic())):
                    self._channel.sendall(message)
                if time.monotonic() >= due:
                    self._channel.sendall(self._beat())
                    due = time.monotonic() + BEAT_S
        except OSError:
            os._exit(0)  # the pod is gone

    def _close(self) -> None:
        """Give the readers a moment to say goodbye to their cameras; then end, whatever hangs."""
        for reader in self._readers.values():
            reader.stopping.set()
        until = time.monotonic() + CLOSE_S
        while time.monotonic() < until and any(alive(list(self._readers.values()))):
            time.sleep(0.02)


def main() -> None:
    logs.configure(sys.argv[2], sys.argv[3])
    # Ctrl-C reaches the whole group: the pod tells its workers to end, so that they say goodbye to their cameras.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    cv2.setNumThreads(1)
    Worker(socket.socket(fileno=int(sys.argv[1]))).run()
    os._exit(0)


if __name__ == "__main__":
    main()
