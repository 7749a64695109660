"""What every pod of ours has in common, as plain dictionaries for YAML."""

from __future__ import annotations

from typing import Any

from functions.shared.config import DEFAULT_SECRETS_DIR
from infra.stack import Function

PART_OF = "gt-vision"
VERSION = "0.1.0"
USER = 10001
# Without these a pod would make a database and keys of its own, in a folder that ends with it. Of the others each is a
# way of doing something (mail, S3 by key, a token for NATS) that an installation may not use.
NEEDED = frozenset({"gtv-database-url", "gtv-fernet-keys"})
Manifest = dict[str, Any]


def labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": PART_OF, "app.kubernetes.io/version": VERSION}


def selector(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": PART_OF}


def environment(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(values.items())]


def security() -> Manifest:
    """Of a container: no root, no writes but to /tmp, no capability."""
    return {
        "runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip


def mounts(secrets: tuple[str, ...]) -> list[Manifest]:
    found: list[Manifest] = [{"name": "tmp", "mountPath": "/tmp"}]
    if secrets:
        found.append({"name": "secrets", "mountPath": DEFAULT_SECRETS_DIR, "readOnly": True})
    return found


def volumes(secrets: tuple[str, ...]) -> list[Manifest]:
    """A folder with one file for each secret, as OpenFaaS mounts them. A pod waits for those of NEEDED alone."""
    found: list[Manifest] = [{"name": "tmp", "emptyDir": {}}]
    if secrets:
        found.append({"name": "secrets", "projected": {"sources": [{"secret": _secret(name)} for name in secrets]}})
    return found


def _secret(name: str) -> Manifest:
    return {"name": name} if name in NEEDED else {"name": name, "optional": True}


def container(function: Function, port_name: str = "http1") -> Manifest:
    """The container of a function, fit for a Knative Service and for a Deployment."""
    return {
        "image": function.image,
        "ports": [{"name": port_name, "containerPort": 8080}],
        "env": environment(function.environment),
        "resources": {"requests": dict(function.requests), "limits": dict(function.limits)},
        "readinessProbe": {"httpGet": {"path": "/_/ready"}, "periodSeconds": 5, "timeoutSeconds": 3},
        "livenessProbe": {"httpGet": {"path": "/_/health"}, "periodSeconds": 10, "timeoutSeconds": 3},
        "securityContext": security(),
        "volumeMounts": mounts(function.secrets),
    }
