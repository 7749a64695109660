"""`gtvision bench NAME`: the numbers that the project holds itself to, for anyone to measure."""

from __future__ import annotations

import typer

from cli.bench.cameras import cameras
from cli.bench.lpr import lpr
from cli.bench.pipeline import pipeline
from cli.bench.search import search

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.command("lpr")(lpr)
app.command("cameras")(cameras)
app.command("pipeline")(pipeline)
app.command("search")(search)


@app.callback()
def bench() -> None:
    """Measure how well and how fast this machine reads, holds cameras and searches."""
