"""`gtvision demo`: the platform with cameras that show rendered streets, from nothing to detections."""

from __future__ import annotations

import typer

app = typer.Typer(help="The platform with demo cameras.")


@app.callback(invoke_without_command=True)
def demo(ctx: typer.Context) -> None:
    """x"""
