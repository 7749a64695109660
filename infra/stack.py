"""stack.yml, read strictly: faas-cli ignores keys that it does not know, so a typo would pass in silence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
STACK = ROOT / "stack.yml"

# The schema of faas-cli (openfaas/go-sdk, stack/schema.go): key -> type.
_TOP = {"version": (str, float), "provider": dict, "functions": dict, "configuration": dict}
_FUNCTION = {
    "lang": str, "handler": str, "image": str, "fprocess": str, "environment": dict, "secrets": list,
    "skip_build": bool, "constraints": list, "environment_file": list, "labels": dict, "limits": dict,
    "requests": dict, "readonly_root_filesystem": bool, "build_options": list, "annotations": dict,
    "namespace": str, "build_args": dict, "platforms": str, "build_secrets": dict,
}  # fmt: skip
_NESTED = {"provider": {"name", "gateway"}, "configuration": {"templates", "copy"}}
_SUBSTITUTION = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
# The community edition of OpenFaaS refuses these (faas-netes, pkg/handlers/validate.go).
_PAID = re.compile(r"^com\.openfaas\.scale\.(zero|zero-duration|target|type)$")
_SCALE = re.compile(r"^com\.openfaas\.scale\.(min|max)$")
_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")


@dataclass(frozen=True)
class Function:
    """One function of stack.yml with its defaults filled in; `folder` is its package below functions/."""

    name: str
    folder: str
    image: str
    environment: dict[str, str]
    secrets: tuple[str, ...]
    limits: dict[str, str]
    requests: dict[str, str]
    max_scale: int


def substituted(text: str, names: Mapping[str, str] = MappingProxyType({})) -> str:
    """`${NAME:-default}` becomes what `names` says of NAME, else its default, as faas-cli does by the environment."""
    return _SUBSTITUTION.sub(lambda found: names.get(found.group(1)) or found.group(2) or "", text)


def load(path: Path = STACK, names: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """The document with `names`, else the defaults, substituted. Raises ValueError listing every problem."""
    document = yaml.safe_load(substituted(path.read_text(), names))
    found = problems(document, path.parent)
    if found:
        raise ValueError("\n".join(found))
    checked: dict[str, Any] = document
    return checked


def problems(document: Any, root: Path = ROOT) -> list[str]:
    """What faas-cli would ignore or refuse, in plain words."""
    if not isinstance(document, dict):
        return ["stack.yml: not a mapping"]
    found = _unknown("stack.yml", document, _TOP)
    if str(document.get("version")) != "1.0":
        found.append("version: must be 1.0")
    for key, known in _NESTED.items():
        found += [f"{key}.{name}: unknown" for name in document.get(key, {}) if name not in known]
    if document.get("provider", {}).get("name") != "openfaas":
        found.append("provider.name: must be openfaas")
    for place in document.get("configuration", {}).get("copy", []):
        inside = (root / place).resolve()
        if root.resolve() not in inside.parents or not inside.exists():
            found.append(f"configuration.copy: {place} must lie inside the project")
    for name, function in document.get("functions", {}).items():
        found += _of_function(name, function, root)
    return found


def _unknown(where: str, given: dict[str, Any], known: dict[str, Any]) -> list[str]:
    found = [f"{where}: {key} is unknown" for key in given if key not in known]
    wrong = [key for key, value in given.items() if key in known and not isinstance(value, known[key])]
    return found + [f"{where}: {key} has the wrong type" for key in wrong]


def _of_function(name: str, function: Any, root: Path) -> list[str]:
    if not isinstance(function, dict):
        return [f"{name}: not a mapping"]
    found = _unknown(name, function, _FUNCTION)
    if not _NAME.match(name):
        found.append(f"{name}: not a DNS name")
    found += [f"{name}: {key} is missing" for key in ("lang", "handler", "image") if key not in function]
    for key in ("environment", "labels", "annotations", "build_args", "limits", "requests"):
        given = function.get(key, {})
        texts = isinstance(given, dict) and all(isinstance(value, str) for value in given.values())
        found += [] if texts else [f"{name}: {key} must be a mapping of texts"]
    found += [f"{name}: {key} is missing in {part}" for part in ("limits", "requests")
              for key in ("cpu", "memory") if key not in function.get(part, {})]  # fmt: skip
    for label, value in function.get("labels", {}).items():
        if _PAID.match(label) or (_SCALE.match(label) and not 1 <= int(value) <= 5):
            found.append(f"{name}: the community edition refuses {label}={value}")
    files = [function.get("handler", ""), *function.get("environment_file", [])]
    return found + [f"{name}: there is no {file}" for file in files if not (root / file).exists()]


def functions(path: Path = STACK, names: Mapping[str, str] = MappingProxyType({})) -> list[Function]:
    """The functions of stack.yml in its order; `names` has REGISTRY and TAG where they are not the defaults.

    Raises ValueError listing every problem.
    """
    return [_function(name, given, path.parent) for name, given in load(path, names)["functions"].items()]


def _function(name: str, given: dict[str, Any], root: Path) -> Function:
    environment: dict[str, str] = {}
    for file in given.get("environment_file", []):
        environment |= yaml.safe_load((root / file).read_text())["environment"]
    return Function(
        name=name, folder=given["build_args"]["FUNCTION"], image=given["image"],
        environment=environment | given.get("environment", {}), secrets=tuple(given.get("secrets", ())),
        limits=given["limits"], requests=given["requests"],
        max_scale=int(given["labels"]["com.openfaas.scale.max"]),
    )  # fmt: skip
