"""Each function stands alone: its own process on $PORT, as its image starts it, on real parts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet

from infra import stack
from tests.support import processes
from tests.support.nats import NatsServer
from tests.support.ports import free_port

FUNCTIONS = [function.folder for function in stack.functions()]
# As in infra/function/Dockerfile, but for the address.
COMMAND = (
    'exec "$PYTHON" -m uvicorn functions.${GTV_FUNCTION}.handler:app --host 127.0.0.1 --port ${PORT} '
    "--no-access-log --no-server-header --no-proxy-headers --timeout-graceful-shutdown 20"
)


def test_the_command_is_that_of_the_image() -> None:
    recipe = (stack.ROOT / "infra" / "function" / "Dockerfile").read_text()
    assert COMMAND.replace('"$PYTHON"', "python3").replace("127.0.0.1", "0.0.0.0") in recipe


@contextmanager
def running(folder: Path, name: str, environ: dict[str, str]) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address and the process of a function that answers /_/health."""
    port, log = free_port(), folder / f"{name}.log"
    full = {
        "PATH": os.defpath, "HOME": str(folder), "PYTHON": sys.executable, "PYTHONPATH": str(stack.ROOT),
        "GTV_FUNCTION": name, "PORT": str(port), "GTV_DATA_DIR": str(folder / "data"), **environ,
    }  # fmt: skip
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/_/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    process = processes.start(["/bin/sh", "-c", COMMAND], log, full)
    try:
        processes.wait_until(answers, process, log, 60)
        yield url, process
    finally:
        processes.stop(process)


@pytest.fixture
def environ(postgres_url: str, nats_server: NatsServer) -> dict[str, str]:
    return {
        "GTV_DATABASE_URL": postgres_url, "GTV_NATS_URL": nats_server.url,
        "GTV_FERNET_KEYS": Fernet.generate_key().decode(),
        # Reached when a frame comes; a start must not depend on it.
        "GTV_TRITON_URL": f"grpc://127.0.0.1:{free_port()}",
    }  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_starts_answers_and_drains(name: str, environ: dict[str, str], tmp_path: Path) -> None:
    with running(tmp_path, name, environ) as (url, process):
        health = httpx.get(f"{url}/_/health")
        assert health.json() == {"status": "ok", "function": name.replace("_", "-")}
        ready = httpx.get(f"{url}/_/ready", timeout=20)
        assert ready.status_code == 200, ready.text
        assert "gtv_http_requests_total" in httpx.get(f"{url}/metrics").text
        assert "server" not in ready.headers
        described = httpx.get(f"{url}/api/openapi.json").json()
        assert described["openapi"].startswith("3.")
        assert httpx.get(f"{url}/api/nowhere").json()["error"]["code"] == "not_found"
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM), (tmp_path / f"{name}.log").read_text()
        assert time.monotonic() - started < 15, "it drains, it does not wait to be killed"
    log = (tmp_path / f"{name}.log").read_text()
    assert "Traceback" not in log, log
    assert environ["GTV_FERNET_KEYS"] not in log


@pytest.mark.parametrize("name", ["auth", "search"])
def test_an_unknown_setting_stops_the_start_and_is_named(name: str, sqlite_url: str, tmp_path: Path) -> None:
    environ = {"GTV_DATABASE_URL": sqlite_url, "GTV_DATABASE_POOOL": "3"}
    with pytest.raises(RuntimeError, match="GTV_DATABASE_POOOL"), running(tmp_path, name, environ):
        raise AssertionError("it must not start")


def test_a_database_that_is_away_stops_the_start_with_the_reason(tmp_path: Path) -> None:
    environ = {"GTV_DATABASE_URL": "postgresql+asyncpg://gtv:s3cret@127.0.0.1:1/gtv", "GTV_DATABASE_WAIT_S": "0.5"}
    with pytest.raises(RuntimeError) as caught, running(tmp_path, "search", environ):
        raise AssertionError("it must not start")
    log = (tmp_path / "search.log").read_text()
    assert "the database does not answer" in log
    assert "s3cret" not in log
    assert caught.type is RuntimeError
