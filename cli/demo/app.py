"""`gtvision demo render | score`: the demo's videos, and how well their plates were read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import AsJson, local_time, note, print_json, print_table, say
from cli.state import api
from functions.shared.errors import Misconfigured
from functions.shared.exits import CHECK_FAILED

if TYPE_CHECKING:
    from cli.demo.prepare import Progress
    from cli.demo.score import Finding, Score

app = typer.Typer(no_args_is_help=True, help="The demo's videos, and how well their plates were read.")
DEFAULT_DATA = Path("data/demo")
_SETTLE_S = 20.0
_SHOWN_FINDINGS = 40

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="GTV_DATA_DIR", file_okay=False, help="Folder of the local data.")
]


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """A bar for each camera that is rendered, on stderr. Nothing is shown when nothing is rendered."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done)

        yield report


@app.command()
def render(data_dir: DataDir = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Draw the videos of the demo cameras, where they are missing or out of date (about a minute)."""
    from cli.demo.prepare import prepare_demo

    with progress_bars() as report:
        cameras = prepare_demo(data_dir, report)
    rows = [(each.name, f"{each.size[0]}x{each.size[1]}", each.fps, each.gop, str(each.file)) for each in cameras]
    if as_json:
        keys = ("name", "size", "fps", "gop", "file")
        print_json({"cameras": [dict(zip(keys, row, strict=True)) for row in rows]})
    else:
        print_table(("Camera", "Size", "Frames/s", "GOP", "File"), rows, "No camera.")


@app.command()
def score(
    ctx: typer.Context,
    since: Annotated[str | None, typer.Option(help="Judge from this RFC 3339 time (else the first detection).")] = None,
    until: Annotated[str | None, typer.Option(help="Judge up to this RFC 3339 time (else 20 s ago).")] = None,
    data_dir: DataDir = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Compare the stored detections with what the demo's videos truly show. Ends with 9 when the aim is missed."""
    from cli.demo import fetch
    from cli.demo.prepare import find_truths
    from cli.demo.score import score as judge

    truths = find_truths(data_dir)
    if not truths:
        raise Misconfigured(
            f"{data_dir / 'demo'} holds no truth of the demo", mend="run `gtvision demo`, or name its --data-dir"
        )
    start = fetch.seconds(since, "since") if since else None
    end = fetch.seconds(until, "until") if until else time.time() - _SETTLE_S
    with api(ctx) as client:
        detections = fetch.fetch_detections(client.pages, truths, since=since, until=until)
    result = judge(fetch.parse_truths(truths), detections, until=end, since=start)
    if as_json:
        print_json(result.as_json())
    else:
        show_score(result)
    if not result.meets_aim:
        raise typer.Exit(CHECK_FAILED)


def show_score(result: Score) -> None:
    """The table, then each thing that is wrong."""
    from cli.demo.score import EXACT_AIM_TEXT

    columns = ("Camera", "Passages", "Found", "Once", "Missed", "Double", "False", "Exact", "%")
    rows = [
        (each.camera, each.expected, each.found, each.once, each.missed, each.duplicates, each.false, each.exact,
         f"{100 * each.exact_ratio:.1f}")
        for each in (*result.cameras, result.total)
    ]  # fmt: skip
    print_table(columns, rows, "No camera.")
    findings = [finding for camera in result.cameras for finding in camera.findings]
    if findings:
        say("")
        print_table(
            ("What", "Passage", "Plate", "Read", "When"),
            (_finding_row(finding) for finding in findings[:_SHOWN_FINDINGS]),
            "",
        )
    if len(findings) > _SHOWN_FINDINGS:
        note(f"{len(findings) - _SHOWN_FINDINGS} more; --json shows all")
    if not result.total.expected:
        say("[yellow]No passage lies wholly in the observed time yet: wait a minute.[/]")
    elif result.meets_aim:
        say(f"[green]The aim is met: every passage found once, {EXACT_AIM_TEXT}.[/]")
    else:
        say(f"[red]The aim is missed: every passage once, none false, {EXACT_AIM_TEXT}.[/]")


def _finding_row(finding: Finding) -> tuple[Any, ...]:
    when = local_time(finding.as_json()["at"])[11:] or None
    return finding.kind, finding.passage or finding.camera, finding.plate, finding.read, when
