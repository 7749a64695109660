"""Files and functions stay small enough to be read at one go: the tail is limited, not the average."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("functions", "capture", "cli", "infra", "triton_models", "tests")
MAX_FILE, MAX_FUNCTION = 400, 60
FILES = [
    file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py")) if "__pycache__" not in file.parts
]


def long_functions(text: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION:
                found.append(f"{node.name}: {lines} lines")
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_files(folder: str) -> None:
    own = {file: len(file.read_text().splitlines()) for file in FILES if file.relative_to(ROOT).parts[0] == folder}
    assert own
    # A migration is written once and grows by no one's hand.
    long = {str(file.relative_to(ROOT)): lines for file, lines in own.items() if lines > MAX_FILE}
    assert long == {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_functions(folder: str) -> None:
    long = {
        str(file.relative_to(ROOT)): found
        for file in FILES
        if file.relative_to(ROOT).parts[0] == folder and "versions" not in file.parts
        and (found := long_functions(file.read_text()))
    }  # fmt: skip
    assert long == {}


def test_the_measure_measures() -> None:
    body = "\n".join(f"    x = {number}" for number in range(MAX_FUNCTION))
    assert long_functions(f"def f():\n{body}\n") == ["f: 61 lines"]
    assert long_functions(f"async def f():\n{body}\n") == ["f: 61 lines"]
