"""A detection that was changed after its passage is told of again, by the outbox."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from sqlalchemy.ext.asyncio import AsyncSession

from functions.search.service import plate_read
from functions.shared.context import Context
from functions.shared.contracts import DetectionRecorded
from functions.shared.outbox import Relay, enqueue
from functions.shared.tables import Detection
from functions.shared.tasks import end

# How long an answer waits for the bus.
PATIENCE_S = 1.0


def tell(session: AsyncSession, row: Detection) -> None:
    """Add the event of a detection as it stands to the transaction that changes it."""
    enqueue(session, recorded(row))


def recorded(row: Detection) -> DetectionRecorded:
    """Fields of the event that bear a column's name are that column."""
    own = DetectionRecorded.model_fields.keys() - {"id", "occurred_at"}
    facts = {name: getattr(row, name) for name in own if hasattr(row, name)}
    facts |= {"detection_id": row.id, "observations": row.observation_count, "plate_read": plate_read(row)}
    return DetectionRecorded.model_validate(facts)


@dataclass
class _Line:
    """The way of one process to its relay: one attempt at a time."""

    opening: asyncio.Task[Relay] | None = None
    opened_at: float = 0.0


_lines: WeakKeyDictionary[Context, _Line] = WeakKeyDictionary()


async def let_out(context: Context) -> None:
    """After a commit: have the outbox read now. While the bus is away one request in a few waits for it, not each;
    what was committed goes out once a relay of this process or another's runs."""
    line = _lines.setdefault(context, _Line())
    if line.opening is None or (line.opening.done() and (line.opening.cancelled() or line.opening.exception())):
        line.opening = asyncio.create_task(context.relay(), name="search-relay")
        line.opened_at = time.monotonic()
    await asyncio.wait({line.opening}, timeout=max(0.0, line.opened_at + PATIENCE_S - time.monotonic()))
    if line.opening.done() and not line.opening.cancelled() and line.opening.exception() is None:
        line.opening.result().kick()


@contextlib.asynccontextmanager
async def end_with_process(context: Context) -> AsyncIterator[None]:
    """Worker: an attempt to reach the bus ends before its context is closed."""
    yield
    opening = _lines.pop(context, _Line()).opening
    if opening is not None:
        await end(opening)
