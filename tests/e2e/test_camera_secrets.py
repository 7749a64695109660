"""A marked password of a camera, planted in a whole running platform, is looked for everywhere that it could leak to.

Functions, capture and nats-server run as `gtvision up` starts them, at the log level DEBUG. The camera is a real RTSP
server that asks for the password, the ONVIF device one that checks digests and gives the password away in an address.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest
from pydantic import SecretStr

from cli.stack.options import nats_token
from functions.shared.bus import connect
from functions.shared.config import Settings
from functions.shared.topology import BUCKETS, STREAMS
from tests.support.cli import LocalRun, descendants, environ_of, gtvision, until
from tests.support.onvif import OnvifDevice
from tests.support.ports import free_port
from tests.support.rtsp import make_clip, silent_listener, start_rtsp

pytestmark = pytest.mark.e2e
MARK = "xQ7-marked-pass-Zk4"
ADMIN = "Quarto-Verde-77-Onibus"
NO_ENGINE = {"GTV_TRITON_URL": "grpc://127.0.0.1:9", "GTV_LOG_LEVEL": "DEBUG", "GTV_ADMIN_PASSWORD": ADMIN}


def _shapes() -> tuple[bytes, ...]:
    """The mark as it is and as encodings would show it, base64 in each of its three alignments."""
    raw = MARK.encode()
    aligned = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return (raw, *aligned, raw.hex().encode(), raw.hex().upper().encode(), MARK.encode("utf-16-le"),
            quote(MARK, safe="").replace("-", "%2D").encode())  # fmt: skip


SHAPES = _shapes()


def leaks(data: bytes | str) -> bool:
    raw = data.encode() if isinstance(data, str) else data
    return any(shape in raw for shape in SHAPES)


@pytest.mark.parametrize("prefix", ["", "o", "op:", "rtsp://op:"])
def test_the_mark_would_be_found(prefix: str) -> None:
    text = f"{prefix}{MARK}@10.0.0.7/live"
    for shown in (text, base64.b64encode(text.encode()), text.encode().hex(), text.encode("utf-16-le")):
        assert leaks(shown)
    assert not leaks("xQ7-another-pass")


class Watcher(threading.Thread):
    """What a list of processes shows of a process and all its children, for as long as it runs."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._ended = pid, threading.Event()
        self.seen: set[str] = set()

    def run(self) -> None:
        while not self._ended.is_set():
            for pid in descendants(self._pid) | {self._pid}:
                with contextlib.suppress(psutil.Error, OSError):
                    process = psutil.Process(pid)
                    self.seen.add("\0".join([process.name(), *process.cmdline()]))
                    self.seen.update(f"{name}={value}" for name, value in process.environ().items())
            self._ended.wait(0.05)

    def end(self) -> None:
        self._ended.set()
        self.join(5)


class Platform:
    """A running platform, and everything that it answered."""

    def __init__(self, run: LocalRun) -> None:
        self.run = run
        self.client = httpx.Client(base_url=run.url, timeout=60)
        self.answers: list[tuple[str, str]] = []
        token = self.ask("POST", "/api/auth/login", json={"username": "admin", "password": ADMIN}).json()
        self.client.headers["Authorization"] = f"Bearer {token['access_token']}"

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        answer = self.client.request(method, path, **given)
        self.answers.append((f"{method} {path}", f"{answer.headers}\n{answer.text}"))
        return answer

    def environ_of(self, part: str) -> dict[str, str]:
        return dict(psutil.Process(self.run.pids[part]).environ())

    @property
    def data(self) -> Path:
        return Path(self.run.environ["GTV_DATA_DIR"])


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with LocalRun(environ_of(tmp_path, **NO_ENGINE), ("--capture-pods", "1")) as run:
        platform = Platform(run)
        with contextlib.closing(platform.client):
            yield platform


