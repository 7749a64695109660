"""Messages that must not be lost: written with their cause in one transaction, published afterwards, in order."""

from __future__ import annotations

import asyncio
import contextlib

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared import logs
from functions.shared.bus import Bus
from functions.shared.cloudevents import cloud_headers
from functions.shared.contracts import Message, now
from functions.shared.db import Database
from functions.shared.errors import GTVisionError
from functions.shared.tables import OutboxMessage
from functions.shared.tasks import end

log = logs.get("outbox")


def enqueue(session: AsyncSession, message: Message) -> None:
    """Add a message to the transaction of `session`."""
    session.add(
        OutboxMessage(
            message_id=message.id, subject=message.subject, body=message.model_dump_json(), created_at=now(),
            headers={**cloud_headers(message), "content-type": "application/json"},
        )
    )  # fmt: skip


async def relay(db: Database, bus: Bus, limit: int = 200) -> int:
    """Publish what waits, oldest first; returns how many. Safe to run in many processes at once.

    A message is marked after the stream has stored it. A crash between the two, or two relays at once, publish
    it again under the same message id, which JetStream drops within the stream's window.
    """
    async with db.read() as session:
        waiting = select(OutboxMessage).where(OutboxMessage.published_at.is_(None)).order_by(OutboxMessage.id)
        rows = list(await session.scalars(waiting.limit(limit)))
    sent: list[int] = []
    try:
        for row in rows:
            await bus.publish_raw(row.subject, row.body.encode(), dict(row.headers))
            sent.append(row.id)
    finally:
        # No lock is held while the bus is asked: a slow bus must not stop the database's one writer.
        if sent:
            async with db.transaction() as session:
                done = update(OutboxMessage).where(OutboxMessage.id.in_(sent)).values(published_at=now())
                await session.execute(done)
    return len(rows)


class Relay:
    """Runs `relay` when kicked and every `period_s`, until it is closed."""

    def __init__(self, db: Database, bus: Bus, period_s: float = 1.0) -> None:
        self._db, self._bus, self._period_s = db, bus, period_s
        self._kicked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="outbox-relay")

    def kick(self) -> None:
        self._kicked.set()

    async def close(self) -> None:
        if self._task is not None:
            await end(self._task)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._kicked.wait(), self._period_s)
            self._kicked.clear()
            try:
                while await relay(self._db, self._bus) > 0:
                    pass
            except GTVisionError as error:
                log.warning("relay_waits", reason=error.message)
