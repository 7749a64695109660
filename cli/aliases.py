"""`gtvision aliases ...`: the names by which other systems know our cameras, for the reads that they send."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from cli.output import AsJson, cell, local_time, print_json, print_table, say
from cli.state import api

app = typer.Typer(no_args_is_help=True, help="Names that other systems give our cameras.")
Alias = Annotated[
    str, typer.Argument(metavar="ALIAS", help="The camera's name there, e.g. 1000, or AGENT:1000 of Rekor's agents.")
]


@app.command()
def add(
    ctx: typer.Context,
    alias: Alias,
    camera: Annotated[str, typer.Argument(metavar="CAMERA", help="Id of our camera.")],
    as_json: AsJson = False,
) -> None:
    """Say which camera another system means by a name."""
    with api(ctx) as client:
        made = client.call("POST", "/api/ingest/aliases", json={"alias": alias, "camera_id": camera})
    if as_json:
        print_json(made)
    else:
        say(f"Reads of [bold]{cell(made['alias'])}[/] are now those of {cell(made['camera_id'])}.")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Every alias with its camera."""
    with api(ctx) as client:
        found = list(client.pages("/api/ingest/aliases", None))
    if as_json:
        print_json({"items": found})
        return
    rows = ((item["alias"], item["camera_id"], local_time(item["created_at"])) for item in found)
    print_table(("Alias", "Camera", "Since"), rows, "There is no alias.")


@app.command()
def remove(ctx: typer.Context, alias: Alias) -> None:
    """Take an alias away; what was read under it stays."""
    with api(ctx) as client:
        client.call("DELETE", f"/api/ingest/aliases/{quote(alias, safe='')}")
    say(f"Removed [bold]{cell(alias)}[/].")