def drive(platform: Platform, locked: str, device: OnvifDevice) -> list[int]:
    """Every way that a password goes in, on paths that succeed and that fail; the statuses."""
    wrong = locked.replace(MARK, f"{MARK}-wrong")
    nobody = f"rtsp://op:{MARK}@127.0.0.1:{free_port()}/{MARK}"
    key = {"Idempotency-Key": "planted"}
    ask, statuses = platform.ask, []
    with silent_listener() as silent:
        onvif = {"host": device.host, "port": device.port, "user": "op", "password": MARK}
        csv = f"id,name,rtsp_url,notes\nb,B,{nobody},x\nc,C,http://op:{MARK}@127.0.0.1/x,x\nd,D,{wrong},x\n"
        for method, path, given in (
            ("POST", "/api/cameras", {"json": {"id": "good", "name": "Good", "rtsp_url": locked}, "headers": key}),
            ("POST", "/api/cameras", {"json": {"id": "good", "name": "Good", "rtsp_url": locked}, "headers": key}),
            ("POST", "/api/cameras", {"json": {"id": "good", "name": "Good", "rtsp_url": wrong}, "headers": key}),
            ("POST", "/api/cameras", {"json": {"id": "wrong", "name": "Wrong", "rtsp_url": wrong}}),
            ("POST", "/api/cameras", {"json": {"name": "Bad", "rtsp_url": f"rtsp://op:{MARK}@[::1/x"}}),
            ("POST", "/api/cameras", {"json": {"name": "Meta", "rtsp_url": f"rtsp://op:{MARK}@169.254.169.254/x"}}),
            ("POST", "/api/cameras", {"json": {"name": "List", "rtsp_url": [locked]}}),
            ("POST", "/api/cameras", {"content": f'{{"rtsp_url": "{locked}"'}),
            ("PATCH", "/api/cameras/wrong", {"json": {"rtsp_url": nobody, "notes": "n"}}),
            ("POST", "/api/cameras/probe", {"json": {"rtsp_url": locked}}),
            ("POST", "/api/cameras/probe", {"json": {"rtsp_url": wrong}}),
            ("POST", "/api/cameras/probe", {"json": {"rtsp_url": nobody}}),
            ("POST", "/api/cameras/probe", {"json": {"rtsp_url": silent.replace("rtsp://", f"rtsp://op:{MARK}@")}}),
            ("POST", "/api/cameras/good/probe", {}),
            ("POST", "/api/cameras/wrong/probe", {}),
            ("POST", "/api/cameras/onvif/probe", {"json": onvif}),
            ("POST", "/api/cameras/onvif/probe", {"json": {**onvif, "password": f"{MARK}-wrong"}}),
            ("POST", "/api/cameras/onvif/probe", {"json": {**onvif, "port": free_port()}}),
            ("POST", "/api/cameras/onvif/probe", {"json": {**onvif, "password": [MARK]}}),
            ("POST", "/api/cameras/discover", {"json": {"multicast": False, "ranges": ["127.0.0.1"], "ports": []}}),
            ("POST", "/api/cameras/import", {"content": csv, "params": {"dry_run": "true"}}),
            ("POST", "/api/cameras/import", {"content": csv}),
            ("POST", "/api/cameras/import", {"content": csv, "params": {"mode": "valid", "upsert": "true"}}),
            ("POST", "/api/cameras/import", {"content": f"{locked}\n"}),
            ("GET", "/api/cameras/export.csv", {}),
            ("GET", "/api/cameras", {}),
            ("POST", "/api/cameras/keys/rotate", {}),
            ("DELETE", "/api/cameras/d", {}),
            ("POST", "/api/cameras/d/restore", {"json": {"rtsp_url": wrong}}),
        ):  # fmt: skip
            statuses.append(ask(method, path, **given).status_code)
    return statuses


EXPECTED = [
    201, 201, 409, 201, 422, 422, 422, 422, 200, 200, 502, 502, 502, 200, 502, 200, 502, 502, 422, 200, 200, 422, 201,
    422, 200, 200, 200, 204, 200,
]  # fmt: skip


async def carried(platform: Platform) -> dict[str, bytes]:
    """Every message of every stream with its headers, KV buckets among them."""
    found: dict[str, bytes] = {}
    token = SecretStr(nats_token(platform.data))
    url = platform.environ_of("functions")["GTV_NATS_URL"]
    bus = await connect(Settings(nats_url=url, nats_token=token, data_dir=platform.data), "test")
    try:
        for stream in [row.name for row in STREAMS] + [f"KV_{row.name}" for row in BUCKETS]:
            state = (await bus.js.stream_info(stream)).state
            for sequence in range(state.first_seq, state.last_seq + 1):
                with contextlib.suppress(Exception):
                    message = await bus.js.get_msg(stream, sequence)
                    body = (message.data or b"") + json.dumps(message.headers or {}).encode()
                    found[f"{stream} {sequence} {message.subject}"] = body
    finally:
        await bus.close()
    return found


