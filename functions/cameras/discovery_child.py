"""The process that looks for devices: `python -m functions.cameras.discovery_child`, one JSON line in and one out.

Three ways at once: WS-Discovery by multicast (library WSDiscovery), the same probe sent to each address by itself, and
the ports of each address: ONVIF's question for the time, which everybody may ask, and RTSP's OPTIONS.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import uuid
from collections.abc import Iterable, Iterator
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from functions.cameras.child import confine
from functions.cameras.onvif_child import bracketed, text

MULTICAST_S, UNICAST_S, CONNECT_S, ANSWER_S = 4.0, 2.5, 1.2, 2.0
AT_ONCE = 256
A_SECOND = 500
MAX_DATAGRAM, MAX_ANSWER, MAX_DEVICES = 65_535, 65_536, 2048
DISCOVERY_PORT = 3702
_ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"{more}>{body}'
    "</s:Envelope>"
)
PROBE = _ENVELOPE.format(
    more=' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"',
    body="<s:Header><a:MessageID>urn:uuid:{id}</a:MessageID>"
    '<a:To s:mustUnderstand="true">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>'
    '<a:Action s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header>'
    "<s:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></s:Body>",
)
TIME = _ENVELOPE.format(
    more="", body='<s:Body><GetSystemDateAndTime xmlns="http://www.onvif.org/ver10/device/wsdl"/></s:Body>'
)
_DISCOVERY = "{http://schemas.xmlsoap.org/ws/2005/04/discovery}"
_SCOPE = "onvif://www.onvif.org/"


class Finds:
    """Devices by address, filled from all three ways."""

    def __init__(self) -> None:
        self._devices: dict[str, dict[str, Any]] = {}

    def of(self, host: str, way: str) -> dict[str, Any] | None:
        """The device at an address; None for what is no address, and when there are too many."""
        try:
            host = str(ip_address(host.strip("[]")))
        except ValueError:
            return None
        if host not in self._devices and len(self._devices) >= MAX_DEVICES:
            return None
        found = self._devices.setdefault(host, {"host": host, "onvif_port": None, "rtsp_port": None, "found_by": []})
        if way not in found["found_by"]:
            found["found_by"].append(way)
        return found

    def match(self, xaddrs: Iterable[str], scopes: Iterable[str], way: str, sender: str | None = None) -> None:
        """One answer to a probe. `sender` is where it came from: an answer may name any address it likes."""
        for host, port in _places(xaddrs):
            if sender is not None and host != sender:
                host, port = sender, port
            device = self.of(host, way)
            if device is not None:
                device["onvif_port"] = device["onvif_port"] or port
                device.update(_told(scopes))
                return

    @property
    def items(self) -> list[dict[str, Any]]:
        return list(self._devices.values())


def _places(xaddrs: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Hosts and ports of service addresses, IPv4 first: link-local IPv6 is what many devices name beside it."""
    found = []
    for xaddr in xaddrs:
        with contextlib.suppress(ValueError):
            parts = urlsplit(xaddr)
            if parts.scheme in ("http", "https") and parts.hostname:
                found.append((parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)))
    return iter(sorted(found, key=lambda place: ":" in place[0]))


def _told(scopes: Iterable[str]) -> dict[str, str]:
    """What a device says of itself in its scopes: onvif://www.onvif.org/name/Ponte%20Norte."""
    found: dict[str, str] = {}
    for scope in scopes:
        kind, _, value = scope.removeprefix(_SCOPE).partition("/")
        if scope.startswith(_SCOPE) and kind in ("name", "hardware", "location") and value:
            found.setdefault(kind, text(unquote(value)))
    return found


def by_multicast(finds: Finds) -> None:
    """Blocking, MULTICAST_S. A machine without multicast finds nothing."""
    from wsdiscovery import QName
    from wsdiscovery.discovery import ThreadedWSDiscovery

    searcher = ThreadedWSDiscovery()
    searcher.start()
    try:
        kind = QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter")
        for service in searcher.searchServices(types=[kind], timeout=MULTICAST_S):
            finds.match(service.getXAddrs(), [scope.getValue() for scope in service.getScopes()], "multicast")
    finally:
        searcher.stop()


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, finds: Finds, asked: frozenset[str]) -> None:
        self._finds, self._asked = finds, asked

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if addr[0] in self._asked and len(data) < MAX_DATAGRAM:
            for xaddrs, scopes in matches(data):
                self._finds.match(xaddrs, scopes, "unicast", addr[0])


