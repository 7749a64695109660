"""Looking for cameras: real datagrams and real ports, on this machine's loopback addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import ifaddr
import pytest
from sqlalchemy import select

from functions.cameras import discovery, discovery_child
from functions.shared import camera_networks
from functions.shared.errors import InvalidInput
from functions.shared.tables import AuditRow
from tests.functions.cameras.conftest import Register, serve_cameras, settings_of
from tests.support.nats import NatsServer
from tests.support.onvif import SCOPES, OnvifDevice, discovery_responder, probe_matches
from tests.support.rtsp import silent_listener

ASKED, BY_PORTS = "127.0.9.2", "127.0.9.3"


@pytest.fixture
async def register(tmp_path: Path, sqlite_url: str, nats_server: NatsServer) -> AsyncIterator[Register]:
    async with serve_cameras(settings_of(tmp_path, sqlite_url, nats_server.url)) as served:
        yield served


async def look(register: Register, **asked: Any) -> httpx.Response:
    return await register.client.post("/api/cameras/discover", json={"multicast": False, **asked})


async def test_devices_are_found_by_datagram_and_by_port_and_the_known_ones_are_marked(register: Register) -> None:
    await register.client.post(
        "/api/cameras", json={"id": "ponte", "name": "Ponte", "rtsp_url": f"rtsp://op:pw@{ASKED}/live"}
    )

    async def rtsp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    streaming = await asyncio.start_server(rtsp, BY_PORTS, 0)
    rtsp_port = streaming.sockets[0].getsockname()[1]
    # The first answers for an address that is not its own: what counts is where the answer came from.
    with (
        discovery_responder(ASKED, "http://[fe80::9]/onvif http://10.9.9.9:8899/onvif/device_service") as seen,
        OnvifDevice(host=BY_PORTS) as device,
    ):
        async with streaming:
            answer = await look(register, ranges=["127.0.9.0-127.0.9.15"], ports=[device.port], rtsp_ports=[rtsp_port])
    assert answer.status_code == 200, answer.text
    found = {item["host"]: item for item in answer.json()["items"]}
    assert found.keys() == {ASKED, BY_PORTS}
    assert (found[ASKED]["name"], found[ASKED]["hardware"]) == ("Ponte Norte", "OV-2M")
    assert (found[ASKED]["onvif_port"], found[ASKED]["found_by"]) == (8899, ["unicast"])
    assert found[ASKED]["camera_ids"] == ["ponte"]
    by_ports = found[BY_PORTS]
    assert (by_ports["onvif_port"], by_ports["rtsp_port"], by_ports["found_by"]) == (device.port, rtsp_port, ["ports"])
    assert device.requests == ["GetSystemDateAndTime"]
    assert answer.json()["asked"] == 16
    assert b"NetworkVideoTransmitter" in seen[0]
    async with register.context.db.read() as session:
        row = (await session.scalars(select(AuditRow).where(AuditRow.action == "cameras.discover"))).one()
    assert (row.actor, row.details) == ("admin", {"ranges": ["127.0.9.0-127.0.9.15"]})


def own_addresses() -> list[str]:
    found = (ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips)
    return [ip for ip in found if isinstance(ip, str) and not ip.startswith("127.")]


@pytest.mark.skipif(not own_addresses(), reason="multicast does not go out by the loopback, and there is nothing else")
async def test_a_device_is_found_by_multicast(register: Register) -> None:
    """The library leaves the loopback out: the responder joins the group on this machine's first real interface."""
    (host, *_) = own_addresses()
    with discovery_responder(host, f"http://{host}:8081/onvif", group="239.255.255.250") as seen:
        answer = await register.client.post("/api/cameras/discover", json={})
    assert seen, "no probe came"
    found = {item["host"]: item for item in answer.json()["items"]}
    assert (found[host]["found_by"], found[host]["onvif_port"]) == (["multicast"], 8081)
    assert (found[host]["name"], found[host]["rtsp_port"]) == ("Ponte Norte", None)
    # What answers from where no camera may be is not shown.
    register.context.settings = register.context.settings.model_copy(update={"camera_networks": ("10.9.9.9/32",)})
    with discovery_responder(host, f"http://{host}:8081/onvif", group="239.255.255.250"):
        answer = await register.client.post("/api/cameras/discover", json={})
    assert answer.json()["items"] == []
    assert any("name ranges" in warning for warning in answer.json()["warnings"])


