"""What runs beside the requests: the consumer of detections, escalation by the clock, notifications."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from weakref import WeakKeyDictionary

from nats.aio.msg import Msg
from prometheus_client import Counter, Histogram
from pydantic import ValidationError

from functions.alerts import raising
from functions.alerts import repository_alerts as rows
from functions.alerts.memory import Memory
from functions.alerts.sending import Sender
from functions.alerts.watching import Watch
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.contracts import DetectionRecorded, now
from functions.shared.errors import Rejected
from functions.shared.outbox import Relay
from functions.shared.tasks import end
from functions.shared.working import consuming, pause

log = logs.get("alerts")
DURABLE = "alerts"
AT_ONCE = 16
# How often the clock is looked at; a notification goes out within this of its alert.
TICK_S = 0.5
JUDGED = Counter("gtv_alerts_detections_total", "Messages about detections judged by the lists", ["changed"])
SECONDS = Histogram("gtv_alerts_judge_seconds", "Time to judge one message")
ESCALATED = Counter("gtv_alerts_escalated_total", "Alerts that nobody acknowledged in time")
# How long an answer waits for the bus.
PATIENCE_S = 0.5
_openings: WeakKeyDictionary[Context, asyncio.Task[Relay]] = WeakKeyDictionary()
_memories: WeakKeyDictionary[Context, Memory] = WeakKeyDictionary()


def memory_of(context: Context) -> Memory:
    """The lists as this process holds them."""
    return _memories.setdefault(context, Memory(context))


async def let_out(context: Context) -> None:
    """After a commit: have the outbox read now. Where the bus is away nobody waits for it: what was committed goes out
    once a relay of this process or another's runs."""
    opening = _openings.get(context)
    if opening is None or (opening.done() and (opening.cancelled() or opening.exception())):
        opening = _openings[context] = asyncio.create_task(context.relay(), name="alerts-relay")
    await asyncio.wait({opening}, timeout=PATIENCE_S)
    if opening.done() and not opening.cancelled() and opening.exception() is None:
        opening.result().kick()


@contextlib.asynccontextmanager
async def end_with_process(context: Context) -> AsyncIterator[None]:
    """Worker: an attempt to reach the bus ends before its context is closed."""
    yield
    opening = _openings.pop(context, None)
    if opening is not None:
        await end(opening)


async def consume(context: Context, stop: asyncio.Event) -> None:
    """Judge detections as they come."""
    memory = memory_of(context)
    watch = Watch(context, memory, lambda: let_out(context))
    bus = await context.bus()
    # A large list takes seconds to read: before the first passage has to wait for it.
    await memory.refresh()

    async def handle(message: Msg) -> None:
        try:
            told = DetectionRecorded.model_validate_json(message.data)
        except ValidationError:
            raise Rejected("the body is no detection") from None
        with SECONDS.time():
            changed = await watch.observe(told)
        JUDGED.labels(str(changed).lower()).inc()
        if changed:
            await let_out(context)

    try:
        await bus.consume(DURABLE, handle, concurrency=AT_ONCE, stop=stop)
    finally:
        await watch.close()
        await memory.close()


async def escalate(context: Context, stop: asyncio.Event) -> None:
    """Escalate what nobody acknowledged in time."""
    while not stop.is_set():
        if await escalate_due(context):
            await let_out(context)
        await pause(stop, TICK_S)


async def escalate_due(context: Context) -> int:
    """Escalate what is due now; returns how many."""
    async with context.db.read() as session:
        if not await rows.escalation_due(session, now()):
            return 0
    async with context.db.transaction() as session:
        found = await rows.to_escalate(session, now())
        for alert in found:
            raising.escalate(session, alert, await rows.hotlist_of(session, alert.hotlist_id))
    ESCALATED.inc(len(found))
    for alert in found:
        log.warning("alert_escalated", alert_id=alert.id, hotlist_id=alert.hotlist_id)
    return len(found)


async def send(context: Context, stop: asyncio.Event) -> None:
    """Send notifications as they fall due."""
    sender = Sender(context)
    try:
        while not stop.is_set():
            if not await sender.send_due():
                await pause(stop, TICK_S)
    finally:
        await sender.close()


worker = consuming(consume, escalate, send)
