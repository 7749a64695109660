"""The RTSP cameras, played by PyAV as capture plays them."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import av
import pytest

from cli.demo import rtsp
from cli.demo.rtsp import Mount, RtspServer, codec_of, gst_available
from functions.shared.errors import InvalidInput, Misconfigured, Unavailable
from tests.support.ports import free_port
from tests.support.require import require
from tests.support.rtsp import make_clip, refused_url, silent_listener, start_rtsp

OPTIONS = {"rtsp_transport": "tcp", "timeout": "2000000", "probesize": "300000", "analyzeduration": "300000"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "a.mp4", 320, 180, seconds=3)


def play(url: str, seconds: float) -> Generator[av.VideoFrame, None, None]:
    until = time.monotonic() + seconds
    with av.open(url, options=OPTIONS) as container:
        for frame in container.decode(video=0):
            yield frame
            if time.monotonic() > until:
                return


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_a_clip_loops_for_ever_with_rising_times(clip: Path) -> None:
    with start_rtsp({"a": clip}) as server:
        times: list[float] = []
        for frame in play(server.urls["a"], 90):
            if frame.time is not None:
                times.append(frame.time)
            if times and times[-1] - times[0] > 2.4 * 3:
                break
    assert times[-1] - times[0] > 2.4 * 3
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(steps) > 0
    assert max(steps) < 0.5


def test_each_picture_arrives_once(clip: Path) -> None:
    with start_rtsp({"a": clip}) as server:
        times = [frame.time for frame in play(server.urls["a"], 2) if frame.time is not None]
    assert len(times) == len(set(times))


def test_digest_lets_the_right_password_in_and_nobody_else(clip: Path) -> None:
    with start_rtsp({"open": clip, "closed": clip}, auth={"closed": ("op", "s3cret-pass")}) as server:
        url = server.urls["closed"]
        assert "s3cret-pass" not in url
        with pytest.raises(av.error.HTTPUnauthorizedError):
            next(play(url, 1))
        with pytest.raises(av.error.HTTPUnauthorizedError):
            next(play(url.replace("//", "//op:wrong@"), 1))
        assert next(play(server.login_url("closed"), 1)).width == 320
        assert next(play(server.urls["open"], 1)).width == 320


def test_the_password_is_not_in_the_command_line_nor_in_the_repr(clip: Path) -> None:
    with start_rtsp({"a": clip}, auth={"a": ("op", "s3cret-pass")}) as server:
        for name in ("cmdline", "environ"):
            assert b"s3cret-pass" not in Path(f"/proc/{server.pid}/{name}").read_bytes()
    assert "s3cret-pass" not in repr(Mount("a", clip, "op", "s3cret-pass"))


def test_unknown_mounts_are_not_found(clip: Path) -> None:
    with start_rtsp({"a": clip}) as server, pytest.raises(av.error.HTTPNotFoundError):
        next(play(server.urls["a"] + "x", 1))


def test_stop_leaves_no_process_even_while_somebody_watches(clip: Path) -> None:
    with start_rtsp({"a": clip}) as server:
        pid = server.pid
        assert pid is not None
        frames = play(server.urls["a"], 30)
        next(frames)
        server.pause()
        server.stop()
        assert gone(pid)
        frames.close()
    assert not server.running


def test_a_stalled_camera_goes_on_after_resume(clip: Path) -> None:
    with start_rtsp({"a": clip}) as server:
        frames = play(server.urls["a"], 30)
        next(frames)
        server.pause()
        time.sleep(0.5)
        server.resume()
        assert next(frames).width == 320


def test_h265_and_audio_are_served_as_they_are(tmp_path: Path) -> None:
    hevc = make_clip(tmp_path / "h.mp4", 320, 180, seconds=2, codec="hevc")
    tone = make_clip(tmp_path / "t.mp4", seconds=2, audio_only=True)
    with start_rtsp({"h": hevc, "t": tone}) as server:
        with av.open(server.urls["h"], options=OPTIONS) as container:
            assert container.streams.video[0].codec_context.name == "hevc"
        with av.open(server.urls["t"], options=OPTIONS) as container:
            assert not container.streams.video
            assert container.streams.audio[0].codec_context.name == "aac"


def test_a_port_in_use_is_named(clip: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with RtspServer() as server, pytest.raises(Misconfigured, match=str(port)):
            server.start([Mount("a", clip)], port)


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "a.mp4"
    text.write_text("no video")
    with pytest.raises(InvalidInput, match=r"a\.mp4"):
        codec_of(text)


def test_the_wheel_serves_where_gstreamer_is_missing(clip: Path) -> None:
    with RtspServer(fallback=True) as server:
        server.start([Mount("a", clip, "op", "pass")], free_port())
        pid = server.pid
        assert pid is not None
        assert not server.authenticates
        assert next(play(server.login_url("a"), 1)).width == 320
    assert gone(pid)


def test_cameras_that_are_silent_or_refuse() -> None:
    with silent_listener() as url, pytest.raises((av.error.FFmpegError, OSError)):
        av.open(url, options=OPTIONS)
    with pytest.raises(ConnectionRefusedError):
        av.open(refused_url(), options=OPTIONS)


def test_the_server_ends_with_the_process_that_started_it(clip: Path) -> None:
    require(gst_available(), "gst-rtsp-server is not installed")
    code = (
        "import os, sys; from pathlib import Path; from cli.demo.rtsp import Mount, RtspServer\n"
        "server = RtspServer(fallback=False); server.start([Mount('a', Path(sys.argv[1]))])\n"
        "print(server.pid, flush=True); os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", code, str(clip)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == -9, done.stderr
    pid = int(done.stdout)
    until = time.monotonic() + 30
    while not gone(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert gone(pid)


def test_a_server_that_cannot_start_says_why(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no such element')")
    monkeypatch.setattr(rtsp, "LAUNCHER", broken)
    with RtspServer(fallback=False) as server, pytest.raises(Unavailable, match="no such element"):
        server.start([Mount("a", clip)])
