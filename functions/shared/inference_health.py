"""Whether the models answer: seen from the frames themselves, counted, and told to the platform by the bus."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import datetime
from typing import Literal

from prometheus_client import Counter, Gauge
from pydantic import AwareDatetime, BaseModel, ConfigDict

from functions.shared import logs
from functions.shared.bus import Bus
from functions.shared.contracts import new_id, now
from functions.shared.errors import BusUnavailable, GTVisionError, InferenceUnavailable, Misconfigured
from functions.shared.inference import Ask, FrameReading, Inference
from functions.shared.topology import READERS_KV

log = logs.get("inference")
WATCH_S, REPORT_S = 1.0, 3.0
# A Triton that nobody asks is asked this often; the engine in process needs no such question.
IDLE_S = 15.0
# While the models are known to be down, a frame waits this long for them before it is tried: its tries are few.
PATIENCE_S = 5.0
# One failure may be the frame that was in hand when a model was loaded again.
IN_A_ROW = 2

UP = Gauge("gtv_inference_up", "1 while the models answer", ["engine"])
FAILURES = Counter("gtv_inference_failures_total", "Frames that the models did not answer", ["engine", "kind"])
OUTAGES = Counter("gtv_inference_outages_total", "Times that the models stopped answering", ["engine", "kind"])
RECOVERIES = Counter("gtv_inference_recoveries_total", "Times that the models answered again", ["engine"])

Engine = Literal["embedded", "triton"]


class InferenceReport(BaseModel):
    """How the models fare, as one reader sees it: the value of the bucket READERS_KV."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    engine: Engine
    state: Literal["ok", "down"]
    since: AwareDatetime
    reason: str = ""
    """While down, a short stable word: dead_process, server_away, timeout, busy, no_model, misconfigured, error."""
    message: str = ""
    updated_at: AwareDatetime


class WatchedInference:
    """An engine whose answers are watched. Same calls, same errors as the engine's own."""

    def __init__(self, inner: Inference, engine: Engine) -> None:
        self._inner, self._engine = inner, engine
        self._id = new_id()
        self._failed_in_a_row = 0
        self._answered = time.monotonic()
        self._down: tuple[datetime, str, str] | None = None
        self._up_since = now()
        self._watchers = 0
        self._up = asyncio.Event()
        self._up.set()
        UP.labels(engine).set(1)

    async def read(self, jpeg: bytes, ask: Ask | None = None) -> FrameReading:
        """See Inference.read. A frame that comes while the models are down waits for them first, for a while."""
        if self._down and self._watchers:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._up.wait(), PATIENCE_S)
        try:
            reading = await self._inner.read(jpeg, ask)
        except (InferenceUnavailable, Misconfigured) as error:
            self._ill(error)
            raise
        except GTVisionError:
            self._well()  # a frame that is no picture was answered all the same
            raise
        self._well()
        return reading

    async def check(self) -> None:
        """See Inference.check."""
        try:
            await self._inner.check()
        except (InferenceUnavailable, Misconfigured) as error:
            self._ill(error)
            raise
        self._well()

    async def close(self) -> None:
        """See Inference.close."""
        await self._inner.close()

    def report(self) -> InferenceReport:
        """How the models fare now."""
        if self._down is None:
            return InferenceReport(engine=self._engine, state="ok", since=self._up_since, updated_at=now())
        since, reason, message = self._down
        return InferenceReport(
            engine=self._engine, state="down", since=since, reason=reason, message=message, updated_at=now()
        )

    async def watch(self, bus: Bus, stop: asyncio.Event) -> None:
        """Until `stop`: ask models that are down, or long unasked, with a small picture; tell the bus.

        Raises BusUnavailable.
        """
        told, state = float("-inf"), ""
        self._watchers += 1
        try:
            while not stop.is_set():
                quiet = time.monotonic() - self._answered
                if self._down or (self._engine == "triton" and quiet > IDLE_S):
                    with contextlib.suppress(GTVisionError):
                        await self.check()
                report = self.report()
                if report.state != state or time.monotonic() - told > REPORT_S:
                    await bus.kv_put(READERS_KV, self._id, report.model_dump_json().encode())
                    told, state = time.monotonic(), report.state
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), WATCH_S)
        finally:
            self._watchers -= 1
            self._up.set()
            with contextlib.suppress(BusUnavailable):
                await bus.kv_delete(READERS_KV, self._id)

    def _well(self) -> None:
        self._failed_in_a_row, self._answered = 0, time.monotonic()
        if self._down is None:
            return
        log.info("inference_answers_again", engine=self._engine, after=self._down[1])
        self._down, self._up_since = None, now()
        self._up.set()
        UP.labels(self._engine).set(1)
        RECOVERIES.labels(self._engine).inc()

    def _ill(self, error: GTVisionError) -> None:
        kind = str(error.details.get("kind", "misconfigured" if isinstance(error, Misconfigured) else "error"))
        FAILURES.labels(self._engine, kind).inc()
        self._answered = time.monotonic()
        self._failed_in_a_row += 1
        if self._failed_in_a_row < IN_A_ROW:
            return
        since = self._down[0] if self._down else now()
        if self._down is None:
            self._up.clear()
            log.warning("inference_is_down", engine=self._engine, kind=kind, reason=error.message)
            UP.labels(self._engine).set(0)
            OUTAGES.labels(self._engine, kind).inc()
        self._down = (since, kind, error.message[:300])
