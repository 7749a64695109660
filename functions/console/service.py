"""How the platform fares, in the words of the console's header."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta

from pydantic import ValidationError

from functions.console import repository
from functions.console.schemas import CameraCounts, Part, PlatformStatus
from functions.shared.bus import Bus, Load
from functions.shared.context import Context
from functions.shared.contracts import CameraSpec, CameraState, CameraStatus, now
from functions.shared.errors import GTVisionError
from functions.shared.topology import CAMERAS_KV, PODS_KV, STATUS_KV

# Every open page asks each few seconds; they share one answer.
KEEP_S = 2.0
# A capture pod reports each of its cameras every few seconds; a report older than this is nobody's.
STALE = timedelta(seconds=15)
_UNKNOWN = Part(state="unknown", message="cannot be told while the bus does not answer")


class StatusBoard:
    """The platform's state, looked up at the most every two seconds however many pages ask."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = asyncio.Lock()
        self._answer: PlatformStatus | None = None
        self._asked = float("-inf")

    async def status(self) -> PlatformStatus:
        async with self._lock:
            if self._answer is None or time.monotonic() - self._asked > KEEP_S:
                self._answer = await self._look()
                self._asked = time.monotonic()
            return self._answer

    async def _look(self) -> PlatformStatus:
        (database, last), (bus, cameras, capture, inference) = await asyncio.gather(
            self._look_at_database(), self._look_at_bus()
        )
        return PlatformStatus(
            now=now(), cameras=cameras, last_detection_at=last,
            bus=bus, database=database, capture=capture, inference=inference,
        )  # fmt: skip

    async def _look_at_database(self) -> tuple[Part, datetime | None]:
        try:
            async with self._context.db.read() as session:
                return Part(state="ready", message="the database answers"), await repository.last_detection_at(session)
        except GTVisionError as error:
            return Part(state="down", message=error.message), None

    async def _look_at_bus(self) -> tuple[Part, CameraCounts | None, Part, Part]:
        try:
            bus = await self._context.bus()
            if not bus.connected:
                return Part(state="down", message="NATS does not answer"), None, _UNKNOWN, _UNKNOWN
            cameras = await count_cameras(bus)
            capture = capture_part(len(await bus.kv_all(PODS_KV)), cameras)
            inference = inference_part(await bus.load("post-processing"))
        except GTVisionError as error:
            return Part(state="down", message=error.message), None, _UNKNOWN, _UNKNOWN
        return Part(state="ready", message="NATS answers"), cameras, capture, inference


async def count_cameras(bus: Bus) -> CameraCounts:
    """The cameras that capture shall hold, by the state that it reported for each."""
    specs, statuses = await asyncio.gather(bus.kv_all(CAMERAS_KV), bus.kv_all(STATUS_KV))
    counts = dict.fromkeys(CameraState, 0)
    for key, raw in specs.items():
        counts[_state(raw, statuses.get(key))] += 1
    return CameraCounts(total=len(specs), **{state.value: count for state, count in counts.items()})


def _state(spec: bytes, status: bytes | None) -> CameraState:
    """A camera without a report is being set up; one with an old report has lost its pod."""
    try:
        if not CameraSpec.model_validate_json(spec).enabled:
            return CameraState.DISABLED
        if status is None:
            return CameraState.PROVISIONING
        report = CameraStatus.model_validate_json(status)
    except ValidationError:
        return CameraState.DEGRADED
    return report.state if now() - report.updated_at <= STALE else CameraState.OFFLINE


def capture_part(pods: int, cameras: CameraCounts) -> Part:
    if pods:
        return Part(state="ready", message=f"{pods} capture process{'' if pods == 1 else 'es'} at work")
    if cameras.total == cameras.disabled:
        return Part(state="idle", message="no camera is to be read")
    return Part(state="down", message="no capture process is at work: start gtvision up, or the capture pods")


def inference_part(load: Load) -> Part:
    """Told from the queue of frames, since the function that infers may be asleep while there are none."""
    if load.repeated:
        message = f"{load.repeated} frames are tried again: the models do not answer, or refuse them"
        return Part(state="failing", message=message)
    if load.readers or load.in_hand:
        return Part(state="ready", message=f"frames are read; {load.waiting} wait")
    if load.waiting:
        message = f"{load.waiting} frames wait and nobody reads them: start post-processing"
        return Part(state="down", message=message)
    return Part(state="idle", message="no frame waits; reading begins with the next one")
