"""How each camera fared over time: the table `camera_spans`, kept from what capture and the register say.

Messages come one at a time and in their order (the consumer holds one unacknowledged message). Beside them `watch`
looks at what capture pods wrote last: a camera of which no pod speaks any more was blind from the last word on, and a
state that nobody told, as after a lost message, is set right. All of it moves one boundary forward: `span_rows.move`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from nats.aio.msg import Msg
from pydantic import ValidationError

from functions.cameras import span_rows, status
from functions.shared import logs
from functions.shared.bus import Bus
from functions.shared.context import Context
from functions.shared.contracts import CameraChanged, CameraStatus, CameraStatusChanged, now
from functions.shared.errors import GTVisionError, Rejected
from functions.shared.tables import Camera, CameraSpan
from functions.shared.tasks import end

log = logs.get("cameras")
DURABLE = "camera-spans"
WATCH_S = 5.0
RETRY_S = 2.0


@dataclass(frozen=True)
class Turn:
    """From `at` on a camera is in this state; None: it is in the register no more."""

    camera_id: str
    state: str | None
    reason_code: str
    at: datetime


def turn_of_status(found: CameraStatus, open_span: CameraSpan | None) -> Turn:
    """`since` says when the state began; a new reason in the same state, or a state that began before the present
    span, begins with the status itself."""
    began = open_span is None or (found.state != open_span.state and found.since >= open_span.started_at)
    return Turn(found.camera_id, found.state.value, found.reason_code, found.since if began else found.updated_at)


def turn_of_change(message: CameraChanged) -> Turn | None:
    """What a change in the register means before a capture pod has heard of it."""
    states = {
        "created": ("provisioning", "opening"), "enabled": ("provisioning", "opening"),
        "disabled": ("disabled", "disabled"), "deleted": (None, ""),
    }  # fmt: skip
    if message.change not in states:
        return None
    state, reason_code = states[message.change]
    return Turn(message.camera_id, state, reason_code, message.occurred_at)


async def take(context: Context, subject: str, body: bytes) -> None:
    """Write what a message says; the same message again changes nothing. Raises Rejected for what is none."""
    try:
        if subject.startswith(CameraChanged.subject_root):
            change = CameraChanged.model_validate_json(body)
        elif subject.startswith(CameraStatusChanged.subject_root):
            said = CameraStatusChanged.model_validate_json(body).status
        else:
            return
    except ValidationError:
        raise Rejected(f"a message on {subject} is no event of a camera") from None
    async with context.db.transaction() as session:
        if subject.startswith(CameraChanged.subject_root):
            turn = turn_of_change(change)
            row = await span_rows.hold(session, change.camera_id)
        else:
            row = await span_rows.hold(session, said.camera_id)
            turn = turn_of_status(said, await span_rows.open_span(session, said.camera_id))
            if row is None or row.deleted_at is not None:
                return
        if turn is not None and row is not None:
            await span_rows.move(session, turn.camera_id, turn.state, turn.reason_code, turn.at)


async def watch(context: Context) -> int:
    """Set right what no message told; returns how many cameras that were. Raises BusUnavailable.

    Only once every message was taken: what waits tells of times before what the pods wrote last.
    """
    bus = await context.bus()
    known = await status.read_statuses(bus)
    load = await bus.load(DURABLE)
    if load.waiting or load.in_hand:
        return 0
    async with context.db.read() as session:
        cameras = await span_rows.watched(session)
        spans = await span_rows.open_spans(session)
    at = now()
    turns = [turn for row in cameras if (turn := _overdue(row, known, spans.get(row.id), at)) is not None]
    for turn in turns:
        async with context.db.transaction() as session:
            row = await span_rows.hold(session, turn.camera_id)
            present = await span_rows.open_span(session, turn.camera_id)
            if row is not None and row.deleted_at is None:
                # What was last said may be older than the present span, as of a camera switched off and on again.
                began = turn.at if present is None else max(turn.at, present.started_at)
                await span_rows.move(session, turn.camera_id, turn.state, turn.reason_code, began)
    if turns:
        log.info("camera_spans_set_right", cameras=len(turns))
    return len(turns)


def _overdue(row: Camera, known: Mapping[str, CameraStatus], span: CameraSpan | None, at: datetime) -> Turn | None:
    """How a camera fares, where its present span does not say so."""
    how = status.view(row, known, at)
    said = known.get(row.id)
    if span is not None and (how.state, how.reason_code) == (span.state, span.reason_code):
        return None
    if how.reason_code == "no_pod":
        # While a pod may still take it, what was said last stands.
        if how.state == "provisioning":
            return None
        return Turn(row.id, "offline", "no_pod", said.updated_at if said is not None else row.updated_at)
    if how.state == "disabled" and how.reason_code == "disabled":
        return Turn(row.id, "disabled", "disabled", row.updated_at)
    return turn_of_status(said, span) if said is not None else None


Job = Callable[[Bus], Awaitable[None]]


@contextlib.asynccontextmanager
async def keep_spans(context: Context) -> AsyncIterator[None]:
    """Worker: the consumer of cameras' events, and the watch. Where a worker of its own does it, nothing here."""
    if not context.settings.consume:
        yield
        return
    stop, idle = asyncio.Event(), asyncio.Event()
    idle.set()
    jobs = [
        asyncio.create_task(_for_ever(context, partial(_consume, context, stop, idle)), name="camera-spans"),
        asyncio.create_task(_for_ever(context, partial(_watch, context)), name="camera-watch"),
    ]
    try:
        yield
    finally:
        stop.set()
        # What is in hand is written; what was not begun comes again.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(idle.wait(), 3.0)
        await end(*jobs)


async def _for_ever(context: Context, job: Job) -> None:
    while True:
        try:
            await job(await context.bus())
        except GTVisionError as error:
            log.warning("camera_spans_wait", reason=error.message)
        except Exception:
            log.exception("camera_spans_failed")
        await asyncio.sleep(RETRY_S)


async def _consume(context: Context, stop: asyncio.Event, idle: asyncio.Event, bus: Bus) -> None:
    async def handle(message: Msg) -> None:
        idle.clear()
        try:
            await take(context, message.subject, message.data)
        except GTVisionError:
            raise
        except Exception as error:
            # One odd message must not hold up all that come after it.
            log.exception("camera_event_failed", subject=message.subject)
            raise Rejected(f"an event could not be kept: {type(error).__name__}") from error
        finally:
            idle.set()

    await bus.consume(DURABLE, handle, concurrency=1, stop=stop)


async def _watch(context: Context, _: Bus) -> None:
    while True:
        await watch(context)
        await asyncio.sleep(WATCH_S)
