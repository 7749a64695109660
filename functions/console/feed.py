"""The live feed: what EVENTS says, as server-sent events (WHATWG HTML, section 9.2) with links to the pictures.

`id:` is the stream's sequence, so that a reader who comes back with Last-Event-ID gets exactly what was missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

from prometheus_client import Gauge
from pydantic import BaseModel, ValidationError

from functions.console import alerts, replaying
from functions.console.reader import Reader
from functions.console.schemas import Clock, LiveCameraChange, LiveCameraStatus, LiveDetection, Reset
from functions.shared import logs
from functions.shared.bus import Bus
from functions.shared.context import Context
from functions.shared.contracts import CameraChanged, CameraStatusChanged, DetectionRecorded, now
from functions.shared.errors import BusUnavailable, NotFound, Throttled
from functions.shared.masking import masked
from functions.shared.topology import EVENTS

log = logs.get("console")
READERS = Gauge("gtv_console_feed_readers", "Open live feeds")
SUBJECTS = ("gtv.v1.detections.*", *alerts.SUBJECTS, "gtv.v1.cameras.changed.*", "gtv.v1.cameras.status.*")
HEARTBEAT_S = 15.0
# How often an idle feed looks whether the bus still answers: the page shows within this that it does not.
CHECK_S = 2.0
RETRY_MS = 2000
# After a feed that ended because its token did, the reader shall be back before anybody notices.
AT_ONCE_MS = 50
# A reader that does not read is left behind at this many events; it resumes where it was when it comes back.
BACKLOG = 256
# Each open feed is a consumer of its own on the bus.
MAX_READERS = 500
# One account cannot take them all; a control room's many screens may share one.
MAX_READERS_OF_ONE = 60

Event = tuple[int, str, bytes]


@dataclass(frozen=True)
class Start:
    """Where a feed begins: behind `sequence`; `gap` where something that was asked for is gone."""

    sequence: int
    gap: bool


async def start_of(bus: Bus, after: int | None) -> Start:
    """Where to begin for a reader that has seen all up to `after`; None has seen nothing and wants what comes."""
    first, last = await bus.stream_span(EVENTS)
    if after is None:
        return Start(last, gap=False)
    if after > last:
        # The stream was made anew since; its old sequences mean nothing.
        return Start(last, gap=True)
    return Start(after, gap=after + 1 < first)


class Feed:
    """The open feeds of one process; `stop` ends them all, each at once and cleanly."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stop = asyncio.Event()
        self._readers: Counter[str] = Counter()

    def stop(self) -> None:
        self._stop.set()

    async def open(self, after: int | None, reader: Reader) -> AsyncIterator[bytes]:
        """The bytes of one feed. Raises Throttled, BusUnavailable or DatabaseUnavailable before the first of them."""
        if self._readers.total() >= MAX_READERS:
            raise Throttled("too many live feeds are open in this process", retry_after=10)
        if self._readers[reader.user_id] >= MAX_READERS_OF_ONE:
            raise Throttled("this account has too many live feeds open; close some pages", retry_after=10)
        bus = await self._context.bus()
        if not bus.connected:
            raise BusUnavailable("NATS does not answer; the feed begins when it does")
        await reader.begin()
        start = await start_of(bus, after)
        if after is not None:
            await replaying.recorded(self._context, bus, reader, start.sequence)
        return self._blocks(bus, start, reader)

    async def _blocks(self, bus: Bus, start: Start, reader: Reader) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[Event | None] = asyncio.Queue(BACKLOG)
        # A task of its own: where the reader goes away mid-wait, its consumer is still deleted.
        pump = asyncio.create_task(self._pump(bus, start.sequence, queue))
        user_id = reader.user_id
        self._readers[user_id] += 1
        try:
            with READERS.track_inprogress():
                yield f"retry: {RETRY_MS}\n\n".encode() + clock(start.sequence)
                if start.gap:
                    yield block("reset", Reset(reason="some of the missed events are no longer kept"), start.sequence)
                async for piece in self._until_the_end(bus, queue, reader):
                    yield piece
        finally:
            self._readers[user_id] -= 1
            self._readers += Counter()  # drops names that count nothing
            pump.cancel()

    async def _until_the_end(
        self, bus: Bus, queue: asyncio.Queue[Event | None], reader: Reader
    ) -> AsyncIterator[bytes]:
        """Events and heartbeats until `stop`, the loss of the bus, or the reader's right or the life of an access token
        is over.

        The reader then comes back by itself with Last-Event-ID, and is asked anew who it is.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._context.settings.access_ttl_s
        beat = loop.time() + HEARTBEAT_S
        stopping = asyncio.ensure_future(self._stop.wait())
        coming = asyncio.ensure_future(queue.get())
        try:
            while (left := until - loop.time()) > 0 and await reader.holds():
                await asyncio.wait({coming, stopping}, timeout=min(CHECK_S, left), return_when=asyncio.FIRST_COMPLETED)
                if stopping.done() or not bus.connected:
                    return
                if coming.done():
                    event = coming.result()
                    if event is None:
                        return
                    coming = asyncio.ensure_future(queue.get())
                    if piece := await self._rendered(event, reader):
                        yield piece
                if loop.time() >= beat:
                    beat = loop.time() + HEARTBEAT_S
                    yield b": heartbeat\n" + clock()
            yield f"retry: {AT_ONCE_MS}\n\n".encode()
        finally:
            stopping.cancel()
            coming.cancel()

    async def _pump(self, bus: Bus, after: int, queue: asyncio.Queue[Event | None]) -> None:
        try:
            async with contextlib.aclosing(bus.events(SUBJECTS, after)) as events:
                async for event in events:
                    await queue.put(event)
        except BusUnavailable as error:
            log.warning("feed_ends", reason=error.message)
        await queue.put(None)

    async def _rendered(self, event: Event, reader: Reader) -> bytes | None:
        """The event as the reader may see it; None where they may not."""
        sequence, subject, body = event
        if not reader.may_read(kind_of(subject)) or not await reader.sees(subject):
            return None
        try:
            if subject.startswith(f"{DetectionRecorded.subject_root}."):
                found = await self._detection(body, hidden=reader.masked)
                return block("detection", found, sequence)
            if subject.startswith(f"{CameraStatusChanged.subject_root}."):
                return block("camera-status", camera_status(body), sequence)
            if subject.startswith(alerts.ALERTS):
                return block("alert", alerts.live_alert(subject, body), sequence)
            return block("camera-changed", camera_change(body), sequence)
        except ValidationError as error:
            log.warning("event_not_understood", subject=subject, sequence=sequence, findings=error.error_count())
            return None

    async def _detection(self, body: bytes, *, hidden: bool) -> LiveDetection:
        """`hidden`: plates are masked, and the picture is the one that search shows without the plate."""
        seen = DetectionRecorded.model_validate_json(body)
        if hidden:
            seen = seen.model_copy(
                update={
                    "plate": masked(seen.plate), "plate_read": masked(seen.plate_read), "candidates": (),
                    "plate_snapshot_key": None,
                }
            )  # fmt: skip
        return LiveDetection(
            id=seen.detection_id, camera_id=seen.camera_id, started_at=seen.started_at, ended_at=seen.ended_at,
            final=seen.final, type=seen.vehicle_type, confidence=seen.vehicle_confidence, color=seen.color,
            direction=seen.direction, plate=seen.plate, plate_read=seen.plate_read,
            plate_confidence=seen.plate_confidence, plate_format=seen.plate_format, rows=seen.plate_rows,
            corrected=seen.corrected, uncertain=seen.uncertain, replaced_by=seen.replaced_by,
            candidates=list(seen.candidates), box=seen.box, observations=seen.observations,
            snapshot_url=self._masked_link(seen) if hidden else await self._link(seen.snapshot_key), masked=hidden,
            plate_snapshot_url=await self._link(seen.plate_snapshot_key),
        )  # fmt: skip

    @staticmethod
    def _masked_link(seen: DetectionRecorded) -> str | None:
        return None if seen.snapshot_key is None else f"/api/detections/{seen.detection_id}/snapshot.jpg"

    async def _link(self, key: str | None) -> str | None:
        """A link that ends, never the key by itself."""
        if key is None:
            return None
        try:
            return await self._context.store.link(key, self._context.settings.link_ttl_s)
        except NotFound:
            return None


def kind_of(subject: str) -> str:
    """The type of the events of a subject, or its beginning."""
    for kind in (DetectionRecorded, CameraStatusChanged, CameraChanged):
        if subject.startswith(f"{kind.subject_root}."):
            return kind.type
    return alerts.TYPES


def camera_status(body: bytes) -> LiveCameraStatus:
    message = CameraStatusChanged.model_validate_json(body)
    status = message.status
    return LiveCameraStatus(
        camera_id=message.camera_id, previous=message.previous, state=status.state, reason=logs.redact(status.reason),
        reason_code=status.reason_code, since=status.since, updated_at=status.updated_at,
        last_frame_at=status.last_frame_at, codec=status.codec, width=status.width, height=status.height,
        fps=status.fps, decode=status.decode, decode_reason=logs.redact(status.decode_reason),
        reading=None if message.reading is None else list(message.reading),
    )  # fmt: skip


def camera_change(body: bytes) -> LiveCameraChange:
    message = CameraChanged.model_validate_json(body)
    return LiveCameraChange(
        camera_id=message.camera_id, change=message.change, name=message.name, revision=message.revision,
        occurred_at=message.occurred_at,
    )  # fmt: skip


def block(event: str, data: BaseModel, sequence: int | None = None) -> bytes:
    """One event on the wire. JSON holds no raw line break, so one `data:` line is enough."""
    head = f"id: {sequence}\n" if sequence is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data.model_dump(mode='json'), ensure_ascii=False)}\n\n".encode()


def clock(sequence: int | None = None) -> bytes:
    return block("clock", Clock(now=now()), sequence)
