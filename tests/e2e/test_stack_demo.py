"""`gtvision demo`: real cameras, a real platform; the scenes are short clips, put where rendered ones belong."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from cli.demo.prepare import demo_folder, fingerprint
from cli.demo.rtsp import gst_available
from cli.demo.scenes import CAMERAS
from tests.support.cli import LocalRun, alive, descendants, environ_of, gtvision, until
from tests.support.rtsp import make_clip

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
# Nobody reads frames here: what is tested is the demo's own work.
NO_ENGINE = {"GTV_TRITON_URL": "grpc://127.0.0.1:9"}
NAMES = {spec.name for spec in CAMERAS}
PROTECTED = {spec.name for spec in CAMERAS if spec.user}
ARGUMENTS = ("--rtsp-port", "0", "--capture-pods", "1")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    # The demo names this machine as a place for cameras by itself.
    return {name: value for name, value in environ_of(tmp_path, **NO_ENGINE).items() if name != "GTV_CAMERA_NETWORKS"}


@pytest.fixture
def scenes(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path / "data")
    folder.mkdir(parents=True)
    clip = make_clip(tmp_path / "clip.mp4")
    for name in NAMES:
        shutil.copyfile(clip, folder / f"{name}-{fingerprint()}.mp4")
        (folder / f"{name}-{fingerprint()}.json").write_text("{}")


def _cameras(environ: dict[str, str], url: str) -> dict[str, dict[str, Any]]:
    done = gtvision("--url", url, "cameras", "list", "--json", environ=environ)
    assert done.code == 0, done.err
    return {item["id"]: item for item in done.json["items"]}


def _online(environ: dict[str, str], url: str) -> bool:
    return all(camera["status"]["state"] == "online" for camera in _cameras(environ, url).values())


@pytest.mark.usefixtures("scenes")
def test_a_demo_from_start_to_second_start(environ: dict[str, str]) -> None:
    with LocalRun(environ, ARGUMENTS, command="demo") as run:
        password = run.ready["admin_password"]
        assert set(run.ready["cameras"]) == NAMES
        # The command line is signed in without another word.
        found = _cameras(environ, run.url)
        assert found.keys() == NAMES
        assert {name for name, camera in found.items() if camera["has_credentials"]} == (
            PROTECTED if gst_available() else set()
        )
        until(lambda: _online(environ, run.url), 60, "every camera online")
        started = descendants(run.process.pid)
        server = run.pids["cameras"]
        os.kill(server, signal.SIGKILL)
        until(lambda: len(run.seen("ready", "cameras")) > 1, 20, "the cameras' server again")
        until(lambda: _online(environ, run.url), 90, "every camera online again")
        started |= descendants(run.process.pid)
        assert run.end(signal.SIGINT, 10) == 0
        until(lambda: not any(map(alive, started)), 2, "every process gone")
    with LocalRun(environ, ARGUMENTS, command="demo") as again:
        assert again.ready["admin_password"] == password
        assert _cameras(environ, again.url).keys() == NAMES
        until(lambda: _online(environ, again.url), 60, "every camera online at its new address")
        removed = sorted(NAMES)[0]
        assert gtvision("--url", again.url, "cameras", "remove", removed, "--yes", environ=environ).code == 0
        assert again.end() == 0
    with LocalRun(environ, ARGUMENTS, command="demo") as third:
        # What its user has taken out stays out.
        assert _cameras(environ, third.url).keys() == NAMES - {removed}


@pytest.mark.usefixtures("scenes")
def test_a_killed_demo_leaves_nothing(environ: dict[str, str]) -> None:
    with LocalRun(environ, ARGUMENTS, command="demo") as run:
        started = descendants(run.process.pid)
        assert run.pids["cameras"] in started
        run.process.kill()
        until(lambda: not any(map(alive, started)), 10, "every process gone")


def _renderers(run: LocalRun) -> set[int]:
    """Processes that draw, once there are some."""
    found = set()
    for pid in descendants(run.process.pid):
        try:
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_demo_ended_while_it_renders_leaves_nothing(environ: dict[str, str], number: signal.Signals) -> None:
    run = LocalRun(environ, ARGUMENTS, command="demo")
    run.start()
    try:
        until(lambda: _renderers(run), 120, f"the scenes are being drawn: {run.noise}")
        started = descendants(run.process.pid)
        code = run.end(number, 10)
        assert code == (0 if number == signal.SIGINT else -number)
        until(lambda: not any(map(alive, started)), 10, f"gone: {started}")
    finally:
        run.end()
