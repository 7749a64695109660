"""Whose address a request comes from: no caller can choose it, and no gateway hides it."""

from __future__ import annotations

import pytest
from starlette.types import Scope

from functions.shared.addresses import client_address, network_of

GATEWAYS = ("10.0.0.0/8", "fd00::/8", "127.0.0.1")


def scope(peer: str | None, *forwarded: str) -> Scope:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return {"client": (peer, 40_000) if peer is not None else None, "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        # Nobody of ours in between: what the header says is the caller's invention.
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        # One gateway, then two; then one that added to what the caller had invented.
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        # All of the way is ours: the outermost.
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # As gateways write it.
        ("10.0.0.1", ["203.0.113.9:51515"], "203.0.113.9"),
        ("10.0.0.1", ['"[2001:db8::7]:51515"'], "2001:db8::7"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        # Nothing that can be read: the gateway that said it.
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, nonsense, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["a" * 5000], "10.0.0.1"),
        (None, ["203.0.113.9"], ""),
    ],
)
def test_it_is_read_from_the_right_as_far_as_we_trust(peer: str | None, forwarded: list[str], address: str) -> None:
    assert client_address(scope(peer, *forwarded), GATEWAYS) == address


def test_without_gateways_the_header_is_not_looked_at() -> None:
    assert client_address(scope("10.0.0.1", "203.0.113.9"), ()) == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
        ("a unix socket", "a unix socket"),
    ],
)
def test_an_ipv6_line_is_one_caller(address: str, network: str) -> None:
    assert network_of(address) == network
