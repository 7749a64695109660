"""What retention does by the clock: the daily run with a check of the audit log, and a look at the disks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

from prometheus_client import Gauge

from functions.retention import audit_log, deleting, repository, service
from functions.shared import audit, disk, logs
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import StorageLow, now
from functions.shared.disk import Disk, Stat
from functions.shared.errors import GTVisionError
from functions.shared.outbox import enqueue
from functions.shared.tables import StandingAlarm
from functions.shared.tasks import end

log = logs.get("retention")
FREE = Gauge("gtv_disk_free_bytes", "Free space of the disk of a place", ["place"])
LOW = Gauge("gtv_disk_low", "1 while a disk has less free space than GTV_DISK_FREE_MIN", ["place"])
RUNS_EVERY_S, DISKS_EVERY_S = 60.0, 30.0
# A platform that is younger has nothing that is due.
YOUNG = timedelta(days=1)
# A run that failed is tried again.
AGAIN_AFTER = timedelta(minutes=30)


async def is_due(context: Context, at: datetime) -> bool:
    """Whether the day's run is still to come, though its hour is over; also after days in which nothing ran."""
    hour = context.settings.retention_hour
    if hour < 0:
        return False
    async with context.db.read() as session:
        last = await repository.last_started(session, "run")
        tried = await repository.last_started(session, "run", failed=True)
        since = last or await repository.first_user_since(session)
    if since is None or (tried is not None and at - tried < AGAIN_AFTER):
        return False
    struck = service.due_at(hour, at)
    return bool(since < struck) if last is not None else bool(at - since >= YOUNG)


async def run_if_due(context: Context) -> None:
    if not await is_due(context, now()):
        return
    await deleting.fails_softly(context, "retention")
    await audit_log.verify(context, "retention")


async def look_at_disks(context: Context, stat: Stat = os.statvfs) -> list[Disk]:
    """Measure; say once when a disk gets low, and once when it has room again. Deletes nothing."""
    found = await asyncio.to_thread(disk.disks, context.settings, stat)
    for each in found:
        FREE.labels(each.place).set(each.free)
        LOW.labels(each.place).set(each.low)
        await _tell(context, each)
    return found


async def _tell(context: Context, each: Disk) -> None:
    name = f"disk:{socket.gethostname()[:100]}:{each.place}"
    async with context.db.read() as session:
        stands = await session.get(StandingAlarm, name)
    if not (each.low if stands is None else each.has_room_again):
        return
    async with context.db.transaction() as session:
        row = await repository.alarm(session, name)
        if (row is None) != (stands is None):
            return
        details = {"free_bytes": each.free, "total_bytes": each.total, "least_bytes": each.least}
        if row is None:
            session.add(StandingAlarm(name=name, raised_at=now(), details=details))
        else:
            await session.delete(row)
        enqueue(session, StorageLow(host=socket.gethostname(), place=each.place, low=row is None, **details))
        action = "storage.low" if row is None else "storage.room"
        await audit.record(context.vault, session, "retention", Act(action, each.place, details=details))
    say = log.error if row is None else log.info
    say("disk_low" if row is None else "disk_has_room", place=each.place, **details)


async def _again(work: Callable[[Context], Awaitable[object]], context: Context, pause_s: float) -> None:
    while True:
        try:
            await work(context)
        except GTVisionError as error:
            log.warning("watch_waits", work=getattr(work, "__name__", ""), reason=error.message)
        except Exception:
            log.exception("watch_failed", work=getattr(work, "__name__", ""))
        await asyncio.sleep(pause_s)


@contextlib.asynccontextmanager
async def worker(context: Context) -> AsyncIterator[None]:
    """Runs beside requests. Many processes may: a lease lets one delete, a row says what was told. Where GTV_CONSUME
    is off, a CronJob runs `functions.retention.once`."""
    if not context.settings.consume:
        yield
        return
    tasks = [
        asyncio.create_task(_again(run_if_due, context, RUNS_EVERY_S), name="retention-runs"),
        asyncio.create_task(_again(look_at_disks, context, DISKS_EVERY_S), name="retention-disks"),
    ]
    try:
        yield
    finally:
        await end(*tasks)
