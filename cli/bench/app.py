"""`gtvision bench NAME`: the numbers that the project holds itself to, for anyone to measure."""

from __future__ import annotations

import typer

from cli.bench.cameras import cameras
from cli.bench.lpr import lpr
from cli.bench.pipeline import pipeline
from cli.bench.search import search

app = typer.Typer(no_args_is_help=True, help="Measure: plates read, cameras held, frames a second, searches.")
app.command("lpr")(lpr)
app.command("cameras")(cameras)
app.command("pipeline")(pipeline)
app.command("search")(search)


@app.callback()
def bench() -> None:
    """Measure: plates read, cameras held, frames a second, searches."""
