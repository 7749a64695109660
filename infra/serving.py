"""Manifests of inference: a Triton server on a GPU with its guard, and the Job that builds its TensorRT plans."""

from __future__ import annotations

from urllib.parse import urlsplit

from infra import pods
from infra.pods import Manifest
from infra.stack import Function
from infra.workloads import deployment

NAME, READER = "triton", "post-processing"
METRICS_PORT, GUARD_PORT = 8002, 9103
RELEASE = "24.10"
"""Of NVIDIA's containers. The TensorRT that builds a plan must be the one that runs it."""
IMAGE_TENSORRT = f"nvcr.io/nvidia/tensorrt:{RELEASE}-py3"
MODELS = "gt-vision-models"
LOADER = "gt-vision-models-loader"
_MODELS_AT, _VIEW_AT = "/models", "/view"
_SIDECAR = ["python3", "-m", "functions.shared.triton_sidecar", "--view", _VIEW_AT]
GPU = {"nvidia.com/gpu": "1"}


def _mount(name: str, path: str, *, read_only: bool = False) -> Manifest:
    return {"name": name, "mountPath": path} | ({"readOnly": True} if read_only else {})


def _confined(name: str, image: str, mounts: list[Manifest], cpu: str, memory: str) -> Manifest:
    amounts = {"cpu": cpu, "memory": memory}
    return {
        "name": name, "image": image, "securityContext": pods.security(),
        "resources": {"requests": dict(amounts), "limits": dict(amounts)},
        "volumeMounts": [_mount("tmp", "/tmp"), *mounts],
    }  # fmt: skip


def _server(image: str, grpc_port: int) -> Manifest:
    """Everything that may be asked over the network is inference: no HTTP, and models come by the view alone.

    Its own readiness says nothing of a dead model process, so the probes ask the guard, which reads pictures.
    """
    view = [_mount("view", _VIEW_AT, read_only=True), _mount("shm", "/dev/shm")]
    server = _confined(NAME, image, view, "4", "8Gi")
    server["resources"]["limits"] |= GPU
    server["args"] = [
        "tritonserver", f"--model-repository={_VIEW_AT}/served", "--model-config-name=gpu",
        "--model-control-mode=poll", "--repository-poll-secs=1", "--allow-http=false", "--grpc-address=0.0.0.0",
        f"--grpc-port={grpc_port}", "--metrics-address=0.0.0.0", f"--metrics-port={METRICS_PORT}",
        "--exit-timeout-secs=20",
    ]  # fmt: skip
    server["ports"] = [
        {"name": "grpc", "containerPort": grpc_port}, {"name": "metrics", "containerPort": METRICS_PORT},
    ]  # fmt: skip

    def asked(path: str, **more: int) -> Manifest:
        return {"httpGet": {"path": path, "port": GUARD_PORT}, "timeoutSeconds": 5, **more}

    server["startupProbe"] = asked("/_/ready", periodSeconds=5, failureThreshold=60)
    server["readinessProbe"] = asked("/_/ready", periodSeconds=5, failureThreshold=2)
    # The guard says so after a minute in which healing has not helped.
    server["livenessProbe"] = asked("/_/health", periodSeconds=10, failureThreshold=2)
    return server


def _guard(image: str, grpc_port: int) -> Manifest:
    guard = _confined("guard", image, [_mount("view", _VIEW_AT)], "100m", "256Mi")
    guard["command"] = [*_SIDECAR, "--url", f"grpc://127.0.0.1:{grpc_port}", "--listen", f"0.0.0.0:{GUARD_PORT}"]
    guard["ports"] = [{"name": "guard", "containerPort": GUARD_PORT}]
    live = {"httpGet": {"path": "/metrics", "port": "guard"}, "periodSeconds": 10, "timeoutSeconds": 5}
    guard["livenessProbe"] = live
    return guard


def triton(functions: list[Function]) -> list[Manifest]:
    """The server at the address that the reader is given, reachable by the reader alone."""
    reader = next(function for function in functions if function.name == READER)
    address = urlsplit(reader.environment["GTV_TRITON_URL"])
    port = address.port or 8001
    image = reader.image.replace(f"/{READER}:", f"/{NAME}:")
    lay = _confined(
        "view", reader.image, [_mount("models", _MODELS_AT, read_only=True), _mount("view", _VIEW_AT)], "500m", "512Mi"
    )
    lay["command"] = [*_SIDECAR, "--lay", _MODELS_AT]
    pod = {
        "automountServiceAccountToken": False, "enableServiceLinks": False, "terminationGracePeriodSeconds": 40,
        "initContainers": [lay], "containers": [_server(image, port), _guard(reader.image, port)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}}, {"name": "view", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            {"name": "models", "persistentVolumeClaim": {"claimName": MODELS, "readOnly": True}},
        ],
    }  # fmt: skip
    service = {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": address.hostname, "labels": pods.labels(NAME)},
        "spec": {"selector": pods.selector(NAME), "ports": [{"name": "grpc", "port": port, "targetPort": "grpc"}]},
    }  # fmt: skip
    # The port asks nobody who they are.
    who = [{"podSelector": {"matchLabels": pods.selector(READER)}}]
    policy = {
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "labels": pods.labels(NAME)},
        "spec": {
            "podSelector": {"matchLabels": pods.selector(NAME)}, "policyTypes": ["Ingress"],
            "ingress": [
                {"from": who, "ports": [{"port": port}]}, {"ports": [{"port": METRICS_PORT}, {"port": GUARD_PORT}]},
            ],
        },
    }  # fmt: skip
    server = deployment(NAME, pod, 1)
    # A node has one GPU to give: the old pod leaves it before the new one starts.
    server["spec"]["strategy"] = {"type": "Recreate"}
    return [server, service, policy]


def models(functions: list[Function]) -> list[Manifest]:
    """The volume of the models, and a pod that lies idle for an hour, through which they are copied into it."""
    reader = next(function for function in functions if function.name == READER)
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": MODELS, "labels": pods.labels(MODELS)},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}},
    }  # fmt: skip
    loader = _confined("loader", reader.image, [_mount("models", _MODELS_AT)], "100m", "128Mi")
    loader["command"] = ["sleep", "3600"]
    pod = {
        "restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0, "securityContext": {"fsGroup": pods.USER}, "containers": [loader],
        "volumes": _volumes_to_write(),
    }  # fmt: skip
    return [
        claim,
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": LOADER, "labels": pods.labels(LOADER)}, "spec": pod},
    ]


def _volumes_to_write() -> list[Manifest]:
    return [
        {"name": "tmp", "emptyDir": {}},
        {"name": "models", "persistentVolumeClaim": {"claimName": MODELS}},
    ]


def plans() -> Manifest:
    """The Job that builds the plans into the volume of the models, on a GPU of the kind that will serve."""
    name = "gt-vision-plans"
    build = _confined("trtexec", IMAGE_TENSORRT, [_mount("models", _MODELS_AT)], "4", "12Gi")
    build["resources"]["limits"] |= GPU
    build["command"] = ["sh", f"{_MODELS_AT}/build_plans.sh"]
    pod = {
        "restartPolicy": "Never", "automountServiceAccountToken": False,
        "securityContext": {"fsGroup": pods.USER}, "containers": [build], "volumes": _volumes_to_write(),
    }  # fmt: skip
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": pods.labels(name)},
        "spec": {
            "backoffLimit": 1, "ttlSecondsAfterFinished": 86_400,
            "template": {"metadata": {"labels": pods.labels(name)}, "spec": pod},
        },
    }  # fmt: skip
