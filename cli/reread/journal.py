"""Readings that were made already: a run that was ended goes on where it was, and what was looked at is applied."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import TextIO

from platformdirs import user_cache_path
from pydantic import ValidationError

from cli.reread.model import Reading
from functions.shared.errors import Misconfigured


def default_path(url: str, model: str, formats: tuple[str, ...]) -> Path:
    """One file for each platform, model and choice of formats."""
    name = hashlib.sha256("\n".join((url, model, *formats)).encode()).hexdigest()[:16]
    return user_cache_path("gtvision", appauthor=False) / "reread" / f"{name}.jsonl"


class Journal:
    """Readings by detection, a line each, on disk at once; for the owner alone, since it holds plates."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self.path = path
        self._readings: dict[str, Reading] = {}
        self._file: TextIO | None = None
        self._fresh = fresh

    def __enter__(self) -> Journal:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self._fresh and self.path.exists():
                self._load(self.path.read_text())
            mode = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if self._fresh else os.O_APPEND)
            self._file = os.fdopen(os.open(self.path, mode, 0o600), "w")
        except OSError as error:
            raise Misconfigured(
                f"{self.path} cannot be written: {error.strerror}", mend="name another file with --journal"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def _load(self, text: str) -> None:
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self._readings[str(entry["id"])] = Reading.model_validate(entry["reading"])
            except (ValueError, KeyError, TypeError, ValidationError):
                # The line that a run was ended in.
                continue

    def get(self, detection_id: str) -> Reading | None:
        return self._readings.get(detection_id)

    def put(self, detection_id: str, reading: Reading) -> None:
        self._readings[detection_id] = reading
        if self._file is None:
            raise RuntimeError("the journal is not open")
        self._file.write(json.dumps({"id": detection_id, "reading": reading.model_dump()}) + "\n")
        self._file.flush()
