"""The topology as resources of NACK, with every unsafe default of its CRDs set explicitly."""

from __future__ import annotations

from functions.shared.config import Settings
from functions.shared.topology import BUCKETS, CONSUMERS, FRAMES, STREAMS, Bucket, Consumer, Stream
from infra import pods
from infra.pods import Manifest

_API = "jetstream.nats.io/v1beta2"


def seconds(value: float) -> str:
    """A Go duration: 60.0 -> "60s", 0.5 -> "500ms"."""
    return f"{value:.0f}s" if value == int(value) else f"{value * 1000:.0f}ms"


def resource(kind: str, name: str, spec: Manifest) -> Manifest:
    dns = name.lower().replace("_", "-")
    return {"apiVersion": _API, "kind": kind, "metadata": {"name": dns, "labels": pods.labels("nats")}, "spec": spec}


def stream(row: Stream, replicas: int) -> Manifest:
    spec: Manifest = {
        "name": row.name, "description": row.purpose, "subjects": list(row.subjects), "retention": "limits",
        "storage": row.storage.value, "discard": "old", "maxAge": seconds(row.max_age_s),
        "maxBytes": Settings().frames_max_bytes if row.name == FRAMES else row.max_bytes,
        "maxMsgsPerSubject": row.max_msgs_per_subject, "duplicateWindow": seconds(row.duplicate_window_s),
        "replicas": replicas, "allowDirect": True,
    }  # fmt: skip
    return resource("Stream", row.name, spec)


def consumer(row: Consumer) -> Manifest:
    spec: Manifest = {
        "streamName": row.stream, "durableName": row.durable, "filterSubject": row.filter_subject,
        "deliverPolicy": "all", "ackPolicy": "explicit", "ackWait": seconds(row.ack_wait_s),
        "maxDeliver": row.max_deliver, "maxAckPending": row.max_ack_pending, "replayPolicy": "instant",
    }  # fmt: skip
    return resource("Consumer", row.durable, spec)


def bucket(row: Bucket, replicas: int) -> Manifest:
    spec: Manifest = {
        "bucket": row.name, "description": row.purpose, "history": 1, "ttl": seconds(row.ttl_s),
        "storage": row.storage.value, "replicas": replicas,
    }  # fmt: skip
    return resource("KeyValue", row.name, spec)


def topology(replicas: int) -> dict[str, list[Manifest]]:
    """File name -> its resources."""
    return {
        "streams": [stream(row, replicas) for row in STREAMS],
        "consumers": [consumer(row) for row in CONSUMERS],
        "buckets": [bucket(row, replicas) for row in BUCKETS],
    }
