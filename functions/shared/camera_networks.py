"""Where cameras may be (GTV_CAMERA_NETWORKS): addresses of hosts, and which of them are refused.

Asked when a camera is registered, and again at each opening of its stream, since a name may lead elsewhere by then.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from functions.shared.errors import InvalidInput, Misconfigured

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
FIELD = "rtsp_url"
RESOLVE_S = 3.0
# Threads of their own: a file of cameras whose name server is silent must not use up those that write pictures.
_RESOLVERS = ThreadPoolExecutor(8, thread_name_prefix="dns")
# Where clouds answer with the credentials of the machine, besides the link-local 169.254.169.254: those of AWS, Google,
# Alibaba, Oracle and Azure.
_METADATA = frozenset(
    ip_address(text) for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")
)
_NAT64 = ip_network("64:ff9b::/96")
# "This network" and what is reserved, with the broadcast address.
_NO_HOSTS = (ip_network("0.0.0.0/8"), ip_network("240.0.0.0/4"))


def networks(settings: Sequence[str]) -> tuple[Network, ...]:
    """The networks of GTV_CAMERA_NETWORKS. Raises Misconfigured."""
    try:
        return tuple(ip_network(text, strict=False) for text in settings)
    except ValueError as error:
        raise Misconfigured(
            f"GTV_CAMERA_NETWORKS: {error}", mend="give networks such as 10.20.0.0/16, comma separated"
        ) from None


async def resolve(host: str, field: str = FIELD) -> tuple[Address, ...]:
    """Every address of a host, also of one written as a number. Raises InvalidInput when it has none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await loop.run_in_executor(
                _RESOLVERS, partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
            )
    except TimeoutError:
        raise refused("has a host whose name server does not answer", field) from None
    except (OSError, UnicodeError):
        raise refused("has a host that has no address; check its name", field) from None
    return tuple(sorted({plain(str(row[4][0])) for row in found}, key=str))


def require_in(addresses: Iterable[Address], allowed: Sequence[Network], field: str = FIELD) -> None:
    """Raises InvalidInput for an address where no camera may be."""
    for address in addresses:
        reason = refusal(address, allowed)
        if reason:
            raise refused(reason, field)


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


def refused(reason: str, field: str = FIELD) -> InvalidInput:
    """The error of an address that is not taken; `reason` quotes no address."""
    return InvalidInput(f"{field} {reason}", field=field, reason=reason)
