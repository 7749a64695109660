"""Ending tasks that run beside the requests."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_S = 0.2


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended; what they raised is not looked at.

    Cancelled once is not enough: `asyncio.wait_for` of Python 3.11 drops a cancellation that comes in the very turn
    in which its result does (python/cpython#86296), and nats-py waits by it for every answer of the server.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()
