"""How the platform fares, in the words of the console's header."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError

from functions.console import repository
from functions.console.schemas import CameraCounts, InferencePart, Part, PartState, PlatformStatus
from functions.shared import disk
from functions.shared.bus import Bus, Load
from functions.shared.context import Context
from functions.shared.contracts import CameraSpec, CameraState, CameraStatus, now
from functions.shared.errors import GTVisionError
from functions.shared.inference_health import InferenceReport
from functions.shared.topology import CAMERAS_KV, PODS_KV, READERS_KV, STATUS_KV

# Every open page asks each few seconds; they share one answer.
KEEP_S = 2.0
# A capture pod reports each of its cameras every few seconds; a report older than this is nobody's.
STALE = timedelta(seconds=15)
_NOT_TOLD = "cannot be told while the bus does not answer"
_UNKNOWN = Part(state="unknown", message=_NOT_TOLD)
_UNREAD = InferencePart(state="unknown", message=_NOT_TOLD)
# Nothing is deleted for want of room: people decide what goes.
LOW_DISK_MEND = "free space, add a disk, or shorten the retention (gtvision retention policy) and run it"
# A reader reports every three seconds.
REPORT_STALE = timedelta(seconds=12)


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
        (database, last), (bus, cameras, capture, inference), disk_part = await asyncio.gather(
            self._look_at_database(), self._look_at_bus(), asyncio.to_thread(self._look_at_disks)
        )
        return PlatformStatus(
            now=now(), cameras=cameras, last_detection_at=last,
            bus=bus, database=database, capture=capture, inference=inference, disk=disk_part,
        )  # fmt: skip

    def _look_at_disks(self) -> Part:
        try:
            low = [each for each in disk.disks(self._context.settings) if each.low]
        except GTVisionError as error:
            return Part(state="unknown", message=error.message)
        if not low:
            return Part(state="ready", message="the disks have room")
        told = "; ".join(f"{disk.size(each.free)} ({each.share:.0%}) free for {each.place}" for each in low)
        return Part(state="failing", message=f"{told}: {LOW_DISK_MEND}")

    async def _look_at_database(self) -> tuple[Part, datetime | None]:
        try:
            async with self._context.db.read() as session:
                return Part(state="ready", message="the database answers"), await repository.last_detection_at(session)
        except GTVisionError as error:
            return Part(state="down", message=error.message), None

    async def _look_at_bus(self) -> tuple[Part, CameraCounts | None, Part, InferencePart]:
        try:
            bus = await self._context.bus()
            if not bus.connected:
                return Part(state="down", message="NATS does not answer"), None, _UNKNOWN, _UNREAD
            cameras, pods, readers, load = await asyncio.gather(
                count_cameras(bus), bus.kv_all(PODS_KV), bus.kv_all(READERS_KV), bus.load("post-processing")
            )
            capture = capture_part(len(pods), cameras)
            inference = inference_part(load, live_reports(readers))
        except GTVisionError as error:
            return Part(state="down", message=error.message), None, _UNKNOWN, _UNREAD
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


def live_reports(found: Mapping[str, bytes]) -> list[InferenceReport]:
    """What the readers that live say of the models; what cannot be read is passed over."""
    reports = []
    for raw in found.values():
        try:
            report = InferenceReport.model_validate_json(raw)
        except ValidationError:
            continue
        if now() - report.updated_at <= REPORT_STALE:
            reports.append(report)
    return reports


def inference_part(load: Load, reports: Sequence[InferenceReport]) -> InferencePart:
    """What the readers say, and the queue of frames: a reader may be asleep while there are none."""
    engine = reports[0].engine if reports else None
    down = [report for report in reports if report.state == "down"]
    if down:
        first = min(down, key=lambda report: report.since)
        message = f"the models do not answer ({len(down)} of {len(reports)} readers): {first.message}"
        state: PartState = "down" if len(down) == len(reports) else "failing"
        return InferencePart(state=state, message=message, engine=first.engine, since=first.since, reason=first.reason)
    state, message = _by_queue(load)
    since = min((report.since for report in reports), default=None)
    return InferencePart(state=state, message=message, engine=engine, since=since)


def _by_queue(load: Load) -> tuple[PartState, str]:
    if load.repeated:
        return "failing", f"{load.repeated} frames are tried again: the models do not answer, or refuse them"
    if load.readers or load.in_hand:
        return "ready", f"frames are read; {load.waiting} wait"
    if load.waiting:
        return "down", f"{load.waiting} frames wait and nobody reads them: start post-processing"
    return "idle", "no frame waits; reading begins with the next one"