def test_the_mark_turns_up_nowhere(platform: Platform, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=2)
    watcher = Watcher(platform.run.process.pid)
    watcher.start()
    address = "rtsp://op:{password}@{host}:554/user=op&password={password}&channel={number}"
    with (
        start_rtsp({"locked": clip}, auth={"locked": ("op", MARK)}) as server,
        OnvifDevice(password=MARK, stream=address) as device,
    ):
        assert drive(platform, server.login_url("locked"), device) == EXPECTED

        def fares(camera_id: str, key: str) -> str:
            return str(platform.ask("GET", f"/api/cameras/{camera_id}/status").json()[key])

        until(lambda: fares("good", "state") == "online", 40, "the camera is online with its password")
        until(lambda: fares("d", "reason_code") == "unauthorized", 40, "the camera with the wrong one is refused")
        for path in ("good", "good/status", "good/history", "wrong/status", "b/history", "good/snapshot.jpg"):
            platform.ask("GET", f"/api/cameras/{path}")
        for path in ("/metrics", "/api/status", "/api/openapi.json", "/_/ready"):
            assert platform.ask("GET", path).status_code == 200
        port = platform.environ_of("capture-1")["GTV_METRICS_PORT"]
        platform.answers.append(("capture's metrics", httpx.get(f"http://127.0.0.1:{port}/metrics").text))
        assert 'camera_id="good"' in platform.answers[-1][1]
        command_line(platform, server.login_url("locked"), device)
        messages = asyncio.run(carried(platform))
    watcher.end()
    platform.run.end()
    assert_clean(platform, watcher, messages)


def command_line(platform: Platform, locked: str, device: OnvifDevice) -> None:
    """The CLI gives away no more than the API, and asks for secrets by standard input."""
    environ = {**platform.run.environ, "GTV_URL": platform.run.url, "GTV_TOKEN": _token(platform)}
    for code, given, arguments in (
        (0, f"{locked}\n", ("cameras", "add", "By hand", "-", "--json")),
        (0, None, ("cameras", "show", "by-hand")),
        (0, f"{locked}x\n", ("cameras", "update", "by-hand", "--url-stdin")),
        (0, f"{MARK}\n", ("cameras", "onvif", "127.0.0.1", "--port", str(device.port), "-u", "op", "--password-stdin")),
        (0, None, ("cameras", "export", "-")),
        (0, None, ("cameras", "list", "--json")),
    ):
        done = gtvision(*arguments, environ=environ, given=given)
        assert done.code == code, (arguments, done.err)
        platform.answers.append((" ".join(arguments), done.out + done.err))


def _token(platform: Platform) -> str:
    return str(platform.client.headers["Authorization"]).removeprefix("Bearer ")


def assert_clean(platform: Platform, watcher: Watcher, messages: dict[str, bytes]) -> None:
    assert [what for what, text in platform.answers if leaks(text)] == []
    assert [text[:40] for text in watcher.seen if leaks(text)] == []
    shown = "\n".join(watcher.seen)
    for module in ("probe_child", "onvif_child", "discovery_child", "capture.worker"):
        assert module in shown, f"{module} was never seen: the walk over processes proves nothing"
    assert {key.split()[0] for key in messages} >= {"EVENTS", "FRAMES", "KV_gtv_cameras", "KV_gtv_camera_status"}
    assert any("gtv.v1.cameras.status.good" in key for key in messages)
    assert [key for key, body in messages.items() if leaks(body)] == []
    files = [path for path in platform.data.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"gtvision.db", "functions.log", "capture-1.log", "nats.log"} <= names, names
    assert any("nats" in path.parts and path.stat().st_size > 1000 for path in files)
    assert [str(path) for path in files if leaks(path.read_bytes())] == []
    log = (platform.data / "logs" / "functions.log").read_text()
    for event in ("camera_registered", "camera_updated", "cameras_imported", "probe_failed", "onvif_probe_failed"):
        assert event in log, event
    assert "debug" in log
    assert not leaks("".join(platform.run.noise) + json.dumps(platform.run.events))
