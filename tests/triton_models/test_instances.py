"""Instances of a model that tell of each other: processes of one parent that run one file."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).resolve().parents[2] / "triton_models" / "alpr" / "1" / "instances.py"


@pytest.fixture(scope="module")
def instances() -> ModuleType:
    spec = importlib.util.spec_from_file_location("alpr_instances", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(file: Path, name: str) -> subprocess.Popen[bytes]:
    words = ["region", "1048576", "1048576", "1", "python", "336", name, "DEFAULT"]
    return subprocess.Popen([sys.executable, str(file), *words], stdin=subprocess.PIPE)


@pytest.fixture
def stubs(tmp_path: Path) -> Iterator[tuple[Path, list[subprocess.Popen[bytes]]]]:
    """Two children of this process that run one file, and one that runs another, with the words of a python backend."""
    model, other = tmp_path / "alpr" / "1" / "model.py", tmp_path / "plate_ocr" / "1" / "model.py"
    for file in (model, other):
        file.parent.mkdir(parents=True)
        file.write_text("import sys\nsys.stdin.read()\n")
    running = [start(file, name) for file, name in ((model, "alpr_0_0"), (model, "alpr_0_1"), (other, "plate_ocr_0_0"))]
    try:
        yield model, running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def test_one_of_two_that_is_killed_is_missed_at_once(
    instances: ModuleType,
    stubs: tuple[Path, list[subprocess.Popen[bytes]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, running = stubs
    monkeypatch.setattr(os, "getppid", os.getpid)  # the test's process stands for the server
    siblings = instances.Siblings(model, {"instance_group": [{"count": 2, "kind": "KIND_CPU"}]})
    assert siblings.missing() == ""
    running[0].kill()
    while os.waitid(os.P_PID, running[0].pid, os.WEXITED | os.WNOWAIT) is None:
        pass
    # It has ended and nobody has collected it yet, as the server never does: it must not count.
    assert siblings.missing() == "Stub process 'alpr_0' is not healthy: 1 of 2 instances live"


def test_processes_whose_place_others_took_do_not_count_and_are_ended(
    instances: ModuleType,
    stubs: tuple[Path, list[subprocess.Popen[bytes]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a heal that Triton left half done: the elder of `alpr_0_1` runs on."""
    model, running = stubs
    monkeypatch.setattr(os, "getppid", os.getpid)
    clock = [100.0]
    monkeypatch.setattr(instances.time, "monotonic", lambda: clock[0])
    siblings = instances.Siblings(model, {"instance_group": [{"count": 2, "kind": "KIND_CPU"}]})
    elder = running[1]
    heir = start(model, "alpr_0_1")
    running.append(heir)
    assert siblings.missing() == ""
    clock[0] += instances.LEFT_S - 1
    assert siblings.missing() == ""
    assert elder.poll() is None, "it may still have frames in hand"
    running[0].kill()
    os.waitid(os.P_PID, running[0].pid, os.WEXITED | os.WNOWAIT)
    assert siblings.missing() == "Stub process 'alpr_0' is not healthy: 1 of 2 instances live", (
        "an elder stands for none"
    )
    clock[0] += 1
    assert siblings.missing()
    assert elder.wait(10) == -signal.SIGKILL
    assert heir.poll() is None
    assert running[2].poll() is None


def test_what_cannot_be_seen_is_not_called_dead(instances: ModuleType, tmp_path: Path) -> None:
    assert instances.running(tmp_path / "model.py", os.getpid()) is None
    assert instances.running(tmp_path / "model.py", 1 << 30) is None


@pytest.mark.parametrize(
    ("groups", "count"),
    [
        ([], 1),
        ([{"count": 2, "kind": "KIND_CPU", "gpus": []}], 2),
        ([{"count": 1, "kind": "KIND_GPU", "gpus": [0, 1, 2]}], 3),
        ([{"count": 2, "kind": "KIND_GPU", "gpus": [0, 1]}, {"count": 1, "kind": "KIND_CPU"}], 5),
    ],
)
def test_the_configuration_says_how_many_there_are(instances: ModuleType, groups: list[object], count: int) -> None:
    assert instances.expected({"instance_group": groups}) == count
