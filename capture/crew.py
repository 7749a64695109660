"""The worker processes of a pod: cameras are placed in them, and a process that dies or clogs up is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Callable

from capture.wire import LARGEST, LENGTHS, Beat, Leave, Read, Said, Stop, Tune, Tuning, pack, unpack
from functions.shared import logs
from functions.shared.config import CaptureSettings, bare_environ

log = logs.get("capture.crew")
START_S = 20.0  # a process that has not said a word by then is given up
SILENT_S = 10.0  # a process that says nothing for so long hangs as a whole
STOP_S = 2.5
BUFFER = 1 << 20

Inbox = Callable[[Said, bytes], None]


class Hand:
    """One worker process and the cameras placed in it."""

    def __init__(self, number: int, settings: CaptureSettings, inbox: Inbox) -> None:
        self.number = number
        self._settings = settings
        self.cameras: set[str] = set()
        self.hung = 0
        self.retiring = False
        self.heard_at = time.monotonic() + START_S - SILENT_S
        self._inbox = inbox
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: list[bytes] = []
        self._life = asyncio.create_task(self._live_on(), name=f"worker-{number}")

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def over(self) -> bool:
        return self._life.done()

    def send(self, message: Said) -> None:
        """Orders are small and few: they wait for the process to start, and are lost with it."""
        if self._writer is None:
            self._waiting.append(pack(message))
        elif not self._writer.is_closing():
            self._writer.write(pack(message))

    async def stop(self) -> None:
        """Ask the process to end, end it after STOP_S; returns when it is gone."""
        self.retiring = True
        self.send(Stop())
        _, pending = await asyncio.wait({self._life}, timeout=STOP_S)
        if pending:
            self.kill()
            await asyncio.wait({self._life}, timeout=1.0)

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._life.cancel()

    async def _live_on(self) -> None:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "capture.worker", str(theirs.fileno()), self._settings.log_level,
                self._settings.log_format, pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL,
                env=bare_environ(),
            )  # fmt: skip
        finally:
            theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=BUFFER)
        for message in self._waiting:
            self._writer.write(message)
        self._waiting.clear()
        try:
            await self._listen(reader)
        finally:
            self._writer.close()
            await self._process.wait()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head_size, body_size = LENGTHS.unpack(await reader.readexactly(LENGTHS.size))
                if head_size + body_size > LARGEST:
                    raise ConnectionError("a worker sent something that is no message")
                head = await reader.readexactly(head_size)
                body = await reader.readexactly(body_size)
                self.heard_at = time.monotonic()
                message = unpack(head)
                if isinstance(message, Beat):
                    self.hung = message.hung
                self._inbox(message, body)


class Crew:
    """`inbox(message, body)` gets what workers say; `orphaned(cameras)` the cameras whose process is gone."""

    def __init__(self, settings: CaptureSettings, inbox: Inbox, orphaned: Callable[[set[str], str], None]) -> None:
        self._settings, self._inbox, self._orphaned = settings, inbox, orphaned
        self._hands: list[Hand] = []
        self._numbers = 0
        self._retired: set[asyncio.Task[None]] = set()

    @property
    def pids(self) -> list[int]:
        return [hand.pid for hand in self._hands if hand.pid is not None]

    def read(self, order: Read) -> None:
        """Start (or start again) a reader, in the process that has the camera, else in the one with most room."""
        hand = self._hand_of(order.camera_id) or self._place()
        hand.cameras.add(order.camera_id)
        hand.send(order)

    def leave(self, camera_id: str) -> None:
        hand = self._hand_of(camera_id)
        if hand is not None:
            hand.send(Leave(camera_id))
            hand.cameras.discard(camera_id)

    def tune(self, camera_id: str, tuning: Tuning) -> None:
        hand = self._hand_of(camera_id)
        if hand is not None:
            hand.send(Tune(camera_id, tuning))

    def watch(self) -> None:
        """Replace processes that died, hang as a whole, or hold too many hung readers. Call it about each second."""
        now = time.monotonic()
        for hand in list(self._hands):
            if hand.over:
                self._lose(hand, "ended")
            elif now - hand.heard_at > SILENT_S:
                hand.kill()
                self._lose(hand, "silent")
            elif hand.hung >= self._settings.hung_readers:
                self._retire(hand)
                self._lose(hand, "clogged")
            elif not hand.cameras and len(self._hands) > 1:
                self._hands.remove(hand)
                self._retire(hand)

    async def stop(self) -> None:
        hands, self._hands = self._hands, []
        await asyncio.gather(*(hand.stop() for hand in hands), *self._retired)

    def _hand_of(self, camera_id: str) -> Hand | None:
        return next((hand for hand in self._hands if camera_id in hand.cameras), None)

    def _place(self) -> Hand:
        free = [hand for hand in self._hands if len(hand.cameras) < self._settings.cameras_per_process]
        if free:
            return min(free, key=lambda hand: len(hand.cameras))
        self._numbers += 1
        hand = Hand(self._numbers, self._settings, self._inbox)
        self._hands.append(hand)
        return hand

    def _retire(self, hand: Hand) -> None:
        """What this process still says is of old generations, which the pod passes over."""
        task = asyncio.create_task(hand.stop())
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    def _lose(self, hand: Hand, why: str) -> None:
        log.warning("worker_replaced", worker=hand.number, why=why, cameras=len(hand.cameras))
        if hand in self._hands:
            self._hands.remove(hand)
        cameras, hand.cameras = hand.cameras, set()
        self._orphaned(cameras, why)
