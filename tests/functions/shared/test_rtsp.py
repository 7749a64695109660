"""Opening streams: every way it fails has its reason, and no reason carries the password."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import av.error
import pytest

from cli.demo.rtsp import RtspServer
from functions.shared import rtsp
from functions.shared.errors import CameraUnavailable
from tests.support.rtsp import make_clip, refused_url, silent_listener, start_rtsp

LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    folder = tmp_path_factory.mktemp("clips")
    files: dict[str, Path] = {
        "h264": make_clip(folder / "a.mp4", seconds=2),
        "hevc": make_clip(folder / "b.mp4", 320, 180, fps=10, gop=10, seconds=2, codec="hevc"),
        "sound": make_clip(folder / "c.mp4", seconds=2, audio_only=True),
        "locked": folder / "a.mp4",
    }
    with start_rtsp(files, auth={"locked": ("op", "S3CRET-MARK")}) as server:
        yield server


@pytest.mark.parametrize(("name", "facts"), [("h264", ("h264", 640, 360, 25.0)), ("hevc", ("hevc", 320, 180, 10.0))])
def test_facts_of_a_stream(server: RtspServer, name: str, facts: tuple[object, ...]) -> None:
    container = rtsp.open_stream(server.urls[name], 5.0, LOOPBACK)
    try:
        found = rtsp.stream_facts(container)
        assert (found.codec, found.width, found.height, found.fps) == facts
        assert next(packet for packet in container.demux(container.streams.video[0])).size > 0
    finally:
        container.close()


def test_a_picture_too_large_is_refused_and_one_that_grows_is_not_decoded(
    server: RtspServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clip has 640 x 360 pixels; what it announces is believed at first, what the decoder meets counts."""
    monkeypatch.setattr(rtsp, "MAX_PIXELS", 640 * 360 - 1)
    with pytest.raises(CameraUnavailable, match="640 x 360 pixels are too many"):
        rtsp.open_stream(server.urls["h264"], 5.0, LOOPBACK)
    with monkeypatch.context() as lying:
        lying.setattr(rtsp, "stream_facts", lambda _: rtsp.StreamFacts("h264", 16, 16, 25.0))
        container = rtsp.open_stream(server.urls["h264"], 5.0, LOOPBACK)
    try:
        packet = next(packet for packet in container.demux(container.streams.video[0]))
        with pytest.raises(av.error.FFmpegError):
            packet.decode()
    finally:
        container.close()


def test_a_password_opens_a_locked_stream(server: RtspServer) -> None:
    rtsp.open_stream(server.login_url("locked"), 5.0, LOOPBACK).close()


def reason_of(url: str, timeout_s: float = 5.0) -> str:
    with pytest.raises(CameraUnavailable) as caught:
        rtsp.open_stream(url, timeout_s, LOOPBACK)
    assert "S3CRET-MARK" not in "".join(traceback.format_exception(caught.value)) + str(caught.value.details)
    return str(caught.value.details["reason"])


def test_each_failure_has_its_reason(server: RtspServer) -> None:
    locked = server.login_url("locked")
    assert reason_of(locked.replace("S3CRET", "wrong-S3CRET")) == "unauthorized"
    assert reason_of(server.urls["locked"]) == "unauthorized"
    assert reason_of(server.urls["h264"] + "/none") == "not_found"
    assert reason_of(server.urls["sound"]) == "no_video"
    assert reason_of(refused_url().replace("//", "//op:S3CRET-MARK@")) == "refused"
    assert reason_of("rtsp://op:S3CRET-MARK@no-such-camera.invalid/") == "unknown_host"
    with silent_listener() as url:
        assert reason_of(url.replace("//", "//op:S3CRET-MARK@"), 1.0) == "silent"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "http://h/a", "rtsp://", "rtsp://h:99999/", "rtsp://[::1/", "rtsp://h/a b", "concat:a", ""],
)
def test_only_rtsp_with_a_host_is_tried(url: str) -> None:
    assert reason_of(url) == "bad_url"


def test_a_stall_while_reading_is_told(server: RtspServer) -> None:
    container = rtsp.open_stream(server.urls["h264"], 1.0, LOOPBACK)
    server.pause()
    try:
        with pytest.raises(av.error.FFmpegError) as caught:
            for _ in container.demux(container.streams.video[0]):
                pass
    finally:
        server.resume()
        container.close()
    assert rtsp.explain(caught.value).details["reason"] == "stalled"


def test_an_unknown_error_is_told_without_its_text() -> None:
    told = rtsp.explain(RuntimeError("rtsp://op:S3CRET-MARK@h"))
    assert told.details["reason"] == "failed"
    assert "S3CRET" not in told.message


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://op:secret@10.0.0.7:554/live?key=secret", "rtsp://10.0.0.7:554/live"),
        ("rtsp://op:p@ss/secret@10.0.0.7/live", "rtsp://10.0.0.7/live"),
        ("secret", "***"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    assert rtsp.redacted(url) == shown
