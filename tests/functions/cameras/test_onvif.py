"""Asking ONVIF devices: a real SOAP server that checks digests, and devices that lie, hang and attack."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from functions.cameras import onvif, onvif_child
from tests.functions.cameras.conftest import Register, serve_cameras, settings_of
from tests.support.nats import NatsServer
from tests.support.onvif import NOT_AUTHORIZED, OnvifDevice, envelope, fault
from tests.support.ports import free_port

MARK = "S3CRET-MARK"
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%s;" % (b"" if n == 0 else b"%d" % (n - 1)) * 10) for n in range(9))
    + b']><env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Body>&a8;</env:Body></env:Envelope>'
)
FILE = (
    b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY f SYSTEM "file:///etc/hostname">]>'
    b'<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Body>&f;</env:Body></env:Envelope>'
)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is asked here asks nothing of the dialect."""
    return sqlite_url


@pytest.fixture
async def register(tmp_path: Path, sqlite_url: str, nats_server: NatsServer) -> AsyncIterator[Register]:
    async with serve_cameras(settings_of(tmp_path, sqlite_url, nats_server.url)) as served:
        yield served


async def ask(register: Register, device: OnvifDevice, **changed: Any) -> httpx.Response:
    body = {"host": device.host, "port": device.port, "user": device.user, "password": device.password, **changed}
    return await register.client.post("/api/cameras/onvif/probe", json=body)


def reason_of(answer: httpx.Response) -> str:
    assert answer.status_code == 502, answer.text
    error = answer.json()["error"]
    assert error["details"]["mend"] in error["message"]
    return str(error["details"]["reason"])


async def test_a_device_with_a_wrong_clock_behind_nat_is_asked_in_full(register: Register) -> None:
    """Its clock is two hours slow and it refuses what is not of its own minute; it names an address of its own that
    nobody can reach."""
    with OnvifDevice(clock_offset_s=-7200, xaddr_host="192.0.2.7", password=MARK) as device:
        answer = await ask(register, device)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert device.requests[0] == "GetSystemDateAndTime"
    assert device.refusals == []
    assert (found["manufacturer"], found["model"], found["firmware"]) == ("Olho Vivo", "OV-2M", "V5.7.3")
    assert found["clock_offset_s"] == pytest.approx(-7200, abs=5)
    main, sub = found["profiles"]
    assert (main["token"], main["name"], main["codec"]) == ("profile_1", "mainStream", "h264")
    assert (main["width"], main["height"], main["fps"]) == (1920, 1080, 25)
    assert main["stream_url"] == "rtsp://127.0.0.1:554/Streaming/Channels/101"
    assert main["snapshot_url"] == "http://127.0.0.1/picture?channel=1"
    # A stream without a picture of its own is a stream all the same.
    assert (sub["stream_url"], sub["snapshot_url"]) == ("rtsp://127.0.0.1:554/Streaming/Channels/102", None)
    assert any("its clock is -72" in warning for warning in found["warnings"])
    assert any("192.0.2.7" in warning for warning in found["warnings"])
    assert MARK not in answer.text


async def test_a_device_without_get_services_is_asked_by_its_capabilities() -> None:
    with OnvifDevice(old=True) as device:
        found = await answer_of(device)
    assert "GetCapabilities" in device.requests
    assert len(found["profiles"]) == 2


async def test_a_device_tells_of_its_h265_streams_by_media2(register: Register) -> None:
    """Its clock is wrong too: the digests of these requests are made by the device's time as well."""
    with OnvifDevice(media2=True, clock_offset_s=-7200, xaddr_host="192.0.2.7", password=MARK) as device:
        answer = await ask(register, device)
    assert answer.status_code == 200, answer.text
    assert device.refusals == []
    profiles = answer.json()["profiles"]
    # What both services tell of is there once.
    assert [(one["token"], one["codec"]) for one in profiles] == [
        ("profile_1", "h264"), ("profile_2", "h264"), ("profile_3", "h265"),
    ]  # fmt: skip
    third = profiles[2]
    assert (third["name"], third["width"], third["height"], third["fps"]) == ("thirdStream", 3840, 2160, 20)
    assert third["stream_url"] == "rtsp://127.0.0.1:554/Streaming/Channels/103"
    assert third["snapshot_url"] == "http://127.0.0.1/picture?channel=3"
    assert MARK not in answer.text


