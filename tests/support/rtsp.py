"""Real RTSP cameras for tests: generated clips, a real server, and cameras that refuse, hang or say nothing.

clip = make_clip(tmp_path / "a.mp4", 640, 360, 25, gop=25, seconds=6)
with start_rtsp({"a": clip, "b": clip}, auth={"b": ("op", "secret")}) as server:
    server.urls["a"]; server.login_url("b"); server.pause(); server.resume(); server.kill()
with silent_listener() as url: ...
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np

from cli.demo.rtsp import Mount, RtspServer, gst_available
from tests.support.ports import free_port
from tests.support.require import require

_ENCODERS = {"h264": "libx264", "hevc": "libx265"}


def make_clip(
    path: Path,
    width: int = 640,
    height: int = 360,
    fps: int = 25,
    gop: int = 25,
    seconds: float = 4,
    codec: str = "h264",
    audio_only: bool = False,
    moving: bool = True,
    scene: Literal["street", "night", "houses"] = "street",
) -> Path:
    """An MP4 of a grey street with slight noise, no B-frames, one slice a picture; a box drives through if `moving`.

    `night`: without a lamp, so that nothing can be seen; `houses`: with edges all over.
    """
    if audio_only:
        return _make_tone(path, seconds)
    rng = np.random.default_rng(1)
    background = np.full((height, width, 3), 110, np.int16)
    background[height // 2 :] = 80
    if scene == "houses":
        walls = np.kron(rng.integers(40, 200, (9, 16)), np.ones((height // 9, width // 16))).astype(np.int16)
        background[: walls.shape[0], : walls.shape[1]] = walls[..., None]
    noise = rng.normal(0, 1.5, (8, height, width, 1)).astype(np.int16)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(_ENCODERS[codec], rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = 0
        stream.codec_context.thread_count = 1
        stream.options = dict(_encoder_options(codec, gop))
        for number in range(int(fps * seconds)):
            picture = background + noise[number % 8]
            if moving:
                left = int((number / fps) * width / 3) % width
                picture[height // 3 : height // 3 * 2, left : left + width // 4] = (40, 60, 190)
            if scene == "night":
                picture = picture // 12
            frame = av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _encoder_options(codec: str, gop: int) -> dict[str, str]:
    if codec == "hevc":
        params = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:log-level=none:pools=1:frame-threads=1"
        return {"preset": "ultrafast", "x265-params": params}
    return {"preset": "ultrafast", "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:sliced-threads=0:slices=1"}


def _make_tone(path: Path, seconds: float) -> Path:
    rate, block = 16000, 1024
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        for start in range(0, int(rate * seconds), block):
            times = np.arange(start, start + block) / rate
            samples = (0.2 * np.sin(2 * np.pi * 440 * times)).astype(np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@contextmanager
def start_rtsp(
    files: Mapping[str, Path], auth: Mapping[str, tuple[str, str]] | None = None, port: int = 0, loop: bool = True
) -> Iterator[RtspServer]:
    """A real server with one mount for each name; `auth` gives (user, password) of the mounts that ask for digest."""
    require(gst_available(), "gst-rtsp-server is not installed (see cli/demo/rtsp.py: INSTALL_COMMAND)")
    mounts = []
    for name, file in files.items():
        user, password = (auth or {}).get(name, (None, None))
        mounts.append(Mount(name, file, user, password, loop))
    with RtspServer(fallback=False) as server:
        server.start(mounts, port)
        yield server


@contextmanager
def silent_listener() -> Iterator[str]:
    """The URL of a port that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"rtsp://127.0.0.1:{listener.getsockname()[1]}/silent"


def refused_url() -> str:
    """The URL of a port where nobody listens."""
    return f"rtsp://127.0.0.1:{free_port()}/nobody"
