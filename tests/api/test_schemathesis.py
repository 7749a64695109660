"""Schemathesis finds no 5xx and no answer that the document does not have: all checks, as nobody, viewer and admin.

A modest count; `python -m tests.api.fuzz --cases 10000` is the long run. What a check must not expect of an operation
stands with its reason in tests/api/fuzz.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from functions import embedded
from functions.shared.access import Role
from tests.api.fuzz import BEYOND_SCHEMA, STARTS_PROCESS, fuzz
from tests.api.served import Platform, platform
from tests.support.nats import NatsServer
from tests.support.postgres import migrate

SEED = "20261128"
# Boundary values of every field are sent as the one who may do everything; the others are refused before they count.
# And those of bodies alone: all of them are 7000 cases and a minute of CPU, which is for the long run.
RUNS = (
    (None, ("--phases", "examples,fuzzing,stateful", "--max-examples", "2"), 250),
    (Role.VIEWER, ("--phases", "examples,fuzzing,stateful", "--max-examples", "3"), 300),
    (Role.ADMIN, ("--max-examples", "2"), 3000),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, nats_server: NatsServer) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("api")
    database = f"sqlite+aiosqlite:///{folder / 'api.db'}"
    migrate(database)
    with platform(folder, database, nats_server) as running:
        yield running


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("role", "arguments", "cases"), RUNS, ids=["nobody", "viewer", "admin"])
def test_nothing_is_found(
    role: Role | None, arguments: tuple[str, ...], cases: int, served: Platform, tmp_path: Path
) -> None:
    run = fuzz(served, role, tmp_path, "--seed", SEED, *arguments, timeout_s=380, bodies_alone=True)
    if run.code:
        pytest.fail(f"as {run.who}, {run.cases} cases:\n{run.findings}", pytrace=False)
    assert run.cases >= cases, f"only {run.cases} cases were sent:\n{run.output}"


def test_exceptions_are_of_operations_that_are_there() -> None:
    paths = embedded.app.openapi()["paths"]
    there = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    assert {*BEYOND_SCHEMA, *STARTS_PROCESS} <= there
    assert all(reason.strip() for reason in BEYOND_SCHEMA.values())


def test_it_would_find_an_answer_that_the_document_does_not_have(served: Platform, tmp_path: Path) -> None:
    """Guards the runs above: a tool that checks nothing would find nothing."""
    document = embedded.app.openapi()
    get = document["paths"]["/api/auth/me"]["get"]
    wrong = {**document, "paths": {"/api/auth/me": {"get": {**get, "responses": {"204": {"description": "no"}}}}}}
    run = fuzz(served, Role.ADMIN, tmp_path, "--max-examples", "1", document=wrong, timeout_s=120)
    assert run.code == 1
    assert "Undocumented status code" in run.findings
    assert "GET /api/auth/me" in run.findings
