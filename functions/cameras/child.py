"""Processes that take apart what cameras send: ended after a time, with no secret of ours, limited in memory and CPU.

What a child has to know goes in by stdin, so that no list of processes and no environment shows it; one JSON object
comes out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
from typing import Any

from functions.shared import logs
from functions.shared.config import bare_environ

log = logs.get("cameras")
MAX_ANSWER = 4 << 20
_MEMORY, _CPU_S = 1536 << 20, 60


async def ask(module: str, given: bytes, seconds: float, *arguments: str) -> dict[str, Any]:
    """What `python -m module` answers to one line; {"reason": "silent"} when it takes longer than `seconds` and is
    ended, {"reason": "failed"} when it dies."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments,
        env=bare_environ(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=MAX_ANSWER,
        stderr=asyncio.subprocess.DEVNULL,  # libraries write addresses there
    )  # fmt: skip
    try:
        async with asyncio.timeout(max(seconds, 0.1)):
            out, _ = await process.communicate(given + b"\n")
    except TimeoutError:
        return {"reason": "silent"}
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        answer = json.loads(out[:MAX_ANSWER])
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        log.error("camera_child_died", module=module, status=process.returncode)
        return {"reason": "failed"}
    return answer


def confine() -> None:
    """Called by a child first: what it parses may try to use up the machine."""
    for kind, limit in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, _CPU_S), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
