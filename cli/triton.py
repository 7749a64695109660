"""`gtvision triton`: the real Triton server on this machine's CPU, on loopback."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.models import repository as disk
from cli.models.commands import progress_bar
from cli.models.fetch import fetch_models
from cli.triton_server import TritonServer, assemble, command, require_free, supported

__all__ = ["TritonServer", "app"]

app = typer.Typer(help="Run the real Triton server on this machine's CPU.")


@app.callback(invoke_without_command=True)
def triton(
    repository: Annotated[Path, typer.Option(help="Folder of the model repository.")] = disk.SOURCE,
    grpc_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of gRPC.")] = 8001,
    metrics_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the metrics.")] = 8002,
) -> None:
    """Assemble the server (once), complete the models, and become the server. Ctrl-C ends it."""
    supported()
    require_free(grpc_port, "--grpc-port")
    require_free(metrics_port, "--metrics-port")
    console = Console(stderr=True)
    with progress_bar(console) as report:
        fetch_models(repository, report)
        parts = assemble(report)
    console.print(f"Triton serves {repository} on grpc://127.0.0.1:{grpc_port}; set GTV_TRITON_URL to that.")
    console.print(f"Metrics: http://127.0.0.1:{metrics_port}/metrics")
    argv = command(parts, repository, grpc_port, metrics_port, f"gtv_triton_{os.getpid()}_")
    os.execve(argv[0], argv, parts.environment())
