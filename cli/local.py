"""`gtvision up`: the whole platform on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from cli.output import AsLines
from cli.stack.options import StackOptions
from cli.stack.run import announce, fetch, serve
from cli.stack.screen import Screen

app = typer.Typer(add_completion=False)
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port of the API and the console (0: any free one).")]
Pods = Annotated[int, typer.Option("--capture-pods", min=0, max=64, help="Capture processes that share the cameras.")]
WithTriton = Annotated[bool, typer.Option("--triton", help="Start the real Triton server for inference.")]


def data_dir(default: Path) -> Path:
    """The folder of everything that is kept: GTV_DATA_DIR, else `default`."""
    given = os.environ.get("GTV_DATA_DIR")
    return Path(given) if given else default


@app.command()
def up(
    port: Port = 8080,
    capture_pods: Pods = 2,
    triton: WithTriton = False,
    as_json: AsLines = False,
) -> None:
    """Start NATS, the functions and capture here, and keep them running until Ctrl-C.

    Data is kept in ./data, or GTV_DATA_DIR. Parts that run elsewhere are named by settings: GTV_NATS_URL,
    GTV_TRITON_URL, GTV_DATABASE_URL, GTV_STORE_URL.
    """
    options = StackOptions(data_dir(Path("data")), port=port, capture_pods=capture_pods, triton=triton)
    screen = Screen(as_json)
    asyncio.run(serve(options, screen, prepare=lambda _: fetch(options, screen), ready=announce(screen)))
