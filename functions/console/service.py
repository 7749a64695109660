"""How the platform fares, in the words of the console's header."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
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
from functions.shared.scope import Scope
from functions.shared.topology import CAMERAS_KV, DEAD_LETTERS, PODS_KV, READERS_KV, STATUS_KV

States = Mapping[str, CameraState]
# Every open page asks each few seconds; they share one answer.
KEEP_S = 2.0
# A capture pod reports each of its cameras every few seconds; a report older than this is nobody's.
STALE = timedelta(seconds=15)
_NOT_TOLD = "cannot be told while the bus does not answer"
_UNKNOWN = Part(state="unknown", message=_NOT_TOLD)
_UNREAD = InferencePart(state="unknown", message=_NOT_TOLD)
# Nothing is deleted for want of room: people decide what goes.
LOW_DISK_MEND = "free space, add a disk, or shorten the retention (gtvision retention policy) and run it"
LOSS_MEND = "Start the workers; GET /api/detections and GET /api/alerts have what was not told"
# A reader reports every three seconds.
REPORT_STALE = timedelta(seconds=12)


class StatusBoard:
    """The platform's state, looked up at the most every two seconds for each scope, however many pages ask."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = asyncio.Lock()
        self._answers: dict[Scope, tuple[float, PlatformStatus]] = {}

    async def status(self, scope: Scope) -> PlatformStatus:
        async with self._lock:
            asked, answer = self._answers.get(scope, (float("-inf"), None))
            if answer is None or time.monotonic() - asked > KEEP_S:
                answer = await self._look(scope)
                fresh = time.monotonic()
                self._answers = {one: kept for one, kept in self._answers.items() if fresh - kept[0] <= KEEP_S}
                self._answers[scope] = fresh, answer
            return answer

    async def _look(self, scope: Scope) -> PlatformStatus:
        (database, last, seen), (bus, states, capture, inference, dead), disk_part = await asyncio.gather(
            self._look_at_database(scope), self._look_at_bus(), asyncio.to_thread(self._look_at_disks)
        )
        return PlatformStatus(
            now=now(), cameras=counted(states, scope, seen), last_detection_at=last,
            bus=bus, database=database, capture=capture, inference=inference, disk=disk_part, dead_letters=dead,
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

    async def _look_at_database(self, scope: Scope) -> tuple[Part, datetime | None, frozenset[str]]:
        """The database itself, the last detection, and the cameras of a scope that is not everything."""
        try:
            async with self._context.db.read() as session:
                last = await repository.last_detection_at(session, scope)
                seen = frozenset[str]() if scope.everything else await repository.cameras_of(session, scope)
                return Part(state="ready", message="the database answers"), last, seen
        except GTVisionError as error:
            return Part(state="down", message=error.message), None, frozenset()

    async def _look_at_bus(self) -> tuple[Part, States | None, Part, InferencePart, int | None]:
        try:
            bus = await self._context.bus()
            if not bus.connected:
                return Part(state="down", message="NATS does not answer"), None, _UNKNOWN, _UNREAD, None
            states, pods, readers, load, dead, lost = await asyncio.gather(
                states_of(bus), bus.kv_all(PODS_KV), bus.kv_all(READERS_KV), bus.load("post-processing"),
                bus.stream_span(DEAD_LETTERS), bus.losses(),
            )  # fmt: skip
            capture = capture_part(len(pods), states)
            inference = inference_part(load, live_reports(readers))
        except GTVisionError as error:
            return Part(state="down", message=error.message), None, _UNKNOWN, _UNREAD, None
        return bus_part(lost), states, capture, inference, _held(*dead)


def _held(first: int, last: int) -> int:
    """The messages of a stream that loses its oldest alone. Sequences begin at 1; one that was never used has 0, 0."""
    return last - first + 1 if first else 0


async def states_of(bus: Bus) -> States:
    """The cameras that capture shall hold, with the state that it reported for each."""
    specs, statuses = await asyncio.gather(bus.kv_all(CAMERAS_KV), bus.kv_all(STATUS_KV))
    return {key: _state(raw, statuses.get(key)) for key, raw in specs.items()}


def counted(states: States | None, scope: Scope, seen: frozenset[str]) -> CameraCounts | None:
    """The cameras of a scope by their state; `seen` are its cameras where it is not everything."""
    if states is None:
        return None
    counts = Counter(state for camera_id, state in states.items() if scope.everything or camera_id in seen)
    return CameraCounts(total=counts.total(), **{state.value: counts[state] for state in CameraState})


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


def bus_part(lost: Mapping[str, int]) -> Part:
    """`lost`: by consumer, events that were discarded before it had them."""
    if not lost:
        return Part(state="ready", message="NATS answers")
    told = ", ".join(f"{durable} ({number})" for durable, number in sorted(lost.items()))
    return Part(state="failing", message=f"events were discarded before these workers had them: {told}. {LOSS_MEND}")


def capture_part(pods: int, states: States) -> Part:
    if pods:
        return Part(state="ready", message=f"{pods} capture process{'' if pods == 1 else 'es'} at work")
    if all(state is CameraState.DISABLED for state in states.values()):
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
