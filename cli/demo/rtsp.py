"""RTSP cameras on the loopback: a real server in a process of its own, started, watched and stopped by its pid.

Debian's gst-rtsp-server where it is installed (INSTALL_COMMAND), else the wheel `aio-rtsp-toolkit`, which knows no
authentication. Figures: 100 mounts of 1080p25 cost about half a core, idle mounts nothing.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import av

from functions.shared.errors import InvalidInput, Misconfigured, Unavailable

SYSTEM_PYTHON = Path("/usr/bin/python3")
LAUNCHER = Path(__file__).with_name("rtsp_gst.py")
PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0",
    "gir1.2-gst-plugins-base-1.0",
    "gstreamer1.0-rtsp",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-bad",
    "python3-gi",
)
INSTALL_COMMAND = "apt-get install -y --no-install-recommends " + " ".join(PACKAGES)
START_SECONDS = 15.0
STOP_SECONDS = 3.0
_CODECS = {"h264": "h264", "hevc": "hevc", "aac": "aac"}
_CHECK = """
import gi
for name in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(name, "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
parts = "filesrc qtdemux queue h264parse h265parse aacparse rtph264pay rtph265pay rtpmp4gpay"
missing = [name for name in parts.split() if Gst.ElementFactory.find(name) is None]
raise SystemExit(f"no {missing}" if missing else 0)
"""


@dataclass(frozen=True)
class Mount:
    """One camera: the path on the server, the MP4 file that it plays, and who may see it (nobody named: everybody)."""

    name: str
    file: Path
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    loop: bool = True


def codec_of(file: Path) -> str:
    """`h264`, `hevc` or `aac`. Raises InvalidInput for a file that cannot be served."""
    try:
        with av.open(str(file)) as container:
            streams = (*container.streams.video, *container.streams.audio)
            found = [stream.codec_context.name for stream in streams]
    except (av.FFmpegError, OSError) as error:
        raise InvalidInput(f"{file} cannot be played: {error}", field="file") from error
    if not found or found[0] not in _CODECS:
        raise InvalidInput(f"{file} holds {found or 'no stream'}; a camera plays H.264, H.265 or AAC", field="file")
    return _CODECS[found[0]]


def gst_available() -> bool:
    """Whether Debian's Python can serve RTSP by GStreamer."""
    if not SYSTEM_PYTHON.exists():
        return False
    try:
        done = subprocess.run([str(SYSTEM_PYTHON), "-c", _CHECK], capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise Misconfigured(
                f"port {port} of 127.0.0.1 is in use", mend="end the program that holds it, or choose another RTSP port"
            ) from None


class RtspServer:
    """One server process with any number of mounts.

    `start(mounts, port)` answers the URL of each mount by name, without credentials; `login_url(name)` is the one
    with them. Mounts with a user live on the port after `port` (any free one for port 0). Not for use from several
    threads at once.
    """

    def __init__(self, fallback: bool | None = None) -> None:
        """`fallback=True` takes the wheel's server, False GStreamer's, None whichever is there."""
        self._fallback = fallback
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._mounts: dict[str, Mount] = {}
        self.urls: dict[str, str] = {}
        self.authenticates = True

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, mounts: Sequence[Mount], port: int = 0) -> dict[str, str]:
        """Raises Misconfigured when a port is in use, InvalidInput for a file, Unavailable when nothing starts."""
        if self.running:
            raise Misconfigured("this RTSP server runs already", mend="stop it first")
        for taken in {port, port + 1 if any(mount.user for mount in mounts) else port} - {0} if port else ():
            _require_free(taken)
        self._mounts = {mount.name: mount for mount in mounts}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  read after the process ended
        fallback = self._fallback if self._fallback is not None else not gst_available()
        self.authenticates = not fallback
        try:
            self.urls = self._start_wheel(port) if fallback else self._start_gst(port)
        except BaseException:
            self.stop()
            raise
        return self.urls

    def login_url(self, name: str) -> str:
        """The URL with user and password. A secret: not for logs."""
        mount, url = self._mounts[name], self.urls[name]
        if not mount.user or not self.authenticates:
            return url
        return url.replace("rtsp://", f"rtsp://{mount.user}:{mount.password}@", 1)

    def stop(self) -> None:
        """Ends the process: asked politely, killed after 3 s. Does nothing when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                process.terminate()
                process.send_signal(signal.SIGCONT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        if self._errors is not None:
            self._errors.close()
            self._errors = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def kill(self) -> None:
        """Ends the process at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
        self.stop()

    def pause(self) -> None:
        """Every mount stalls: connections stay open and nothing comes."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> RtspServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_gst(self, port: int) -> dict[str, str]:
        mounts = [
            {
                "path": f"/{mount.name}",
                "file": str(mount.file.resolve()),
                "codec": codec_of(mount.file),
                "loop": mount.loop,
                "user": mount.user,
                "password": mount.password,
            }
            for mount in self._mounts.values()
        ]
        config = {"port": port, "secure_port": port + 1 if port else 0, "mounts": mounts}
        process = subprocess.Popen(
            [str(SYSTEM_PYTHON), str(LAUNCHER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={"PATH": "/usr/bin:/bin"},
            start_new_session=True,
        )
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(config).encode() + b"\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if ready else b""
        if not line:
            raise Unavailable(f"the RTSP server did not start: {self._last_error()}")
        ports = json.loads(line)
        return {
            mount.name: f"rtsp://127.0.0.1:{ports['secure_port' if mount.user else 'port']}/{mount.name}"
            for mount in self._mounts.values()
        }

    def _start_wheel(self, port: int) -> dict[str, str]:
        script = Path(sys.executable).with_name("rtsp-server")
        if not script.exists():
            raise Misconfigured(
                "no RTSP server is installed",
                mend=f"as root: {INSTALL_COMMAND}; or: pip install 'aio-rtsp-toolkit[server]'",
            )
        port = port or free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="gtvision-rtsp-")
        for mount in self._mounts.values():
            link = Path(self._folder.name) / f"{mount.name}.mp4"
            link.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(mount.file.resolve(), link)
            except OSError:  # another file system; the server refuses symbolic links
                shutil.copyfile(mount.file, link)
        command = [sys.executable, str(script), "--dir", self._folder.name, "--host", "127.0.0.1"]
        self._process = subprocess.Popen(
            [*command, "--port", str(port), "--control-port", str(free_port())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,
        )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.running:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return {
                        mount.name: f"rtsp://127.0.0.1:{port}/{mount.name}.mp4?play_count={0 if mount.loop else 1}"
                        for mount in self._mounts.values()
                    }
            time.sleep(0.05)
        raise Unavailable(f"the RTSP server did not start: {self._last_error()}")

    def _last_error(self) -> str:
        if self._errors is None:
            return "no reason given"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no reason given"
