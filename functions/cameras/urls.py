"""What an RTSP address may be. Every refusal names the field and the reason, and never quotes the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from functions.shared.camera_networks import FIELD, networks, refused, require_in, resolve

__all__ = ["FIELD", "RtspAddress", "parse", "require_allowed"]
MAX_LENGTH = 1024
_PORTS = {"rtsp": 554, "rtsps": 322}
_HINT = "a '#', '/', '?', '@' or space in the user name or password must be percent-encoded"


@dataclass(frozen=True)
class RtspAddress:
    """Where an RTSP URL leads."""

    host: str
    port: int
    has_credentials: bool


def parse(url: str) -> RtspAddress:
    """Take an RTSP URL apart. Raises InvalidInput.

    >>> parse("rtsp://op:pw@cam7.example:8554/live")
    RtspAddress(host='cam7.example', port=8554, has_credentials=True)
    """
    if len(url) > MAX_LENGTH:
        raise refused(f"is over {MAX_LENGTH} characters")
    if not url.isascii() or any(ord(letter) <= 32 or letter in '\\"<>^`{|}\x7f' for letter in url):
        raise refused(f"holds a space or a character that a URL may not have; {_HINT}")
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() not in _PORTS:
        raise refused("must begin with rtsp:// or rtsps://")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Its text would quote the part before the @, so it stays out.
        raise refused(f"has a host or port that cannot be read (a port is 1 to 65535); {_HINT}") from None
    if not host:
        raise refused(f"has no host; {_HINT}")
    if port == 0 or parts.netloc.endswith(":"):
        raise refused("has a port that is not 1 to 65535")
    if "#" in url:
        raise refused(f"has a '#'; {_HINT}")
    return RtspAddress(host, port or _PORTS[scheme.lower()], "@" in parts.netloc)


async def require_allowed(url: str, allowed: Sequence[str]) -> RtspAddress:
    """Raises InvalidInput unless the URL is well formed and every address of its host may hold a camera."""
    address = parse(url)
    require_in(await resolve(address.host), networks(allowed))
    return address
