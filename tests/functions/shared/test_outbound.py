"""Requests to users' addresses: which may be reached, by which connection, and what comes back."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from functions.shared.errors import InvalidInput, Misconfigured
from functions.shared.outbound import Failure, Limits, Outbound, Resolve, embedded, networks, parse_url, public
from tests.support.hooks import HookServer, Received, Reply, certificate
from tests.support.ports import free_port

LOOPBACK = ("127.0.0.0/8", "::1/128")


def names(*answers: Sequence[str]) -> tuple[Resolve, list[str]]:
    """A resolver that gives one answer after the other, the last one for ever; and the hosts it was asked for."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return list(answers[min(len(asked), len(answers)) - 1])

    return resolve, asked


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "127.255.255.254", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
        "168.63.129.16", "100.64.0.1", "100.100.100.200", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.250",
        "255.255.255.255", "240.0.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.9",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::1",
        "2002:7f00:1::", "2002:a9fe:a9fe::1", "::127.0.0.1", "fec0::1", "100::1", "4000::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(text: str) -> None:
    assert not public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808",
     "2002:808:808::1", "223.255.255.255"],
)  # fmt: skip
def test_addresses_that_are_public(text: str) -> None:
    assert public(ipaddress.ip_address(text))


def test_the_address_inside_an_address() -> None:
    for text in ("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"):
        assert embedded(ipaddress.ip_address(text)) == ipaddress.ip_address("10.0.0.1")


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org/", "https://", "https:///x", "https://user:secret@example.org/",
     "https://user@example.org/", "https://exam ple.org/", "https://example.org/\n", "https://example.org:0/",
     "https://example.org:99999/", "file:///etc/passwd", "https://" + "a" * 2000, "https://[::1",
     "javascript:alert(1)"],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_url(url)
    assert caught.value.details["field"] == "url"
    assert "secret" not in caught.value.message


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(Misconfigured, match="10\\.0\\.0\\.0/99"):
        networks(["10.0.0.0/99"])


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://2130706433/", "https://0x7f000001/",
     "https://127.1/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://169.254.169.254/latest/"],
)  # fmt: skip
async def test_private_addresses_are_refused_however_they_are_written(url: str) -> None:
    """By the real resolver, which reads old notations of numbers too."""
    outbound = Outbound()
    answer = await outbound.post(url, b"{}", {})
    assert answer.failure in (Failure.REFUSED, Failure.UNRESOLVED), answer
    assert answer.failure is Failure.REFUSED or "64:ff9b" in url or "0x" in url
    await outbound.close()


async def test_one_private_address_among_several_refuses_the_host() -> None:
    resolve, _ = names(["8.8.8.8", "10.0.0.1"])
    answer = await Outbound(resolve=resolve).post("https://hooks.example/", b"", {})
    assert answer.failure is Failure.REFUSED
    assert "10.0.0.1" not in answer.reason


async def test_a_name_that_answers_differently_a_moment_later_gains_nothing() -> None:
    """DNS rebinding: checked with one address, asked again (by the HTTP library) it would name another."""
    resolve, asked = names(["127.0.0.2"], ["127.0.0.1"])
    async with HookServer(host="127.0.0.2") as meant, HookServer(host="127.0.0.1", port=meant.port) as victim:
        outbound = Outbound(["127.0.0.2/32"], resolve=resolve)
        url = f"http://rebind.example:{meant.port}/hook?x=1"
        first = await outbound.post(url, b"one", {"Content-Type": "text/plain", "Host": "other.example"})
        assert (first.status, asked) == (200, ["rebind.example"])
        second = await outbound.post(url, b"two", {})
    assert second.failure is Failure.REFUSED
    assert victim.connections == 0
    (got,) = meant.received
    assert (got.target, got.body, got.headers["host"]) == ("/hook?x=1", b"one", f"rebind.example:{meant.port}")
    assert got.headers["content-type"] == "text/plain"


async def test_http_only_where_the_network_is_named() -> None:
    resolve, _ = names(["8.8.8.8"])
    answer = await Outbound(LOOPBACK, resolve=resolve).post("http://hooks.example/", b"", {})
    assert answer.failure is Failure.PLAIN
    async with HookServer() as hooks:
        assert (await Outbound(LOOPBACK).post(hooks.url, b"", {})).ok
        assert (await Outbound().post(hooks.url, b"", {})).failure is Failure.REFUSED
        assert len(hooks.received) == 1


