"""Whose address a request comes from, also behind gateways."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(scope: Scope, trusted_proxies: tuple[str, ...]) -> str:
    """The address of whoever sent a request; "" where the server does not know its peer (a Unix socket).

    Each gateway adds the address that it was asked from at the right of X-Forwarded-For, and whatever stands further
    left may be the caller's invention. So it is read from the right, and only as long as the one that vouches for an
    address is one of `trusted_proxies` (networks).
    """
    peer = scope["client"][0] if scope.get("client") else ""
    trusted = _networks(trusted_proxies)
    if not trusted:
        return peer
    address = peer
    for said in reversed(_forwarded(scope["headers"])):
        if not _trusts(trusted, address):
            break
        parsed = _parsed(said)
        if parsed is None:
            break
        address = str(parsed)
    return address


def network_of(address: str) -> str:
    """Whose address it is: of IPv6 the first 64 bits, since every line has as many addresses as it likes below them."""
    found = _parsed(address)
    if found is None:
        return address[:64]
    return str(IPv6Network((int(found), 64), strict=False)) if isinstance(found, IPv6Address) else str(found)


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    values = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return [part.strip() for part in ",".join(values).split(",")] if values else []


@lru_cache(maxsize=8)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)


def _trusts(trusted: tuple[Network, ...], address: str) -> bool:
    found = _parsed(address)
    return found is not None and any(found in network for network in trusted if network.version == found.version)


def _parsed(text: str) -> Address | None:
    """An address as gateways write it: bare, with a port, or IPv6 in brackets; IPv4 within IPv6 is IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
