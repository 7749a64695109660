"""How the CLI speaks: tables for people, whole JSON objects for machines, errors as one clear line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from functions.shared.errors import GTVisionError

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table, for machines.")]
AsLines = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]
_COLOURS = {"online": "green", "ready": "green", "ok": "green", "degraded": "yellow", "idle": "cyan",
            "provisioning": "cyan", "warning": "yellow", "offline": "red", "failing": "red", "down": "red",
            "failed": "red", "disabled": "dim"}  # fmt: skip


def print_json(value: Any) -> None:
    """One JSON document; non-ASCII stays readable."""
    print(json.dumps(value, ensure_ascii=False, indent=2), flush=True)


def print_line(value: Any) -> None:
    """One JSON object on one line, for streams."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def say(text: str) -> None:
    """A line for people, with rich's markup."""
    from rich.console import Console

    Console(soft_wrap=True, highlight=False).print(text)


def note(text: str) -> None:
    """A line for people on stderr, so that stdout stays the answer alone."""
    from rich.console import Console

    Console(stderr=True, soft_wrap=True, highlight=False).print(text)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    """A table, or the line `empty` when there is no row."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    Console(highlight=False).print(table if table.row_count else empty)


def print_fields(fields: Mapping[str, Any]) -> None:
    """One thing, a field a line."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in fields.items():
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value
        table.add_row(f"[bold]{cell(name)}[/]", cell(shown))
    Console(highlight=False).print(table)


def cell(value: Any) -> str:
    """A value as a table shows it, without the markup that it may hold by itself."""
    from rich.markup import escape

    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    text = escape(str(value))
    return f"[{_COLOURS[text]}]{text}[/]" if text in _COLOURS else text


def local_time(value: Any) -> str:
    """An RFC 3339 time in this machine's zone, to the second."""
    if not isinstance(value, str):
        return "-"
    try:
        return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return value


def print_error(error: GTVisionError, as_json: bool) -> None:
    """What is wrong and what to do, on stderr: one line, or the API's own envelope."""
    from functions.shared.logs import redact

    details = dict(error.details)
    if as_json:
        body = {"code": error.code, "message": redact(error.message), "details": details,
                "correlation_id": details.pop("correlation_id", None)}  # fmt: skip
        print(json.dumps({"error": body}, ensure_ascii=False, default=str), file=sys.stderr, flush=True)
        return
    mend = details.get("mend")
    line = redact(error.message) + (f" - {mend}" if mend else "")
    print(f"error: {line}", file=sys.stderr, flush=True)
