"""Servers that tests start: they end with the test run, even when that is killed; some refuse to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def dies_with_us(command: Sequence[str]) -> list[str]:
    """The command such that the kernel ends it when this process is gone, where util-linux is at hand."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "QUIT", *command] if setpriv else list(command)


def unprivileged_user() -> str | None:
    """The user that servers which refuse root run as: `nobody` when we are root, else None (ourselves)."""
    return "nobody" if os.geteuid() == 0 else None


def own(path: Path) -> None:
    """Give a folder to the user of `unprivileged_user`."""
    user = unprivileged_user()
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def run_unprivileged(command: Sequence[str], environ: dict[str, str] | None = None) -> str:
    """Output of a command run as `unprivileged_user`. Raises CalledProcessError or OSError."""
    return subprocess.run(
        list(command), env=environ, user=unprivileged_user(), extra_groups=[] if os.geteuid() == 0 else None,
        cwd="/", check=True, capture_output=True, text=True, timeout=120,
    ).stdout  # fmt: skip


def start(
    command: Sequence[str], log: Path, environ: dict[str, str] | None = None, *, unprivileged: bool = False
) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            dies_with_us(command), env=environ, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd="/",
            user=unprivileged_user() if unprivileged else None,
            extra_groups=[] if unprivileged and os.geteuid() == 0 else None,
        )  # fmt: skip


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, seconds: float = 30.0) -> None:
    """Wait until `ready()`; raises RuntimeError with the end of the log when the process ends or time is up."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if ready():
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not come up:\n{log.read_text(errors='replace')[-2000:]}")


def stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM, seconds: float = 10.0) -> None:
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
