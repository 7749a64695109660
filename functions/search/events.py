"""A detection that was changed after its passage is told of again, by the outbox."""

from __future__ import annotations

import asyncio
import contextlib

from sqlalchemy.ext.asyncio import AsyncSession

from functions.search.service import plate_read
from functions.shared.context import Context
from functions.shared.contracts import DetectionRecorded
from functions.shared.errors import GTVisionError
from functions.shared.outbox import enqueue
from functions.shared.tables import Detection

# How long an answer waits for the bus; the outbox keeps what it does not take.
PATIENCE_S = 2.0


def tell(session: AsyncSession, row: Detection) -> None:
    """Add the event of a detection as it stands to the transaction that changes it."""
    enqueue(session, recorded(row))


def recorded(row: Detection) -> DetectionRecorded:
    """Fields of the event that bear a column's name are that column."""
    own = DetectionRecorded.model_fields.keys() - {"id", "occurred_at"}
    facts = {name: getattr(row, name) for name in own if hasattr(row, name)}
    facts |= {"detection_id": row.id, "observations": row.observation_count, "plate_read": plate_read(row)}
    return DetectionRecorded.model_validate(facts)


async def let_out(context: Context) -> None:
    """After a commit: have the outbox read now. Without a bus another process, or a later call, does it."""
    with contextlib.suppress(GTVisionError, TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            (await context.relay()).kick()
