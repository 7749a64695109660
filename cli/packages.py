"""Packages of the operating system that a wheel cannot bring: `python -m cli.packages demo|test`.

As root on Debian or Ubuntu they are installed; otherwise the command is printed and the run goes on, since the demo has
another RTSP server to fall back on and tests say what they miss.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from cli.demo.rtsp import INSTALL_COMMAND, gst_available

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Need:
    """Something of the system: how it is seen to be there, and the command that installs it."""

    title: str
    present: Callable[[], bool]
    install: str


def has_chromium() -> bool:
    return any(shutil.which(name) for name in CHROMIUM_NAMES)


GST = Need("gst-rtsp-server, for cameras with authentication", gst_available, INSTALL_COMMAND)
CHROMIUM = Need(
    "Chromium, for the console's tests", has_chromium, "apt-get install -y --no-install-recommends chromium"
)
NEEDS = {"demo": (GST,), "test": (GST, CHROMIUM)}


def provide(need: Need) -> bool:
    """Whether the need is met in the end."""
    if need.present():
        return True
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"Missing: {need.title}. As root: {need.install}", flush=True)
        return False
    print(f"Installing {need.title} ...", flush=True)
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # The lists of packages may be there and fresh: they are fetched only when the first try fails.
    for command in (need.install, "apt-get update", need.install):
        done = subprocess.run(
            command.split(), capture_output=True, text=True, check=False, env=environ, stdin=subprocess.DEVNULL
        )
        if done.returncode == 0 and need.present():
            return True
    last = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
    print(f"Could not be installed: {last}. By hand: {need.install}", flush=True)
    return False


def main() -> None:
    for need in NEEDS[sys.argv[1]]:
        provide(need)


if __name__ == "__main__":
    main()
