"""`gtvision hotlists entries ...`, `import` and `export`: the plates of a list."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client
from cli.moments import TIME, time_or_none
from cli.output import AsJson, cell, local_time, print_json, print_table, say
from cli.state import api
from functions.shared.errors import Conflict, InvalidInput, NotFound, TooLarge
from functions.shared.exits import USAGE

entries = typer.Typer(no_args_is_help=True, help="The plates and patterns of a list.")
MAX_CSV = 10 * 1024 * 1024
_ID = re.compile(r"[0-9a-f]{32}|cloned")
ListName = Annotated[str, typer.Argument(metavar="LIST", help="Name or id of the list.")]
ValidUntil = Annotated[str | None, typer.Option(help=f"Counts until {TIME}.")]


class Match(StrEnum):
    EXACT = "exact"
    WILDCARD = "wildcard"
    FUZZY = "fuzzy"


def found(client: Client, name: str) -> dict[str, Any]:
    """A list by its id or its name. Raises NotFound, Conflict (several have the name)."""
    if _ID.fullmatch(name):
        shown: dict[str, Any] = client.get(f"/api/hotlists/{name}")
        return shown
    # Of groups that do not see each other's lists two may have one name; who sees both has to say which.
    named = [item for item in client.pages("/api/hotlists", None, q=name) if item["name"].casefold() == name.casefold()]
    if not named:
        raise NotFound(f"there is no list {name}")
    if len(named) > 1:
        ids = ", ".join(item["id"] for item in named)
        raise Conflict(f"{len(named)} lists are called {name}: name one by its id, of {ids}")
    return dict(named[0])


def given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@entries.command("add")
def add_entry(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    hotlist: ListName,
    plate: Annotated[str, typer.Argument(metavar="PLATE", help="A plate; * stands for any characters, ? for one.")],
    match: Annotated[Match | None, typer.Option(help="exact, wildcard or fuzzy; left out: by the plate.")] = None,
    tolerance: Annotated[float | None, typer.Option(help="Of a fuzzy entry, 0 to 2.")] = None,
    note: Annotated[str | None, typer.Option(help="Anything to know, e.g. a case number.")] = None,
    valid_until: ValidUntil = None,
    as_json: AsJson = False,
) -> None:
    """Add one plate; it counts within a second."""
    kind = match.value if match else None
    body = given(pattern=plate, match=kind, tolerance=tolerance, note=note)
    body |= given(valid_until=time_or_none(valid_until, "valid_until"))
    with api(ctx) as client:
        made = client.call("POST", f"/api/hotlists/{found(client, hotlist)['id']}/entries", json=body)
    if as_json:
        print_json(made)
    else:
        say(f"Added [bold]{cell(made['pattern'])}[/] ({made['match']}).")


@entries.command("list")
def list_entries(
    ctx: typer.Context,
    hotlist: ListName,
    part: Annotated[str | None, typer.Option("--plate", help="Part of the plate.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At the most this many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Plates of a list, in order."""
    with api(ctx) as client:
        items = list(client.pages(f"/api/hotlists/{found(client, hotlist)['id']}/entries", limit, q=part))
    if as_json:
        print_json({"items": items})
        return
    columns = ("Plate", "Match", "Tolerance", "Note", "Until", "By", "Id")
    rows = (
        (item["pattern"], item["match"], item["tolerance"], item["note"], local_time(item["valid_until"]),
         item["created_by"], item["id"])
        for item in items
    )  # fmt: skip
    print_table(columns, rows, "The list has no such entry.")


@entries.command("remove")
def remove_entry(
    ctx: typer.Context,
    hotlist: ListName,
    plate: Annotated[str, typer.Argument(metavar="PLATE", help="The plate or pattern as it stands there, or an id.")],
) -> None:
    """Take one plate out, by the plate as it stands there or by its id."""
    with api(ctx) as client:
        path = f"/api/hotlists/{found(client, hotlist)['id']}/entries"
        wanted = plate.replace("-", "").replace(" ", "").upper()
        pages = client.pages(path, None, q=wanted) if not _ID.fullmatch(plate) else ()
        name = next((item["id"] for item in pages if item["pattern"] == wanted), plate)
        client.call("DELETE", f"{path}/{name}")
    say(f"Removed [bold]{cell(plate)}[/].")


def import_(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    hotlist: ListName,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with a column `plate`; match, tolerance, note, valid_until too.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, and change nothing.")] = False,
    keep_good: Annotated[
        bool, typer.Option("--keep-good", help="Take the right lines, though others are wrong.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Take out what the file does not have.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add plates from CSV: all lines or none, or with --keep-good those that are right."""
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}", field="file") from None
    if len(data) > MAX_CSV:
        raise TooLarge(f"{file} is over {MAX_CSV >> 20} MB; send it in parts", field="file")
    mode = "valid" if keep_good else "all"
    with api(ctx) as client:
        params = {"hotlist_id": found(client, hotlist)["id"], "dry_run": dry_run, "mode": mode, "replace": replace}
        report = client.call(
            "POST", "/api/hotlists/import", slow=True, content_type="text/csv", content=data, params=params
        )
    if as_json:
        print_json(report)
    else:
        word = "Would be" if dry_run else "Were"
        say(f"{word} added: {report['added']}, changed: {report['updated']}, taken out: {report['removed']}.")
        rows = ((fault["line"], fault["field"], fault["reason"]) for fault in report["errors"])
        print_table(("Line", "Column", "What is wrong"), rows, "Every line is right.")
    if report["errors"]:
        raise typer.Exit(USAGE)


def export(
    ctx: typer.Context,
    hotlist: ListName,
    out: Annotated[Path, typer.Option("--out", "-o", help="File; - is standard output.")] = Path("-"),
) -> None:
    """Every entry as CSV, as the import takes it."""
    with api(ctx) as client:
        data = client.content(f"/api/hotlists/{found(client, hotlist)['id']}/entries/export.csv")
    if str(out) == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        out.write_bytes(data)
