"""What capture is told: a CameraSpec by camera in a KV bucket, kept equal to the table.

A change is written with its message in one transaction and handed to the bus afterwards. When the bus is away the
change stands all the same, and `reconcile_cameras` brings the bucket up to date once it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from functions.cameras import repository
from functions.shared import logs
from functions.shared.bus import Bus
from functions.shared.context import Context
from functions.shared.contracts import CameraSpec
from functions.shared.errors import BusUnavailable, GTVisionError
from functions.shared.scope import EVERYTHING
from functions.shared.tables import Camera
from functions.shared.tasks import end
from functions.shared.topology import CAMERAS_KV

log = logs.get("cameras")
PERIOD_S = 10.0
RETRY_S = 1.0
# How long a request waits for the bus before it answers without: the work goes on behind it.
PATIENCE_S = 1.0


@dataclass
class _Line:
    """The way to the bus of one process: one attempt to connect at a time, and the announcements under way."""

    opening: asyncio.Task[Bus] | None = None
    opened_at: float = 0.0
    announcing: set[asyncio.Task[None]] = field(default_factory=set)


_lines: WeakKeyDictionary[Context, _Line] = WeakKeyDictionary()


async def bus_soon(context: Context, seconds: float = PATIENCE_S) -> Bus:
    """The bus, if it answers within `seconds` of the present attempt to connect, which goes on meanwhile: so while
    NATS is away one request in a few waits, not each. Raises BusUnavailable."""
    line = _lines.setdefault(context, _Line())
    if line.opening is None or (line.opening.done() and (line.opening.cancelled() or line.opening.exception())):
        line.opening = asyncio.create_task(context.bus(), name="bus-opening")
        line.opened_at = time.monotonic()
    await asyncio.wait({line.opening}, timeout=max(0.0, line.opened_at + seconds - time.monotonic()))
    if not line.opening.done():
        raise BusUnavailable("NATS does not answer", mend="start nats-server or set GTV_NATS_URL")
    bus = line.opening.result()
    if not bus.connected:
        raise BusUnavailable("the connection to NATS is lost; it mends itself once the server is back")
    return bus


def spec_of(row: Camera, timezone: str) -> CameraSpec:
    """What capture is told; `timezone` is the city's, in which the camera's hours are meant."""
    return CameraSpec(
        camera_id=row.id, name=row.name, url_encrypted=row.url_encrypted, enabled=row.enabled, revision=row.revision,
        sample_fps=row.sample_fps, motion_gate=row.motion_gate, motion_threshold=row.motion_threshold,
        jpeg_quality=row.jpeg_quality, max_side=row.max_side, schedule=row.schedule or None, timezone=timezone,
        view_epoch=row.view_epoch,
    )  # fmt: skip


async def announce(context: Context, camera_ids: Iterable[str]) -> None:
    """After a commit: hand the cameras' specs and the waiting messages to the bus, without failing when it is away."""
    line = _lines.setdefault(context, _Line())
    task = asyncio.create_task(_announce(context, tuple(camera_ids)), name="cameras-announce")
    line.announcing.add(task)
    task.add_done_callback(line.announcing.discard)
    await asyncio.wait({task}, timeout=PATIENCE_S)


async def _announce(context: Context, camera_ids: tuple[str, ...]) -> None:
    try:
        bus = await bus_soon(context)
        for camera_id in camera_ids:
            await _publish_spec(context, bus, camera_id)
        (await context.relay()).kick()
    except GTVisionError as error:
        log.warning("cameras_announced_later", count=len(camera_ids), reason=error.message)


async def _publish_spec(context: Context, bus: Bus, camera_id: str) -> None:
    """Write the camera's spec as the table has it now; a deleted camera's key goes."""
    async with context.db.read() as session:
        row = await repository.camera(session, camera_id, EVERYTHING)
    if row is None:
        await bus.kv_delete(CAMERAS_KV, camera_id)
    else:
        await bus.kv_put(CAMERAS_KV, camera_id, spec_of(row, context.settings.time_zone).model_dump_json().encode())


async def reconcile_cameras(context: Context) -> tuple[int, int]:
    """Make the bucket equal to the table; returns how many specs were written and how many deleted.

    The bucket is read before the table: a key that the later read of the table does not know was deleted for
    certain, while the other order would delete a camera made in between. Raises BusUnavailable.
    """
    bus = await context.bus()
    present = await bus.kv_all(CAMERAS_KV)
    async with context.db.read() as session:
        wanted = {row.id: spec_of(row, context.settings.time_zone) for row in await repository.living(session)}
    stale = [camera_id for camera_id, spec in wanted.items() if _parsed(present.get(camera_id)) != spec]
    gone = sorted(present.keys() - wanted.keys())
    for camera_id in (*stale, *gone):
        await _publish_spec(context, bus, camera_id)
    if stale or gone:
        log.info("cameras_reconciled", written=len(stale), deleted=len(gone))
    return len(stale), len(gone)


def _parsed(value: bytes | None) -> CameraSpec | None:
    try:
        return CameraSpec.model_validate_json(value) if value else None
    except ValidationError:
        return None


@contextlib.asynccontextmanager
async def keep_specs(context: Context) -> AsyncIterator[None]:
    """Worker: reconcile at start, when the bus is back and every PERIOD_S; relay what the outbox holds."""
    task = asyncio.create_task(_keep(context), name="cameras-reconcile")
    try:
        yield
    finally:
        line = _lines.pop(context, _Line())
        await end(task, *line.announcing, *([line.opening] if line.opening else []))


async def _keep(context: Context) -> None:
    while True:
        try:
            await context.relay()
            await reconcile_cameras(context)
            bus = await context.bus()
        except GTVisionError as error:
            log.warning("cameras_reconcile_waits", reason=error.message)
            await asyncio.sleep(RETRY_S)
        except Exception:
            log.exception("cameras_reconcile_failed")
            await asyncio.sleep(PERIOD_S)
        else:
            await _period(bus)


async def _period(bus: Bus) -> None:
    """PERIOD_S, cut short when a lost connection comes back: a restarted server may have lost what it held."""
    lost = False
    for _ in range(int(PERIOD_S / 0.25)):
        await asyncio.sleep(0.25)
        if lost and bus.connected:
            return
        lost = not bus.connected
