"""`gtvision bench pipeline`: frames/s through bus, models, votes and database, against the bare models.

Both sides read the same frames on the same cores, in turn: platform, models alone, reader alone, platform... With
`--against` a second model repository takes its own turns in the same rounds. On a machine that others use only the
ratios within a round say something; CPU a frame says it with the least noise.
"""

from __future__ import annotations

import asyncio
import contextlib
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
    against: Path | None = None


def pipeline(  # noqa: PLR0913  each is an option of the command line
    frames: Annotated[
        Path | None, typer.Option(help="Folder of frames, a subfolder a camera (default: the demo's street).")
    ] = None,
    engine: Annotated[str, typer.Option(help="embedded, or triton: the real tritonserver on CPU.")] = "embedded",
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds of each side.")] = 5,
    limit: Annotated[int, typer.Option(min=1, max=512, help="Frames a round, at the most.")] = 128,
    repository: Annotated[
        Path, typer.Option(envvar="GTV_MODEL_REPOSITORY", help="Folder of the model repository.")
    ] = DEFAULT_REPOSITORY,
    against: Annotated[
        Path | None, typer.Option(help="A second model repository, in turn with the first on the same frames.")
    ] = None,
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
    if against is not None:
        _check_against(against, database_url)
    logs.configure("ERROR", "console")
    plan = Plan(
        frames, "triton" if engine == "triton" else "embedded", rounds, limit, repository, database_url, against
    )
    with Console(stderr=True).status("drawing frames (the first time half a minute), then measuring"):
        report = asyncio.run(measure(plan))
    if as_json:
        print(report.model_dump_json())
    else:
        show(report, Console())


def _check_against(against: Path, database_url: str) -> None:
    """Say what is wrong before any model is loaded."""
    if not against.is_dir():
        raise InvalidInput(f"--against: there is no folder {against}", field="against")
    if database_url:
        raise InvalidInput("--against and --database-url: two platforms cannot share a database", field="against")


async def measure(plan: Plan) -> Report:
    """Run all sides in turn. Raises GTVisionError when a part cannot start or a frame is not read."""
    from cli.bench.pipeline import frames as pictures
    from cli.bench.pipeline.report import compared, make_report
    from cli.bench.pipeline.side import Side

    load = os.getloadavg()[0]
    folder: Path = plan.frames if plan.frames is not None else await asyncio.to_thread(pictures.street, KEPT)
    films = await asyncio.to_thread(pictures.load_films, folder, plan.limit)
    repositories = [plan.repository, *([plan.against] if plan.against else [])]
    async with contextlib.AsyncExitStack() as opened:
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="gtvision-bench-")))
        sides = []
        for number, repository in enumerate(repositories):
            side = Side(repository, plan.engine == "triton", plan.database_url, films)
            await opened.enter_async_context(side.running(scratch / str(number)))
            sides.append(side)
        for number in range(1, plan.rounds + 1):
            for side in sides:
                await side.round(number)
        reports = [make_report(side.rounds, await side.facts(plan.engine, load)) for side in sides]
    if plan.against is None:
        return reports[0]
    return compared(reports[0], reports[1], sides[0].rounds, sides[1].rounds)
