"""Tells how cameras fare: an event for each change of state or reason, the KV bucket every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from pydantic import ValidationError

from capture.state import Verdict
from functions.shared.bus import Bus
from functions.shared.contracts import CameraState, CameraStatus, CameraStatusChanged, now
from functions.shared.topology import STATUS_KV

REFRESH_S = 4.0
HANDED_OVER = timedelta(seconds=30)


class Teller:
    """Remembers what was told of each camera; a change counts as told once the bus took it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._told: dict[str, tuple[CameraState, str]] = {}
        self._facts: dict[str, object] = {}
        self._before: dict[str, CameraState | None] = {}
        self._written: dict[str, float] = {}

    async def tell(
        self, camera_id: str, verdict: Verdict, status: Callable[[], CameraStatus], facts: object = None
    ) -> None:
        """A change of `verdict` is an event, one of `facts` (codec, size, decoding) only goes to the bucket at once.

        Raises BusUnavailable; then the same is told again at the next call.
        """
        if camera_id not in self._before and await self._handed_over(camera_id, verdict):
            return
        key = (verdict.state, verdict.reason_code)
        changed = self._told.get(camera_id) != key
        due = time.monotonic() - self._written.get(camera_id, 0.0) >= REFRESH_S
        if not (changed or due or facts != self._facts.get(camera_id)):
            return
        present = status()
        await self._bus.kv_put(STATUS_KV, camera_id, present.model_dump_json().encode())
        self._written[camera_id], self._facts[camera_id] = time.monotonic(), facts
        if changed:
            previous = self._before.get(camera_id)
            await self._bus.publish(CameraStatusChanged(camera_id=camera_id, previous=previous, status=present))
            self._told[camera_id], self._before[camera_id] = key, verdict.state

    def drop(self, camera_id: str) -> None:
        """Another pod speaks for this camera now."""
        for memory in (self._told, self._before, self._written, self._facts):
            memory.pop(camera_id, None)

    async def erase(self, camera_id: str) -> None:
        """The camera was deleted. Raises BusUnavailable."""
        self.drop(camera_id)
        await self._bus.kv_delete(STATUS_KV, camera_id)

    async def known(self) -> set[str]:
        """Cameras that have a status. Raises BusUnavailable."""
        return set(await self._bus.kv_all(STATUS_KV))

    async def _handed_over(self, camera_id: str, verdict: Verdict) -> bool:
        """A camera that was online with another pod a moment ago and is being opened here is no news yet."""
        value = await self._bus.kv_get(STATUS_KV, camera_id)
        try:
            last = CameraStatus.model_validate_json(value) if value else None
        except ValidationError:
            last = None
        fresh = last is not None and now() - last.updated_at < HANDED_OVER
        if fresh and last and last.state is CameraState.ONLINE and verdict.state is CameraState.PROVISIONING:
            return True
        self._before[camera_id] = last.state if last else None
        if fresh and last:
            self._told[camera_id] = (last.state, last.reason_code)
        return False
