"""The outside of `post_processing`: the consumer of FRAMES, the sweeper, and `POST /events`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

from fastapi import APIRouter, Request, Response
from nats.aio.msg import Msg

from functions.post_processing import metrics
from functions.post_processing.schemas import EVENT, frame_of
from functions.post_processing.service import FrameService, Outcome
from functions.shared import config, logs, partitions
from functions.shared.bus import Bus
from functions.shared.cloudevents import frame_meta
from functions.shared.config import ReaderSettings
from functions.shared.context import Context
from functions.shared.contracts import FrameMeta
from functions.shared.errors import BrokenImage, BusUnavailable, GTVisionError
from functions.shared.inference import Inference, open_inference
from functions.shared.inference_health import WatchedInference
from functions.shared.web import Ctx, Worker, create_app

log = logs.get("reader")
DURABLE = "post-processing"
SWEEP_S, LOAD_S, FORGET_S, RETRY_S = 0.25, 1.0, 60.0, 2.0
# How long frames in hand may take once the process is told to end.
PATIENCE_S = 3.0

OpenInference = Callable[[ReaderSettings], Inference]


def open_engine(settings: ReaderSettings) -> Inference:
    """The engine that the settings name. Raises Misconfigured for a missing model."""
    return open_inference(
        settings.triton_url, settings.model_repository, max_in_flight=settings.frames_in_hand,
        timeout_s=settings.inference_timeout_s, threads=settings.inference_threads,
    )  # fmt: skip


class Reader:
    """The FrameService of each Context of this process, opened at first use and closed with its last user."""

    def __init__(self, engine: OpenInference = open_engine) -> None:
        self._engine = engine
        self._services: dict[Context, FrameService] = {}
        self._opening = asyncio.Lock()

    async def of(self, context: Context) -> FrameService:
        """Raises Misconfigured when the models are not there."""
        async with self._opening:
            found = self._services.get(context)
            if found is None:
                settings = reader_settings(context)
                # Loading the engine's code takes long enough to be felt by others on the loop.
                inner = await asyncio.to_thread(self._engine, settings)
                inference = WatchedInference(inner, "triton" if settings.triton_url else "embedded")
                found = self._services[context] = FrameService(settings, context.db, context.store, inference)
        return found

    async def close(self, context: Context) -> None:
        service = self._services.pop(context, None)
        if service is not None:
            await service.inference.close()

    async def read(self, context: Context, meta: FrameMeta, jpeg: bytes, *, fresh: bool = False) -> Outcome:
        """Read one frame and let its events go out. `fresh`: it was not given before."""
        service = await self.of(context)
        try:
            outcome = await service.read(meta, jpeg, fresh=fresh)
        except GTVisionError as error:
            metrics.FAILED.labels(error.code).inc()
            raise
        # What was committed is not undone by a bus that is away: the outbox keeps it until a relay runs.
        with contextlib.suppress(BusUnavailable):
            (await context.relay()).kick()
        return outcome

    @contextlib.asynccontextmanager
    async def consume_frames(self, context: Context) -> AsyncIterator[None]:
        """Consume FRAMES, close passages and relay events while the block runs."""
        service = await self.of(context)
        stop = asyncio.Event()
        jobs = [
            asyncio.create_task(_for_ever("consumer", stop, lambda: self._consume(context, service, stop))),
            asyncio.create_task(_for_ever("sweeper", stop, lambda: _sweep(context, service, stop))),
            asyncio.create_task(_for_ever("health", stop, lambda: _watch_models(context, service, stop))),
        ]
        try:
            yield
        finally:
            stop.set()
            _, late = await asyncio.wait(jobs, timeout=PATIENCE_S)
            # Frames that still wait for the engine fail now and go back to the bus, for another worker.
            await self.close(context)
            if late:
                _, late = await asyncio.wait(late, timeout=PATIENCE_S)
            for job in late:
                job.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _consume(self, context: Context, service: FrameService, stop: asyncio.Event) -> None:
        bus = await context.bus()

        async def handle(message: Msg) -> None:
            if not message.data:
                raise BrokenImage("the frame is empty")
            fresh = message.metadata.num_delivered == 1
            await self.read(context, frame_meta(message.headers or {}), message.data, fresh=fresh)

        await bus.consume(DURABLE, handle, concurrency=service.settings.frames_in_hand, stop=stop)


def reader_settings(context: Context) -> ReaderSettings:
    """The Context's own settings, where they say how to read; else those of the environment."""
    settings = context.settings
    return settings if isinstance(settings, ReaderSettings) else config.load(ReaderSettings)


