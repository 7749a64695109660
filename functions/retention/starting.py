"""Runs that somebody asks for: begun at once, answered when done or after some seconds, ended with the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from weakref import WeakKeyDictionary

from functions.retention import deleting, reconcile
from functions.retention.deleting import Run
from functions.retention.due import Doom
from functions.retention.schemas import ReconcileStart
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import GTVisionError
from functions.shared.tasks import end
from functions.shared.tokens import Principal

log = logs.get("retention")
# How long an answer waits for the run; a gateway cuts what takes a minute.
PATIENCE_S = 20.0
_RUNNING: WeakKeyDictionary[Context, set[asyncio.Task[None]]] = WeakKeyDictionary()


async def retention(context: Context, who: Principal, *, dry_run: bool) -> str:
    """The id of a run that has begun. Raises Conflict while another one runs."""
    return await _begun(Run(context, "run", who, dry_run=dry_run), deleting.go_on)


async def reconciliation(context: Context, who: Principal, asked: ReconcileStart) -> str:
    """The same, of a comparison of the store with the rows."""

    async def compare(work: Run) -> None:
        failure: BaseException | None = None
        try:
            since = None if asked.days is None else now() - timedelta(days=asked.days)
            mend = reconcile.Mend(Doom("orphans", work.id) if asked.delete_orphans else None, asked.forget_missing)
            work.report |= await reconcile.look(context, reconcile.Span(since=since), mend)
            await deleting.drain(work)
        except BaseException as error:
            failure = error
            raise
        finally:
            await asyncio.shield(work.end(failure))

    return await _begun(Run(context, "reconcile", who), compare)


async def _begun(work: Run, go_on: Callable[[Run], Awaitable[None]]) -> str:
    await work.begin()

    async def to_the_end() -> None:
        try:
            await go_on(work)
        except GTVisionError as error:
            log.warning("run_failed", run_id=work.id, reason=error.message)
        except Exception:
            log.exception("run_failed", run_id=work.id)

    task = asyncio.create_task(to_the_end(), name=f"retention-{work.kind}")
    running = _RUNNING.setdefault(work.context, set())
    running.add(task)
    task.add_done_callback(running.discard)
    await asyncio.wait({task}, timeout=PATIENCE_S)
    return work.id


@contextlib.asynccontextmanager
async def worker(context: Context) -> AsyncIterator[None]:
    """Runs end before their context is closed; the next one goes on where they stopped."""
    yield
    await end(*_RUNNING.pop(context, set()))
