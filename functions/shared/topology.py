"""The bus's topology: one table of streams, consumers and KV buckets.

`bus.ensure_topology` lays it; the NACK manifests, the KEDA triggers and the README's table are generated from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    KeyValueConfig,
    StorageType,
    StreamConfig,
)

from functions.shared.config import Settings


@dataclass(frozen=True)
class Stream:
    """A row of the topology: ages in seconds, sizes in bytes, 0 or -1 for no limit."""

    name: str
    subjects: tuple[str, ...]
    storage: StorageType
    max_age_s: float
    purpose: str
    max_bytes: int = -1
    max_msgs_per_subject: int = -1
    duplicate_window_s: float = 120.0


@dataclass(frozen=True)
class Consumer:
    """A durable pull consumer; `room` is the function whose worker fetches from it."""

    stream: str
    durable: str
    filter_subject: str
    room: str
    ack_wait_s: float = 30.0
    max_deliver: int = 5
    max_ack_pending: int = 256
    backoff_s: tuple[float, ...] = field(default=(1.0, 5.0, 15.0))


@dataclass(frozen=True)
class Bucket:
    """A KV bucket; `ttl_s` 0 keeps values for ever."""

    name: str
    ttl_s: float
    storage: StorageType
    purpose: str


FRAMES = "FRAMES"
EVENTS = "EVENTS"
DEAD_LETTERS = "DEAD_LETTERS"
STREAMS: tuple[Stream, ...] = (
    Stream(
        FRAMES, ("gtv.v1.frames.*",), StorageType.MEMORY, 60.0,
        "frames as JPEG, newest wins: the oldest are dropped", max_msgs_per_subject=3, duplicate_window_s=10.0,
    ),
    Stream(
        EVENTS, ("gtv.v1.detections.*", "gtv.v1.alerts.>", "gtv.v1.cameras.>", "gtv.v1.webhooks.>"),
        StorageType.FILE, 7 * 86_400.0, "detections, alerts, cameras' changes and states, ends of webhooks",
        max_bytes=2_147_483_648,
    ),
    Stream(
        DEAD_LETTERS, ("gtv.v1.dead_letters.>",), StorageType.FILE, 30 * 86_400.0,
        "messages that were given up, with the reason", max_bytes=1_073_741_824,
    ),
)  # fmt: skip
CONSUMERS: tuple[Consumer, ...] = (
    # ack_wait stays above the time-out of inference, max_deliver low: a late frame is worthless.
    Consumer(FRAMES, "post-processing", "gtv.v1.frames.*", "post_processing", 30.0, 3, 64, (0.5, 2.0)),
    # One message at a time, in order: a camera's state ends where its next begins. The database may be away for long.
    Consumer(EVENTS, "camera-spans", "gtv.v1.cameras.>", "cameras", 30.0, 1000, 1),
    # A match is lost to nobody: a database that is away for a while must not turn events into dead letters.
    Consumer(EVENTS, "alerts", "gtv.v1.detections.*", "alerts", 30.0, 50, 512, (0.5, 2.0, 10.0, 30.0)),
    # An event is never given up because the database is away. One replica stays, for the retries that fall due.
    Consumer(EVENTS, "webhooks", "gtv.v1.>", "webhooks", 10.0, 1_000_000, 256, (1.0, 5.0, 15.0, 30.0)),
)
CAMERAS_KV = "gtv_cameras"
STATUS_KV = "gtv_camera_status"
LEASES_KV = "gtv_camera_leases"
PODS_KV = "gtv_capture_pods"
READERS_KV = "gtv_readers"
SIGHT_KV = "gtv_camera_sight"
LIMITS_KV = "gtv_limits"
BUCKETS: tuple[Bucket, ...] = (
    Bucket(CAMERAS_KV, 0.0, StorageType.FILE, "what capture shall hold: a CameraSpec by camera"),
    Bucket(STATUS_KV, 0.0, StorageType.FILE, "how each camera fares: a CameraStatus by camera"),
    Bucket(LEASES_KV, 9.0, StorageType.MEMORY, "which pod holds a camera; gone when it is not renewed"),
    Bucket(PODS_KV, 9.0, StorageType.MEMORY, "capture pods that live"),
    Bucket(SIGHT_KV, 0.0, StorageType.FILE, "what each camera's scene looks like, to see that it was turned"),
    Bucket(READERS_KV, 15.0, StorageType.MEMORY, "readers that live, each with how the models fare"),
    Bucket(LIMITS_KV, 300.0, StorageType.MEMORY, "requests counted by user, address and camera, for all replicas"),
)


def stream_of(name: str) -> Stream:
    return next(stream for stream in STREAMS if stream.name == name)


def consumer_of(durable: str) -> Consumer:
    return next(consumer for consumer in CONSUMERS if consumer.durable == durable)


def stream_config(stream: Stream, settings: Settings) -> StreamConfig:
    return StreamConfig(
        name=stream.name, subjects=list(stream.subjects), storage=stream.storage, max_age=stream.max_age_s,
        max_bytes=settings.frames_max_bytes if stream.name == FRAMES else stream.max_bytes,
        max_msgs_per_subject=stream.max_msgs_per_subject, discard=DiscardPolicy.OLD, allow_direct=True,
        duplicate_window=stream.duplicate_window_s, num_replicas=settings.stream_replicas, description=stream.purpose,
    )  # fmt: skip


def consumer_config(consumer: Consumer) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=consumer.durable, filter_subject=consumer.filter_subject, ack_policy=AckPolicy.EXPLICIT,
        ack_wait=consumer.ack_wait_s, max_deliver=consumer.max_deliver, max_ack_pending=consumer.max_ack_pending,
        deliver_policy=DeliverPolicy.ALL,
    )  # fmt: skip


def bucket_config(bucket: Bucket, settings: Settings) -> KeyValueConfig:
    return KeyValueConfig(
        bucket=bucket.name, history=1, ttl=bucket.ttl_s, storage=bucket.storage, description=bucket.purpose,
        replicas=settings.stream_replicas, direct=True,
    )  # fmt: skip
