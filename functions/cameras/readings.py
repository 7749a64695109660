"""Each hour every camera that could see is judged by its own past, and what is found is told, once, when it lasts.

What a judgement found counts when the next one, of another hour, finds the same; of what an hour says nothing (few
vehicles pass by night) the former finding stands. Findings are rows of `standing_alarms`. One process does it in an
hour, by a lease that ends with the hour; all of them show it (`gtv_camera_reading_fault`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta

from prometheus_client import Gauge
from sqlalchemy.exc import IntegrityError

from functions.cameras import health, history, reading_rows, span_rows, status
from functions.cameras.health_schemas import HealthQuery
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.contracts import CameraStatus, CameraStatusChanged, ReadingFault, new_id, now
from functions.shared.errors import GTVisionError
from functions.shared.leases import take_lease
from functions.shared.outbox import enqueue
from functions.shared.tables import Camera, StandingAlarm
from functions.shared.tasks import end

log = logs.get("cameras")
FAULTS = Gauge("gtv_camera_reading_fault", "What is wrong with a camera's reading, by the hour", ["camera_id", "code"])
LEASE = "camera-readings"
# After the hour's end, since passages of its last minutes are written late.
AFTER = timedelta(minutes=2)
POLL_S = 60.0
SEEN_ENOUGH = 0.9
"""Share of the judged hours in which a camera must have been seen, for its passages to say something."""


async def judge_all(context: Context, known: Mapping[str, CameraStatus]) -> list[str]:
    """Judge every camera that could see; the ids of those of which something else is told from now on."""
    async with context.db.read() as session:
        rows = [row for row in await span_rows.watched(session) if row.enabled]
    changed = []
    for row in rows:
        said = known.get(row.id)
        if said is None or said.state.value not in history.SEEN or not await _could_see(context, row):
            continue
        found = await health.judged(context, row, HealthQuery.model_validate({}))
        if await _settle(context, said, found):
            changed.append(row.id)
    async with context.db.transaction() as session:
        await reading_rows.forget_others(session, {row.id for row in rows})
    if changed:
        (await context.relay()).kick()
    return changed


async def _could_see(context: Context, row: Camera) -> bool:
    until = health.last_whole_hour()
    since = until - health.RECENT * health.HOUR
    async with context.db.read() as session:
        spans = await span_rows.between(session, row.id, since, until)
    seen = history.seconds_of(spans, since, until, *history.SEEN)
    return seen >= SEEN_ENOUGH * (until - since).total_seconds()


async def _settle(context: Context, said: CameraStatus, found: health.Judged) -> bool:
    """Keep a judgement; where it is the second alike and not what stands, it stands, and is told."""
    async with context.db.transaction() as session:
        row = await reading_rows.standing_of(session, said.camera_id)
        details = (row.details or {}) if row is not None else {}
        stands, before = details.get("verdicts", []), details.get("found", [])
        codes = sorted(set(found.verdicts) | (set(stands) - found.decided))
        turned = bool(codes == before and codes != stands)
        if row is None:
            row = StandingAlarm(name=reading_rows.name_of(said.camera_id), raised_at=now())
            session.add(row)
        row.details = {"verdicts": codes if turned else stands, "found": codes}
        if turned:
            row.raised_at = now()
            enqueue(session, _told(said, codes))
            log.info("camera_reading_turned", camera_id=said.camera_id, verdicts=codes, before=stands)
        if not codes and not row.details["verdicts"]:
            await session.flush()
            await session.delete(row)
    return turned


def _told(said: CameraStatus, codes: Iterable[str]) -> CameraStatusChanged:
    """The camera's state is what it was; what is read of it is not."""
    faults = tuple(ReadingFault(code=code, mend=status.READING_MENDS[code]) for code in codes)
    return CameraStatusChanged(camera_id=said.camera_id, previous=said.state, status=said, reading=faults)


async def show(context: Context) -> None:
    """Set the gauge to what stands."""
    async with context.db.read() as session:
        found = await reading_rows.standing(session)
    FAULTS.clear()
    for camera_id, codes in found.items():
        for code in codes:
            FAULTS.labels(camera_id, code).set(1)


async def turn(context: Context, holder: str) -> bool:
    """Do the hour's work where nobody did it yet; whether this process did. Raises BusUnavailable."""
    known = await status.read_statuses(await context.bus())
    try:
        async with context.db.transaction() as session:
            mine = await take_lease(session, LEASE, holder, _until_next(now()))
    except IntegrityError:
        mine = False
    if mine:
        await judge_all(context, known)
    return mine


def _until_next(at: datetime) -> timedelta:
    """How long it is until the next hour is to be judged."""
    return health.last_whole_hour(at) + health.HOUR + AFTER - at


@contextlib.asynccontextmanager
async def keep_readings(context: Context) -> AsyncIterator[None]:
    """Worker: judges cameras by the hour. Where a worker of its own does it, nothing here."""
    if not context.settings.consume:
        yield
        return
    job = asyncio.create_task(_for_ever(context), name="camera-readings")
    try:
        yield
    finally:
        await end(job)


async def _for_ever(context: Context) -> None:
    while True:
        try:
            async with context.db.read() as session:
                due = await reading_rows.is_due(session, LEASE)
            if due:
                # Of each turn another holder: a lease that this process took an hour's work with is not renewed.
                await turn(context, new_id())
            await show(context)
        except GTVisionError as error:
            log.warning("camera_readings_wait", reason=error.message)
        except Exception:
            log.exception("camera_readings_failed")
        await asyncio.sleep(POLL_S)
