"""`gtvision groups ...`: cameras that belong together, and the formats of the plates there."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.output import AsJson, cell, print_fields, print_json, print_table, say
from cli.state import api
from functions.shared.errors import InvalidInput
from functions.shared.formats import NAMES

app = typer.Typer(no_args_is_help=True, help="Groups of cameras, and which plate formats are to be expected there.")
GroupId = Annotated[str, typer.Argument(metavar="GROUP", help="Id of the group.")]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        help=f"A format that plates there may have; may be repeated, the likeliest first: {', '.join(NAMES)}.",
    ),
]


@app.command()
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name for people.")],
    formats: Formats = None,
    group_id: Annotated[str | None, typer.Option("--id", help="Id; made from the name when left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a group; without --format its plates are Brazil's, old and Mercosul."""
    given = {"id": group_id, "name": name, "plate_formats": formats or None}
    with api(ctx) as client:
        made = client.call(
            "POST", "/api/groups", json={key: value for key, value in given.items() if value is not None}
        )
    if as_json:
        print_json(made)
    else:
        say(f"Added [bold]{cell(made['id'])}[/]. `gtvision cameras update CAMERA --group {made['id']}` puts one in it.")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Groups, their formats and how many cameras each has."""
    with api(ctx) as client:
        found = list(client.pages("/api/groups", None))
    if as_json:
        print_json({"items": found})
        return
    rows = ((item["id"], item["name"], ", ".join(item["plate_formats"]), item["cameras"]) for item in found)
    print_table(("Id", "Name", "Plate formats", "Cameras"), rows, "There is no group.")


@app.command()
def show(ctx: typer.Context, group: GroupId, as_json: AsJson = False) -> None:
    """One group."""
    with api(ctx) as client:
        found = client.get(f"/api/groups/{group}")
    if as_json:
        print_json(found)
    else:
        print_fields(found)


@app.command()
def update(
    ctx: typer.Context,
    group: GroupId,
    name: Annotated[str | None, typer.Option("--name", help="Name for people.")] = None,
    formats: Formats = None,
    as_json: AsJson = False,
) -> None:
    """Change a group; the formats that are named replace those it had."""
    body: dict[str, Any] = {}
    if name is not None:
        body["name"] = name
    if formats:
        body["plate_formats"] = formats
    if not body:
        raise InvalidInput("nothing is to be changed: name at least one option", field="options")
    with api(ctx) as client:
        changed = client.call("PATCH", f"/api/groups/{group}", json=body)
    if as_json:
        print_json(changed)
    else:
        say(f"Changed [bold]{cell(changed['id'])}[/]: {', '.join(sorted(body))}.")


@app.command()
def remove(
    ctx: typer.Context,
    group: GroupId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take out a group that no camera is in."""
    if not yes:
        typer.confirm(f"Take group {group} out?", abort=True)
    with api(ctx) as client:
        client.call("DELETE", f"/api/groups/{group}")
    say(f"Removed [bold]{cell(group)}[/].")
