"""Whether all instances of this model live.

Triton gives a request to any instance that is free, so one that has died hides behind the others: who asks the model
whether it lives must hear of it from whichever instance answers. Each instance is a process of its own and a child of
the server, as the python backend starts them.

When a dead instance was given a frame, Triton (2.51) never ends unloading the model: the other processes stay, each
with some 100 MB, and would count as instances. Of each instance only the youngest process is one; others are ended.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

PROC = Path("/proc")
NAME_AT = 8
"""Where in the command line of a python backend's process the name of its instance stands, such as alpr_0_1."""
LEFT_S = 20.0
"""How long the elder of an instance may stay: a model that is loaded anew in good health ends what it has in hand."""


def expected(config: dict[str, Any]) -> int:
    """How many instances the model's configuration, as the server completed it, makes: of each group its count, on
    each of its GPUs.
    """
    groups = config.get("instance_group") or [{}]
    return sum(int(group.get("count") or 1) * max(1, len(group.get("gpus") or ())) for group in groups)


def running(model: Path, server: int) -> dict[str, list[int]] | None:
    """The child processes of the process `server` that run the file `model`, by the name of the instance, the youngest
    first; None where that cannot be seen.
    """
    try:
        children = [
            int(n) for file in (PROC / str(server) / "task").glob("*/children") for n in file.read_text().split()
        ]
    except (OSError, ValueError):
        return None
    found: dict[str, list[int]] = {}
    for child in sorted(children, key=_started, reverse=True):
        words = _words(child)
        if str(model) in words:
            found.setdefault(words[NAME_AT] if len(words) > NAME_AT else str(child), []).append(child)
    return found or None


def _words(process: int) -> list[str]:
    """The command line; nothing of one that has ended."""
    try:
        return (PROC / str(process) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _started(process: int) -> tuple[int, int]:
    """Clock ticks from the machine's start to the process's, and its id."""
    try:
        return int((PROC / str(process) / "stat").read_text().rpartition(")")[2].split()[19]), process
    except (OSError, ValueError, IndexError):
        return 0, process


class Siblings:
    """The instances of the model whose file is `model`, as one of them sees them."""

    def __init__(self, model: Path, config: dict[str, Any]) -> None:
        self._model, self._expected = model, expected(config)
        self._elders: dict[int, float] = {}

    def missing(self) -> str:
        """What to tell of instances that are gone, in the words that the backend has for a dead one; "" if none is.

        Processes that another has taken the place of are ended once they were seen for LEFT_S.
        """
        found = running(self._model, os.getppid())
        if found is None:
            return ""
        self._end([elder for _, *elders in found.values() for elder in elders])
        if len(found) >= self._expected:
            return ""
        name = self._model.parents[1].name
        return f"Stub process '{name}_0' is not healthy: {len(found)} of {self._expected} instances live"

    def _end(self, elders: list[int]) -> None:
        clock = time.monotonic()
        self._elders = {elder: self._elders.get(elder, clock) for elder in elders}
        for elder, seen in self._elders.items():
            if clock - seen >= LEFT_S and elder != os.getpid():
                try:
                    os.kill(elder, signal.SIGKILL)
                except OSError:
                    continue
