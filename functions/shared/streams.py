"""Lays the topology: what is absent is made, what differs from its table is brought to it."""

from __future__ import annotations

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from functions.shared.config import Settings
from functions.shared.topology import (
    BUCKETS,
    CONSUMERS,
    STREAMS,
    Bucket,
    bucket_config,
    consumer_config,
    stream_config,
)

_WINDOW_S = 120.0


async def lay(js: JetStreamContext, settings: Settings) -> None:
    """Every stream, bucket and consumer of the tables. Raises what nats-py raises."""
    for stream in STREAMS:
        await _ensure_stream(js, stream_config(stream, settings))
    for bucket in BUCKETS:
        await _ensure_bucket(js, bucket, settings)
    for consumer in CONSUMERS:
        await js.add_consumer(consumer.stream, consumer_config(consumer))


async def _ensure_stream(js: JetStreamContext, config: StreamConfig) -> None:
    # Asked first: adding a stream that exists reserves its max_bytes a second time while it is checked.
    try:
        present = (await js.stream_info(str(config.name))).config
    except nats.js.errors.NotFoundError:
        await js.add_stream(config)
        return
    wanted = {name: value for name, value in config.as_dict().items() if value is not None}
    if any(present.as_dict().get(name) != value for name, value in wanted.items()):
        await js.update_stream(config)


async def _ensure_bucket(js: JetStreamContext, bucket: Bucket, settings: Settings) -> None:
    try:
        present = (await js.stream_info(f"KV_{bucket.name}")).config
    except nats.js.errors.NotFoundError:
        await js.create_key_value(bucket_config(bucket, settings))
        return
    if (present.max_age or 0.0, present.num_replicas) != (bucket.ttl_s, settings.stream_replicas):
        # The server refuses a window of duplicates longer than the life of a value.
        window = min(_WINDOW_S, bucket.ttl_s or _WINDOW_S)
        await js.update_stream(
            present.evolve(max_age=bucket.ttl_s, num_replicas=settings.stream_replicas, duplicate_window=window)
        )
