"""A pod that cannot start says why and ends with the code of its error."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from functions.shared.exits import MISCONFIGURED
from tests.capture.rig import ROOT
from tests.support.nats import NatsServer
from tests.support.ports import free_port


def start(folder: Path, **settings: str) -> tuple[int, dict[str, str]]:
    """Exit code and the last line of the log."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("GTV_")}
    done = subprocess.run(
        [sys.executable, "-m", "capture"], cwd=ROOT, env={**environ, "GTV_DATA_DIR": str(folder), **settings},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    last: dict[str, str] = json.loads(done.stderr.strip().splitlines()[-1])
    return done.returncode, last


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"GTV_WATCHDOG": "3"}, "GTV_WATCHDOG"),
        ({"GTV_WATCHDOG_S": "soon"}, "GTV_WATCHDOG_S"),
        ({"GTV_CAMERAS_PER_PROCESS": "500"}, "GTV_CAMERAS_PER_PROCESS"),
        ({"GTV_FERNET_KEYS": "short"}, "GTV_FERNET_KEYS"),
        ({"GTV_CAMERA_NETWORKS": "10.0.0.0/99"}, "GTV_CAMERA_NETWORKS"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, settings: dict[str, str], named: str) -> None:
    code, last = start(tmp_path, **settings)
    assert code == MISCONFIGURED
    assert named in last["reason"]
    assert last["mend"]


def test_a_metrics_port_in_use_is_named(tmp_path: Path) -> None:
    port = free_port()
    with NatsServer(tmp_path / "nats") as nats, socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        code, last = start(tmp_path, GTV_NATS_URL=nats.url, GTV_METRICS_PORT=str(port))
    assert code == MISCONFIGURED
    assert str(port) in last["reason"]
