from __future__ import annotations

import asyncio
import threading

import pytest

from functions.cameras import urls
from functions.shared import camera_networks
from functions.shared.errors import InvalidInput, Misconfigured

EVERYWHERE = ("0.0.0.0/0", "::/0")
SECRET = "S3CRET-MARK"

MALFORMED = {
    "": "must begin with rtsp",
    "10.0.0.7/live": "must begin with rtsp",
    "http://10.0.0.7/live": "must begin with rtsp",
    "file:///etc/passwd": "must begin with rtsp",
    "rtsp:/10.0.0.7/live": "must begin with rtsp",
    "rtsp+tcp://10.0.0.7/live": "must begin with rtsp",
    "rtsp://": "has no host",
    "rtsp:///live": "has no host",
    f"rtsp://op:{SECRET}@/live": "has no host",
    f"rtsp://op:{SECRET}@10.0.0.7:0/live": "port",
    f"rtsp://op:{SECRET}@10.0.0.7:65536/live": "port",
    f"rtsp://op:{SECRET}@10.0.0.7:55x/live": "port",
    f"rtsp://op:{SECRET}@10.0.0.7:/live": "port",
    f"rtsp://op:{SECRET}@10.0.0.7:-1/live": "port",
    f"rtsp://op:{SECRET}@[10.0.0.7/live": "cannot be read",
    f"rtsp://op:{SECRET}@[::1/live": "cannot be read",
    f"rtsp://op:{SECRET}#x@10.0.0.7/live": "percent-encoded",
    f"rtsp://op:{SECRET}/x@10.0.0.7/live": "percent-encoded",
    f"rtsp://10.0.0.7/live#{SECRET}": "percent-encoded",
    f"rtsp://op:{SECRET} x@10.0.0.7/live": "space",
    f"rtsp://op:{SECRET}\n@10.0.0.7/live": "space",
    f"rtsp://op:{SECRET}\x00@10.0.0.7/live": "space",
    f"rtsp://op:{SECRET}\\@10.0.0.7/live": "may not have",
    f"rtsp://op:{SECRET}é@10.0.0.7/live": "percent-encoded",
    f"rtsp://op:{SECRET}@10.0.0.7/{'x' * 2000}": "over 1024 characters",
}


@pytest.mark.parametrize(("url", "reason"), MALFORMED.items())
def test_a_malformed_address_is_refused_with_the_reason_and_without_its_secret(url: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        urls.parse(url)
    assert caught.value.details["field"] == "rtsp_url"
    assert SECRET not in caught.value.message + str(caught.value.details)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://10.0.0.7", ("10.0.0.7", 554, False)),
        ("RTSP://Cam.Example/Live?x=1&y=2", ("cam.example", 554, False)),
        ("rtsps://op:pw@10.0.0.7/live", ("10.0.0.7", 322, True)),
        ("rtsp://op:p%40s%23s@10.0.0.7:8554/live", ("10.0.0.7", 8554, True)),
        ("rtsp://op:p@ss@10.0.0.7/live", ("10.0.0.7", 554, True)),
        ("rtsp://op@10.0.0.7/live", ("10.0.0.7", 554, True)),
        ("rtsp://[2001:db8::7]:8554/live", ("2001:db8::7", 8554, False)),
    ],
)
def test_a_good_address_is_taken_apart(url: str, expected: tuple[str, int, bool]) -> None:
    found = urls.parse(url)
    assert (found.host, found.port, found.has_credentials) == expected


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.0.1",
        "2852039166",  # 169.254.169.254 as one number
        "0xA9FEA9FE",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[fd00:ec2::254]",
        "[fd20:ce::254]",
        "[2002:a9fe:a9fe::1]",  # 6to4
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
    ],
)
async def test_link_local_and_metadata_addresses_are_refused_however_written(host: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await urls.require_allowed(f"rtsp://op:{SECRET}@{host}/live", EVERYWHERE)
    assert caught.value.details["field"] == "rtsp_url"
    # A resolver may not know a spelling at all; known or not, it is refused.
    assert any(word in caught.value.message for word in ("metadata", "no address"))


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "240.0.0.1", "[ff02::1]", "[::]"]
)
async def test_what_is_no_single_host_is_refused(host: str) -> None:
    with pytest.raises(InvalidInput, match="no single host"):
        await urls.require_allowed(f"rtsp://{host}/live", EVERYWHERE)


async def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no address"):
        await urls.require_allowed("rtsp://no-such-camera.invalid/live", EVERYWHERE)


async def test_a_silent_name_server_takes_no_thread_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are written and passwords checked in threads too."""
    answer, asked = threading.Event(), threading.Semaphore(0)

    def silent(*_: object, **__: object) -> list[object]:
        asked.release()
        answer.wait(20)
        return []

    monkeypatch.setattr(camera_networks, "RESOLVE_S", 2.0)
    monkeypatch.setattr("functions.shared.camera_networks.socket.getaddrinfo", silent)
    waiting = [asyncio.create_task(camera_networks.resolve(f"cam{number}.example")) for number in range(40)]
    try:
        assert await asyncio.wait_for(asyncio.to_thread(asked.acquire, timeout=5), 10)
        assert await asyncio.wait_for(asyncio.gather(*(asyncio.to_thread(int, "7") for _ in range(40))), 10) == [7] * 40
        for found in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(found, InvalidInput)
            assert "name server does not answer" in found.message
    finally:
        answer.set()


async def test_a_label_too_long_for_dns_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no address"):
        await urls.require_allowed(f"rtsp://{'a' * 70}.example/live", EVERYWHERE)


@pytest.mark.parametrize("host", ["10.20.3.4", "192.168.1.2", "[fd00::7]", "203.0.113.7"])
async def test_every_network_is_fine_by_default(host: str) -> None:
    assert (await urls.require_allowed(f"rtsp://{host}:8554/live", EVERYWHERE)).port == 8554


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433"])
async def test_this_machine_has_to_be_named(host: str) -> None:
    """What listens on the loopback asks nobody who they are: "everywhere" does not mean it."""
    for networks in (EVERYWHERE, ("10.0.0.0/8",), ("0.0.0.0/1", "126.0.0.0/7")):
        with pytest.raises(InvalidInput, match="this machine itself"):
            await urls.require_allowed(f"rtsp://{host}:8554/live", networks)
    named = (*EVERYWHERE, "127.0.0.0/8", "::1/128")
    assert (await urls.require_allowed(f"rtsp://{host}:8554/live", named)).port == 8554


async def test_every_address_of_a_host_must_lie_in_the_networks() -> None:
    await urls.require_allowed("rtsp://10.20.3.4/live", ("10.20.0.0/16",))
    for host in ("10.21.0.1", "192.168.0.1", "[::ffff:10.21.0.1]", "[2001:db8::7]"):
        with pytest.raises(InvalidInput, match="GTV_CAMERA_NETWORKS"):
            await urls.require_allowed(f"rtsp://{host}/live", ("10.20.0.0/16",))
    await urls.require_allowed("rtsp://[::ffff:10.20.0.1]/live", ("10.20.0.0/16",))


async def test_networks_that_are_none_are_named() -> None:
    with pytest.raises(Misconfigured, match="GTV_CAMERA_NETWORKS"):
        await urls.require_allowed("rtsp://10.20.3.4/live", ("10.20.0.0/99",))