async def test_one_of_the_two_media_services_is_enough() -> None:
    with OnvifDevice(media2=True, media1=False) as device:
        assert [one["codec"] for one in (await answer_of(device))["profiles"]] == ["h264", "h265"]
    refuses: Any = (500, {}, fault("env:Receiver", "ter:ActionNotSupported", "no"))
    with OnvifDevice(media2=True, answers={"GetProfiles": refuses}) as device:
        assert [one["token"] for one in (await answer_of(device))["profiles"]] == ["profile_1", "profile_3"]
    for answer in (
        refuses,
        (302, {"Location": "http://169.254.169.254/"}, b""),
        BOMB,
        FILE,
        b"<x/>",
        b"",
        (401, {}, b""),
    ):
        with OnvifDevice(media2=True, answers={"GetProfiles2": answer}) as device:
            assert [one["token"] for one in (await answer_of(device))["profiles"]] == ["profile_1", "profile_2"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((302, {"Location": "http://169.254.169.254/latest"}, b""), "redirects"), (BOMB, "broken"), (FILE, "broken"),
        (envelope("<x>" + "a" * (onvif_child.MAX_ANSWER + 1) + "</x>"), "broken"), (b"<x/>", "broken"),
        ((500, {}, b""), "server_error"), ((400, {}, fault("env:Sender", NOT_AUTHORIZED, "no")), "unauthorized"),
    ],
)  # fmt: skip
async def test_media2_is_asked_as_strictly(answer: Any, reason: str) -> None:
    with OnvifDevice(media2=True, media1=False, answers={"GetProfiles2": answer}) as device:
        assert await answer_of(device) == reason


async def test_a_wrong_password_is_named_and_the_clock_is_not_blamed() -> None:
    with OnvifDevice(clock_offset_s=3600) as device:
        assert await answer_of(device, password="other") == "unauthorized"
        assert set(device.refusals) == {"wrong digest"}
        assert await answer_of(device, user="nobody") == "unauthorized"
        assert await answer_of(device, user="", password="") == "unauthorized"


async def test_a_device_without_a_clock_is_asked_all_the_same() -> None:
    with OnvifDevice(answers={"GetSystemDateAndTime": envelope("<tds:GetSystemDateAndTimeResponse/>")}) as device:
        found = await answer_of(device)
    assert (found["clock_offset_s"], found["model"]) == (None, "OV-2M")


async def test_a_device_that_writes_its_password_into_the_address_does_not_give_it_away(register: Register) -> None:
    address = "rtsp://admin:{password}@{host}:554/user=admin&password={password}&channel={number}"
    with OnvifDevice(password=MARK, stream=address) as device:
        answer = await ask(register, device)
    found = answer.json()
    assert found["profiles"][0]["stream_url"] == "rtsp://127.0.0.1:554/user=admin&password={password}&channel=1"
    assert MARK not in answer.text
    assert any("{password}" in warning for warning in found["warnings"])


HOSTILE: list[tuple[str, Any, str]] = [
    ("GetDeviceInformation", BOMB, "broken"),
    ("GetSystemDateAndTime", FILE, "broken"),
    ("GetServices", b"<html>hello</html>", "broken"),
    ("GetProfiles", envelope("<x>" + "a" * (onvif_child.MAX_ANSWER + 1) + "</x>"), "broken"),
    ("GetProfiles", (302, {"Location": "http://169.254.169.254/latest"}, b""), "redirects"),
    ("GetDeviceInformation", (404, {"Content-Type": "text/html"}, b"no such page"), "not_onvif"),
    ("GetSystemDateAndTime", (401, {"Content-Type": "text/html"}, b""), "unauthorized"),
    ("GetProfiles", (500, {}, b""), "server_error"),
]


async def answer_of(device: OnvifDevice, **changed: Any) -> Any:
    """What the process finds, without a process: the library's start takes seconds."""
    onvif_child.make_strict()
    given = {
        "host": device.host, "shown": device.host, "port": device.port, "tls": False, "user": device.user,
        "password": device.password, **changed,
    }  # fmt: skip
    try:
        return await onvif_child.probe(given)
    except Exception as error:
        return onvif_child.explain(error)


