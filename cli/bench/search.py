"""`gtvision bench search`: how long searches take among many detections."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import AsJson, note, print_json, print_table, say
from functions.shared.errors import GTVisionError, Unavailable

COLUMNS = ("Search", "p50 ms", "p95 ms", "max ms", "x bare", "Rows")
# A million rows take about a minute to fill.
SECONDS_A_ROW = 0.002


def search(
    rows: Annotated[int, typer.Option(min=1000, max=50_000_000, help="Detections to search among.")] = 1_000_000,
    days: Annotated[float, typer.Option(min=1, max=400, help="Days that they are spread over.")] = 30,
    rounds: Annotated[int, typer.Option(min=5, max=10_000, help="Searches of each kind.")] = 100,
    postgres: Annotated[
        bool, typer.Option("--postgres", help="On an empty PostgreSQL, whose address is read from standard input.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--dir", file_okay=False, exists=True, help="Where the SQLite file may be.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure exact, prefix, wildcard and fuzzy search among many detections, in rounds with a bare query.

    Without --postgres in a SQLite file of its own, which is deleted afterwards. The aim is a p95 of 50 ms.
    """
    command = [sys.executable, "-m", "functions.search.benchtool"]
    command += ["--rows", str(rows), "--days", str(days), "--rounds", str(rounds)]
    command += ["--folder", str(folder)] if folder else []
    given = None
    if postgres:
        command.append("--stdin-url")
        given = sys.stdin.readline() if not sys.stdin.isatty() else typer.prompt("Address", hide_input=True) + "\n"
    note(f"Filling {rows:,} detections ...")
    answer = _run(command, given, 300 + rows * SECONDS_A_ROW)
    if as_json:
        print_json(answer)
        return
    shown = ((kind, each["p50_ms"], each["p95_ms"], each["max_ms"], each["times_bare"], each["rows"])
             for kind, each in answer["kinds"].items())  # fmt: skip
    print_table(COLUMNS, shown, "")
    parts = f", {answer['partitions']} partitions" if answer["partitions"] else ""
    verdict = "is met" if answer["met"] else "is not met"
    say(f"{answer['database']}, {rows:,} detections over {days:g} days{parts}, filled in {answer['fill_s']} s.")
    say(f"The aim, a p95 of {answer['aim_p95_ms']:g} ms for each kind, {verdict}.")


def _run(command: list[str], given: str | None, timeout_s: float) -> dict[str, Any]:
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"the measurement took over {timeout_s:.0f} s", mend="measure fewer --rows") from error
    try:
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason was given"]
        raise GTVisionError(f"the measurement failed: {last[0]}") from error
    if "error" in answer:
        from cli.db import error_of

        raise error_of(answer["error"])
    return answer
