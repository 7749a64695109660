"""A child's log on disk, bounded, and the reason that its last lines give."""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from pathlib import Path
from typing import IO

from functions.shared.logs import redact

MAX_BYTES = 5_000_000
_LOUD = ("error", "critical", "warning")


class LogFile:
    """Appends to FILE, of mode 0600; over `max_bytes` it becomes FILE.1, which replaces the one before."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path, self._max_bytes = path, max_bytes
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._stream = _appending(path)
        self._size = path.stat().st_size
        self.tail: deque[str] = deque(maxlen=60)

    def write(self, line: bytes) -> None:
        """A full disk costs log lines, never the child that writes them."""
        self.tail.append(line.decode(errors="replace").rstrip())
        with contextlib.suppress(OSError):
            if self._size + len(line) > self._max_bytes:
                self._turn()
            self._stream.write(line)
            self._stream.flush()
            self._size += len(line)

    def _turn(self) -> None:
        self._stream.close()
        self.path.replace(self.path.with_name(self.path.name + ".1"))
        self._stream = _appending(self.path)
        self._size = 0

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()

    def warning(self) -> tuple[str, str]:
        """(reason, mend) of the last warning or error, one that gives a reason before one that does not."""
        loud = [facts for facts in map(_facts, reversed(self.tail)) if facts.get("level") in _LOUD]
        for facts in sorted(loud, key=lambda facts: not facts.get("reason")):
            return redact(str(facts.get("reason") or facts.get("event"))), str(facts.get("mend") or "")
        return "", ""

    def reason(self) -> tuple[str, str]:
        """As `warning`; where there is none, the last line as it is."""
        found = self.warning()
        return found if found[0] else (redact(next((line for line in reversed(self.tail) if line.strip()), "")), "")


def _appending(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab")


def _facts(line: str) -> dict[str, object]:
    with contextlib.suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return {}
