"""Secrets at rest: Fernet with rotation (the first key encrypts, all decrypt), and signatures derived from the keys."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from functions.shared.config import Settings
from functions.shared.errors import Misconfigured


class Vault:
    """Encrypts RTSP URLs and private keys; signs links."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        if not keys:
            raise Misconfigured("no Fernet key is given", mend="set GTV_FERNET_KEYS")
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise Misconfigured(
                "GTV_FERNET_KEYS holds a key that is not 32 url-safe base64 bytes",
                mend="make one with `gtvision keys new`",
            ) from None
        self._link_keys = tuple(hashlib.sha256(b"gtv-link:" + key.encode()).digest() for key in keys)

    @classmethod
    def open(cls, settings: Settings) -> Vault:
        """From GTV_FERNET_KEYS, else from `data_dir/keys/fernet.keys`, made with mode 0600 when absent."""
        if settings.fernet_keys:
            return cls(tuple(key.get_secret_value() for key in settings.fernet_keys))
        return cls(_keys_of_file(settings.data_dir / "keys" / "fernet.keys"))

    def encrypt(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Raises Misconfigured when no key fits."""
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken:
            raise Misconfigured(
                "a stored secret was encrypted with a key that is not given", mend="add the old key to GTV_FERNET_KEYS"
            ) from None

    def rotate(self, token: str) -> str:
        """The same secret under the first key. Raises Misconfigured when no key fits."""
        try:
            return self._fernet.rotate(token.encode()).decode()
        except InvalidToken:
            raise Misconfigured(
                "a stored secret was encrypted with a key that is not given", mend="add the old key to GTV_FERNET_KEYS"
            ) from None

    def sign(self, text: str) -> str:
        """HMAC-SHA256 under the first key, 32 hex digits."""
        return self._signature(self._link_keys[0], text)

    def signed(self, text: str, signature: str) -> bool:
        given = signature.encode()
        return any(hmac.compare_digest(self._signature(key, text).encode(), given) for key in self._link_keys)

    @staticmethod
    def _signature(key: bytes, text: str) -> str:
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]


def _keys_of_file(path: Path) -> tuple[str, ...]:
    """Several processes may start at once: the first to link its file wins, all read the same."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(Fernet.generate_key() + b"\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return tuple(line.strip() for line in path.read_text().splitlines() if line.strip())
