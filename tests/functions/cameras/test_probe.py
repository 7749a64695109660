"""The probe against real RTSP servers and real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from cli.demo.rtsp import RtspServer
from functions.cameras import probe
from tests.functions.cameras.conftest import Register
from tests.support.rtsp import make_clip, refused_url, silent_listener, start_rtsp


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """The probe asks nothing of the dialect."""
    return sqlite_url


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    folder = tmp_path_factory.mktemp("clips")
    clip = make_clip(folder / "h264.mp4", 640, 480, 25, gop=25, seconds=4)
    clips = {
        "open": clip,
        "locked": clip,
        "hevc": make_clip(folder / "hevc.mp4", 640, 360, 25, gop=25, seconds=4, codec="hevc"),
        "sound": make_clip(folder / "sound.mp4", seconds=4, audio_only=True),
    }
    with start_rtsp(clips, auth={"locked": ("op", "S3CRET-MARK")}) as running:
        yield running


async def ask(register: Register, url: str) -> httpx.Response:
    return await register.client.post("/api/cameras/probe", json={"rtsp_url": url})


def refused_for(answer: httpx.Response, reason: str) -> None:
    """A 502 that names the reason, says it in words and how to mend it."""
    assert answer.status_code == 502, answer.text
    error = answer.json()["error"]
    assert error["code"] == "camera_unavailable"
    assert error["details"]["reason"] == reason
    assert error["details"]["mend"] in error["message"]


async def test_a_probe_says_codec_size_and_rate(register: Register, server: RtspServer) -> None:
    answer = await ask(register, server.urls["open"])
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["ok"], found["codec"], found["width"], found["height"]) == (True, "h264", 640, 480)
    assert found["fps"] == pytest.approx(25, abs=1)
    assert found["warnings"] == []


async def test_a_registered_camera_is_probed_with_its_credentials(register: Register, server: RtspServer) -> None:
    body = {"name": "Locked", "rtsp_url": server.login_url("locked")}
    made = await register.client.post("/api/cameras", json=body)
    answer = await register.client.post(f"/api/cameras/{made.json()['id']}/probe")
    assert answer.status_code == 200, answer.text
    assert answer.json()["codec"] == "h264"


async def test_h265_is_fine_but_warned_of(register: Register, server: RtspServer) -> None:
    found = (await ask(register, server.urls["hevc"])).json()
    assert found["codec"] == "hevc"
    assert any("H.265" in warning for warning in found["warnings"])


async def test_no_or_wrong_credentials_are_unauthorized(register: Register, server: RtspServer) -> None:
    refused_for(await ask(register, server.urls["locked"]), "unauthorized")
    wrong = server.login_url("locked").replace("S3CRET-MARK", "other")
    refused_for(await ask(register, wrong), "unauthorized")


async def test_an_unknown_path_is_not_found(register: Register, server: RtspServer) -> None:
    refused_for(await ask(register, server.urls["open"].replace("/open", "/nothing")), "not_found")


async def test_a_stream_of_sound_alone_has_no_video(register: Register, server: RtspServer) -> None:
    refused_for(await ask(register, server.urls["sound"]), "no_video")


async def test_a_closed_port_refuses(register: Register) -> None:
    refused_for(await ask(register, refused_url()), "refused")


async def test_an_address_that_answers_nothing_is_unreachable(register: Register) -> None:
    """A listener whose queue is full drops what comes, as a host does that is switched off or behind a firewall."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fill = [socket.socket() for _ in range(4)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(address)
        try:
            answer = await ask(register, f"rtsp://127.0.0.1:{address[1]}/x")
        finally:
            for one in fill:
                one.close()
    refused_for(answer, "unreachable")


async def test_what_speaks_no_rtsp_is_named(register: Register) -> None:
    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n" * 50)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        answer = await ask(register, f"rtsp://127.0.0.1:{port}/x")
    assert answer.status_code == 502
    assert answer.json()["error"]["details"]["reason"] in ("not_rtsp", "ended", "failed")


async def test_a_silent_socket_ends_within_the_limit(register: Register) -> None:
    with silent_listener() as url:
        started = time.monotonic()
        answer = await ask(register, url)
        # The limit itself is the promise here, with room for a busy machine to end the process.
        assert time.monotonic() - started < probe.LIMIT_S + 5
    refused_for(answer, "silent")


async def test_a_library_that_hangs_is_ended(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "OPEN_S", 600.0)
    monkeypatch.setattr(probe, "LIMIT_S", 2.0)
    with silent_listener() as url:
        refused_for(await ask(register, url), "silent")
    assert children() == []


async def test_the_address_is_in_no_command_line_or_environment(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are the secrets of the function: the library that opens the stream takes apart what strangers send."""
    for name in ("GTV_FERNET_KEYS", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD"):
        monkeypatch.setenv(name, "S3CRET-MARK")
    monkeypatch.setenv("SEEN", "PLAIN-MARK")
    with silent_listener() as url:
        secret = url.replace("rtsp://", "rtsp://op:S3CRET-MARK@")
        asking = asyncio.create_task(ask(register, secret))
        seen: list[str] = []
        while not asking.done():
            seen += [_shown(child) for child in children()]
            await asyncio.sleep(0.05)
        await asking
    assert any("PLAIN-MARK" in text for text in seen), "the probe's environment was never seen"
    assert not any("S3CRET-MARK" in text for text in seen)


async def test_too_many_probes_at_once_are_put_off(register: Register) -> None:
    with silent_listener() as url:
        answers = await asyncio.gather(*(ask(register, url) for _ in range(probe.AT_ONCE + 2)))
    assert sorted(answer.status_code for answer in answers) == [429] * 2 + [502] * probe.AT_ONCE
    put_off = next(answer for answer in answers if answer.status_code == 429)
    assert int(put_off.headers["retry-after"]) > 0


def children() -> list[psutil.Process]:
    """The probe processes that this test process started."""
    return [child for child in psutil.Process().children(recursive=True) if "probe_child" in _shown(child)]


def _shown(process: psutil.Process) -> str:
    """What a list of processes shows of it."""
    try:
        return " ".join([*process.cmdline(), *process.environ().values()])
    except psutil.Error:
        return ""
