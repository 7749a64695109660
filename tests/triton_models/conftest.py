"""The plate reader's own modules, loaded from the repository as the embedded engine loads them."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from cli.models.repository import SOURCE
from functions.shared.inference_embedded import load_reader


def part(name: str) -> ModuleType:
    return importlib.import_module(f"{load_reader(SOURCE).__name__}.{name}")


@pytest.fixture(scope="session")
def decoding() -> ModuleType:
    return part("decoding")


@pytest.fixture(scope="session")
def geometry() -> ModuleType:
    return part("geometry")


@pytest.fixture(scope="session")
def pictures() -> ModuleType:
    return part("pictures")


@pytest.fixture(scope="session")
def views() -> ModuleType:
    return part("views")


@pytest.fixture(scope="session")
def pipeline() -> ModuleType:
    return part("pipeline")


@pytest.fixture(scope="session")
def slots() -> ModuleType:
    return part("slots")


@pytest.fixture(scope="session")
def joint() -> ModuleType:
    return part("joint")


@pytest.fixture(scope="session")
def priors() -> ModuleType:
    return part("priors")


@pytest.fixture(scope="session")
def formats() -> ModuleType:
    return part("formats")


@pytest.fixture(scope="session")
def colors() -> ModuleType:
    return part("colors")


@pytest.fixture(scope="session")
def frame() -> ModuleType:
    return part("frame")


@pytest.fixture(scope="session")
def finding() -> ModuleType:
    return part("finding")


@pytest.fixture(scope="session")
def reading() -> ModuleType:
    return part("reading")


@pytest.fixture(scope="session")
def sifting() -> ModuleType:
    return part("sifting")


@pytest.fixture(scope="session")
def dark() -> ModuleType:
    return part("dark")


@pytest.fixture(scope="session")
def fields() -> ModuleType:
    return part("fields")