async def test_one_search_at_a_time(register: Register) -> None:
    with silent_listener() as url:
        port = int(url.rsplit(":", 1)[1].split("/")[0])
        first = asyncio.create_task(look(register, ranges=["127.0.0.1"], ports=[port]))
        await asyncio.sleep(0.5)
        second = await look(register, ranges=["127.0.0.1"], ports=[port])
    assert (second.status_code, (await first).status_code) == (429, 200)
    assert int(second.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("ranges", "count"),
    [
        (["10.0.0.0/30"], 4),
        (["10.0.0.1/30", "10.0.0.2"], 4),
        (["10.0.0.5-10.0.0.9"], 5),
        (["10.0.0.5 - 9"], 5),
        (["fd00::7"], 1),
        (["10.0.0.0/22"], 1024),
        ([], 0),
    ],
)
def test_ranges_are_taken_apart(ranges: list[str], count: int) -> None:
    found = discovery.expand(ranges, camera_networks.networks(["10.0.0.0/8", "fd00::/8"]))
    assert len(found) == len(set(found)) == count


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.0.0.0/21", "more than 1024"),
        ("10.0.0.0/0", "more than 1024"),
        ("fd00::/64", "more than 1024"),
        ("10.0.0.9-10.0.0.5", "no network, range"),
        ("10.0.0.5-300", "no network, range"),
        ("cam.example", "no network, range"),
        ("fd00::1-fd00::5", "no network, range"),
        ("169.254.169.254", "link-local or metadata"),
        ("169.254.0.0/24", "link-local or metadata"),
        ("224.0.0.1", "no single host"),
        ("127.0.0.1", "this machine itself"),
        ("8.8.8.0/24", "on the internet"),
    ],
)
def test_a_range_that_may_not_be_asked_is_named(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        discovery.expand([text], camera_networks.networks(["0.0.0.0/0", "::/0"]))
    assert caught.value.details["field"] == "ranges"


def test_strangers_are_asked_where_the_settings_name_them() -> None:
    assert len(discovery.expand(["8.8.8.0/30"], camera_networks.networks(["8.8.8.0/24"]))) == 4
    with pytest.raises(InvalidInput, match="outside the networks"):
        discovery.expand(["10.0.0.1"], camera_networks.networks(["8.8.8.0/24"]))


def test_an_answer_that_attacks_is_none() -> None:
    good = probe_matches("urn:uuid:1", "http://10.0.0.7/onvif", SCOPES)
    assert list(discovery_child.matches(good)) == [(["http://10.0.0.7/onvif"], SCOPES.split())]
    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]>' + good.partition(b"?>")[2]
    for wrong in (bomb, b"", b"\x00" * 100, b"<a>", good[:-20], b"<" * 60_000):
        assert list(discovery_child.matches(wrong)) == []


def test_what_devices_say_of_themselves_is_short_and_printable() -> None:
    finds = discovery_child.Finds()
    scopes = [f"onvif://www.onvif.org/name/{'x' * 500}", "onvif://www.onvif.org/location/%1b%5b31m%0aPra%C3%A7a"]
    finds.match(["ftp://x", "http://no-address/x", "http://10.0.0.7:x/", "http://10.0.0.7:81/"], scopes, "unicast",
                "10.0.0.7")  # fmt: skip
    (found,) = finds.items
    assert (len(found["name"]), found["location"]) == (80, "[31m Praça")
    assert finds.of("not an address", "ports") is None
