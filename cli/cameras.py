"""`gtvision cameras ...`: the register of cameras, from the command line.

An RTSP address holds a password as a rule. As an argument every user of the machine sees it in the process list, so
the commands ask for it, or read it from standard input.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import cameras_csv, cameras_find, cameras_health
from cli.account import read_secret
from cli.camera_options import (
    CameraId,
    Confidence,
    Emptied,
    Fps,
    Gate,
    Group,
    Heading,
    IgnoreZone,
    Latitude,
    Location,
    Longitude,
    Model,
    Name,
    Notes,
    PlateHeight,
    Region,
    RetentionDays,
    Schedule,
    Tag,
    UrlArgument,
    Vendor,
    given,
    hours_of,
    rtsp_url,
)
from cli.output import AsJson, cell, local_time, print_fields, print_json, print_table, say
from cli.polygons import polygons
from cli.state import api
from functions.shared.contracts import Hours
from functions.shared.errors import InvalidInput
from functions.shared.hours import written

app = typer.Typer(no_args_is_help=True, help="The cameras: which there are, how they are read, and how they fare.")


@app.command()
def add(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name for people.")],
    url: UrlArgument = None,
    camera_id: Annotated[str | None, typer.Option("--id", help="Id; made from the name when left out.")] = None,
    group: Group = None,
    location: Location = None,
    latitude: Latitude = None,
    longitude: Longitude = None,
    heading: Heading = None,
    vendor: Vendor = None,
    model: Model = None,
    tag: Tag = None,
    schedule: Schedule = None,
    retention_days: RetentionDays = None,
    fps: Fps = None,
    motion_gate: Gate = None,
    min_plate_height: PlateHeight = None,
    min_confidence: Confidence = None,
    region: Region = None,
    ignore_zone: IgnoreZone = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Register it without pulling its stream.")] = False,
    notes: Notes = None,
    as_json: AsJson = False,
) -> None:
    """Register a camera. Its stream is pulled within seconds."""
    areas = {"regions": polygons("--region", region), "ignore_zones": polygons("--ignore-zone", ignore_zone)}
    body = given(
        id=camera_id, name=name, rtsp_url=rtsp_url(url), group_id=group, location=location, latitude=latitude,
        longitude=longitude, heading=heading, vendor=vendor, model=model, tags=tag, schedule=hours_of(schedule),
        retention_days=retention_days, sample_fps=fps, motion_gate=motion_gate, min_plate_height=min_plate_height,
        min_confidence=min_confidence, notes=notes, enabled=not disabled, **areas,
    )  # fmt: skip
    with api(ctx) as client:
        made = client.call("POST", "/api/cameras", json=body)
    if as_json:
        print_json(made)
    else:
        say(f"Added [bold]{cell(made['id'])}[/]. `gtvision cameras show {made['id']}` tells how it fares.")


@app.command("list")
def list_(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    state: Annotated[
        str | None, typer.Option(help="online, degraded, offline, provisioning, disabled or unknown.")
    ] = None,
    group: Group = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Has this tag; may be repeated: has all.")] = None,
    vendor: Annotated[str | None, typer.Option(help="Of this maker.")] = None,
    removed: Annotated[bool, typer.Option("--removed", help="Those that were taken out.")] = False,
    search: Annotated[
        str | None, typer.Option("--search", "-q", help="Part of name, id, place, maker, model or a tag.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At the most this many (default: all).")] = None,
    as_json: AsJson = False,
) -> None:
    """Cameras with their states."""
    with api(ctx) as client:
        asked = {"state": state, "group_id": group, "q": search, "tag": tag or None, "vendor": vendor}
        found = list(client.pages("/api/cameras", limit, **asked, deleted="true" if removed else None))
    if as_json:
        print_json({"items": found})
        return
    print_table(
        ("Id", "Name", "State", "Reading", "Last frame", "Why"), (_row(item) for item in found), "There is no camera."
    )


def _row(item: dict[str, Any]) -> tuple[Any, ...]:
    status = item.get("status") or {}
    last = local_time(status.get("last_frame_at"))
    reading = ", ".join(fault["code"] for fault in item.get("reading") or ())
    return item["id"], item["name"], status.get("state", "unknown"), reading, last, status.get("reason") or ""


@app.command()
def show(ctx: typer.Context, camera: CameraId, as_json: AsJson = False) -> None:
    """One camera: its settings and how it fares."""
    with api(ctx) as client:
        found = client.get(f"/api/cameras/{camera}")
    if as_json:
        print_json(found)
        return
    status = found.pop("status", None) or {}
    found["reading"] = ", ".join(f"{fault['code']} ({fault['mend']})" for fault in found.get("reading") or ()) or None
    if found.get("schedule"):
        found["schedule"] = written(Hours.model_validate(item) for item in found["schedule"])
    print_fields(found)
    print_fields({name: value for name, value in status.items() if name != "camera_id" and value not in (None, "")})


@app.command()
def update(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    camera: CameraId,
    name: Name = None,
    ask_url: Annotated[bool, typer.Option("--ask-url", help="Ask for a new RTSP address, without an echo.")] = False,
    url_stdin: Annotated[bool, typer.Option("--url-stdin", help="Read it from standard input.")] = False,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Pull its stream, or not.")] = None,
    group: Group = None,
    location: Location = None,
    latitude: Latitude = None,
    longitude: Longitude = None,
    heading: Heading = None,
    vendor: Vendor = None,
    model: Model = None,
    tag: Tag = None,
    schedule: Schedule = None,
    retention_days: RetentionDays = None,
    fps: Fps = None,
    motion_gate: Gate = None,
    min_plate_height: PlateHeight = None,
    min_confidence: Confidence = None,
    region: Region = None,
    ignore_zone: IgnoreZone = None,
    notes: Notes = None,
    clear: Annotated[
        list[Emptied] | None,
        typer.Option(metavar="FIELD", help=f"Empty this, may be repeated: {', '.join(Emptied)}."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change a camera; what is not named stays. Regions and ignore zones that are named replace those it had."""
    areas = {"regions": polygons("--region", region), "ignore_zones": polygons("--ignore-zone", ignore_zone)}
    address = read_secret("RTSP address", from_stdin=url_stdin) if ask_url or url_stdin else None
    body = given(
        name=name, rtsp_url=address, enabled=enabled, group_id=group, location=location, latitude=latitude,
        longitude=longitude, heading=heading, vendor=vendor, model=model, tags=tag, schedule=hours_of(schedule),
        retention_days=retention_days, sample_fps=fps, motion_gate=motion_gate, min_plate_height=min_plate_height,
        min_confidence=min_confidence, notes=notes, **areas,
    )  # fmt: skip
    for emptied in clear or ():
        if emptied.field in body:
            raise InvalidInput(f"--clear {emptied} and a new value contradict each other", field=emptied.field)
        body[emptied.field] = None
    if not body:
        raise InvalidInput("nothing is to be changed: name at least one option", field="options")
    with api(ctx) as client:
        changed = client.call("PATCH", f"/api/cameras/{camera}", json=body)
    if as_json:
        print_json(changed)
    else:
        say(f"Changed [bold]{cell(changed['id'])}[/]: {', '.join(sorted(body))}.")


