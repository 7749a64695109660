from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from functions.auth import handler
from functions.shared.config import FunctionSettings
from tests.functions.serving import Served, quick_hashes, serve

PASSWORD = "Quarto-Verde-77-Onibus"


@pytest.fixture(autouse=True)
def _quick_hashes() -> Iterator[None]:
    with quick_hashes():
        yield


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> FunctionSettings:
    return FunctionSettings(
        data_dir=tmp_path / "data", database_url=database_url, admin_password=PASSWORD,
        nats_url="nats://127.0.0.1:9",
    )  # fmt: skip


@pytest.fixture
async def auth(settings: FunctionSettings) -> AsyncIterator[Served]:
    """The real app of `auth`, started, with its first admin."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(serve("auth", handler.router, settings, startup=handler.startup))
