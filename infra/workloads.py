"""Manifests of what runs: Knative Services, the consumers that KEDA scales, capture, the migration."""

from __future__ import annotations

from typing import Any

from functions.shared.config import FunctionSettings
from functions.shared.topology import CONSUMERS, FRAMES, Consumer
from infra import pods
from infra.pods import Manifest
from infra.stack import Function

# Frames that wait, or are in hand, for each reader that KEDA adds; and events for each worker, which are far cheaper.
LAG_OF_ONE, EVENTS_OF_ONE = 20, 200
MAX_READERS = 10
# Rooms that nobody asks anything by /api: what runs of them is the consumer alone. A test holds it to the routes.
CONSUMERS_ALONE = frozenset({"post_processing"})
# Workers that have something to do by the clock and not by the message: an alert that nobody acknowledged is escalated,
# a delivery that failed is tried again.
ALWAYS_ONE = frozenset({"alerts", "cameras", "webhooks"})
# Rooms whose timed work a CronJob does in a cluster.
BY_CRON = frozenset({"retention"})
RETENTION_HOUR, RETENTION_S = "GTV_RETENTION_HOUR", 4 * 3600
CAPTURE_PODS = 3
METRICS_PORT = 9100
_AUTOSCALING = "autoscaling.knative.dev"
# Server-sent events keep a request open; a client resumes by Last-Event-ID when it ends.
_LONG_REQUESTS = frozenset({"console"})


def consumers_of_room(folder: str) -> list[Consumer]:
    return [consumer for consumer in CONSUMERS if consumer.room == folder]


def worker_name(function: Function) -> str:
    return function.name if function.folder in CONSUMERS_ALONE else f"{function.name}-worker"


def scale_of_worker(function: Function) -> tuple[int, int]:
    """How many workers there are at the least and at the most."""
    most = MAX_READERS if function.folder in CONSUMERS_ALONE else function.max_scale
    return int(function.folder in ALWAYS_ONE), most


def files_of(function: Function) -> dict[str, list[Manifest]]:
    """What a function is in a cluster, by folder: a Knative Service for who asks, a Deployment that KEDA scales for
    what it consumes, or both. One that consumes in a Deployment does not do so in its Service as well: a pod that
    serves HTTP may be without CPU between requests, and would keep messages that it had taken."""
    consumers = consumers_of_room(function.folder)
    found: dict[str, list[Manifest]] = {}
    if function.folder not in CONSUMERS_ALONE:
        found["knative"] = [knative_service(function, consumes=not consumers and function.folder not in BY_CRON)]
    if consumers:
        found["keda"] = [worker(function), scaled_object(function, consumers)]
    return found


def knative_service(function: Function, *, consumes: bool) -> Manifest:
    """Annotations stand on the template: Knative reads the scale of a revision there, and nowhere else."""
    container = pods.container(function)
    if not consumes:
        container["env"] = pods.environment(function.environment | {"GTV_CONSUME": "false"})
    annotations = {
        f"{_AUTOSCALING}/min-scale": "0", f"{_AUTOSCALING}/max-scale": str(function.max_scale),
        f"{_AUTOSCALING}/metric": "concurrency", f"{_AUTOSCALING}/target": "50",
    }  # fmt: skip
    spec = {
        "timeoutSeconds": 600 if function.name in _LONG_REQUESTS else 60,
        "enableServiceLinks": False,
        "containers": [container],
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


def worker(function: Function) -> Manifest:
    """A pull consumer: not a Knative Service, whose CPU is taken away between requests."""
    name = worker_name(function)
    container = pods.container(function, "http") | {"name": name}
    for probe in ("readinessProbe", "livenessProbe"):
        path = container[probe]["httpGet"]["path"]
        container[probe] = container[probe] | {"httpGet": {"path": path, "port": "http"}}
    pod = {
        "automountServiceAccountToken": False, "enableServiceLinks": False, "terminationGracePeriodSeconds": 40,
        "containers": [container], "volumes": pods.volumes(function.secrets),
    }  # fmt: skip
    return deployment(name, pod, None)


def scaled_object(function: Function, consumers: list[Consumer]) -> Manifest:
    """On num_pending + num_ack_pending of the durable consumers, which must exist before; the neediest one counts."""
    name = worker_name(function)
    least, most = scale_of_worker(function)
    spec = {
        "scaleTargetRef": {"name": name}, "minReplicaCount": least, "maxReplicaCount": most,
        # Longer than a passage stays open, so that its last reader also closes it.
        "pollingInterval": 5, "cooldownPeriod": 120, "triggers": [_lag(consumer) for consumer in consumers],
    }  # fmt: skip
    return {
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": {"name": name, "labels": pods.labels(name)}, "spec": spec,
    }  # fmt: skip


def _lag(consumer: Consumer) -> Manifest:
    lag = LAG_OF_ONE if consumer.stream == FRAMES else EVENTS_OF_ONE
    return {
        "type": "nats-jetstream",
        "metadata": {
            "natsServerMonitoringEndpoint": "nats-headless:8222", "account": "$G", "stream": consumer.stream,
            "consumer": consumer.durable, "lagThreshold": str(lag), "activationLagThreshold": "0",
        },
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


def retention(function: Function) -> Manifest:
    """The daily run as a CronJob: a Service that sleeps has no clock. One that is still at it keeps the next from
    beginning, and what a run that was cut short left is taken up by the next."""
    name = "gt-vision-retention"
    container = {
        "name": "retention", "image": function.image, "command": ["python3", "-m", "functions.retention.once"],
        "env": pods.environment(function.environment), "securityContext": pods.security(),
        "resources": {"requests": dict(function.requests), "limits": dict(function.limits)},
        "volumeMounts": pods.mounts(function.secrets),
    }  # fmt: skip
    pod = {
        "restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False,
        "containers": [container], "volumes": pods.volumes(function.secrets),
    }  # fmt: skip
    job = {
        "backoffLimit": 2, "activeDeadlineSeconds": RETENTION_S,
        "template": {"metadata": {"labels": pods.labels(name)}, "spec": pod},
    }  # fmt: skip
    # The hour of the function's environment in stack.yml; -1 is never, as where the function has the clock itself.
    hour = int(function.environment.get(RETENTION_HOUR, FunctionSettings.model_fields["retention_hour"].default))
    return {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name, "labels": pods.labels(name)},
        "spec": {
            "schedule": f"0 {max(hour, 0)} * * *", "timeZone": "Etc/UTC", "suspend": hour < 0,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": job},
        },
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
