"""`gtvision triton`: the real Triton server on this machine's CPU, on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli import triton_plans
from cli.models import repository as disk
from cli.models.commands import progress_bar
from cli.models.fetch import fetch_models
from cli.output import say
from cli.triton_server import TritonServer, assemble, command, lay_view, region_of, require_free, supported
from functions.shared.triton_view import View

__all__ = ["TritonServer", "app"]

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def triton(
    ctx: typer.Context,
    repository: Annotated[Path, typer.Option(help="Folder of the model repository.")] = disk.SOURCE,
    grpc_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of gRPC.")] = 8001,
    metrics_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the metrics.")] = 8002,
    guard_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the guard's health and metrics (default: none).")
    ] = None,
) -> None:
    """Run the real Triton server on this machine's CPU, until Ctrl-C.

    It is assembled once, and the models are completed. A guard beside it unloads and loads a model whose process has
    died.
    """
    if ctx.invoked_subcommand is not None:
        return
    supported()
    require_free(grpc_port, "--grpc-port")
    require_free(metrics_port, "--metrics-port")
    if guard_port is not None:
        require_free(guard_port, "--guard-port")
    console = Console(stderr=True)
    with progress_bar(console) as report:
        fetch_models(repository, report)
        parts = assemble(report)
    console.print(f"Triton serves {repository} on grpc://127.0.0.1:{grpc_port}; set GTV_TRITON_URL to that.")
    console.print(f"Metrics: http://127.0.0.1:{metrics_port}/metrics")
    view = lay_view(repository, grpc_port)
    subprocess.Popen(guard_command(view, grpc_port, guard_port), stdin=subprocess.DEVNULL)
    argv = command(parts, view, grpc_port, metrics_port)
    os.execve(argv[0], argv, parts.environment())


def guard_command(view: View, grpc_port: int, guard_port: int | None) -> list[str]:
    """The argv of the process that heals this process's models, and ends and clears up after it."""
    listen = [] if guard_port is None else ["--listen", f"127.0.0.1:{guard_port}"]
    return [
        sys.executable, "-m", "functions.shared.triton_sidecar", "--url", f"grpc://127.0.0.1:{grpc_port}",
        "--view", str(view.root), "--parent", str(os.getpid()), "--region", region_of(grpc_port), *listen,
    ]  # fmt: skip


@app.command()
def plans(
    repository: Annotated[Path, typer.Option(help="Folder of the model repository.")] = disk.SOURCE,
) -> None:
    """Write what TensorRT builds its plans from, and the script that builds them on a GPU."""
    models = triton_plans.write(repository)
    say(f"{repository / triton_plans.SCRIPT} builds {', '.join(models)} in half precision.")
