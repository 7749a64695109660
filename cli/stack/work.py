"""Blocking work beside the event loop that a Ctrl-C does not have to wait for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any


def in_thread(work: Callable[[], Any]) -> asyncio.Future[Any]:
    """Run `work` in a daemon thread: unlike an executor's, it does not hold up the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        # The loop may be gone by now: then nobody waits for the answer.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True).start()
    return future


def end_descendants(spared: set[int]) -> None:
    """Kill what this process has started outside a Stack: downloads, renderers. `spared`: children's pids."""
    import psutil

    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            # Python's resource tracker ends with us by itself; killed before, it leaves complaints on the terminal.
            if child.pid in spared or any("resource_tracker" in part for part in child.cmdline()):
                continue
            for process in (*child.children(recursive=True), child):
                process.kill()
