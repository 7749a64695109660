"""`gtvision bench lpr [DIR ...]`: how well plates are read, on labelled pictures and on drawn ones."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from cli.bench.lpr.page import build_page
from cli.bench.lpr.reading import EngineSpec, read_sets, second_engine
from cli.bench.lpr.report import make_report
from cli.bench.lpr.sets import distinct, drawn_set, open_set
from cli.bench.lpr.tables import print_report
from cli.bench.synthetic import Order
from cli.output import note
from functions.shared.errors import InvalidInput
from functions.shared.formats import DEFAULT, NAMES
from functions.shared.inference import Ask, Effort

DEFAULT_REPOSITORY = Path(__file__).resolve().parents[3] / "triton_models"
SEED = 2026


def lpr(  # noqa: PLR0913  each is an option of the command line
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR", help="Folders with pictures and labels.csv, or CSV files of that kind."),
    ] = None,
    synthetic: Annotated[int, typer.Option(min=0, help="How many hard plates to draw and read, apart from DIR.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Which plates are drawn: the same ones for the same seed.")] = SEED,
    crops: Annotated[bool, typer.Option("--crops", help="Draw tight cuts of plates instead of whole scenes.")] = False,
    write: Annotated[Path | None, typer.Option(help="Keep the drawn pictures and their labels in this folder.")] = None,
    against: Annotated[
        str | None, typer.Option(help="A second engine on the same pictures: a model repository or grpc://HOST:PORT.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with every miss and its pictures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
    triton_url: Annotated[
        str | None, typer.Option("--triton-url", help="grpc://HOST:PORT instead of the embedded engine.")
    ] = None,
    formats: Annotated[
        str, typer.Option(help=f"Formats to expect, of {', '.join(NAMES)}; separated by commas.")
    ] = ",".join(DEFAULT),
    views: Annotated[int, typer.Option(min=1, max=6, help="How many cuts of a plate may be read.")] = 6,
    threads: Annotated[int, typer.Option(min=0, help="Threads of the embedded engine (0: all cores).")] = 0,
    repository: Annotated[Path, typer.Option(help="Folder of the model repository.")] = DEFAULT_REPOSITORY,
) -> None:
    """Read labelled pictures, or drawn ones, and compare: exact plates, characters, boxes, confidences, every miss."""
    _check(folders, synthetic, write, html)
    first = EngineSpec(triton_url, repository, threads, Effort(views=views), _ask(formats))
    specs = [first, second_engine(against, first)] if against else [first]
    with ExitStack() as stack:
        shown = stack.enter_context(Progress(console=Console(stderr=True), transient=True, disable=as_json))

        def show(text: str, count: int, step: Callable[[], None]) -> None:
            for _ in shown.track(range(count), description=text):
                step()

        sets = [open_set(folder) for folder in folders or ()]
        if synthetic:
            folder = write or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gtvision-bench-")))
            order = Order(synthetic, seed, crops)
            sets.append(drawn_set(order, folder, lambda step: show("drawing", synthetic, step)))
        judged = read_sets(distinct(sets), specs, lambda count, step: show("reading", count, step))
        report = make_report(judged, engine=first.name, views=views)
        if html is not None:
            html.write_text(build_page(report, judged), encoding="utf-8")
    if as_json:
        print(json.dumps(report.as_json(), ensure_ascii=False))
        return
    print_report(report)
    if html is not None:
        note(f"Every miss with its pictures: {html}")


def _ask(formats: str) -> Ask:
    names = tuple(name.strip() for name in formats.split(",") if name.strip())
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        wrong = f"{unknown[0]!r} is none" if unknown else "none is named"
        raise InvalidInput(f"--formats: {wrong} of {', '.join(NAMES)}", field="formats")
    return Ask(formats=names)


def _check(folders: list[Path] | None, synthetic: int, write: Path | None, html: Path | None) -> None:
    """Say what is wrong before any model is loaded."""
    if not folders and not synthetic:
        raise InvalidInput("nothing to read: name a folder with labels.csv, or give --synthetic N", field="DIR")
    if write is not None and not synthetic:
        raise InvalidInput("--write needs --synthetic N: it keeps what is drawn", field="write")
    if html is not None and not html.parent.is_dir():
        raise InvalidInput(f"--html: there is no folder {html.parent}", field="html")
