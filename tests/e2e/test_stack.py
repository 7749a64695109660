"""The local run: what it starts it watches, restarts and ends, whatever happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from cli.stack.parts import nats_binary
from functions.shared.errors import Misconfigured
from tests.support.cli import LocalRun, alive, descendants, environ_of, gtvision, until
from tests.support.nats import NatsServer
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.require import missing

pytestmark = pytest.mark.e2e
# A Triton that nobody calls here: the engine's models are not what is tested.
NO_ENGINE = {"GTV_TRITON_URL": "grpc://127.0.0.1:9"}
END_S = 10.0


@pytest.fixture(autouse=True)
def _needs_nats() -> None:
    try:
        nats_binary()
    except Misconfigured as error:
        missing(error.message)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return environ_of(tmp_path, **NO_ENGINE)


@pytest.fixture
def run(environ: dict[str, str]) -> Iterator[LocalRun]:
    # Under nohup a hangup is ignored, and the stack keeps to that; here it shall hear of one.
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with LocalRun(environ, ("--capture-pods", "1")) as found:
            signal.signal(signal.SIGHUP, inherited)
            yield found
    finally:
        signal.signal(signal.SIGHUP, inherited)


def _gone(pids: set[int]) -> bool:
    return not any(alive(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_process_within_ten_seconds(run: LocalRun, number: signal.Signals) -> None:
    started = descendants(run.process.pid)
    assert set(run.pids) == {"nats", "functions", "capture-1"}
    assert set(run.pids.values()) <= started
    began = time.monotonic()
    assert run.end(number, END_S) == 0
    until(lambda: _gone(started), END_S - (time.monotonic() - began), "every process gone")


def test_a_killed_supervisor_leaves_nothing(run: LocalRun) -> None:
    started = descendants(run.process.pid)
    run.process.kill()
    until(lambda: _gone(started), END_S, f"gone: {started}")


def test_a_killed_supervisor_leaves_nothing_that_ignores_sigterm(run: LocalRun) -> None:
    """A stopped process cannot answer SIGTERM; the guardian comes back with SIGKILL."""
    started = descendants(run.process.pid)
    os.kill(run.pids["functions"], signal.SIGSTOP)
    run.process.kill()
    until(lambda: _gone(started), END_S, f"gone: {started}")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """One run for the tests that leave it as they found it."""
    with LocalRun(environ_of(tmp_path_factory.mktemp("standing"), **NO_ENGINE), ("--capture-pods", "1")) as found:
        yield found


@pytest.mark.parametrize("part", ["functions", "nats", "capture-1"])
def test_a_killed_part_comes_back(standing: LocalRun, part: str) -> None:
    run = standing
    before, deaths = len(run.seen("ready", part)), {other: len(run.seen("died", other)) for other in run.pids}
    os.kill(run.pids[part], signal.SIGKILL)
    until(lambda: run.seen("died", part), 10, "the death is told")
    until(lambda: len(run.seen("ready", part)) > before, 60, f"{part} ready again: {run.events}")
    assert "SIGKILL" in run.seen("died", part)[0]["detail"]
    # The others saw it through.
    for other in set(run.pids) - {part}:
        assert len(run.seen("died", other)) == deaths[other]
    assert httpx.get(f"{run.url}/_/ready", timeout=10).status_code == 200


def test_what_it_keeps_is_for_its_owner_alone(standing: LocalRun) -> None:
    """Also where the folder itself was there before, open to everybody: plates, pictures, hashes, logs."""
    folder = Path(standing.environ["GTV_DATA_DIR"])
    kept = {path.relative_to(folder): path.stat().st_mode & 0o077 for path in folder.rglob("*")}
    assert {Path("gtvision.db"), Path("logs/functions.log"), Path("nats/store")} <= kept.keys()
    assert {str(path): oct(open_to) for path, open_to in kept.items() if open_to} == {}


def test_a_second_run_on_the_same_data_is_refused(standing: LocalRun) -> None:
    run = standing
    done = gtvision("up", "--port", str(free_port()), environ=run.environ)
    assert done.code == 5
    assert str(run.process.pid) in done.err
    assert run.url in done.err
    assert "GTV_DATA_DIR" in done.err
    assert httpx.get(f"{run.url}/_/health", timeout=10).status_code == 200


def test_two_runs_live_side_by_side(standing: LocalRun, tmp_path: Path) -> None:
    with LocalRun(environ_of(tmp_path / "other", **NO_ENGINE), ("--capture-pods", "0")) as other:
        assert other.url != standing.url
        for found in (standing, other):
            assert httpx.get(f"{found.url}/_/ready", timeout=10).status_code == 200


def test_a_port_in_use_is_said_before_anything_starts(environ: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = gtvision("up", "--port", str(port), environ=environ)
    assert done.code == 7
    assert str(port) in done.err
    assert f"pid {os.getpid()}" in done.err
    assert "--port" in done.err
    assert not (tmp_path / "data" / "nats").exists()


def test_an_unknown_setting_is_said_before_anything_starts(environ: dict[str, str], tmp_path: Path) -> None:
    done = gtvision("up", environ={**environ, "GTV_DATABSE_URL": "x"})
    assert done.code == 7
    assert "GTV_DATABSE_URL" in done.err
    assert "doctor --settings" in done.err
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_written(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = gtvision("up", environ={**environ, "GTV_DATA_DIR": str(tmp_path / "file" / "data")})
    assert done.code == 7
    assert "GTV_DATA_DIR" in done.err


def test_a_first_password_is_told_once(environ: dict[str, str], tmp_path: Path) -> None:
    with LocalRun(environ, ("--capture-pods", "0")) as first:
        password = first.ready["admin_password"]
        given = {**environ, "GTV_URL": first.url}
        assert gtvision("login", "-u", "admin", "--password-stdin", environ=given, given=password).code == 0
        assert first.end() == 0
    with LocalRun(environ, ("--capture-pods", "0")) as second:
        assert "admin_password" not in second.ready
    for file in (tmp_path / "data" / "logs").iterdir():
        assert password not in file.read_text(), file


def test_a_nats_server_elsewhere_is_used_and_not_ended(environ: dict[str, str], tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats") as server:
        with LocalRun({**environ, "GTV_NATS_URL": server.url}, ("--capture-pods", "1")) as run:
            assert set(run.pids) == {"functions", "capture-1"}
        assert server.process is not None
        assert server.process.poll() is None


def test_a_nats_server_elsewhere_that_is_away(environ: dict[str, str]) -> None:
    done = gtvision(
        "up", "--port", "0", environ={**environ, "GTV_NATS_URL": f"nats://u:pw-nats@127.0.0.1:{free_port()}"}
    )
    assert done.code == 6
    assert "GTV_NATS_URL" in done.err
    assert "pw-nats" not in done.err + done.out


def test_a_database_that_stays_away_ends_the_start_with_its_reason(environ: dict[str, str]) -> None:
    url = f"postgresql+asyncpg://gtv:pw-of-db@127.0.0.1:{free_port()}/gtv"
    settings = {**environ, "GTV_DATABASE_URL": url, "GTV_DATABASE_WAIT_S": "2"}
    run = LocalRun(settings, ("--capture-pods", "0"))
    run.start()
    assert run.process.wait(60) == 6
    assert run.end() == 6
    assert any("database" in event["detail"] for event in run.seen("waiting", "functions"))
    said = "".join(run.noise)
    assert "GTV_DATABASE_URL" in said
    assert "pw-of-db" not in said + str(run.events)
    started = [int(event["detail"].split()[1]) for event in run.events if event["event"] == "started"]
    assert started
    assert _gone(set(started))


def test_a_database_that_comes_late_is_waited_for(environ: dict[str, str], postgres: Postgres) -> None:
    """The address answers only once the platform waits for it: a forwarder stands in for a server that starts late."""
    real = urlsplit(postgres.fresh_database())
    port = free_port()
    late = real._replace(netloc=real.netloc.replace(f":{real.port}", f":{port}")).geturl()
    run = LocalRun({**environ, "GTV_DATABASE_URL": late, "GTV_DATABASE_WAIT_S": "60"}, ("--capture-pods", "0"))
    run.start()
    try:
        until(lambda: any("database" in e["detail"] for e in run.seen("waiting", "functions")), 60, "waiting")
        with forwarder(port, real.port or 5432):
            run.await_ready()
            assert httpx.get(f"{run.url}/_/ready", timeout=10).status_code == 200
            assert run.end() == 0
    finally:
        run.end()


@contextlib.contextmanager
def forwarder(port: int, target: int) -> Iterator[None]:
    """Passes the bytes of 127.0.0.1:PORT on to another port and back."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(accept, "127.0.0.1", port))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def close() -> None:
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_ctrl_c_while_it_waits_for_a_database(environ: dict[str, str]) -> None:
    settings = {**environ, "GTV_DATABASE_URL": f"postgresql+asyncpg://gtv:x@127.0.0.1:{free_port()}/gtv"}
    run = LocalRun(settings, ("--capture-pods", "1"))
    run.start()
    until(
        lambda: any("database" in e["detail"] for e in run.seen("waiting", "functions")), 60, "waiting for the database"
    )
    started = descendants(run.process.pid)
    assert run.end(signal.SIGINT, END_S) == 0
    assert _gone(started)
