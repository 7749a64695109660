"""The guardian: a process that ends what a local run started when the run itself is killed.

It reads lines `add N` and `drop N` from standard input, a pipe from the supervisor: N is a pid or, below zero, a
process group, as for kill(2). When the pipe closes, which also happens when the supervisor is killed with SIGKILL,
everything still on the list gets SIGTERM and, a little later, SIGKILL, and so does every process whose environment
carries the mark of the run (GTVISION_RUN=ID, where the system shows environments in /proc): what a child of a child
started, or what was started just now. Started with `python -I FILE ID`, it imports the standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

GRACE_S = 3.0
MARK = "GTVISION_RUN"


def kill(target: int, number: int) -> bool:
    """Whether the process or group was there to be signalled."""
    try:
        os.kill(target, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def watch() -> set[int]:
    """What is on the list when the pipe closes."""
    listed: set[int] = set()
    for line in sys.stdin:
        with contextlib.suppress(ValueError):
            word, number = line.split()
            if word == "add":
                listed.add(int(number))
            else:
                listed.discard(int(number))
    return listed - {0, -1}


def marked(run_id: str) -> set[int]:
    """The processes that carry the mark of the run, but for this one."""
    wanted, found = f"{MARK}={run_id}".encode(), set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.add(int(folder.name))
    return found - {os.getpid()}


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    listed = watch()
    left = {target for target in listed | marked(sys.argv[1]) if kill(target, signal.SIGTERM)}
    until = time.monotonic() + GRACE_S
    while left and time.monotonic() < until:
        time.sleep(0.1)
        left = {target for target in left if kill(target, 0)}
    for target in left | marked(sys.argv[1]):
        kill(target, signal.SIGKILL)


if __name__ == "__main__":
    main()
