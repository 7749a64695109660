"""A gateway that goes by the README's table sends every request to the function that answers it."""

from __future__ import annotations

import importlib
import re

import pytest
from fastapi import FastAPI
from starlette.routing import Match

from functions.shared.access import ACCESS
from infra import gateway, readme, stack

PREFIXES = gateway.prefixes()
FOLDERS = {function.name: function.folder for function in stack.functions()}
OUTSIDE = [
    route for route, function in gateway.owners().items()
    if function != gateway.EACH and not route.partition(" ")[2].startswith(gateway.INSIDE)
]  # fmt: skip


def sent_to(path: str) -> str | None:
    """As a gateway decides: the first row of which the path has every segment; "/" is meant exactly."""
    for prefix, function in PREFIXES.items():
        if path == prefix or (prefix != "/" and path.startswith(f"{prefix}/")):
            return function
    return None


@pytest.mark.parametrize("route", OUTSIDE)
def test_every_request_comes_to_a_function_that_has_the_route(route: str) -> None:
    method, _, template = route.partition(" ")
    path = re.sub(r"\{[^}]+\}", "x1", template)
    function = sent_to(path)
    assert function is not None
    app: FastAPI = importlib.import_module(f"functions.{FOLDERS[function]}.handler").app
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    matches = [found.matches(scope)[0] for found in app.routes]
    assert Match.FULL in matches, f"{function} has no {route}"


def test_what_is_for_the_inside_is_sent_nowhere() -> None:
    inside = {"/_/health", "/_/ready", "/metrics", "/events", "/api/openapi.json", "/api/docs"}
    assert inside <= {route.partition(" ")[2] for route in ACCESS}
    assert all(sent_to(path) is None for path in inside)


def test_a_longer_prefix_stands_above_the_shorter_one_that_it_is_taken_from() -> None:
    known = list(PREFIXES)
    assert known.index("/api/auth/audit") < known.index("/api/auth")
    for number, prefix in enumerate(known):
        assert not any(later.startswith(f"{prefix}/") for later in known[number + 1 :] if prefix != "/"), prefix


def test_the_readme_has_each_prefix_once() -> None:
    text = readme.paths()
    assert all(text.count(f"`{prefix}`") == 1 for prefix in PREFIXES)


def test_paths_that_no_literal_segment_tells_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = {"GET /api/a/{id}/x": "search", "GET /api/a/{id}/y": "alerts"}
    monkeypatch.setattr(gateway, "owners", lambda: shared)
    with pytest.raises(ValueError, match=re.escape("/api/a/{id}")):
        gateway.prefixes()


def test_one_path_of_two_functions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "owners", lambda: {"GET /api/a": "search", "POST /api/a": "alerts"})
    with pytest.raises(ValueError, match="search and to alerts"):
        gateway.prefixes()
