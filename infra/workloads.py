"""Manifests of what runs: Knative Services, the consumers that KEDA scales, capture, the migration."""

from __future__ import annotations

from typing import Any

from functions.shared.topology import CONSUMERS, Consumer
from infra import pods
from infra.pods import Manifest
from infra.stack import Function

# Frames that wait, or are in hand, for each reader that KEDA adds.
LAG_OF_ONE = 20
MAX_READERS = 10
CAPTURE_PODS = 3
METRICS_PORT = 9100
_AUTOSCALING = "autoscaling.knative.dev"
# Server-sent events keep a request open; a client resumes by Last-Event-ID when it ends.
_LONG_REQUESTS = frozenset({"console"})


def consumer_of_room(folder: str) -> Consumer | None:
    return next((consumer for consumer in CONSUMERS if consumer.room == folder), None)


def knative_service(function: Function) -> Manifest:
    """Annotations stand on the template: Knative reads the scale of a revision there, and nowhere else."""
    annotations = {
        f"{_AUTOSCALING}/min-scale": "0", f"{_AUTOSCALING}/max-scale": str(function.max_scale),
        f"{_AUTOSCALING}/metric": "concurrency", f"{_AUTOSCALING}/target": "50",
    }  # fmt: skip
    spec = {
        "timeoutSeconds": 600 if function.name in _LONG_REQUESTS else 60,
        "enableServiceLinks": False,
        "containers": [pods.container(function)],
        "volumes": pods.volumes(function.secrets),
    }
    metadata = {"labels": pods.labels(function.name), "annotations": annotations}
    return {
        "apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": {"name": function.name, "labels": pods.labels(function.name)},
        "spec": {"template": {"metadata": metadata, "spec": spec}},
    }  # fmt: skip


def deployment(name: str, pod: Manifest, replicas: int | None) -> Manifest:
    """`replicas` None leaves the number to the autoscaler."""
    spec: Manifest = {} if replicas is None else {"replicas": replicas}
    template = {"metadata": {"labels": pods.labels(name)}, "spec": pod}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": pods.labels(name)},
        "spec": spec | {"selector": {"matchLabels": pods.selector(name)}, "template": template},
    }  # fmt: skip


def reader(function: Function) -> Manifest:
    """A pull consumer: not a Knative Service, whose CPU is taken away between requests."""
    container = pods.container(function, "http") | {"name": function.name}
    for probe in ("readinessProbe", "livenessProbe"):
        path = container[probe]["httpGet"]["path"]
        container[probe] = container[probe] | {"httpGet": {"path": path, "port": "http"}}
    pod = {
        "automountServiceAccountToken": False, "enableServiceLinks": False, "terminationGracePeriodSeconds": 40,
        "containers": [container], "volumes": pods.volumes(function.secrets),
    }  # fmt: skip
    return deployment(function.name, pod, None)


def scaled_object(function: Function, consumer: Consumer) -> Manifest:
    """0 to MAX_READERS on num_pending + num_ack_pending of the durable consumer, which must exist before."""
    trigger = {
        "type": "nats-jetstream",
        "metadata": {
            "natsServerMonitoringEndpoint": "nats-headless:8222", "account": "$G", "stream": consumer.stream,
            "consumer": consumer.durable, "lagThreshold": str(LAG_OF_ONE), "activationLagThreshold": "0",
        },
    }  # fmt: skip
    spec = {
        "scaleTargetRef": {"name": function.name}, "minReplicaCount": consumer.least, "maxReplicaCount": MAX_READERS,
        # Longer than a passage stays open, so that its last reader also closes it.
        "pollingInterval": 5, "cooldownPeriod": 120, "triggers": [trigger],
    }  # fmt: skip
    return {
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": {"name": function.name, "labels": pods.labels(function.name)}, "spec": spec,
    }  # fmt: skip


def migration(function: Function) -> Manifest:
    """A Job that brings the database up to date; to be run before a new version's functions."""
    container = {
        "name": "migrate", "image": function.image, "command": ["python3", "-m", "functions.shared.dbtool", "migrate"],
        "env": pods.environment(function.environment), "securityContext": pods.security(),
        "resources": {"requests": dict(function.requests), "limits": dict(function.limits)},
        "volumeMounts": pods.mounts(function.secrets),
    }  # fmt: skip
    pod = {
        "restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container],
        "volumes": pods.volumes(function.secrets),
    }  # fmt: skip
    name = "gt-vision-migrate"
    template = {"metadata": {"labels": pods.labels(name)}, "spec": pod}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": pods.labels(name)},
        "spec": {"backoffLimit": 3, "ttlSecondsAfterFinished": 86_400, "template": template},
    }  # fmt: skip


def capture(functions: list[Function]) -> list[Manifest]:
    """The capture pods: any of them takes over the cameras of one that dies."""
    name, secrets = "capture", ("gtv-fernet-keys", "gtv-nats-token")
    shared = functions[0].environment
    values = {key: shared[key] for key in ("GTV_DATA_DIR", "GTV_NATS_URL", "GTV_STREAM_REPLICAS")}
    values |= {"GTV_MAX_CAMERAS": "60", "GTV_METRICS_HOST": "0.0.0.0", "GTV_METRICS_PORT": str(METRICS_PORT)}
    env: list[Any] = pods.environment(values)
    env.append({"name": "GTV_POD_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
    health = {"httpGet": {"path": "/_/health", "port": "metrics"}, "periodSeconds": 10, "timeoutSeconds": 3}
    container = {
        "name": name, "image": functions[0].image.replace(f"/{functions[0].name}:", f"/{name}:"), "env": env,
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        "livenessProbe": health | {"failureThreshold": 6}, "readinessProbe": health,
        "securityContext": pods.security(), "volumeMounts": pods.mounts(secrets),
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "4", "memory": "4Gi"}},
    }  # fmt: skip
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": pods.selector(name)}}
    spread = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": apart}]}
    pod = {
        "automountServiceAccountToken": False, "enableServiceLinks": False, "terminationGracePeriodSeconds": 30,
        "affinity": {"podAntiAffinity": spread}, "containers": [container], "volumes": pods.volumes(secrets),
    }  # fmt: skip
    budget = {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "labels": pods.labels(name)},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": pods.selector(name)}},
    }  # fmt: skip
    return [deployment(name, pod, CAPTURE_PODS), budget]
