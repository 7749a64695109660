"""One model repository in the benchmark: a platform on it, and its models, its reader and its server alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.bench.pipeline.bare import Bare, Cost
from cli.bench.pipeline.frames import Film, in_turn
from cli.bench.pipeline.platform import Platform, Round, running
from cli.bench.pipeline.report import Facts
from cli.models.repository import read_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping


class Side:
    """`rounds` grows by (platform, models, reader) with each call of `round`."""

    def __init__(self, repository: Path, triton: bool, database_url: str, films: Sequence[Film]) -> None:
        self.repository, self._triton, self._database_url, self._films = repository, triton, database_url, films
        self._contents = [film.frames[index].content for film, index in in_turn(films)]
        self.rounds: list[tuple[Round, Cost, Cost]] = []
        self._server_s: list[float] = []
        self._bare: Bare
        self._platform: Platform
        self._counted: Mapping[str, int] = {}

    @contextlib.asynccontextmanager
    async def running(self, scratch: Path) -> AsyncIterator[None]:
        """The models loaded and the platform up and warm, with its data in `scratch`; ended with the block."""
        self._bare = await asyncio.to_thread(Bare, self.repository)
        self._counted = await asyncio.to_thread(self._bare.prepare, self._contents)
        scratch.mkdir(parents=True, exist_ok=True)
        async with running(scratch, self.repository, self._triton, self._database_url) as self._platform:
            # The first round of each side warms it up and is not counted.
            await self._platform.round(self._films, 0)
            yield

    async def round(self, number: int) -> None:
        one = await self._platform.round(self._films, number)
        models = await asyncio.to_thread(self._bare.models)
        reader = await asyncio.to_thread(self._bare.reader, self._contents)
        self.rounds.append((one, models, reader))
        server = await self._platform.server_alone(self._contents)
        self._server_s += [] if server is None else [server]

    async def facts(self, engine: str, load: float) -> Facts:
        variant = read_manifest(self.repository).variant
        named = f"{variant.precision} {variant.input}" if variant else "fp32 384x640"
        by_model = await asyncio.to_thread(self._bare.by_model)
        cores = os.cpu_count() or 1
        return Facts(
            engine, str(self.repository), named, cores, load, self._counted, self._bare.batch, by_model,
            tuple(self._server_s),
        )  # fmt: skip
