"""A platform for the CLI's tests: `gtvision up` without capture pods, once a module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.stack.parts import nats_binary
from functions.shared.errors import Misconfigured
from tests.support.cli import Done, LocalRun, environ_of, gtvision
from tests.support.require import missing

PASSWORD = "a-password-of-the-tests-1"


@dataclass(frozen=True)
class Platform:
    """A running platform and an admin's signed-in command line."""

    run: LocalRun
    environ: dict[str, str]
    folder: Path

    def __call__(self, *arguments: str, given: str | None = None) -> Done:
        return gtvision(*arguments, environ=self.environ, given=given)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    try:
        nats_binary()
    except Misconfigured as error:
        missing(error.message)
    folder = tmp_path_factory.mktemp("platform")
    # What is tested here asks no model anything: a Triton that nobody calls spares the engine's start.
    settings = {"GTV_ADMIN_PASSWORD": PASSWORD, "GTV_TRITON_URL": "grpc://127.0.0.1:9"}
    environ = environ_of(folder, **settings)
    with LocalRun(environ, ("--capture-pods", "0")) as run:
        found = Platform(run, {**environ, "GTV_URL": run.url}, folder)
        done = found("login", "--username", "admin", "--password-stdin", given=PASSWORD + "\n")
        assert done.code == 0, done.err
        yield found
