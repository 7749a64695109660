"""What runs beside the requests: the consumer of EVENTS, the sender, and the one who forgets what is old.

Each endpoint has a lane of its own: a few deliveries in flight, one where it has been failing. Lanes do not wait for
each other, so an endpoint that hangs holds up nobody but itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from nats.aio.msg import Msg

from functions.shared import logs
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import BusUnavailable, GTVisionError
from functions.shared.outbound import Limits, Outbound
from functions.shared.tables import WebhookDelivery
from functions.shared.tasks import end
from functions.webhooks import disabling, metrics, queueing, repository, sending

log = logs.get("webhooks")
DURABLE = "webhooks"
IN_HAND = 32
LANE, FAILING_LANE, FAILING_AT = 8, 1, 3
# How often a process looks for what fell due; what its own consumer queued is sent at once.
POLL_S, COUNT_S, FORGET_S, RETRY_S = 1.0, 5.0, 600.0, 2.0
FORGET_AT_ONCE = 5000
PATIENCE_S = 3.0
ANSWER_BYTES = 2048


def open_outbound(context: Context) -> Outbound:
    settings = context.settings
    limits = Limits(settings.webhook_timeout_s, min(5.0, settings.webhook_timeout_s), ANSWER_BYTES)
    return Outbound(settings.webhook_allowed_networks, limits=limits)


class Sender:
    """Claims what is due and sends it; one a process. `close` leaves nothing claimed behind."""

    def __init__(self, context: Context, outbound: Outbound) -> None:
        self._context, self._outbound = context, outbound
        # A claim outlives its request, and little more: what a dead process held is due again soon.
        self._claim_for = timedelta(seconds=2 * context.settings.webhook_timeout_s + 2)
        self._busy: Counter[str] = Counter()
        self._tasks: dict[asyncio.Task[None], WebhookDelivery] = {}
        self._wake = asyncio.Event()

    def kick(self) -> None:
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._wake.clear()
            if await self.send_due() == 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_S)

    async def send_due(self) -> int:
        """Begin what is due and fits into the lanes; how many deliveries were begun."""
        at = now()
        async with self._context.db.read() as session:
            ready = await repository.ready(session, at)
        free = {hook: room for hook, failures in ready if (room := lane(failures) - self._busy[hook]) > 0}
        if not free:
            return 0
        rows: list[WebhookDelivery] = []
        async with self._context.db.transaction() as session:
            for hook, room in free.items():
                rows += await repository.claim(session, hook, room, at, at + self._claim_for, new_id())
        for row in rows:
            self._begin(row)
        return len(rows)

    def _begin(self, row: WebhookDelivery) -> None:
        self._busy[row.webhook_id] += 1
        task = asyncio.create_task(self._deliver(row), name="webhook-delivery")
        self._tasks[task] = row
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        row = self._tasks.pop(task)
        self._busy[row.webhook_id] -= 1
        if not self._busy[row.webhook_id]:
            del self._busy[row.webhook_id]
        self._wake.set()

    async def _deliver(self, row: WebhookDelivery) -> None:
        logs.bind_correlation(str((row.event or {}).get("correlation_id") or "") or None)
        try:
            await sending.attempt(self._context, self._outbound, row)
        except GTVisionError as error:
            # The claim runs out by itself, and then the delivery is made again.
            log.warning("delivery_not_recorded", delivery_id=row.id, reason=error.message)
        except Exception:
            log.exception("delivery_broke", delivery_id=row.id)

    async def close(self) -> None:
        """Give what is in flight a moment; what has not ended by then is due again at once."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=PATIENCE_S)
        left = dict(self._tasks)
        await end(*left)
        tokens = sorted({row.claim for row in left.values() if row.claim})
        if tokens:
            with contextlib.suppress(GTVisionError):
                async with self._context.db.transaction() as session:
                    await repository.release(session, tokens, now())


def lane(failures: int) -> int:
    """How many deliveries to an endpoint may be in flight in one process."""
    return LANE if failures < FAILING_AT else FAILING_LANE


class Worker:
    """The jobs of one process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stop = asyncio.Event()
        self._outbound = open_outbound(context)
        self.sender = Sender(context, self._outbound)

    async def start(self) -> list[asyncio.Task[None]]:
        jobs = {"consumer": self._consume, "sender": lambda: self.sender.run(self._stop), "housekeeper": self._keep}
        return [asyncio.create_task(self._for_ever(name, job), name=f"webhooks-{name}") for name, job in jobs.items()]

    async def close(self, jobs: list[asyncio.Task[None]]) -> None:
        self._stop.set()
        self.sender.kick()
        await asyncio.wait(jobs, timeout=PATIENCE_S)
        await end(*jobs)
        await self.sender.close()
        await self._outbound.close()

    async def _for_ever(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` until the end, again after each failure: a part that was away comes back."""
        while not self._stop.is_set():
            try:
                await work()
            except GTVisionError as error:
                log.warning("webhooks_wait", job=name, reason=error.message)
            except Exception:
                log.exception("webhooks_failed", job=name)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), RETRY_S)

    async def _consume(self) -> None:
        bus = await self._context.bus()

        async def handle(message: Msg) -> None:
            event, at = queueing.event_of(dict(message.headers or {}), message.data)
            if await queueing.queue(self._context, event, at):
                self.sender.kick()

        await bus.consume(DURABLE, handle, concurrency=IN_HAND, stop=self._stop)

    async def _keep(self) -> None:
        """Count what waits, disable what outlived its key, let out what endpoints' ends have to tell, and delete what
        is past its time."""
        loop = asyncio.get_running_loop()
        forget_at = loop.time()
        while not self._stop.is_set():
            with contextlib.suppress(BusUnavailable):
                await self._context.relay()
            await disabling.with_their_keys(self._context)
            await self._count()
            if loop.time() >= forget_at:
                await self._forget()
                forget_at = loop.time() + FORGET_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), COUNT_S)

    async def _count(self) -> None:
        async with self._context.db.read() as session:
            number, oldest = await repository.waiting(session)
        metrics.WAITING.set(number)
        metrics.OLDEST.set(max(0.0, (now() - oldest).total_seconds()) if oldest else 0.0)

    async def _forget(self) -> None:
        before = now() - timedelta(days=self._context.settings.webhook_keep_days)
        while not self._stop.is_set():
            async with self._context.db.transaction() as session:
                if await repository.forget(session, before, FORGET_AT_ONCE) < FORGET_AT_ONCE:
                    return


@contextlib.asynccontextmanager
async def deliver(context: Context) -> AsyncIterator[None]:
    """Worker: queue and send while the block runs. Where a worker of its own does it, nothing here."""
    if not context.settings.consume:
        yield
        return
    worker = Worker(context)
    jobs = await worker.start()
    try:
        yield
    finally:
        await worker.close(jobs)
