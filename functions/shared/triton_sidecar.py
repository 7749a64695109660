"""The guard as a process: beside a server in its pod, or beside one that `gtvision triton` has become."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from functions.shared import logs
from functions.shared.errors import Misconfigured
from functions.shared.exits import exit_code
from functions.shared.side_page import SidePage
from functions.shared.triton_asking import Asker
from functions.shared.triton_guard import Guard
from functions.shared.triton_view import View

log = logs.get("triton_guard")
SHARED_MEMORY = Path("/dev/shm")


def page_of(guard: Guard, host: str, port: int) -> SidePage:
    """What a guard says of the models. Raises Misconfigured when the address cannot be bound."""

    def said(well: bool) -> tuple[bool, str]:
        down = ", ".join(f"{name} for {spent:.0f} s" for name, spent in guard.down.items())
        return well, f"does not answer: {down}" if down else "every model answers" if well else "not ready"

    states = {"/_/health": lambda: said(not guard.hopeless), "/_/ready": lambda: said(guard.ready)}
    return SidePage(guard.metrics.registry, states, (host, port), "--listen")


def main(argv: Sequence[str]) -> int:
    options = options_of(argv)
    logs.configure("INFO", "json")
    view = View(options.view) if options.view else None
    if options.lay:
        names = View(options.view).lay(options.lay)
        log.info("view_is_laid", models=names)
        return 0
    guard = Guard(Asker(options.url.split("://", 1)[-1]), view)
    for number in (signal.SIGINT, signal.SIGTERM):
        # Beside its parent it ends when that has ended, and not before: both hear a terminal's Ctrl-C.
        signal.signal(number, signal.SIG_IGN if options.parent else lambda *_: guard.stop())
    try:
        page = page_of(guard, *_address(options.listen)) if options.listen else None
    except Misconfigured as error:
        log.error("guard_cannot_start", reason=error.message)
        return exit_code(error)
    if options.parent:
        threading.Thread(target=_end_with, args=(options.parent, guard), daemon=True).start()
    guard.run()
    if page is not None:
        page.close()
    if options.parent:
        _clear_up(options.parent, view, options.region)
    return 0


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    """What the arguments say. Ends the process for wrong ones, as argparse does."""
    parser = argparse.ArgumentParser(prog="triton_sidecar", description=__doc__)
    parser.add_argument("--url", default="grpc://127.0.0.1:8001", help="grpc://HOST:PORT of the server")
    parser.add_argument("--view", type=Path, help="folder that the server polls the models in; without it: only watch")
    parser.add_argument("--lay", type=Path, help="fill the view with the models of this repository, and end")
    parser.add_argument("--listen", help="HOST:PORT of /_/health, /_/ready and /metrics")
    parser.add_argument("--parent", type=int, help="end with this process, our parent, and clear up behind it")
    parser.add_argument("--region", default="", help="what its shared memory files begin with")
    return parser.parse_args(argv)


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host, int(port)


def _end_with(parent: int, guard: Guard) -> None:
    """A process whose parent is gone gets another."""
    while os.getppid() == parent and not guard.stopping.wait(0.5):
        pass
    guard.stop()


def _clear_up(parent: int, view: View | None, region: str) -> None:
    """When the server has ended: the folder made for it, and the memory that its dead processes left."""
    if os.getppid() == parent:
        return
    for left in SHARED_MEMORY.glob(f"{region}*") if region else ():
        left.unlink(missing_ok=True)
    if view is not None:
        view.remove()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
