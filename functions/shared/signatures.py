"""Standard Webhooks 1.0: secrets, and signatures over `id.timestamp.body`. Pure; the CLI verifies by it too."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping

from functions.shared.errors import InvalidInput, Rejected

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES, NEW_BYTES = 24, 64, 32
TOLERANCE_S = 300
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(NEW_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret stands for. Raises InvalidInput (field `secret`), which does not quote it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True) if secret.startswith(PREFIX) else b""
    except (binascii.Error, ValueError):
        key = b""
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        reason = f"secret: must be {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in base64"
        raise InvalidInput(reason, field="secret")
    return key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature, `v1,BASE64`."""
    text = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key_of(secret), text, hashlib.sha256).digest()).decode()


def headers(keys: Iterable[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers, signed under each secret."""
    signatures = " ".join(sign(secret, message_id, timestamp, body) for secret in keys)
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: signatures}


def verify(secret: str, given: Mapping[str, str], body: bytes, at: float) -> None:
    """Raises Rejected saying what does not hold: a header, the time (in seconds, `at` is now), the signature."""
    lower = {name.lower(): value for name, value in given.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not lower.get(name)]
    if missing:
        raise Rejected(f"the header {missing[0]} is missing")
    if not (lower[TIMESTAMP].isascii() and lower[TIMESTAMP].isdigit() and len(lower[TIMESTAMP]) < 13):
        raise Rejected(f"{TIMESTAMP} is no number of seconds")
    timestamp = int(lower[TIMESTAMP])
    expected = sign(secret, lower[ID], timestamp, body).encode()
    if not any(hmac.compare_digest(expected, one.encode()) for one in lower[SIGNATURE].split(" ")):
        raise Rejected("no signature fits: another secret, or the body is not byte for byte what was sent")
    if abs(at - timestamp) > TOLERANCE_S:
        raise Rejected(f"the signature holds, but {TIMESTAMP} is {round(abs(at - timestamp))} s from now")
