"""Who the CLI is signed in as: tokens in the user's config folder, one entry a URL, mode 0600 from the first byte."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from functions.shared.errors import Misconfigured

_EARLY_S = 30.0


@dataclass(frozen=True)
class Session:
    """The tokens of one address; `expires_at` is the end of the access token, seconds since 1970."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float
    username: str
    role: str

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Session:
        """From the answer to a login or refresh."""
        user = answer["user"]
        return cls(
            answer["access_token"], answer["refresh_token"], time.time() + float(answer["expires_in"]),
            user["username"], user["role"],
        )  # fmt: skip

    @property
    def stale(self) -> bool:
        return time.time() > self.expires_at - _EARLY_S


def config_dir() -> Path:
    """GTV_CONFIG_DIR, else the platform's place for configuration."""
    given = os.environ.get("GTV_CONFIG_DIR")
    if given:
        return Path(given)
    from platformdirs import user_config_path

    return user_config_path("gtvision", appauthor=False)


class Sessions:
    """The file of sessions. Raises Misconfigured where it cannot be read or written."""

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or config_dir()) / "sessions.json"

    def get(self, url: str) -> Session | None:
        found = self._read().get(url)
        try:
            return Session(**found) if found is not None else None
        except TypeError:
            return None

    def put(self, url: str, session: Session) -> None:
        with self.locked():
            self._write({**self._read(), url: asdict(session)})

    def remove(self, url: str) -> None:
        with self.locked():
            entries = self._read()
            if entries.pop(url, None) is not None:
                self._write(entries)

    def replace(self, url: str, session: Session) -> None:
        """As `put`, for a caller that holds `locked` already."""
        self._write({**self._read(), url: asdict(session)})

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time: a refresh token that two used would end the session."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise Misconfigured(
                f"{self.path} cannot be read: {error}", mend="delete it and run `gtvision login`"
            ) from error
        return found if isinstance(found, dict) else {}

    def _write(self, entries: dict[str, Any]) -> None:
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                json.dump(entries, stream)
            draft.replace(self.path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> Misconfigured:
        return Misconfigured(
            f"{self.path.parent} cannot be written: {error.strerror}", mend="choose another folder with GTV_CONFIG_DIR"
        )
