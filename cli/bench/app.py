"""`gtvision bench NAME`: the numbers that the project holds itself to, for anyone to measure."""

from __future__ import annotations

import typer

from cli.bench.cameras import cameras
from cli.bench.lpr import lpr

app = typer.Typer(no_args_is_help=True, help="Measure: plates read, cameras held.")
app.command("lpr")(lpr)
app.command("cameras")(cameras)


@app.callback()
def bench() -> None:
    """Measure: plates read, cameras held."""
