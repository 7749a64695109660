"""The guardian: a process that ends what a local run started when the run itself is killed.

It reads `+PGID` and `-PGID` lines from standard input, a pipe from the supervisor. When the pipe closes, which also
happens when the supervisor is killed with SIGKILL, every process group still on the list gets SIGTERM and, a little
later, SIGKILL. Started with `python -I FILE`, so it imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

GRACE_S = 3.0


def kill(group: int, number: int) -> bool:
    """Whether the process group was there to be signalled."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def watch() -> set[int]:
    """The process groups on the list when the pipe closed."""
    groups: set[int] = set()
    for line in sys.stdin:
        with contextlib.suppress(ValueError):
            number = int(line[1:])
            if line.startswith("+"):
                groups.add(number)
            else:
                groups.discard(number)
    return groups


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left = {group for group in watch() if kill(group, signal.SIGTERM)}
    until = time.monotonic() + GRACE_S
    while left and time.monotonic() < until:
        time.sleep(0.1)
        left = {group for group in left if kill(group, 0)}
    for group in left:
        kill(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