async def _for_ever(name: str, stop: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` until `stop`, again after each failure: a part that was away comes back."""
    while not stop.is_set():
        try:
            await work()
        except GTVisionError as error:
            log.warning("reader_waits", job=name, reason=error.message)
        except Exception:
            log.exception("reader_failed", job=name)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RETRY_S)


async def _watch_models(context: Context, service: FrameService, stop: asyncio.Event) -> None:
    if isinstance(service.inference, WatchedInference):
        await service.inference.watch(await context.bus(), stop)


async def _sweep(context: Context, service: FrameService, stop: asyncio.Event) -> None:
    """Every SWEEP_S: close what has ended; every LOAD_S: count what waits, settle what nothing changes any more; every
    minute: forget what is old."""
    relay = await context.relay()
    loop = asyncio.get_running_loop()
    load_at = forget_at = loop.time()
    waiting: int | None = None
    cameras = Waiting(await context.bus())
    while not stop.is_set():
        if loop.time() >= load_at:
            waiting = await _waiting(await context.bus())
            cameras = Waiting(await context.bus())
            await service.settle()
            load_at = loop.time() + LOAD_S
        if waiting is not None:
            metrics.WAITING.set(waiting)
        if await service.sweep(idle=waiting == 0, quiet=cameras.is_quiet):
            relay.kick()
        if loop.time() >= forget_at:
            await service.forget()
            forget_at = loop.time() + FORGET_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SWEEP_S)


class Waiting:
    """Tells of single cameras whether frames of them wait; each is asked of the bus once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._newest: dict[str, datetime | None] = {}

    async def is_quiet(self, camera_id: str, newest_read: datetime | None) -> bool:
        """Whether the newest frame of a camera has been read. False while the bus does not say."""
        if camera_id not in self._newest:
            try:
                found = await self._bus.last_frame(camera_id)
            except BusUnavailable:
                return False
            self._newest[camera_id] = found[0].captured_at if found else None
        newest = self._newest[camera_id]
        return newest is None or (newest_read is not None and newest <= newest_read)


async def _waiting(bus: Bus) -> int | None:
    """Frames that wait; None while the bus does not say."""
    try:
        load = await bus.load(DURABLE)
    except BusUnavailable:
        return None
    return load.waiting + load.in_hand


def make_router(reader: Reader) -> APIRouter:
    router = APIRouter(tags=["post-processing"])

    @router.post("/events", status_code=204, openapi_extra=EVENT)
    async def events(request: Request, context: Ctx) -> Response:
        """Read a frame that comes as a CloudEvent, binary (image/jpeg with ce- headers) or structured.

        204 when it is recorded, was before, or is not worth reading (too old, or from the future).
        """
        meta, jpeg = frame_of(request.headers, await request.body())
        await reader.read(context, meta, jpeg)
        return Response(status_code=204)

    return router


def open_context() -> Context:
    settings = config.load(ReaderSettings)
    logs.configure(settings.log_level, settings.log_format)
    return Context(settings, "post-processing")


reader = Reader()
router = make_router(reader)
consume_frames: Worker = reader.consume_frames
workers: list[Worker] = [consume_frames, partitions.kept]
app = create_app("post-processing", [router], open_context=open_context, workers=workers)
