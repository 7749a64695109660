"""Fetches for one durable consumer; notices what its stream discarded before the consumer had it.

A stream has a size and an age, and discards the oldest: a worker that was away for too long never hears of that.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo, StreamInfo
from prometheus_client import Counter

from functions.shared import logs
from functions.shared.topology import CONSUMERS, EVENTS, Consumer

log = logs.get("bus")
LOST = Counter(
    "gtv_events_lost_total",
    "Events that were discarded before their consumer had them (of one that reads some subjects only: at the most)",
    ["consumer"],
)
# What nats-py raises when the server is away, slow or restarting.
AWAY = (nats.errors.Error, nats.js.errors.Error, OSError, asyncio.TimeoutError)
# How often a consumer that works looks whether it is too slow; one that begins looks before its first message.
LOOK_S = 30.0
# A stream that holds this part of its bytes discards one for each that comes.
FULL = 0.9
# The filter of a consumer that gets all that EVENTS holds.
WHOLE = "gtv.v1.>"


class Fetcher:
    """Fetches for one durable consumer; binds anew after a failure."""

    def __init__(self, js: JetStreamContext, spec: Consumer) -> None:
        self._js, self._spec = js, spec
        self._subscription: JetStreamContext.PullSubscription | None = None
        self._look_at = float("-inf")
        self._told = 0

    async def fetch(self, wanted: int) -> list[Msg]:
        """Up to `wanted` messages, none when none came within a second. Raises what nats-py raises."""
        try:
            if self._subscription is None:
                self._subscription = await self._js.pull_subscribe_bind(self._spec.durable, self._spec.stream)
            if self._spec.stream == EVENTS and time.monotonic() >= self._look_at:
                await self._look()
            return list(await self._subscription.fetch(wanted, timeout=1.0))
        except nats.errors.TimeoutError:
            return []
        except AWAY:
            self._subscription = None
            raise

    async def _look(self) -> None:
        stream = await self._js.stream_info(self._spec.stream)
        info = await self._js.consumer_info(self._spec.stream, self._spec.durable)
        number = lost(self._spec, info, stream, self._told)
        self._look_at = time.monotonic() + LOOK_S
        if number:
            first = stream.state.first_seq
            LOST.labels(self._spec.durable).inc(number)
            log.error("events_lost", durable=self._spec.durable, number=number, before_sequence=first)
            self._told = first - 1

    async def close(self) -> None:
        if self._subscription is not None:
            with contextlib.suppress(*AWAY):
                await self._subscription.unsubscribe()


def lost(spec: Consumer, info: ConsumerInfo, stream: StreamInfo, told: int = 0) -> int:
    """How many messages a stream discarded that its consumer never had, or had in hand; those up to the sequence `told`
    were counted before. The order of asking matters: the stream before the consumer.

    Of a consumer of some subjects nobody knows which of the discarded were for it. It is said to have lost any only
    while the stream is full and something waits for it, and then at the most so many.
    """
    gone = stream.state.first_seq - 1
    delivered = max(told, info.delivered.stream_seq if info.delivered else 0)
    acknowledged = max(told, info.ack_floor.stream_seq if info.ack_floor else 0)
    unseen = max(0, gone - delivered)
    in_hand = min(info.num_ack_pending or 0, max(0, min(gone, delivered) - acknowledged))
    if spec.filter_subject != WHOLE:
        room = stream.config.max_bytes or -1
        full = room > 0 and stream.state.bytes >= FULL * room
        if not (full and info.num_pending):
            return 0
    return unseen + in_hand


async def losses(js: JetStreamContext) -> dict[str, int]:
    """By durable consumer of EVENTS: how many events were discarded before it had them, while it has not caught up.
    Raises what nats-py raises."""
    stream = await js.stream_info(EVENTS)
    found = {}
    for spec in CONSUMERS:
        if spec.stream == EVENTS and (number := lost(spec, await js.consumer_info(EVENTS, spec.durable), stream)):
            found[spec.durable] = number
    return found
