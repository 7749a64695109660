"""Work that runs beside the requests for as long as its process does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from functions.shared import logs
from functions.shared.context import Context
from functions.shared.errors import GTVisionError
from functions.shared.tasks import end

log = logs.get("worker")
# Pause after a failure.
RETRY_S = 2.0
# How long what is in hand may take once the process is told to end.
PATIENCE_S = 3.0

Job = Callable[[Context, asyncio.Event], Awaitable[None]]


def consuming(*jobs: Job) -> Callable[[Context], AbstractAsyncContextManager[None]]:
    """A worker (`web.create_app`) that runs jobs until its process ends, each again after it failed.

    A job gets the Context and an event that says when to stop. Where `GTV_CONSUME` is off the worker does nothing:
    another Deployment of the same function consumes, and this process answers requests alone.
    """

    @contextlib.asynccontextmanager
    async def worker(context: Context) -> AsyncIterator[None]:
        if not context.settings.consume:
            yield
            return
        stop = asyncio.Event()
        running = [asyncio.create_task(for_ever(job, context, stop), name=job.__name__) for job in jobs]
        try:
            yield
        finally:
            stop.set()
            await _ended(running)

    return worker


async def _ended(running: Sequence[asyncio.Task[None]]) -> None:
    _, late = await asyncio.wait(running, timeout=PATIENCE_S)
    await end(*late)


async def for_ever(job: Job, context: Context, stop: asyncio.Event) -> None:
    """Run `job` until `stop`, again after each failure: a part that was away comes back."""
    while not stop.is_set():
        try:
            await job(context, stop)
        except GTVisionError as error:
            log.warning("worker_waits", job=job.__name__, reason=error.message)
        except Exception:
            log.exception("worker_failed", job=job.__name__)
        if not stop.is_set():
            await pause(stop, RETRY_S)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, at the most until `stop`."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
