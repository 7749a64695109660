"""The Makefile: what it offers, and that a second run asks nothing of the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.cli import ROOT
from tests.support.require import require


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the Makefile and the locks, in which nothing is installed."""
    require(shutil.which("make"), "make is not installed")
    (tmp_path / "infra").mkdir()
    shutil.copytree(ROOT / "infra" / "locks", tmp_path / "infra" / "locks")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def _make(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, **environ},
    )  # fmt: skip


def test_help_lists_what_people_need(project: Path) -> None:
    shown = _make(project).stdout
    assert all(f"make {target} " in shown for target in ("demo", "up", "test", "lint", "lock", "clean"))


def test_a_first_run_installs_from_the_lock_with_hashes(project: Path) -> None:
    planned = _make(project, "-n", "demo").stdout
    assert "--require-hashes -r infra/locks/run.lock" in planned
    assert "gtvision demo" in planned


def test_a_second_run_installs_nothing(project: Path) -> None:
    (project / ".venv").mkdir()
    later = time.time() + 5
    for stamp in (".made", ".run-installed", ".dev-installed"):
        (project / ".venv" / stamp).touch()
        os.utime(project / ".venv" / stamp, (later, later))
    for target in ("demo", "test"):
        assert "pip" not in _make(project, "-n", target).stdout


def test_a_changed_lock_is_installed(project: Path) -> None:
    (project / ".venv").mkdir()
    for stamp in (".made", ".run-installed", ".dev-installed"):
        (project / ".venv" / stamp).touch()
    later = time.time() + 5
    os.utime(project / "infra" / "locks" / "run.lock", (later, later))
    assert "run.lock" in _make(project, "-n", "demo").stdout


def test_without_python_311_it_says_so(project: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("make", "sh", "echo", "touch"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    done = _make(project, "install", PATH=str(tools))
    assert done.returncode != 0
    assert "Python 3.11" in done.stderr


def test_what_guards_the_main_branch_is_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("exec make test")
