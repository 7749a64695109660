"""What an RTSP address may be. Every refusal names the field and the reason, and never quotes the address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from functions.shared.errors import InvalidInput, Misconfigured

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
FIELD = "rtsp_url"
MAX_LENGTH = 1024
RESOLVE_S = 3.0
# Threads of their own: a file of cameras whose name server is silent must not use up those that write pictures.
_RESOLVERS = ThreadPoolExecutor(8, thread_name_prefix="dns")
_PORTS = {"rtsp": 554, "rtsps": 322}
_HINT = "a '#', '/', '?', '@' or space in the user name or password must be percent-encoded"
# Where clouds answer with the credentials of the machine, besides the link-local 169.254.169.254: those of AWS, Google,
# Alibaba, Oracle and Azure.
_METADATA = frozenset(
    ip_address(text) for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")
)
_NAT64 = ip_network("64:ff9b::/96")
# "This network" and what is reserved, with the broadcast address.
_NO_HOSTS = (ip_network("0.0.0.0/8"), ip_network("240.0.0.0/4"))


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
        raise _refused(f"is over {MAX_LENGTH} characters")
    if not url.isascii() or any(ord(letter) <= 32 or letter in '\\"<>^`{|}\x7f' for letter in url):
        raise _refused(f"holds a space or a character that a URL may not have; {_HINT}")
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() not in _PORTS:
        raise _refused("must begin with rtsp:// or rtsps://")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Its text would quote the part before the @, so it stays out.
        raise _refused(f"has a host or port that cannot be read (a port is 1 to 65535); {_HINT}") from None
    if not host:
        raise _refused(f"has no host; {_HINT}")
    if port == 0 or parts.netloc.endswith(":"):
        raise _refused("has a port that is not 1 to 65535")
    if "#" in url:
        raise _refused(f"has a '#'; {_HINT}")
    return RtspAddress(host, port or _PORTS[scheme.lower()], "@" in parts.netloc)


def networks(settings: Sequence[str]) -> tuple[Network, ...]:
    """The networks of GTV_CAMERA_NETWORKS. Raises Misconfigured."""
    try:
        return tuple(ip_network(text, strict=False) for text in settings)
    except ValueError as error:
        raise Misconfigured(
            f"GTV_CAMERA_NETWORKS: {error}", mend="give networks such as 10.20.0.0/16, comma separated"
        ) from None


async def require_allowed(url: str, allowed: Sequence[str]) -> RtspAddress:
    """Raises InvalidInput unless the URL is well formed and every address of its host may hold a camera."""
    address = parse(url)
    require_in(await resolve(address.host), networks(allowed))
    return address


async def resolve(host: str, field: str = FIELD) -> tuple[Address, ...]:
    """Every address of a host, also of one written as a number. Raises InvalidInput when it has none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await loop.run_in_executor(
                _RESOLVERS, partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
            )
    except TimeoutError:
        raise _refused("has a host whose name server does not answer", field) from None
    except (OSError, UnicodeError):
        raise _refused("has a host that has no address; check its name", field) from None
    return tuple(sorted({plain(str(row[4][0])) for row in found}, key=str))


def require_in(addresses: Iterable[Address], allowed: Sequence[Network], field: str = FIELD) -> None:
    """Raises InvalidInput for an address where no camera may be."""
    for address in addresses:
        reason = refusal(address, allowed)
        if reason:
            raise _refused(reason, field)


def refusal(address: Address, allowed: Sequence[Network]) -> str:
    """Why no camera may be at an address; "" where one may.

    >>> refusal(ip_address("127.0.0.1"), networks(["0.0.0.0/0"]))
    'leads to this machine itself; GTV_CAMERA_NETWORKS has to name it (127.0.0.0/8) where that is meant'
    """
    if address.is_link_local or address in _METADATA:
        return "leads to a link-local or metadata address, where no camera may be"
    if address.is_multicast or address.is_unspecified or any(_within(address, network) for network in _NO_HOSTS):
        return "leads to an address that is no single host"
    if address.is_loopback and not any(network.is_loopback and _within(address, network) for network in allowed):
        return "leads to this machine itself; GTV_CAMERA_NETWORKS has to name it (127.0.0.0/8) where that is meant"
    if not any(_within(address, network) for network in allowed):
        return "leads outside the networks in which cameras may be (GTV_CAMERA_NETWORKS)"
    return ""


def _within(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


def plain(text: str) -> Address:
    """The address that is really reached: IPv4 inside IPv6 is unpacked."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _refused(reason: str, field: str = FIELD) -> InvalidInput:
    return InvalidInput(f"{field} {reason}", field=field, reason=reason)