async def test_tls_asks_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "hooks.example")
    resolve, _ = names(["127.0.0.1"])
    async with HookServer(tls=server) as hooks:
        outbound = Outbound(LOOPBACK, resolve=resolve, tls=client)
        assert (await outbound.post(f"https://hooks.example:{hooks.port}/", b"x", {})).status == 200
        wrong = await outbound.post(f"https://else.example:{hooks.port}/", b"x", {})
        untrusted = await Outbound(LOOPBACK, resolve=resolve).post(f"https://hooks.example:{hooks.port}/", b"x", {})
    assert wrong.failure is untrusted.failure is Failure.TLS
    assert "certificate" in wrong.reason
    assert len(hooks.received) == 1


async def test_redirects_are_not_followed() -> None:
    async with HookServer() as inner:

        async def elsewhere(_: Received) -> Reply:
            return Reply(302, headers={"location": inner.url})

        async with HookServer(elsewhere) as hooks:
            answer = await Outbound(LOOPBACK).post(hooks.url, b"", {})
    assert (answer.status, answer.ok, answer.headers["location"]) == (302, False, inner.url)
    assert inner.connections == 0


async def test_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with HookServer() as proxy, HookServer() as hooks:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await Outbound(LOOPBACK).post(hooks.url, b"", {})).ok
    assert (proxy.connections, len(hooks.received)) == (0, 1)


async def test_answers_are_cut_and_never_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)

    async def large(request: Received) -> Reply:
        if request.target == "/bomb":
            return Reply(body=bomb, headers={"content-encoding": "gzip"})
        return Reply(500, b"x" * 100_000)

    async with HookServer(large) as hooks:
        outbound = Outbound(LOOPBACK, limits=Limits(answer_bytes=1000))
        answer = await outbound.post(hooks.url, b"", {})
        assert (answer.status, answer.body, answer.truncated) == (500, b"x" * 1000, True)
        packed = await outbound.post(f"http://127.0.0.1:{hooks.port}/bomb", b"", {})
    assert packed.body == bomb[:1000]


async def test_time_outs_hold_for_servers_that_are_silent_or_drip() -> None:
    ended = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        except OSError:
            pass
        finally:
            writer.close()
            ended.set()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        ended.set()

    outbound = Outbound(LOOPBACK, limits=Limits(total_s=0.3))
    for behaviour in (drip, silent):
        server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        started = time.monotonic()
        answer = await outbound.post(f"http://127.0.0.1:{port}/", b"", {})
        assert answer.failure is Failure.TIMEOUT
        assert 0.25 < time.monotonic() - started < 2.0
        assert 0.25 < answer.seconds < 2.0
        await ended.wait()
        ended.clear()
        server.close()


async def test_a_name_server_that_hangs_counts_as_a_time_out() -> None:
    async def hang(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    outbound = Outbound(resolve=hang, limits=Limits(total_s=0.2, connect_s=0.1))
    assert (await outbound.post("https://hooks.example/", b"", {})).failure is Failure.TIMEOUT
    await outbound.check("https://hooks.example/")


async def test_the_next_address_is_tried_where_the_first_refuses() -> None:
    resolve, _ = names(["127.0.0.3", "127.0.0.1"])
    async with HookServer() as hooks:
        answer = await Outbound(LOOPBACK, resolve=resolve).post(f"http://hooks.example:{hooks.port}/", b"", {})
    assert answer.ok
    nobody = await Outbound(LOOPBACK).post(f"http://127.0.0.1:{free_port()}/", b"", {})
    assert nobody.failure is Failure.CONNECT


async def test_what_is_not_http() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answer = await Outbound(LOOPBACK).post(f"http://127.0.0.1:{port}/", b"", {})
    assert answer.failure is Failure.PROTOCOL
    server.close()


async def test_an_address_is_checked_when_it_is_given() -> None:
    resolve, _ = names(["10.0.0.1"])
    with pytest.raises(InvalidInput, match="GTV_WEBHOOK_ALLOWED_NETWORKS"):
        await Outbound(resolve=resolve).check("https://hooks.example/")
    await Outbound(["10.0.0.0/8"], resolve=resolve).check("http://hooks.example/")
    unknown, _ = names([])
    await Outbound(resolve=unknown).check("https://not-yet.example/")
    with pytest.raises(InvalidInput):
        await Outbound(resolve=unknown).check("http://not-yet.example/")