@app.command()
def remove(
    ctx: typer.Context,
    camera: CameraId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take a camera out. Its detections stay; its id is not given again."""
    if not yes:
        typer.confirm(f"Take camera {camera} out?", abort=True)
    with api(ctx) as client:
        client.call("DELETE", f"/api/cameras/{camera}")
    say(f"Removed [bold]{cell(camera)}[/].")


@app.command()
def restore(
    ctx: typer.Context,
    camera: CameraId,
    url_stdin: Annotated[bool, typer.Option("--url-stdin", help="Read the address from standard input.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring back a camera that was removed, under its id and with its settings. Its address is asked for."""
    body = {"rtsp_url": read_secret("RTSP address", from_stdin=url_stdin)}
    with api(ctx) as client:
        back = client.call("POST", f"/api/cameras/{camera}/restore", json=body)
    if as_json:
        print_json(back)
    else:
        say(f"[bold]{cell(back['id'])}[/] is back.")


app.command("history")(cameras_find.history)
app.command("probe")(cameras_find.probe)
app.command("onvif")(cameras_find.onvif)
app.command("discover")(cameras_find.discover)
app.command("import")(cameras_csv.import_)
app.command("export")(cameras_csv.export)
app.command("health")(cameras_health.health)
app.command("accept-view")(cameras_health.accept_view)
