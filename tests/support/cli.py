"""`gtvision` as people run it: a process of its own, its exit code, its output; and a local run in the background."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

COMMAND = (sys.executable, "-m", "cli.main")
ROOT = Path(__file__).resolve().parents[2]


def environ_of(folder: Path, **settings: str) -> dict[str, str]:
    """An environment without this machine's own GTV_ settings; data and sessions under `folder`."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GTV_")}
    own = {
        "GTV_DATA_DIR": str(folder / "data"), "GTV_CONFIG_DIR": str(folder / "config"), "COLUMNS": "200",
        "GTV_CAMERA_NETWORKS": "0.0.0.0/0,::/0,127.0.0.0/8",
    }  # fmt: skip
    return {**plain, "PYTHONPATH": str(ROOT), **own, **settings}


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def gtvision(
    *arguments: str, environ: Mapping[str, str], given: str | None = None, timeout: float = 60, cwd: Path = ROOT
) -> Done:
    """One command; `given` is its standard input."""
    done = subprocess.run(
        [*COMMAND, *arguments], env=dict(environ), input=given or "", capture_output=True, text=True, check=False,
        timeout=timeout, cwd=cwd,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def alive(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def descendants(pid: int) -> set[int]:
    import psutil

    try:
        return {child.pid for child in psutil.Process(pid).children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def until(condition: Any, seconds: float, what: str) -> Any:
    """The first true answer of `condition`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:g} s: {what}")


@dataclass
class LocalRun:
    """`with LocalRun(environ, "--capture-pods", "1") as run:` is entered when `gtvision up` says that it is ready."""

    environ: Mapping[str, str]
    arguments: Sequence[str] = ()
    command: str = "up"
    ready_s: float = 120.0
    events: list[dict[str, Any]] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)

    def start(self) -> None:
        argv = [*COMMAND, self.command, "--json", "--port", "0", *self.arguments]
        self.process = subprocess.Popen(
            argv, env=dict(self.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            start_new_session=True,
        )  # fmt: skip
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_events, self._read_noise)]
        for reader in self._readers:
            reader.start()

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def _read_noise(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.noise.append(line)

    def await_ready(self) -> LocalRun:
        until(
            lambda: self.seen("ready", None) or self.process.poll() is not None, self.ready_s, f"ready: {self.events}"
        )
        assert self.seen("ready", None), (self.events, self.noise)
        return self

    def seen(self, event: str, part: str | None) -> list[dict[str, Any]]:
        return [found for found in self.events if found["event"] == event and found.get("part") == part]

    @property
    def ready(self) -> dict[str, Any]:
        return self.seen("ready", None)[0]

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    @property
    def pids(self) -> dict[str, int]:
        return dict(self.ready["pids"])

    def end(self, number: int = signal.SIGINT, seconds: float = 15.0) -> int:
        """Send a signal and wait; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        for reader, pipe in zip(self._readers, (self.process.stdout, self.process.stderr), strict=True):
            # A pipe that a survivor still holds open must not hang the test that is to find the survivor.
            reader.join(5)
            if pipe is not None and not reader.is_alive():
                pipe.close()
        return code

    def __enter__(self) -> LocalRun:
        self.start()
        try:
            return self.await_ready()
        except BaseException:
            self.end()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