def matches(data: bytes) -> Iterator[tuple[list[str], list[str]]]:
    """Service addresses and scopes of each ProbeMatch; nothing for a document that is broken or has a DTD."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        return
    if root.getroottree().docinfo.doctype:
        return
    for match in list(root.iter(f"{_DISCOVERY}ProbeMatch"))[:8]:
        yield (
            (match.findtext(f"{_DISCOVERY}XAddrs") or "").split(),
            (match.findtext(f"{_DISCOVERY}Scopes") or "").split(),
        )


async def by_unicast(finds: Finds, addresses: list[str]) -> None:
    loop = asyncio.get_running_loop()
    for own, version in (("0.0.0.0", 4), ("::", 6)):
        asked = [host for host in addresses if ip_address(host).version == version]
        if not asked:
            continue
        ear = partial(_Ear, finds, frozenset(asked))
        transport, _ = await loop.create_datagram_endpoint(ear, (own, 0))
        try:
            for _ in range(2):
                for number, host in enumerate(asked):
                    with contextlib.suppress(OSError):
                        transport.sendto(PROBE.format(id=uuid.uuid4()).encode(), (host, DISCOVERY_PORT))
                    if number % 50 == 49:
                        await asyncio.sleep(50 / A_SECOND)
                await asyncio.sleep(UNICAST_S / 2)
        finally:
            transport.close()


async def exchange(host: str, port: int, question: bytes) -> bytes:
    """What a port answers, at the most MAX_ANSWER bytes; b"" for nothing."""
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(host, port, limit=MAX_ANSWER)
    except (OSError, TimeoutError):
        return b""
    answer = bytearray()
    try:
        async with asyncio.timeout(ANSWER_S):
            writer.write(question)
            while len(answer) < MAX_ANSWER and (part := await reader.read(8192)):
                answer += part
                if b"</s:Envelope>" in answer or answer.startswith(b"RTSP/") or b"Envelope>" in answer[-64:]:
                    break
    except (OSError, TimeoutError):
        pass
    finally:
        writer.close()
    return bytes(answer)


async def _ask_onvif(finds: Finds, host: str, port: int) -> None:
    head = (
        f"POST /onvif/device_service HTTP/1.1\r\nHost: {bracketed(host)}:{port}\r\nConnection: close\r\n"
        f"Content-Type: application/soap+xml; charset=utf-8\r\nContent-Length: {len(TIME)}\r\n\r\n"
    )
    answer = await exchange(host, port, (head + TIME).encode())
    if b"GetSystemDateAndTimeResponse" in answer and (device := finds.of(host, "ports")) is not None:
        device["onvif_port"] = device["onvif_port"] or port


async def _ask_rtsp(finds: Finds, host: str, port: int) -> None:
    question = f"OPTIONS rtsp://{bracketed(host)}:{port}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    answer = await exchange(host, port, question.encode())
    if answer.startswith(b"RTSP/1.") and (device := finds.of(host, "ports")) is not None:
        device["rtsp_port"] = device["rtsp_port"] or port


async def by_ports(finds: Finds, addresses: list[str], ports: list[int], rtsp_ports: list[int]) -> None:
    turn = asyncio.Semaphore(AT_ONCE)

    async def ask(host: str, port: int, *, rtsp: bool) -> None:
        async with turn:
            await (_ask_rtsp if rtsp else _ask_onvif)(finds, host, port)

    wanted = [(host, port, False) for host in addresses for port in ports]
    wanted += [(host, port, True) for host in addresses for port in rtsp_ports]
    await asyncio.gather(*(ask(host, port, rtsp=rtsp) for host, port, rtsp in wanted))


async def search(given: dict[str, Any]) -> dict[str, Any]:
    finds, addresses = Finds(), given["addresses"]
    ways = [
        by_unicast(finds, addresses),
        by_ports(finds, addresses, given["ports"], given["rtsp_ports"]),
    ]
    if given["multicast"]:
        ways.append(asyncio.to_thread(by_multicast, finds))
    # One way that fails, as multicast where there is none, leaves what the others found.
    await asyncio.gather(*ways, return_exceptions=True)
    return {"items": finds.items}


def main() -> None:
    confine()
    logging.disable(logging.CRITICAL)
    given = json.loads(sys.stdin.readline())
    sys.stdout.write(json.dumps(asyncio.run(search(given))) + "\n")


if __name__ == "__main__":
    main()
