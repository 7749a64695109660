"""One local run a data folder: a lock that the system lets go of however its holder ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path

from functions.shared.errors import Conflict, Misconfigured


class DataLock:
    """Holds `data_dir/run.lock`. The file says who holds it, for the message to the next one."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "run.lock"
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def take(self, **facts: object) -> None:
        """Raises Conflict when another run holds the folder, Misconfigured when the folder cannot be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Misconfigured(
                f"{self.path.parent} cannot be written: {error.strerror}",
                mend="make it writable, or choose another folder with GTV_DATA_DIR",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = describe(self.path)
            os.close(descriptor)
            raise Conflict(
                f"GT-Vision runs already on {self.path.parent}{holder}",
                mend="end that run, or choose another folder with GTV_DATA_DIR",
            ) from error
        self._descriptor = descriptor
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), **facts}).encode(), 0)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def describe(path: Path) -> str:
    """` (pid 12, http://...)` from a lock file, or nothing."""
    with contextlib.suppress(OSError, ValueError):
        facts = json.loads(path.read_text())
        return f" (pid {facts['pid']}, {facts.get('url', '')})".replace(", )", ")")
    return ""
