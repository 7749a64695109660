"""`gtvision models ...`: get, prove, replace, vary and list the models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Table

from cli.models import repository as disk
from cli.models.catalog import MODELS, OWN, Model, OwnModel
from cli.models.fetch import Progress as Report
from cli.models.fetch import fetch_models
from cli.state import api
from cli.wheels import sha256_of
from functions.shared.exits import CHECK_FAILED

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The models that find vehicles and read plates.")

Repository = Annotated[
    Path,
    typer.Option(
        "--repository", envvar="GTV_MODEL_REPOSITORY", file_okay=False, help="Folder of the model repository."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]


@contextmanager
def progress_bar(console: Console) -> Iterator[Report]:
    """A bar on the terminal for what takes long."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("models", total=None)

        def report(message: str, done: int, total: int) -> None:
            bar.update(task, description=message, completed=done, total=total)

        yield report


@app.command()
def fetch(repository: Repository = disk.SOURCE) -> None:
    """Put the models into the repository, from pinned and hashed wheels. Does nothing when they are there."""
    console = Console(stderr=True)
    with progress_bar(console) as report:
        made = fetch_models(repository, report)
    console.print(f"Made {', '.join(made)} in {repository}." if made else f"All models are in {repository}.")


@app.command()
def check(repository: Repository = disk.SOURCE, as_json: AsJson = False) -> None:
    """Prove the repository: files, hashes, each model on a picture, and a frame through all of them.

    Ends with 9 where something does not hold.
    """
    from cli.models.check import check_repository

    results = check_repository(repository)
    if as_json:
        print(json.dumps({"ok": all(result.ok for result in results), "checks": [vars(result) for result in results]}))
    else:
        table = Table("Check", "Result", "What was seen")
        for result in results:
            table.add_row(result.name, "[green]ok[/]" if result.ok else "[red]failed[/]", result.detail)
        Console().print(table)
    if not all(result.ok for result in results):
        raise typer.Exit(CHECK_FAILED)


@app.command()
def build(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    int8: Annotated[bool, typer.Option("--int8", help="Detectors in int8, calibrated with pictures.")] = False,
    images: Annotated[
        Path | None, typer.Option(help="Calibrate with this folder of frames of your cameras (JPEG or PNG).")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Calibrate with the demo's scenes.")] = False,
    size: Annotated[str, typer.Option("--input", help="What the detectors are given: 640, 384x640, 320.")] = "384x640",
    out: Annotated[Path | None, typer.Option(help="Folder to build in (default: data/models/<variant>).")] = None,
    repository: Repository = disk.SOURCE,
) -> None:
    """Build a repository with other detectors: in int8, or of another input size.

    --int8 without --images and --demo calibrates with frames of the running platform's cameras.
    """
    from cli.models.building import Source, build_and_check

    source = Source(images, demo, lambda: api(ctx))
    if not int8:
        source.require_unused()
    console = Console(stderr=True)
    with progress_bar(console) as report:
        made = build_and_check(repository, out, size, source if int8 else None, report)
    made.show(console)


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A YOLOv8 detection model: .onnx, or .pt (needs ultralytics).")
    ],
    as_: Annotated[str, typer.Option("--as", help="vehicle_detector or plate_detector.")],
    repository: Repository = disk.SOURCE,
) -> None:
    """Use a YOLOv8 model of your own as one of the detectors."""
    from cli.models.importing import import_model

    entry = import_model(file, as_, repository)
    Console(stderr=True).print(f"{as_} is now {file.name}: {entry.size:,} bytes, sha256 {entry.sha256[:16]}...")


def _title(model: Model, entry: disk.Entry | None) -> str:
    if entry is not None and entry.precision != "fp32":
        return f"{model.title}, {entry.precision}"
    return model.title if entry is None or entry.build is not None else "imported"


def _own(repository: Path, model: OwnModel) -> dict[str, object]:
    path = disk.weights_path(repository, model.name)
    present = path.is_file()
    return {
        "name": model.name,
        "title": model.title,
        "source": "this project",
        "version": version("gt-vision"),
        "licence": model.licence,
        "precision": "fp32",
        "size": path.stat().st_size if present else None,
        "sha256": sha256_of(path) if present else None,
        "present": present,
    }


@app.command("list")
def list_(repository: Repository = disk.SOURCE, as_json: AsJson = False) -> None:
    """What each model is, where it came from, its licence, size and hash."""
    recorded = disk.read_manifest(repository).models
    rows: list[dict[str, object]] = []
    for model in MODELS:
        wheel, member = model.source
        entry = recorded.get(model.name)
        rows.append(
            {
                "name": model.name,
                "title": _title(model, entry),
                "source": entry.source if entry else f"{wheel.name}: {member}",
                "version": entry.version if entry else wheel.version,
                "licence": entry.licence if entry else model.licence,
                "precision": entry.precision if entry else "fp32",
                "size": entry.size if entry else None,
                "sha256": entry.sha256 if entry else None,
                "present": disk.weights_path(repository, model.name).is_file(),
            }
        )
    rows += [_own(repository, model) for model in OWN]
    if as_json:
        print(json.dumps({"models": rows}))
        return
    table = Table("Model", "What", "From", "Licence", "Size", "SHA-256")
    for row in rows:
        size = f"{row['size'] / 1e6:.1f} MB" if isinstance(row["size"], int) and row["present"] else "not fetched"
        origin = f"{row['source']} {row['version']}"
        table.add_row(
            str(row["name"]), str(row["title"]), origin, str(row["licence"]), size, str(row["sha256"] or "")[:16]
        )
    Console().print(table)
