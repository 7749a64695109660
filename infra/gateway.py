"""Which function answers which path: what a gateway in front of the functions has to know.

It is asked of the functions' own routes, so that the README's tables follow the code.
"""

from __future__ import annotations

import importlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from functions.shared.access import ACCESS
from infra import stack

EACH = "each"
"""Of a route that every function has for itself."""
INSIDE = ("/_/", "/metrics", "/events")
"""Where probes, the collector of metrics and brokers of the cluster ask: nothing for the outside."""


@cache
def owners() -> dict[str, str]:
    """ "METHOD path", as the access table has it -> the function that answers, or EACH."""
    functions = stack.functions()
    found: dict[str, list[str]] = defaultdict(list)
    for function in functions:
        app: FastAPI = importlib.import_module(f"functions.{function.folder}.handler").app
        for route in iter_route_contexts(app.routes):
            for method in getattr(route, "methods", None) or ():
                found[f"{method} {route.path}"].append(function.name)
    every = [function.name for function in functions]
    owned = {route: EACH if names == every else " ".join(names) for route, names in found.items()}
    return {route: owned[route] for route in ACCESS}


def prefixes() -> dict[str, str]:
    """Path prefix -> function, the longest first: few rows, of which the first that a path begins with is right.

    A prefix ends at a whole segment; "/" is meant exactly, not as what all paths begin with.
    Raises ValueError where two functions share paths that no literal segment tells apart.
    """
    paths: dict[str, str] = {}
    for route, function in owners().items():
        path = route.partition(" ")[2]
        if function == EACH or path.startswith(INSIDE):
            continue
        if paths.setdefault(path, function) != function:
            raise ValueError(f"{path} belongs to {paths[path]} and to {function}: a gateway cannot tell by path")
    found: dict[str, str] = {}
    for top, below in _grouped(paths, 0).items():
        groups = _grouped(below, 1) if top == "/api" else {top: below}
        for prefix, inside in groups.items():
            found.update(_told_apart(prefix, inside))
    return dict(sorted(found.items(), key=lambda row: -row[0].count("/") if row[0] != "/" else 0))


def _segments(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _grouped(paths: Mapping[str, str], depth: int) -> dict[str, dict[str, str]]:
    """The paths by their first `depth + 1` segments, in their order."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for path, function in paths.items():
        found["/" + "/".join(_segments(path)[: depth + 1])][path] = function
    return dict(found)


def _told_apart(prefix: str, paths: Mapping[str, str]) -> dict[str, str]:
    """The function that has most of `paths` by the prefix, the others by longer ones."""
    if "{" in prefix:
        raise ValueError(f"{prefix} is shared by {', '.join(sorted(set(paths.values())))}")
    main = _most(paths.values())
    found = {prefix: main}
    depth = len(_segments(prefix))
    for longer, below in _grouped(paths, depth).items():
        if longer != prefix and set(below.values()) != {main}:
            found.update(_told_apart(longer, below))
    return found


def _most(functions: Iterable[str]) -> str:
    return Counter(functions).most_common(1)[0][0]
