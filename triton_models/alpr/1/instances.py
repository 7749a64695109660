"""Whether all instances of this model live.

Triton gives a request to any instance that is free, so one that has died hides behind the others: who asks the model
whether it lives must hear of it from whichever instance answers. Each instance is a process of its own and a child of
the server, as the python backend starts them.

When a dead instance was given a frame, Triton (2.51) never ends unloading the model: the other processes stay, each
with some 100 MB, and would count as instances. Of each instance only the youngest process is one; its elders are ended.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

PROC = Path("/proc")
NAME_AT = 8
"""Where in the command line of a python backend's process the name of its instance stands, such as alpr_0_1."""
TIDY_S, LEFT_S = 5.0, 20.0
"""How often elders are looked for, and how old the heir is when one is ended: a model that is loaded anew in good
health ends what it has in hand."""


class Process(NamedTuple):
    """One that runs the model. `name` is its instance's; `started`: clock ticks after the machine's start."""

    id: int
    name: str
    started: int


def expected(config: dict[str, Any]) -> int:
    """How many instances the model's configuration, as the server completed it, makes: of each group its count, on
    each of its GPUs.
    """
    groups = config.get("instance_group") or [{}]
    return sum(int(group.get("count") or 1) * max(1, len(group.get("gpus") or ())) for group in groups)


def running(model: Path, server: int) -> list[Process] | None:
    """The child processes of the process `server` that run the file `model`, the youngest first; None where that cannot
    be seen.
    """
    try:
        children = [
            int(n) for file in (PROC / str(server) / "task").glob("*/children") for n in file.read_text().split()
        ]
    except (OSError, ValueError):
        return None
    found = []
    for child in children:
        words = _words(child)
        if str(model) in words:
            found.append(Process(child, words[NAME_AT] if len(words) > NAME_AT else "", _started(child)))
    return sorted(found, key=lambda item: (item.started, item.id), reverse=True) or None


def _words(process: int) -> list[str]:
    """The command line; nothing of one that has ended."""
    try:
        return (PROC / str(process) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _started(process: int) -> int:
    try:
        return int((PROC / str(process) / "stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def age_s(process: Process) -> float:
    """Seconds since it was started."""
    up_s = float((PROC / "uptime").read_text().split()[0])
    return up_s - process.started / os.sysconf("SC_CLK_TCK")


class Siblings:
    """The instances of the model whose file is `model`, as one of them sees them."""

    def __init__(self, model: Path, config: dict[str, Any]) -> None:
        self._model, self._expected = model, expected(config)
        # On several GPUs Triton gives one name to several, and another backend may put it elsewhere: then all count.
        several = any(len(group.get("gpus") or ()) > 1 for group in config.get("instance_group") or ())
        self._named = not several and self._is_name((_words(os.getpid())[NAME_AT:] or [""])[0])
        self._elders: set[int] = set()
        self._tidied = time.monotonic()

    def _is_name(self, word: str) -> bool:
        """Whether it is what Triton calls an instance of the model, such as alpr_0_1."""
        name, _, number = word.removeprefix(f"{self._model.parents[1].name}_").partition("_")
        return word != name and name.isdigit() and number.isdigit()

    def tidy(self) -> None:
        """End the processes whose place others took LEFT_S ago. Called with each batch: a model that has much to do is
        not asked whether it lives."""
        if time.monotonic() - self._tidied < TIDY_S:
            return
        self._tidied = time.monotonic()
        found = running(self._model, os.getppid()) or []
        heirs = {item.name: item for item in self._heirs(found)}
        # One that is itself an elder ends nobody: the model may still be loading, and that may fail.
        if os.getpid() in self._elders:
            return
        for elder in found:
            heir = heirs.get(elder.name)
            if elder.id in self._elders and heir is not None and age_s(heir) >= LEFT_S:
                try:
                    os.kill(elder.id, signal.SIGKILL)
                except OSError:
                    continue

    def missing(self) -> str:
        """What to tell of instances that are gone, in the words that the backend has for a dead one; "" if none is."""
        found = running(self._model, os.getppid())
        if found is None:
            return ""
        count = len(self._heirs(found))
        if count >= self._expected:
            return ""
        name = self._model.parents[1].name
        return f"Stub process '{name}_0' is not healthy: {count} of {self._expected} instances live"

    def _heirs(self, found: Sequence[Process]) -> list[Process]:
        """Of each instance the youngest, unless it was an elder before: then its heir has died."""
        if not self._named:
            return list(found)
        heirs: dict[str, Process] = {}
        self._elders &= {item.id for item in found}  # ids of those that ended are given out again
        for item in found:
            if item.name in heirs:
                self._elders.add(item.id)
            elif item.id not in self._elders:
                heirs[item.name] = item
        return list(heirs.values())
