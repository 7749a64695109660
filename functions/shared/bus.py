"""NATS JetStream: one table of streams, buckets and consumers; publish; consume with ack after commit; KV.

Only this module knows nats-py. Its errors become BusUnavailable here; what a handler raises becomes an ack, a
delayed nak or a dead letter here (`outcome`).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.kv import KeyValue

from functions.shared import logs
from functions.shared.cloudevents import cloud_headers, frame_headers, frame_meta
from functions.shared.config import Settings
from functions.shared.contracts import DeadLetter, FrameMeta, Message, new_id
from functions.shared.errors import BusUnavailable, GTVisionError, Rejected, TooLarge, Unavailable
from functions.shared.fetching import AWAY as _AWAY
from functions.shared.fetching import Fetcher, losses
from functions.shared.streams import lay
from functions.shared.topology import EVENTS, FRAMES, Consumer, consumer_of

log = logs.get("bus")

Handler = Callable[[Msg], Awaitable[None]]


@dataclass(frozen=True)
class Load:
    """Messages of a consumer that wait, that are in hand, that were given out again; requests that wait for one."""

    waiting: int
    in_hand: int
    repeated: int
    readers: int


class Bus:
    """A connection to NATS that outlives restarts of the server."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.client = client
        self.js: JetStreamContext = client.jetstream(timeout=5.0)
        self._settings = settings
        self._buckets: dict[str, KeyValue] = {}

    @property
    def connected(self) -> bool:
        return bool(self.client.is_connected)

    async def close(self) -> None:
        # A drain waits for a server that may be gone; what matters was acknowledged before.
        # RuntimeError: uvloop's, for a connection that the server has closed already.
        with contextlib.suppress(*_AWAY, RuntimeError):
            await asyncio.wait_for(self.client.close(), 3.0)

    async def publish(self, message: Message, timeout_s: float = 5.0) -> None:
        """Publish a JSON message; returns when the stream has stored it."""
        headers = {**cloud_headers(message), "content-type": "application/json"}
        await self.publish_raw(message.subject, message.model_dump_json().encode(), headers, timeout_s)

    async def publish_frame(self, meta: FrameMeta, jpeg: bytes, timeout_s: float = 2.0) -> None:
        await self.publish_raw(meta.subject, jpeg, frame_headers(meta), timeout_s)

    async def publish_raw(self, subject: str, body: bytes, headers: dict[str, str], timeout_s: float = 5.0) -> None:
        try:
            await self.js.publish(subject, body, headers=headers, timeout=timeout_s)
        except nats.errors.MaxPayloadError:
            raise TooLarge(f"{len(body)} bytes on {subject} are over the limit of NATS", field="body") from None
        except _AWAY as error:
            raise BusUnavailable(
                f"NATS did not take a message on {subject}: {error or type(error).__name__}"
            ) from error

    async def kv(self, bucket: str) -> KeyValue:
        if bucket not in self._buckets:
            try:
                self._buckets[bucket] = await self.js.key_value(bucket)
            except _AWAY as error:
                raise BusUnavailable(f"KV bucket {bucket} cannot be opened: {error or type(error).__name__}") from error
        return self._buckets[bucket]

    async def kv_put(self, bucket: str, key: str, value: bytes) -> None:
        store = await self.kv(bucket)
        with _answering(f"KV bucket {bucket} took no value"):
            await store.put(key, value)

    async def kv_delete(self, bucket: str, key: str) -> None:
        store = await self.kv(bucket)
        with _answering(f"KV bucket {bucket} deleted no value"):
            await store.delete(key)

    async def kv_get(self, bucket: str, key: str) -> bytes | None:
        found = await self.kv_entry(bucket, key)
        return found[0] if found else None

    async def kv_entry(self, bucket: str, key: str) -> tuple[bytes | None, int] | None:
        """A value and its revision, which `kv_swap` asks for."""
        store = await self.kv(bucket)
        with _answering(f"KV bucket {bucket} gave no value"):
            try:
                entry = await store.get(key)
            except nats.js.errors.KeyNotFoundError:
                return None
        return entry.value, entry.revision or 0

    async def kv_swap(self, bucket: str, key: str, value: bytes, revision: int | None) -> bool:
        """Put a value where the key still has this revision (None: where there is no such key); whether it did."""
        store = await self.kv(bucket)
        with _answering(f"KV bucket {bucket} took no value"):
            try:
                await (store.create(key, value) if revision is None else store.update(key, value, last=revision))
            except nats.js.errors.KeyWrongLastSequenceError:
                return False
        return True

    async def kv_all(self, bucket: str) -> dict[str, bytes]:
        """Every key with its value.

        By a pull consumer and not by nats-py's watch: that one now and then takes a bucket for empty, when the
        consumer's state overtakes its messages, and leaves its consumer on the server for five minutes each time.
        """
        stream = f"KV_{bucket}"
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT, ack_policy=AckPolicy.NONE, filter_subject=f"$KV.{bucket}.>",
            inactive_threshold=30.0, mem_storage=True,
        )  # fmt: skip
        try:
            info = await self.js.add_consumer(stream, config)
            try:
                found = await self._last_values(stream, info) if info.num_pending else {}
            finally:
                with contextlib.suppress(*_AWAY):
                    await self.js.delete_consumer(stream, info.name)
            # A key that changed meanwhile is skipped at its old place and may come too late at its new one.
            subjects = (await self.js.stream_info(stream, subjects_filter=">")).state.subjects or {}
        except _AWAY as error:
            raise BusUnavailable(f"KV bucket {bucket} cannot be read: {error or type(error).__name__}") from error
        for key in {subject.split(".", 2)[2] for subject in subjects} - set(found):
            found[key] = await self.kv_get(bucket, key)
        return {key: value for key, value in found.items() if value is not None}

    async def _last_values(self, stream: str, info: ConsumerInfo) -> dict[str, bytes | None]:
        """The values that a consumer of last messages gives until none is left; None for a deleted key."""
        values: dict[str, bytes | None] = {}
        subscription = await self.js.pull_subscribe_bind(info.name, stream)
        try:
            waiting = info.num_pending or 0
            while waiting:
                for message in await subscription.fetch(min(waiting, 256), timeout=2.0):
                    key = message.subject.split(".", 2)[2]
                    headers = message.headers or {}
                    deleted = "KV-Operation" in headers or "Nats-Marker-Reason" in headers
                    values[key] = None if deleted else message.data
                    waiting = message.metadata.num_pending or 0
        finally:
            with contextlib.suppress(*_AWAY):
                await subscription.unsubscribe()
        return values

    async def kv_revision(self, bucket: str) -> int:
        """Rises with each change of any key: one cheap question that tells whether `kv_all` is worth asking."""
        with _answering(f"KV bucket {bucket} gave no state"):
            info = await self.js.stream_info(f"KV_{bucket}")
        return int(info.state.last_seq)

    async def stream_span(self, stream: str) -> tuple[int, int]:
        """The sequences of a stream's first and last message; the first is the last plus one when it is empty."""
        with _answering(f"{stream} gave no state"):
            state = (await self.js.stream_info(stream)).state
        return int(state.first_seq), int(state.last_seq)

    async def load(self, durable: str) -> Load:
        """What a durable consumer has before it. Raises BusUnavailable."""
        with _answering(f"{durable} gave no state"):
            info = await self.js.consumer_info(consumer_of(durable).stream, durable)
        return Load(info.num_pending or 0, info.num_ack_pending or 0, info.num_redelivered or 0, info.num_waiting or 0)

    async def losses(self) -> dict[str, int]:
        """By consumer of EVENTS: events that were discarded before it had them, while it has not caught up. Raises
        BusUnavailable."""
        with _answering("EVENTS gave no state"):
            return await losses(self.js)

    async def last_frame(self, camera_id: str) -> tuple[FrameMeta, bytes] | None:
        """The newest frame of a camera that FRAMES still holds, or None."""
        try:
            found = await self.js.get_last_msg(FRAMES, f"gtv.v1.frames.{camera_id}")
        except nats.js.errors.NotFoundError:
            return None
        except _AWAY as error:
            raise BusUnavailable(f"FRAMES cannot be read: {error or type(error).__name__}") from error
        return frame_meta(found.headers or {}), found.data or b""

    async def consume(self, durable: str, handler: Handler, *, concurrency: int, stop: asyncio.Event) -> None:
        """Fetch and handle messages until `stop`, with at most `concurrency` in hand; outlives the server.

        Each fetch expires soon, so a restarted server is asked anew instead of leaving a request that nobody
        answers. A message is acknowledged after `handler` returned.
        """
        spec = consumer_of(durable)
        free = asyncio.Semaphore(concurrency)
        running: set[asyncio.Task[None]] = set()
        fetcher = Fetcher(self.js, spec)

        def finished(task: asyncio.Task[None]) -> None:
            running.discard(task)
            free.release()

        while not stop.is_set():
            await free.acquire()
            free.release()
            try:
                messages = await fetcher.fetch(max(1, concurrency - len(running)))
            except _AWAY as error:
                log.warning("consumer_waits", durable=durable, reason=str(error) or type(error).__name__)
                await self._recover(stop)
                continue
            for message in messages:
                await free.acquire()
                task = asyncio.create_task(self._handle(spec, message, handler))
                running.add(task)
                task.add_done_callback(finished)
        if running:
            await asyncio.wait(running, timeout=10.0)
        await fetcher.close()

    async def _recover(self, stop: asyncio.Event) -> None:
        """After an outage the memory streams are gone: lay the topology again once the server answers."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0)
        try:
            await ensure_topology(self)
        except GTVisionError as error:
            log.warning("topology_waits", reason=error.message)

    async def _handle(self, spec: Consumer, message: Msg, handler: Handler) -> None:
        logs.bind_correlation((message.headers or {}).get("ce-correlationid"))
        try:
            await handler(message)
        except Exception as error:
            await self._refuse(spec, message, error)
            return
        with contextlib.suppress(*_AWAY):
            await message.ack()

    async def _refuse(self, spec: Consumer, message: Msg, error: Exception) -> None:
        """A message whose handler failed: wait and try again, or give it up with the reason."""
        tries = message.metadata.num_delivered or 1
        action = outcome(error)
        if not isinstance(error, GTVisionError):
            log.exception("handler_failed", subject=message.subject, tries=tries)
        with contextlib.suppress(*_AWAY):
            if action == "term" or tries >= spec.max_deliver:
                log.warning("dead_letter", subject=message.subject, reason=str(error), tries=tries)
                await self.bury(spec.durable, message, str(error))
                await message.term()
            else:
                await message.nak(delay=spec.backoff_s[min(tries, len(spec.backoff_s)) - 1])

    async def bury(self, consumer: str, message: Msg, reason: str) -> None:
        body = b"" if message.subject.startswith("gtv.v1.frames.") else message.data
        letter = DeadLetter(
            consumer=consumer, original_subject=message.subject, original_headers=dict(message.headers or {}),
            reason=logs.redact(reason), body_base64=base64.b64encode(body).decode(), id=new_id(),
        )  # fmt: skip
        with contextlib.suppress(BusUnavailable):
            await self.publish(letter)

    async def events(self, subjects: tuple[str, ...], after: int | None) -> AsyncGenerator[tuple[int, str, bytes]]:
        """Follow EVENTS: (stream sequence, subject, JSON). `after` resumes behind a sequence, None begins now."""
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.NEW if after is None else DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=None if after is None else after + 1,
            ack_policy=AckPolicy.NONE, inactive_threshold=30.0, filter_subjects=list(subjects), mem_storage=True,
        )  # fmt: skip
        try:
            info = await self.js.add_consumer(EVENTS, config)
            subscription = await self.js.pull_subscribe_bind(info.name, EVENTS)
            try:
                while True:
                    try:
                        batch = await subscription.fetch(64, timeout=5.0)
                    except nats.errors.TimeoutError:
                        continue
                    for message in batch:
                        yield message.metadata.sequence.stream, message.subject, message.data
            finally:
                with contextlib.suppress(*_AWAY):
                    await subscription.unsubscribe()
                    await self.js.delete_consumer(EVENTS, info.name)
        except _AWAY as error:
            raise BusUnavailable(f"EVENTS cannot be followed: {error or type(error).__name__}") from error


@contextlib.contextmanager
def _answering(failed: str) -> Iterator[None]:
    """Turns what nats-py raises within into BusUnavailable."""
    try:
        yield
    except _AWAY as error:
        raise BusUnavailable(f"{failed}: {error or type(error).__name__}") from error


def outcome(error: Exception) -> str:
    """What becomes of a message whose handler raised: "term" gives it up, "nak" tries again later."""
    for kind, action in OUTCOMES:
        if isinstance(error, kind):
            return action
    return "nak"


# First match counts; a test proves that every GTVisionError has a row.
OUTCOMES: tuple[tuple[type[Exception], str], ...] = (
    (Rejected, "term"),
    (Unavailable, "nak"),
    (GTVisionError, "nak"),
)


async def connect(settings: Settings, name: str, *, wait_s: float = 10.0) -> Bus:
    """Connect to NATS, waiting up to `wait_s` for it; afterwards the connection mends itself for ever."""

    client = Client()
    bus = Bus(client, settings)
    refusals: list[str] = []

    async def on_error(error: Exception) -> None:
        log.debug("nats_error", reason=str(error))
        if "authorization" in str(error).lower():
            refusals.append(str(error))

    async def on_lost() -> None:
        log.warning("nats_lost")

    async def on_back() -> None:
        # A restarted server has lost its memory streams: lay them again before anybody misses them.
        log.info("nats_back")
        with contextlib.suppress(GTVisionError):
            await ensure_topology(bus)

    options: dict[str, Any] = {
        "servers": settings.nats_url.split(","), "name": name, "connect_timeout": 2, "reconnect_time_wait": 0.5,
        "max_reconnect_attempts": -1, "error_cb": on_error, "disconnected_cb": on_lost, "reconnected_cb": on_back,
        "pending_size": 8 * 1024 * 1024, "ping_interval": 10, "max_outstanding_pings": 2,
    }  # fmt: skip
    if settings.nats_token is not None:
        options["token"] = settings.nats_token.get_secret_value()
    try:
        await asyncio.wait_for(client.connect(**options), max(wait_s, 0.1))
    except (*_AWAY, ValueError) as error:
        with contextlib.suppress(Exception):
            await client.close()
        where = logs.redact(settings.nats_url)
        if refusals:
            raise BusUnavailable(f"NATS at {where} refuses the token", mend="correct GTV_NATS_TOKEN") from error
        raise BusUnavailable(
            f"NATS at {where} does not answer", mend="start nats-server or set GTV_NATS_URL"
        ) from error
    return bus


async def ensure_topology(bus: Bus) -> None:
    """Make every stream, bucket and consumer of the tables, or bring it to the table's settings."""
    try:
        await lay(bus.js, bus._settings)
    except _AWAY as error:
        raise BusUnavailable(f"JetStream refused its topology: {error or type(error).__name__}") from error
