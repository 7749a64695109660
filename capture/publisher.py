"""Frames to the bus: one frame in flight for each camera, the newest waiting one wins, nothing else queues."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from capture.wire import Frame
from functions.shared import logs
from functions.shared.bus import Bus
from functions.shared.config import CaptureSettings
from functions.shared.contracts import FrameMeta, frame_id
from functions.shared.errors import BusUnavailable, TooLarge

log = logs.get("capture.publisher")
PUBLISH_S = 2.0


class Outlet:
    """The frames of one camera. `sequence` rises by one with each frame that the bus took."""

    def __init__(self, bus: Bus, camera_id: str, settings: CaptureSettings, allowed: Callable[[], bool]) -> None:
        self._bus, self._camera_id, self._stale_s, self._allowed = bus, camera_id, settings.frame_stale_s, allowed
        self.published = 0
        self.dropped: Counter[str] = Counter()
        self._waiting: tuple[Frame, bytes] | None = None
        self._task: asyncio.Task[None] | None = None

    def offer(self, frame: Frame, jpeg: bytes) -> None:
        if self._waiting is not None:
            self.dropped["late"] += 1
        self._waiting = (frame, jpeg)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())

    def close(self) -> None:
        self._waiting = None
        if self._task is not None:
            self._task.cancel()

    async def _drain(self) -> None:
        while self._waiting is not None:
            (frame, jpeg), self._waiting = self._waiting, None
            reason = await self._publish(frame, jpeg)
            if reason:
                self.dropped[reason] += 1
            else:
                self.published += 1

    async def _publish(self, frame: Frame, jpeg: bytes) -> str:
        """The reason why the frame was dropped, or an empty string."""
        if time.time() - frame.captured_at > self._stale_s:
            return "stale"
        if not self._allowed():
            return "lease"
        if not self._bus.connected:
            return "bus"  # a client that is not connected would keep it and send it when it is worthless
        captured_at = datetime.fromtimestamp(frame.captured_at, UTC)
        meta = FrameMeta(
            id=frame_id(self._camera_id, captured_at), camera_id=self._camera_id, captured_at=captured_at,
            sequence=self.published, width=frame.width, height=frame.height,
        )  # fmt: skip
        try:
            await self._bus.publish_frame(meta, jpeg, PUBLISH_S)
        except (BusUnavailable, TooLarge) as error:
            log.debug("frame_not_taken", camera_id=self._camera_id, reason=error.message)
            return "bus"
        return ""
