"""One process of the local run: started, waited for, restarted when it dies, ended with its whole group."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.stack.logfile import LogFile
from functions.shared.errors import GTVisionError, Misconfigured, Unavailable
from functions.shared.exits import MISCONFIGURED, UNAVAILABLE, USAGE

# A probe answers None when the part is ready, else what is still awaited.
Probe = Callable[[], Awaitable[str | None]]
Tell = Callable[[str, str, str], None]
FIRST_BACKOFF_S, LAST_BACKOFF_S, STEADY_S = 0.5, 10.0, 60.0
TRIES_AT_START = 3
_MAX_LINE = 1 << 20
# What a part writes, the database and the pictures of vehicles among it, is for this user alone.
_UMASK = 0o077


@dataclass(frozen=True)
class Part:
    """What to run. `env` is the child's whole environment; secrets go there, never into `argv`."""

    name: str
    title: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    ready: Probe
    ready_s: float = 60.0
    cwd: Path | None = None


class Child:
    """Runs a Part. `tell(part, event, detail)` hears of started, ready, waiting, died, gave_up and stopped."""

    def __init__(self, part: Part, log: LogFile, tell: Tell, enlist: Callable[[str], None]) -> None:
        self.part, self.log, self._tell, self._enlist = part, log, tell, enlist
        self.process: asyncio.subprocess.Process | None = None
        self.restarts = 0
        self.failure: GTVisionError | None = None
        self._was_ready = asyncio.Event()
        self._over = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process and self.process.returncode is None else None

    async def start(self) -> None:
        """Returns when the part is ready for the first time. Raises why it is not."""
        self._task = asyncio.create_task(self._keep())
        ready, over = asyncio.create_task(self._was_ready.wait()), asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({ready, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            over.cancel()
        if self.failure is not None and not self._was_ready.is_set():
            raise self.failure

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL after `grace_s`, to the whole process group."""
        self._stopping = True
        if self.process is not None and self.process.returncode is None:
            _signal(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.process.wait(), grace_s)
            self._end_group(self.process.pid)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self.log.close()
        self._tell(self.part.name, "stopped", "")

    async def _keep(self) -> None:
        """Run the part until told to stop, or until another try cannot help."""
        backoff, deaths = FIRST_BACKOFF_S, 0
        try:
            while not self._stopping:
                began = time.monotonic()
                code = await self._run_once()
                if self._stopping:
                    return
                deaths += 1
                self.failure = self._why(code)
                if self._hopeless(code, deaths):
                    self._tell(self.part.name, "gave_up", self.failure.message)
                    return
                backoff = FIRST_BACKOFF_S if time.monotonic() - began > STEADY_S else backoff
                self._tell(self.part.name, "died", f"{self.failure.message}; again in {backoff:g} s")
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LAST_BACKOFF_S)
                self.restarts += 1
        except OSError as error:
            self.failure = Misconfigured(f"{self.part.title} cannot be started: {error}", mend="run `gtvision doctor`")
            self._tell(self.part.name, "gave_up", self.failure.message)
        finally:
            self._over.set()

    def _hopeless(self, code: int, deaths: int) -> bool:
        if code in (MISCONFIGURED, USAGE):
            return True
        return not self._was_ready.is_set() and (deaths >= TRIES_AT_START or code == UNAVAILABLE)

    async def _run_once(self) -> int:
        """One life of the process; its exit code, negative for a signal."""
        # A session of its own: the terminal's Ctrl-C reaches the supervisor alone, which ends its children in order.
        process = self.process = await asyncio.create_subprocess_exec(
            *self.part.argv, env=dict(self.part.env), cwd=self.part.cwd, start_new_session=True, limit=_MAX_LINE,
            umask=_UMASK,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        self._enlist(f"add -{process.pid}")
        self.log.tail.clear()
        self._tell(self.part.name, "started", f"pid {process.pid}")
        watcher = asyncio.create_task(self._await_ready(process))
        pump = asyncio.create_task(self._pump(process))
        try:
            code = await process.wait()
        finally:
            watcher.cancel()
            self._end_group(process.pid)
            # A grandchild that left the group may hold the pipe open for ever.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(pump, 1.0)
        return code

    def _end_group(self, group: int) -> None:
        _signal(group, signal.SIGKILL)
        self._enlist(f"drop -{group}")

    async def _pump(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # a line longer than the limit; what was read of it is gone
                continue
            if not line:
                return
            self.log.write(line)

    async def _await_ready(self, process: asyncio.subprocess.Process) -> None:
        """Ask the probe until it is content; a part that never is gets ended, which counts as a death."""
        until, said = time.monotonic() + self.part.ready_s, ""
        while time.monotonic() < until:
            awaited = await self.part.ready()
            if awaited is None:
                self._was_ready.set()
                self._tell(self.part.name, "ready", "")
                return
            reason = self.log.warning()[0] or awaited
            if reason != said:
                self._tell(self.part.name, "waiting", reason)
                said = reason
            await asyncio.sleep(0.1)
        self.log.write(f"not ready after {self.part.ready_s:g} s\n".encode())
        _signal(process.pid, signal.SIGKILL)

    def _why(self, code: int) -> GTVisionError:
        # Who was killed from outside said nothing of it: its last line of chatter is no reason.
        reason, mend = self.log.warning() if code < 0 else self.log.reason()
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        message = f"{self.part.title} {how}: {reason}" if reason else f"{self.part.title} {how}"
        kind = Misconfigured if code in (MISCONFIGURED, USAGE) else Unavailable
        return kind(message, mend=mend or f"see {self.log.path}", part=self.part.name)


def _signal(group: int, number: int) -> None:
    # The leader's pid is the group's id, as each child leads a session of its own.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
