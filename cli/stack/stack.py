"""The supervisor: starts the parts in order, watches them, and ends every one of them, whatever happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from cli.stack import guardian, parts
from cli.stack.child import Child, Part, Tell
from cli.stack.lock import DataLock
from cli.stack.logfile import LogFile
from cli.stack.options import NATS_PORT, StackOptions, check_settings, process_environ, require_pods
from cli.stack.ports import LOOPBACK, free_port, require_free
from functions.shared.config import bare_environ
from functions.shared.errors import Unavailable
from functions.shared.logs import redact

STOP_SERVERS_S, STOP_NATS_S = 4.0, 2.0


def silent(_part: str, _event: str, _detail: str) -> None:
    """Tells nobody."""


class Stack:
    """A whole GT-Vision on this machine. `async with Stack(options) as stack:` is entered when all parts are ready.

    Raises GTVisionError with the reason when a part cannot start; nothing is left running then. `tell(part, event,
    detail)` hears of started, waiting, ready, died, gave_up and stopped.
    """

    def __init__(self, options: StackOptions, tell: Tell = silent) -> None:
        self.options, self._tell = options, tell
        self.data_dir = options.data_dir.resolve()
        self.port = options.port or free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.environ: dict[str, str] = {}
        self.first_start = False
        self.run_id = secrets.token_hex(8)
        self.children: dict[str, Child] = {}
        self._lock = DataLock(self.data_dir)
        self._guardian: subprocess.Popen[bytes] | None = None

    @property
    def nats_url(self) -> str:
        return self.environ["GTV_NATS_URL"]

    @property
    def password_file(self) -> Path:
        return self.data_dir / "keys" / "admin.password"

    def admin_password(self) -> str | None:
        """The first admin's password where it was made at random, else None."""
        try:
            return self.password_file.read_text().strip() or None
        except OSError:
            return None

    def pids(self) -> dict[str, int]:
        return {name: child.pid for name, child in self.children.items() if child.pid is not None}

    def reserve(self) -> None:
        """Check the settings and take the data folder and the port, before anything starts. Raises what is wrong."""
        if self._lock.held:
            return
        check_settings(self.options.environ)
        require_pods(self.options.capture_pods)
        self._lock.take(url=self.url)
        try:
            require_free(self.port, "--port")
            if not self.options.external_nats:
                parts.nats_binary()
        except BaseException:
            self._lock.release()
            raise
        self._watch()

    async def start(self) -> None:
        """Start every part and wait until all are ready. Raises why one is not, with nothing left running."""
        try:
            self.reserve()
            self.first_start = self.admin_password() is None and not self.options.environ.get("GTV_ADMIN_PASSWORD")
            await self._start_parts()
        except BaseException:
            await asyncio.shield(self.stop())
            raise

    async def _start_parts(self) -> None:
        options = self.options
        nats_url, port = options.environ.get("GTV_NATS_URL", ""), 0
        if not options.external_nats:
            # A run that takes any port for itself leaves the usual one of NATS to others too.
            port = free_port(NATS_PORT if options.port else 0)
            nats_url = f"nats://{LOOPBACK}:{port}"
        self.environ = {**process_environ(options, nats_url), guardian.MARK: self.run_id}
        if options.external_nats:
            await require_nats(nats_url)
        else:
            await self.add(parts.nats_part(self.data_dir, port, free_port(), self.environ))
        if options.triton and not options.external_triton:
            await self._start_triton()
        pods = [parts.capture_part(n + 1, free_port(), self.environ) for n in range(options.capture_pods)]
        await self.add_all([parts.functions_part(self.port, self.environ), *pods])

    async def _start_triton(self) -> None:
        port = free_port()
        await self.add(parts.triton_part(port, free_port(), self.environ))
        self.environ["GTV_TRITON_URL"] = f"grpc://{LOOPBACK}:{port}"

    async def add(self, part: Part) -> None:
        """Start one more part and wait until it is ready."""
        log = LogFile(self.data_dir / "logs" / f"{part.name}.log")
        child = self.children[part.name] = Child(part, log, self._tell, self._enlist)
        await child.start()

    async def add_all(self, several: Sequence[Part]) -> None:
        """Start parts side by side. Raises the first failure once all have ended their start."""
        tasks = [asyncio.create_task(self.add(part)) for part in several]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """End every part within 10 s: what uses NATS first, NATS last."""
        users = [child for name, child in self.children.items() if name != "nats"]
        await asyncio.gather(*(child.stop(STOP_SERVERS_S) for child in users))
        if "nats" in self.children:
            await self.children["nats"].stop(STOP_NATS_S)
        self.children.clear()
        if self._guardian is not None:
            assert self._guardian.stdin is not None
            with contextlib.suppress(OSError):
                self._guardian.stdin.close()
            # What it still waits for ends with us, and it then ends too.
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._guardian.wait, 1.0)
            self._guardian = None
        self._lock.release()

    def _watch(self) -> None:
        command = [sys.executable, "-I", str(Path(guardian.__file__)), self.run_id]
        self._guardian = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, env=bare_environ(),
        )  # fmt: skip

    def _enlist(self, line: str) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            with contextlib.suppress(OSError):
                self._guardian.stdin.write(f"{line}\n".encode())
                self._guardian.stdin.flush()

    def guard(self, target: int) -> None:
        """Have a process started elsewhere, or below zero a process group, ended should this process be killed."""
        self._enlist(f"add {target}")

    def unguard(self, target: int) -> None:
        self._enlist(f"drop {target}")

    @property
    def guardian_pid(self) -> int | None:
        return self._guardian.pid if self._guardian else None

    async def __aenter__(self) -> Stack:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self.stop())


async def require_nats(urls: str, timeout_s: float = 5.0) -> None:
    """Raises Unavailable when no server of GTV_NATS_URL takes a connection."""
    for url in urls.split(","):
        found = urlsplit(url.strip() if "//" in url else f"nats://{url.strip()}")
        with contextlib.suppress(OSError, asyncio.TimeoutError, ValueError):
            opening = asyncio.open_connection(found.hostname or LOOPBACK, found.port or NATS_PORT)
            _, writer = await asyncio.wait_for(opening, timeout_s)
            writer.close()
            return
    raise Unavailable(
        f"NATS at {redact(urls)} does not answer", mend="start it, or leave GTV_NATS_URL out to have one started"
    )
