"""`gtvision cameras import` and `export`: the register as a CSV file."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.camera_options import Group
from cli.output import AsJson, cell, print_json, print_table, say
from cli.state import api
from functions.shared.errors import InvalidInput, TooLarge
from functions.shared.exits import USAGE

MAX_CSV = 10 * 1024 * 1024


def import_(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with a header: name, rtsp_url and more; - is standard input.")
    ],
    keep_good: Annotated[bool, typer.Option("--keep-good", help="Add the good lines though others are bad.")] = False,
    create_groups: Annotated[
        bool, typer.Option("--create-groups", help="Make the groups that lines name and that are missing.")
    ] = False,
    update: Annotated[
        bool, typer.Option("--update", help="A line whose id is there changes that camera, where its cells are filled.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add cameras from CSV: all lines or none, or with --keep-good those that are right. Ends with 2 on a bad line."""
    params = {
        "mode": "valid" if keep_good else "all", "dry_run": dry_run, "create_groups": create_groups, "upsert": update,
    }  # fmt: skip
    refused: InvalidInput | None = None
    with api(ctx) as client:
        try:
            report = client.call(
                "POST", "/api/cameras/import", params=params, content=_csv(file), content_type="text/csv", slow=True
            )
        except InvalidInput as error:
            if "errors" not in error.details:
                raise
            refused, report = error, dict(error.details)
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if refused is not None:
        raise InvalidInput(refused.message, mend="correct the lines, or add the good ones with --keep-good")
    if report["errors"]:
        raise typer.Exit(USAGE)


def _csv(file: Path) -> bytes:
    try:
        data = sys.stdin.buffer.read(MAX_CSV + 1) if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}", field="file") from error
    if len(data) > MAX_CSV:
        raise TooLarge(f"{file} is over {MAX_CSV // 1024 // 1024} MB", mend="import it in parts", field="file")
    return data


def _print_report(report: dict[str, Any]) -> None:
    if report["errors"]:
        rows = ((fault["line"], fault["field"], fault["reason"]) for fault in report["errors"])
        print_table(("Line", "Field", "What is wrong"), rows, "")
    if report["cameras"]:
        taken = ((item["line"], item["id"], item["name"], _deed(item)) for item in report["cameras"])
        print_table(("Line", "Id", "Name", "What"), taken, "")
    if report["groups"]:
        say(f"Groups that {'would be' if report['dry_run'] else 'were'} made: {cell(', '.join(report['groups']))}.")
    if report["dry_run"]:
        count = {deed: sum(item["action"] == deed for item in report["cameras"]) for deed in ("create", "update")}
        say(
            f"{report['lines']} lines: {count['create']} cameras would be added, {count['update']} changed; "
            "nothing was changed."
        )
    else:
        say(f"{report['lines']} lines: {report['created']} cameras added, {report['updated']} changed.")


def _deed(item: dict[str, Any]) -> str:
    if item["action"] == "update":
        return f"changes {', '.join(item['fields'])}"
    return "new" if item["action"] == "create" else "as it is"


def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the CSV; - is standard output.")],
    group: Group = None,
    semicolons: Annotated[
        bool, typer.Option("--semicolons", help="; between cells and a decimal comma, as Excel has it in Brazil.")
    ] = False,
) -> None:
    """Write all cameras as CSV, without their addresses. `import --update` takes the file back."""
    asked = {"separator": "semicolon" if semicolons else "comma", **({"group_id": group} if group else {})}
    with api(ctx) as client:
        data = client.content("/api/cameras/export.csv", **asked)
    if str(file) == "-":
        sys.stdout.buffer.write(data)
        return
    try:
        file.write_bytes(data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InvalidInput(f"{file} cannot be written: {error.strerror}", field="file") from error
    say(f"Wrote {file}.")
