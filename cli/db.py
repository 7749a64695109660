"""`gtvision db migrate | check`: the database's tables, looked after by a process of the functions."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import typer

from cli.output import AsJson, print_json, say
from functions.shared import errors
from functions.shared.errors import GTVisionError, Unavailable
from functions.shared.exits import MISCONFIGURED

app = typer.Typer(no_args_is_help=True, help="The database and the state of its tables.")


def run_tool(action: str, timeout_s: float = 600.0) -> dict[str, Any]:
    """The answer of `functions.shared.dbtool`, which alone loads the database. Raises the error that it names."""
    command = [sys.executable, "-m", "functions.shared.dbtool", action]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"the database gave no answer within {timeout_s:g} s", mend="check the server") from error
    try:
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason was given"]
        raise GTVisionError(f"the database tool failed: {last[0]}") from error
    if "error" in answer:
        raise error_of(answer["error"])
    return answer


def error_of(found: dict[str, Any]) -> GTVisionError:
    from cli.client import tree

    kind = next((kind for kind in tree() if kind.code == found["code"]), errors.GTVisionError)
    return kind(str(found["message"]), **found.get("details", {}))


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Bring the tables of GTV_DATABASE_URL to this version. Safe to run again."""
    answer = run_tool("migrate")
    if as_json:
        print_json(answer)
    else:
        say(f"{answer['database']}: the tables are at revision {answer['revision']}.")


@app.command()
def check(as_json: AsJson = False) -> None:
    """Say whether the database answers and its tables are up to date. Ends with 7 when they are not."""
    answer = run_tool("check")
    if as_json:
        print_json(answer)
    elif answer["current"]:
        say(f"{answer['database']}: answers, tables at revision {answer['revision']}.")
    else:
        say(f"{answer['database']}: answers, tables at {answer['revision'] or 'nothing'}, not {answer['head']}.")
        say("Run `gtvision db migrate`.")
    if not answer["current"]:
        raise typer.Exit(MISCONFIGURED)
