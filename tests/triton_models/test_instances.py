"""Instances of a model that tell of each other: processes of one parent that run one file."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
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
    process = subprocess.Popen([sys.executable, str(file), *words], stdin=subprocess.PIPE)
    # Its command line is seen a moment after it was started.
    while str(file) not in psutil.Process(process.pid).cmdline():
        pass
    return process


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


@pytest.fixture
def asked(instances: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """This process stands for the server and for the instance that is asked. The clock, and how old a process is."""
    told = {"clock": 100.0, "age": 0.0}
    words = instances._words
    own = ["stub", "model.py", "region", "1", "1", "1", "python", "336", "alpr_0_0", "DEFAULT"]
    monkeypatch.setattr(os, "getppid", os.getpid)
    monkeypatch.setattr(instances, "_words", lambda process: own if process == os.getpid() else words(process))
    monkeypatch.setattr(instances.time, "monotonic", lambda: told["clock"])
    monkeypatch.setattr(instances, "age_s", lambda _: told["age"])
    return told


TWO = {"instance_group": [{"count": 2, "kind": "KIND_CPU"}]}


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill it; nobody collects it, as the server never does."""
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_processes_whose_place_others_took_do_not_count_and_are_ended(
    instances: ModuleType, stubs: tuple[Path, list[subprocess.Popen[bytes]]], asked: dict[str, float]
) -> None:
    """As after a heal that Triton left half done: the elder of `alpr_0_1` runs on."""
    model, running = stubs
    siblings = instances.Siblings(model, TWO)
    elder = running[1]
    heir = start(model, "alpr_0_1")
    running.append(heir)
    assert siblings.missing() == ""
    asked["clock"] += instances.TIDY_S
    asked["age"] = instances.LEFT_S - 1
    siblings.tidy()
    assert elder.poll() is None, "it may still have frames in hand"
    end(running[0])
    assert siblings.missing() == "Stub process 'alpr_0' is not healthy: 1 of 2 instances live", (
        "an elder stands for none"
    )
    asked["age"] = instances.LEFT_S
    siblings.tidy()
    assert elder.poll() is None, "it was looked for a moment ago"
    asked["clock"] += instances.TIDY_S
    siblings.tidy()
    assert elder.wait(10) == -signal.SIGKILL
    assert heir.poll() is None
    assert running[2].poll() is None


def test_an_elder_does_not_take_the_place_of_its_heir_that_died(
    instances: ModuleType, stubs: tuple[Path, list[subprocess.Popen[bytes]]], asked: dict[str, float]
) -> None:
    model, running = stubs
    siblings = instances.Siblings(model, TWO)
    running.append(start(model, "alpr_0_1"))
    assert siblings.missing() == ""
    end(running[-1])
    assert siblings.missing() == "Stub process 'alpr_0' is not healthy: 1 of 2 instances live"


def test_an_instance_that_is_an_elder_ends_nobody(
    instances: ModuleType,
    stubs: tuple[Path, list[subprocess.Popen[bytes]]],
    asked: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While a model is loaded anew, which may fail, the old instances serve on."""
    model, running = stubs
    siblings = instances.Siblings(model, TWO)
    running += [start(model, "alpr_0_0"), start(model, "alpr_0_1")]
    asked["clock"] += instances.TIDY_S
    asked["age"] = instances.LEFT_S * 2
    parent = os.getpid()
    monkeypatch.setattr(os, "getppid", lambda: parent)
    monkeypatch.setattr(os, "getpid", lambda: running[0].pid)
    siblings.tidy()
    assert [process.poll() for process in running] == [None] * len(running)


def all_count_and_stay(
    instances: ModuleType, siblings: Any, asked: dict[str, float], running: list[subprocess.Popen[bytes]]
) -> None:
    """The last one, which would be an heir, is ended here."""
    asked["clock"] += instances.TIDY_S
    asked["age"] = instances.LEFT_S * 2
    try:
        siblings.tidy()
        assert siblings.missing() == ""
        assert [process.poll() for process in running] == [None] * len(running)
    finally:
        running[-1].kill()
        running[-1].communicate()


@pytest.mark.parametrize("name", ["alpr", "336", "front_0_0", ""])
def test_where_names_tell_nothing_all_count_and_none_is_ended(
    instances: ModuleType,
    stubs: tuple[Path, list[subprocess.Popen[bytes]]],
    asked: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """Another backend's command line, or instances on several GPUs, of which Triton gives two one name."""
    model, running = stubs
    words = instances._words
    changed = ["stub", "model.py", "region", "1", "1", "1", "python", "336", name]
    monkeypatch.setattr(instances, "_words", lambda process: changed if process == os.getpid() else words(process))
    twice = {"instance_group": [{"count": 3, "kind": "KIND_CPU"}]}
    all_count_and_stay(instances, instances.Siblings(model, twice), asked, [*running, start(model, "alpr_0_1")])


def test_on_several_gpus_instances_share_their_names(
    instances: ModuleType, stubs: tuple[Path, list[subprocess.Popen[bytes]]], asked: dict[str, float]
) -> None:
    model, running = stubs
    siblings = instances.Siblings(model, {"instance_group": [{"count": 1, "kind": "KIND_GPU", "gpus": [0, 1, 2]}]})
    all_count_and_stay(instances, siblings, asked, [*running, start(model, "alpr_0_0")])


def test_the_age_of_a_process_is_told_in_seconds(instances: ModuleType) -> None:
    own = instances.Process(os.getpid(), "", instances._started(os.getpid()))
    since = time.time() - psutil.Process().create_time()
    assert instances.age_s(own) == pytest.approx(since, abs=1.0)


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
