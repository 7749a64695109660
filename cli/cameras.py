"""`gtvision cameras ...`: the register of cameras, from the command line.

An RTSP address holds a password as a rule. As an argument every user of the machine sees it in the process list, so
the commands ask for it, or read it from standard input.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.account import read_secret
from cli.output import AsJson, cell, local_time, print_fields, print_json, print_table, say
from cli.polygons import HELP as CORNERS
from cli.polygons import polygons
from cli.state import api
from functions.shared.errors import InvalidInput, TooLarge
from functions.shared.exits import USAGE

app = typer.Typer(no_args_is_help=True, help="Cameras: add, list, show, update, remove, probe, import.")
MAX_CSV = 10 * 1024 * 1024

UrlArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[RTSP_URL]",
        help="rtsp://USER:PASSWORD@HOST/PATH. Left out, it is asked for without an echo; - reads it from standard "
        "input. As an argument it shows in the process list and in the shell's history: prefer the prompt.",
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="Name for people.")]
Group = Annotated[str | None, typer.Option("--group", help="Group id, see `gtvision groups list`.")]
Location = Annotated[str | None, typer.Option(help="Where it hangs, e.g. a street corner.")]
Latitude = Annotated[float | None, typer.Option(min=-90, max=90, help="Degrees.")]
Longitude = Annotated[float | None, typer.Option(min=-180, max=180, help="Degrees.")]
Fps = Annotated[float | None, typer.Option("--fps", help="Frames analysed a second at the most.")]
Gate = Annotated[
    bool | None, typer.Option("--motion-gate/--no-motion-gate", help="Drop frames in which nothing moves.")
]
PlateHeight = Annotated[
    int | None, typer.Option(min=8, max=200, help="Plates lower than this are not read, px of the published frame.")
]
Confidence = Annotated[
    float | None, typer.Option(min=0, max=1, help="A plate's reading below this is marked uncertain.")
]
Region = Annotated[list[str] | None, typer.Option("--region", help=f"Only what is inside counts. {CORNERS}")]
IgnoreZone = Annotated[
    list[str] | None, typer.Option("--ignore-zone", help=f"What is inside does not count. {CORNERS}")
]
Notes = Annotated[str | None, typer.Option(help="Anything else.")]
CameraId = Annotated[str, typer.Argument(metavar="CAMERA", help="Id of the camera.")]


class Emptied(StrEnum):
    """What may be empty, as the command line names it."""

    GROUP = "group"
    LOCATION = "location"
    LATITUDE = "latitude"
    LONGITUDE = "longitude"
    MIN_PLATE_HEIGHT = "min-plate-height"
    MIN_CONFIDENCE = "min-confidence"
    REGIONS = "regions"
    IGNORE_ZONES = "ignore-zones"
    NOTES = "notes"

    @property
    def field(self) -> str:
        return "group_id" if self is Emptied.GROUP else self.value.replace("-", "_")


def rtsp_url(given: str | None) -> str:
    """The address: an argument, a line of standard input (`-`), or typed without an echo."""
    if given is not None and given != "-":
        return given
    return read_secret("RTSP address", from_stdin=given == "-")


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@app.command()
def add(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name for people.")],
    url: UrlArgument = None,
    camera_id: Annotated[str | None, typer.Option("--id", help="Id; made from the name when left out.")] = None,
    group: Group = None,
    location: Location = None,
    latitude: Latitude = None,
    longitude: Longitude = None,
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
    body = _given(
        id=camera_id, name=name, rtsp_url=rtsp_url(url), group_id=group, location=location, latitude=latitude,
        longitude=longitude, sample_fps=fps, motion_gate=motion_gate, min_plate_height=min_plate_height,
        min_confidence=min_confidence, notes=notes, enabled=not disabled, **areas,
    )  # fmt: skip
    with api(ctx) as client:
        made = client.call("POST", "/api/cameras", json=body)
    if as_json:
        print_json(made)
    else:
        say(f"Added [bold]{cell(made['id'])}[/]. `gtvision cameras show {made['id']}` tells how it fares.")


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[
        str | None, typer.Option(help="online, degraded, offline, provisioning, disabled or unknown.")
    ] = None,
    group: Group = None,
    search: Annotated[str | None, typer.Option("--search", "-q", help="Part of name, id or place.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At the most this many (default: all).")] = None,
    as_json: AsJson = False,
) -> None:
    """Cameras with their states."""
    with api(ctx) as client:
        found = list(client.pages("/api/cameras", limit, state=state, group_id=group, q=search))
    if as_json:
        print_json({"items": found})
        return
    print_table(("Id", "Name", "State", "Last frame", "Why"), (_row(item) for item in found), "There is no camera.")


def _row(item: dict[str, Any]) -> tuple[Any, ...]:
    status = item.get("status") or {}
    last = local_time(status.get("last_frame_at"))
    return item["id"], item["name"], status.get("state", "unknown"), last, status.get("reason") or ""


@app.command()
def show(ctx: typer.Context, camera: CameraId, as_json: AsJson = False) -> None:
    """One camera: its settings and how it fares."""
    with api(ctx) as client:
        found = client.get(f"/api/cameras/{camera}")
    if as_json:
        print_json(found)
        return
    status = found.pop("status", None) or {}
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
    body = _given(
        name=name, rtsp_url=address, enabled=enabled, group_id=group, location=location, latitude=latitude,
        longitude=longitude, sample_fps=fps, motion_gate=motion_gate, min_plate_height=min_plate_height,
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
def probe(
    ctx: typer.Context,
    camera: Annotated[
        str | None, typer.Argument(metavar="[CAMERA]", help="Id of a registered camera; - or left out: an address.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at a stream for at most 5 s: codec, size, frame rate. Without a camera's id an address is asked for."""
    with api(ctx) as client:
        if camera is None or camera == "-" or "://" in camera:
            found = client.call("POST", "/api/cameras/probe", json={"rtsp_url": rtsp_url(camera)}, slow=True)
        else:
            found = client.call("POST", f"/api/cameras/{camera}/probe", slow=True)
    if as_json:
        print_json(found)
        return
    rate = f"{found['fps']:g} frames/s" if found.get("fps") else "frame rate not announced"
    say(f"[green]{found['codec']}[/], {found['width']}x{found['height']}, {rate} [dim]({found['seconds']:.1f} s)[/]")
    for warning in found.get("warnings", ()):
        say(f"[yellow]{cell(warning)}[/]")


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with a header: name, rtsp_url and more; - is standard input.")],
    keep_good: Annotated[bool, typer.Option("--keep-good", help="Add the good lines though others are bad.")] = False,
    create_groups: Annotated[
        bool, typer.Option("--create-groups", help="Make the groups that lines name and that are missing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add cameras from CSV: all lines or none, or with --keep-good those that are right. Ends with 2 on a bad line."""
    params = {"mode": "valid" if keep_good else "all", "dry_run": dry_run, "create_groups": create_groups}
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
        rows = ((item["line"], item["id"], item["name"]) for item in report["cameras"])
        print_table(("Line", "Id", "Name"), rows, "")
    if report["groups"]:
        say(f"Groups that {'would be' if report['dry_run'] else 'were'} made: {cell(', '.join(report['groups']))}.")
    if report["dry_run"]:
        say(f"{report['lines']} lines: {len(report['cameras'])} cameras would be added; nothing was changed.")
    else:
        say(f"{report['lines']} lines: {report['created']} cameras added.")
