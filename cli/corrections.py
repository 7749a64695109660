"""`gtvision detections correct | confirm | corrections`: what people say of plates."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import moments
from cli.output import AsJson, cell, local_time, print_json, print_table, say
from cli.state import api
from functions.shared.errors import InvalidInput

DetectionId = Annotated[str, typer.Argument(metavar="DETECTION", help="Id of the detection.")]
Reason = Annotated[str | None, typer.Option(help="Why, for the record.")]
COLUMNS = ("Made", "By", "Source", "Camera", "Before", "After", "Detection", "Reason")


def correct(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    detection: DetectionId,
    plate: Annotated[str | None, typer.Argument(metavar="PLATE", help="The plate as it is, e.g. ABC1D23.")] = None,
    no_plate: Annotated[bool, typer.Option("--no-plate", help="There is no plate.")] = False,
    expect: Annotated[str | None, typer.Option(help="Only if this is still the stored plate.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="car, motorcycle, bus or truck.")] = None,
    color: Annotated[str | None, typer.Option(help="Colour of the vehicle.")] = None,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Set a detection's plate right, or its vehicle's type and colour. What was read is kept beside it."""
    if plate is not None and no_plate:
        raise InvalidInput("name a plate or --no-plate, not both", field="plate")
    body: dict[str, Any] = {"type": type_, "color": color, "reason": reason, "expected_plate": expect, "plate": plate}
    body = {name: value for name, value in body.items() if value is not None}
    if no_plate:
        body["plate"] = None
    if not body.keys() & {"plate", "type", "color"}:
        raise InvalidInput("nothing is to be changed: name a plate, --no-plate, --type or --color", field="plate")
    with api(ctx) as client:
        changed = client.call("PATCH", f"/api/detections/{detection}", json=body)
    _tell(changed, as_json)


def confirm(ctx: typer.Context, detection: DetectionId, reason: Reason = None, as_json: AsJson = False) -> None:
    """Say that a detection's plate is right as it stands."""
    with api(ctx) as client:
        plate = client.get(f"/api/detections/{detection}")["plate"]
        body = {"plate": plate, "expected_plate": plate, **({"reason": reason} if reason else {})}
        changed = client.call("PATCH", f"/api/detections/{detection}", json=body)
    _tell(changed, as_json)


def _tell(changed: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(changed)
        return
    plate, read = (cell(changed[name] or "no plate") for name in ("plate", "plate_read"))
    what = f"[bold]{plate}[/]" + (f" (read: {read})" if changed["corrected"] and plate != read else "")
    say(f"{cell(changed['id'])}: {what}, {changed['type'] or 'vehicle'}, {changed['color'] or 'colour unknown'}")


def corrections(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    begin: Annotated[str | None, typer.Option("--from", help=f"Made at or after this: {moments.HELP}.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Made before this.")] = None,
    camera: Annotated[list[str] | None, typer.Option("--camera", "-c", help="Camera id; may be repeated.")] = None,
    source: Annotated[str | None, typer.Option(help="person or reread.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At the most this many, newest first.")] = 50,
    since: moments.OldFrom = None,
    until: moments.OldTo = None,
    as_json: AsJson = False,
) -> None:
    """Plates that were set right or confirmed, newest first."""
    filters = {
        **moments.span(begin or since, end or until),
        "camera_id": camera or None, "source": source,
    }  # fmt: skip
    with api(ctx) as client:
        found = list(client.pages("/api/corrections", limit, **filters))
    if as_json:
        print_json({"items": found})
    else:
        print_table(COLUMNS, (_row(item) for item in found), "Nothing was corrected.")


def _row(item: dict[str, Any]) -> tuple[Any, ...]:
    return (
        local_time(item["created_at"]), item["created_by"], item["model"] or item["source"], item["camera_id"],
        item["plate_before"], item["plate_after"], item["detection_id"], item["reason"],
    )  # fmt: skip
