"""Where a stream is opened: at the address that was checked, and nowhere that a server would rather send us."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cli.demo.rtsp import RtspServer
from functions.shared import rtsp, rtsp_place
from functions.shared.errors import CameraUnavailable
from tests.support.rtsp import make_clip, refused_url, start_rtsp
from tests.support.rtsp_scripted import Asked, ScriptedRtsp, redirect

EVERYWHERE = ("0.0.0.0/0", "::/0")
LOOPBACK = ("127.0.0.0/8", "::1/128")
OK = "RTSP/1.0 200 OK\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"
CHALLENGE = 'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="camera"'


# A mount for each: gst-rtsp-server may die when several open one of its mounts at once.
SIDES = [f"side{number}" for number in range(6)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    clip = make_clip(tmp_path_factory.mktemp("clips") / "a.mp4", 320, 180, seconds=2)
    with start_rtsp(
        {"a": clip, "locked": clip, **dict.fromkeys(SIDES, clip)}, auth={"locked": ("op", "S3CRET-MARK")}
    ) as server:
        yield server


def refusal(url: str, networks: tuple[str, ...] = LOOPBACK, timeout_s: float = 3.0) -> CameraUnavailable:
    with pytest.raises(CameraUnavailable) as caught:
        rtsp.open_stream(url, timeout_s, networks).close()
    assert "S3CRET" not in str(caught.value) + str(caught.value.details)
    return caught.value


def reason(url: str, networks: tuple[str, ...] = LOOPBACK) -> str:
    return str(refusal(url, networks).details["reason"])


def named(monkeypatch: pytest.MonkeyPatch, name: str, *addresses: str) -> None:
    """A name server of our own for one name, which the system's own resolver does not know."""
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        found = addresses if host == name else (host,)
        return [row for address in found for row in real(address, port, *more, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def test_only_where_cameras_may_be(server: RtspServer) -> None:
    found = refusal(server.urls["a"], EVERYWHERE)
    assert found.details["reason"] == "not_allowed"
    assert "GTV_CAMERA_NETWORKS" in found.message
    assert reason(server.urls["a"], ("10.0.0.0/8",)) == "not_allowed"
    assert reason("rtsp://169.254.169.254/latest", EVERYWHERE) == "not_allowed"
    assert reason("rtsp://2130706433:9/live", EVERYWHERE) == "not_allowed"


def test_a_name_that_leads_elsewhere_by_now_is_refused(server: RtspServer, monkeypatch: pytest.MonkeyPatch) -> None:
    port = urlsplit(server.urls["a"]).port
    url = f"rtsp://op:S3CRET-MARK@camera.test:{port}/a"
    named(monkeypatch, "camera.test", "169.254.169.254")
    assert reason(url, EVERYWHERE) == "not_allowed"
    # One address where no camera may be is enough, whichever would be tried first.
    named(monkeypatch, "camera.test", "127.0.0.1", "10.0.0.1")
    assert reason(url) == "not_allowed"


def test_a_stream_is_opened_at_the_address_that_was_checked(
    server: RtspServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg's own look-up would not know this name: that it opens shows that none was made."""
    port = urlsplit(server.urls["a"]).port
    named(monkeypatch, "camera.test", "127.0.0.1")
    rtsp.open_stream(f"rtsp://camera.test:{port}/a", 5.0, LOOPBACK).close()
    locked = server.login_url("locked").replace("127.0.0.1", "camera.test")
    rtsp.open_stream(locked, 5.0, LOOPBACK).close()


@pytest.mark.parametrize("at", ["OPTIONS", "DESCRIBE"])
def test_a_server_that_redirects_is_refused_before_it_hears_a_password(server: RtspServer, at: str) -> None:
    with (
        ScriptedRtsp(lambda _: CHALLENGE) as other,
        ScriptedRtsp(lambda asked: redirect(other.url) if asked.method == at else OK) as camera,
    ):
        assert reason(camera.url.replace("//", "//op:S3CRET-MARK@")) == "redirected"
        assert camera.connections == 1, "FFmpeg never came"
        assert other.connections == 0
        assert not [asked for asked in camera.asked if "S3CRET" in asked.head or "Authorization" in asked.head]


def test_a_server_that_redirects_later_gives_no_stream(server: RtspServer) -> None:
    """It lets the first question pass, and sends FFmpeg elsewhere, where there is a real stream."""

    def answer(asked: Asked) -> str:
        if asked.connection > 1 and asked.method == "DESCRIBE":
            return redirect(server.urls["a"])
        return CHALLENGE if asked.method == "DESCRIBE" else OK

    with ScriptedRtsp(answer) as camera:
        assert reason(camera.url) == "redirected"
        # Neither where a stream from there is open already, nor twice.
        stream = rtsp.open_stream(server.urls["a"], 5.0, LOOPBACK)
        assert reason(camera.url) == "redirected"
        stream.close()


@pytest.mark.parametrize("target", ["stream", "closed", "locked", "no_rtsp"])
def test_a_redirect_tells_nothing_of_where_it_leads(server: RtspServer, target: str) -> None:
    """No password is to be sent here, so FFmpeg goes there; what it finds there is not what is told."""
    with ScriptedRtsp(lambda _: "HTTP/1.1 400 Bad Request") as web:
        targets = {"stream": server.urls["a"], "closed": refused_url(), "locked": server.urls["locked"],
                   "no_rtsp": web.url}  # fmt: skip
        with ScriptedRtsp(lambda asked: redirect(targets[target]) if asked.method == "DESCRIBE" else OK) as camera:
            assert reason(camera.url) == "redirected"


def test_streams_of_one_address_are_opened_side_by_side(server: RtspServer) -> None:
    streams: list[Any] = []

    def open_one(name: str) -> None:
        streams.append(rtsp.open_stream(server.urls[name], 10.0, LOOPBACK))

    for _ in range(2):
        threads = [threading.Thread(target=open_one, args=(name,)) for name in SIDES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(streams) == len(SIDES)
        while streams:
            streams.pop().close()


def test_a_server_that_says_nothing_costs_one_time_out() -> None:
    def late(_: Asked) -> str:
        threading.Event().wait(2.0)
        return OK

    with ScriptedRtsp(late) as camera:
        assert refusal(camera.url, timeout_s=0.5).details["reason"] == "silent"
        assert camera.connections == 1


@pytest.mark.parametrize(
    ("url", "address", "opened"),
    [
        ("rtsp://op:p%40ss@cam.test/live?a=1", "10.0.0.7", "rtsp://op:p%40ss@10.0.0.7/live?a=1"),
        ("rtsp://cam.test:8554/", "fd00::7", "rtsp://[fd00::7]:8554/"),
        ("rtsp://op@[fd00::8]:8554", "fd00::8", "rtsp://op@[fd00::8]:8554"),
    ],
)
def test_the_address_takes_the_place_of_the_host(url: str, address: str, opened: str) -> None:
    assert rtsp_place._at(urlsplit(url), address) == opened


def test_ipv6(tmp_path: Path) -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener:
        port = listener.getsockname()[1]
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
        place = rtsp_place.reach(f"rtsp://[::1]:{port}/a", 2.0, LOOPBACK)
    assert place.url == f"rtsp://[::1]:{port}/a"
