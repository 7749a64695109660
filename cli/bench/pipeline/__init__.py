"""`gtvision bench pipeline`: frames/s through bus, models, votes and database, against the bare models.

Both sides read the same frames on the same cores, in turn: platform, models alone, reader alone, platform... On a
machine that others use only the ratios within a round say something; CPU a frame says it with the least noise.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from functions.shared import logs
from functions.shared.errors import InvalidInput

if TYPE_CHECKING:
    from cli.bench.pipeline.report import Report

DEFAULT_REPOSITORY = Path(__file__).resolve().parents[3] / "triton_models"
KEPT = Path("data/bench")


@dataclass(frozen=True)
class Plan:
    """What to measure: `engine` embedded or triton, `limit` frames a round at the most."""

    frames: Path | None
    engine: Literal["embedded", "triton"]
    rounds: int
    limit: int
    repository: Path
    database_url: str = ""


def pipeline(  # noqa: PLR0913  each is an option of the command line
    frames: Annotated[
        Path | None, typer.Option(help="Folder of frames, a subfolder a camera (default: the demo's street).")
    ] = None,
    engine: Annotated[str, typer.Option(help="embedded, or triton: the real tritonserver on CPU.")] = "embedded",
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds of each side.")] = 5,
    limit: Annotated[int, typer.Option(min=1, max=512, help="Frames a round, at the most.")] = 64,
    repository: Annotated[
        Path, typer.Option(envvar="GTV_MODEL_REPOSITORY", help="Folder of the model repository.")
    ] = DEFAULT_REPOSITORY,
    database_url: Annotated[
        str,
        typer.Option(
            envvar="BENCH_DATABASE_URL",
            help="An empty PostgreSQL (default: SQLite in a temporary folder). "
            "With a password give it as BENCH_DATABASE_URL, not here.",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Measure the whole way of a frame against the bare models, in interleaved rounds, and where the time goes."""
    from cli.bench.pipeline.show import show

    if engine not in ("embedded", "triton"):
        raise InvalidInput(f"--engine takes embedded or triton, not {engine}", field="engine")
    logs.configure("ERROR", "console")
    plan = Plan(frames, "triton" if engine == "triton" else "embedded", rounds, limit, repository, database_url)
    with Console(stderr=True).status("drawing frames (the first time half a minute), then measuring"):
        report = asyncio.run(measure(plan))
    if as_json:
        print(report.model_dump_json())
    else:
        show(report, Console())


async def measure(plan: Plan) -> Report:
    """Run both sides in turn. Raises GTVisionError when a part cannot start or a frame is not read."""
    from cli.bench.pipeline import frames as pictures
    from cli.bench.pipeline.bare import Bare
    from cli.bench.pipeline.platform import running
    from cli.bench.pipeline.report import Facts, make_report
    from cli.models.repository import read_manifest

    load = os.getloadavg()[0]
    folder: Path = plan.frames if plan.frames is not None else await asyncio.to_thread(pictures.street, KEPT)
    films = await asyncio.to_thread(pictures.load_films, folder, plan.limit)
    contents = [film.frames[index].content for film, index in pictures.in_turn(films)]
    bare = await asyncio.to_thread(Bare, plan.repository)
    counted = await asyncio.to_thread(bare.prepare, contents)
    rounds = []
    with tempfile.TemporaryDirectory(prefix="gtvision-bench-") as scratch:
        async with running(Path(scratch), plan.repository, plan.engine == "triton", plan.database_url) as platform:
            # The first round of each side warms it up and is not counted.
            await platform.round(films, 0)
            for number in range(1, plan.rounds + 1):
                one = await platform.round(films, number)
                models = await asyncio.to_thread(bare.models)
                reader = await asyncio.to_thread(bare.reader, contents)
                rounds.append((one, models, reader))
    by_model = await asyncio.to_thread(bare.by_model)
    variant = read_manifest(plan.repository).variant
    named = f"{variant.precision} {variant.input}" if variant else "fp32 384x640"
    facts = Facts(plan.engine, str(plan.repository), named, os.cpu_count() or 1, load, counted, bare.batch, by_model)
    return make_report(rounds, facts)
