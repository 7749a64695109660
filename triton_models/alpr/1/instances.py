"""Whether all instances of this model live.

Triton gives a request to any instance that is free, so one that has died hides behind the others: who asks the model
whether it lives must hear of it from whichever instance answers. Each instance is a process of its own and a child of
the server, as the python backend starts them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

PROC = Path("/proc")


def expected(config: dict[str, Any]) -> int:
    """How many instances the model's configuration, as the server completed it, makes: of each group its count, on
    each of its GPUs.
    """
    groups = config.get("instance_group") or [{}]
    return sum(int(group.get("count") or 1) * max(1, len(group.get("gpus") or ())) for group in groups)


def alive(model: Path, server: int) -> int | None:
    """How many child processes of the process `server` run the file `model`; None where that cannot be seen."""
    try:
        children = [
            int(n) for file in (PROC / str(server) / "task").glob("*/children") for n in file.read_text().split()
        ]
    except (OSError, ValueError):
        return None
    return sum(str(model) in _words(child) for child in children) or None


def _words(process: int) -> list[str]:
    """The command line; nothing of one that has ended."""
    try:
        return (PROC / str(process) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


class Siblings:
    """The instances of the model whose file is `model`, as one of them sees them."""

    def __init__(self, model: Path, config: dict[str, Any]) -> None:
        self._model, self._expected = model, expected(config)

    def missing(self) -> str:
        """What to tell of instances that are gone, in the words that the backend has for a dead one; "" if none is."""
        found = alive(self._model, os.getppid())
        if found is None or found >= self._expected:
            return ""
        return (
            f"Stub process '{self._model.parents[1].name}_0' is not healthy: {found} of {self._expected} instances live"
        )
