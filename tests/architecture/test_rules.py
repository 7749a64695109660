"""The dependency rules hold, and bite."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("functions", "capture", "cli")
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder)},
    )  # fmt: skip


def test_the_rules_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(RULES)} kept, 0 broken." in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        ("functions/search/service.py", "import functions.cameras.service", "rooms do not know each other"),
        ("functions/shared/logs.py", "import functions.auth.service", "the kernel knows no room"),
        ("functions/cameras/repository.py", "import functions.cameras.handler", "handler -> service -> repository"),
        ("functions/auth/service.py", "import fastapi", "Services speak no HTTP"),
        ("cli/main.py", "import functions.shared.db", "never load the database"),
        ("functions/shared/errors.py", "import nats", "stands on nothing"),
    ],
)
def test_a_planted_violation_is_found(file: str, line: str, rule: str, tmp_path: Path) -> None:
    """A rule that cannot fail proves nothing."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "assets"))
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    planted = tmp_path / file
    planted.write_text(planted.read_text() + f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode != 0, done.stdout
    broken = [text for text in done.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(rule in text for text in broken), done.stdout


def test_every_function_stands_in_the_rules() -> None:
    rooms = {f"functions.{handler.parent.name}" for handler in (ROOT / "functions").glob("*/handler.py")}
    layers = " ".join(RULES[0]["layers"])
    assert {room for room in rooms if room in layers} == rooms
    assert set(RULES[1]["containers"]) >= rooms
    with_service = {f"functions.{file.parent.name}.service" for file in (ROOT / "functions").glob("*/service.py")}
    assert set(RULES[2]["source_modules"]) >= with_service - {"functions.console.service"}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_with_generic_names_are_ours(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


def sources(*folders: str) -> list[Path]:
    return [
        file for folder in folders for file in sorted((ROOT / folder).rglob("*.py")) if "__pycache__" not in file.parts
    ]


def test_nobody_prints_but_the_cli_and_the_generators() -> None:
    """Standard output belongs to what a command answers; processes log."""
    printing = [
        file.relative_to(ROOT).as_posix()
        for file in sources("functions", "capture", "triton_models")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    # Commands of their own, run by the CLI as processes: their output is their answer.
    allowed = {"functions/shared/dbtool.py", "functions/cameras/probe_child.py", "functions/embedded.py"}
    assert set(printing) <= allowed, printing


def test_no_failure_is_passed_over_in_silence() -> None:
    silent = []
    for file in sources("functions", "capture", "cli", "infra", "triton_models"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.ExceptHandler):
                continue
            wide = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
            )
            if wide and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body):
                silent.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert silent == []


@pytest.mark.parametrize("name", [handler.parent.name for handler in sorted((ROOT / "functions").glob("*/handler.py"))])
def test_importing_a_handler_reads_no_setting_and_connects_nowhere(name: str) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('a connection at import')\n"
        "socket.socket.connect = refuse\n"
        f"import functions.{name}.handler as handler\n"
        "assert handler.app.state.context is None\n"
    )
    environ = {
        "PATH": "/usr/bin:/bin",
        "GTV_NO_SUCH_SETTING": "x",
        "GTV_DATABASE_URL": "nonsense",
        "HOME": "/nonexistent",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
