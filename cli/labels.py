"""`gtvision detections export-labels`: the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import moments
from cli.output import AsJson, print_json, say
from cli.state import api
from functions.shared.errors import InvalidInput


def export_labels(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="New folder, or one of an export.")],
    begin: Annotated[str | None, typer.Option("--from", help=f"Said at or after this: {moments.HELP}.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Said before this.")] = None,
    camera: Annotated[list[str] | None, typer.Option("--camera", "-c", help="Camera id; may be repeated.")] = None,
    from_corrections: Annotated[
        bool, typer.Option("--from-corrections", help="Plates that people set right alone: the hardest.")
    ] = False,
    confirmed: Annotated[bool, typer.Option("--confirmed", help="Plates that people confirmed alone.")] = False,
    since: moments.OldFrom = None,
    until: moments.OldTo = None,
    as_json: AsJson = False,
) -> None:
    """Export plates that people corrected or confirmed, with pictures, for `gtvision bench lpr DIR` and training.

    DIR/labels.csv names the vehicles' pictures with the plate's box; DIR/plates.csv the plates alone. The light is
    guessed from the picture. Pictures and plates are personal data: keep the folder as you keep the database.
    """
    from cli.reread.labels import export, newest

    if from_corrections and confirmed:
        raise InvalidInput("--from-corrections or --confirmed; without either both are exported", field="confirmed")
    which = "changed" if from_corrections else "confirmed" if confirmed else None
    filters = {
        **moments.span(begin or since, end or until),
        "camera_id": camera or None, "source": "person",
    }  # fmt: skip
    with api(ctx) as client:
        done = export(client, folder, newest(client.pages("/api/corrections", None, **filters), which))
    count = done["vehicles"] + done["plates alone"]
    if as_json:
        print_json({"folder": str(folder), "labels": count, "counts": dict(done)})
    else:
        say(f"{count} labels in {folder}" + "".join(f"; {number} {name}" for name, number in sorted(done.items())))