@pytest.mark.parametrize(("request_name", "answer", "reason"), HOSTILE)
async def test_what_a_device_must_not_do_is_refused(request_name: str, answer: Any, reason: str) -> None:
    with OnvifDevice(answers={request_name: answer}) as device:
        assert await answer_of(device) == reason


async def test_an_attack_ends_in_words(register: Register) -> None:
    with OnvifDevice(answers={"GetDeviceInformation": BOMB}) as device:
        assert reason_of(await ask(register, device)) == "broken"


async def test_only_the_device_itself_is_asked_whatever_it_names() -> None:
    """An XAddr may name another machine, which would then be asked in our name."""
    with OnvifDevice() as victim, OnvifDevice(host="127.0.0.9") as liar:
        liar.xaddr_host = f"127.0.0.1:{victim.port}/x?y="
        await answer_of(liar)
        assert victim.requests == []
        assert "GetServices" in liar.requests


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://10.0.0.5:554/live", "rtsp://cam.example:554/live"),
        ("rtsp://10.0.0.5/live?x=1&token=S3CRET-MARK", "rtsp://cam.example/live?x=1&token={password}"),
        ("rtsp://10.0.0.5/S3CRET%2DMARK", "rtsp://cam.example/S3CRET%2DMARK"),
        ("rtsp://op:S3CRET-MARK@10.0.0.5/live#S3CRET-MARK", "rtsp://cam.example/live"),
        ("http://10.0.0.5/live", None),
        ("file:///etc/passwd", None),
        ("rtsp://10.0.0.5:99999/live", None),
        ("rtsp://10.0.0.5/li\nve", "rtsp://cam.example/live"),
        ('rtsp://10.0.0.5/"><script>', None),
        (None, None),
        ("rtsp://10.0.0.5/" + "x" * 1000, None),
    ],
)
def test_addresses_are_shown_at_the_known_host_and_without_the_password(url: str | None, expected: str | None) -> None:
    assert onvif_child.shown_url(url, ("rtsp", "rtsps"), "cam.example", MARK) == expected


def test_services_are_asked_at_the_given_address() -> None:
    rewrite = onvif_child.rewriter("10.0.0.5", 8080, "cam.example")
    assert rewrite("http://192.168.1.64/onvif/media") == "http://10.0.0.5:8080/onvif/media"
    assert rewrite("http://10.0.0.5:8899/onvif/media") == "http://10.0.0.5:8899/onvif/media"
    assert rewrite("http://cam.example/onvif/media?x=1") == "http://10.0.0.5:80/onvif/media?x=1"
    assert rewrite("ftp://10.0.0.5/onvif/media") is None
    assert rewrite(None) is None
    assert onvif_child.rewriter("fd00::5", 80, "x")("http://1.2.3.4/m") == "http://[fd00::5]:80/m"


async def test_nobody_there_and_nobody_who_answers(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"host": "127.0.0.1", "port": free_port()}
    assert reason_of(await register.client.post("/api/cameras/onvif/probe", json=body)) == "refused"
    monkeypatch.setattr(onvif, "LIMIT_S", 1.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(4)
        body = {"host": "127.0.0.1", "port": silent.getsockname()[1], "user": "op", "password": MARK}
        asking = asyncio.create_task(register.client.post("/api/cameras/onvif/probe", json=body))
        shown = ""
        while not asking.done():
            shown += " ".join(_shown(child) for child in _children())
            await asyncio.sleep(0.05)
    assert reason_of(await asking) == "silent"
    assert "onvif_child" in shown, "the process was never seen"
    assert MARK not in shown
    assert list(_children()) == []


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.0", "127.0.0.1", "no-such.invalid"])
async def test_a_host_where_no_camera_may_be_is_not_asked(register: Register, host: str) -> None:
    register.context.settings = register.context.settings.model_copy(update={"camera_networks": ("0.0.0.0/0",)})
    answer = await register.client.post("/api/cameras/onvif/probe", json={"host": host, "password": MARK})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["field"] == "host"
    assert MARK not in answer.text


def _children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if "onvif_child" in _shown(one)]


def _shown(process: psutil.Process) -> str:
    try:
        return " ".join([*process.cmdline(), *process.environ().values()])
    except psutil.Error:
        return ""
