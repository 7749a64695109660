"""`gtvision detections route | companions | stats | export | evidence`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import hotlist_entries, moments
from cli.finding import narrowing, tell_blind, tell_lists
from cli.output import AsJson, cell, local_time, note, print_json, print_table, say
from cli.state import api

Plate = Annotated[str, typer.Argument(metavar="PLATE", help="A whole plate, e.g. ABC1D23.")]
Reason = Annotated[str | None, typer.Option(help="Why you look: a case number or text, for the record.")]
Since = Annotated[str | None, typer.Option("--from", help=f"At or after this: {moments.HELP}.")]
Until = Annotated[str | None, typer.Option("--to", help="Before this.")]
Twins = Annotated[bool, typer.Option("--twins/--no-twins", help="Also the other numbering: ABC1234 is ABC1C34.")]
Cameras = Annotated[list[str] | None, typer.Option("--camera", "-c", help="Camera id; may be repeated.")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="Group id; may be repeated.")]
Hotlists = Annotated[
    list[str] | None, typer.Option("--hotlist", help="Plates on this list, by name or id; may be repeated.")
]
ROUTE = ("Time", "Camera", "Plate", "Since the last", "km", "km/h", "Latitude", "Longitude", "Id")
COMPANIONS = ("Plate", "Meetings", "Cameras", "Share", "First", "Last")


def route(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    plate: Plate,
    since: Since = None,
    until: Until = None,
    twins: Twins = True,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, help="At the most this many points, from the earliest.")] = 500,
    as_json: AsJson = False,
) -> None:
    """Where a plate was, in order of time, with the cameras' places and the least speed between them."""
    first: dict[str, Any] = {}
    with api(ctx) as client:
        asked = {"twins": twins, "reason": reason, **narrowing(since, until)}
        points = list(client.pages(f"/api/plates/{_part(plate)}/route", limit, first, **asked))
    if as_json:
        kept = {name: first.get(name) for name in ("plates", "blind", "blind_window")}
        print_json({**kept, "items": points})
        return
    print_table(ROUTE, (_point(point) for point in points), "The plate was not seen.")
    tell_blind(first)


def _point(point: dict[str, Any]) -> tuple[Any, ...]:
    return (
        local_time(point["started_at"]), point["camera_name"] or point["camera_id"], point["plate"],
        _duration(point["gap_s"]), point["distance_km"], point["speed_kmh"], _degrees(point["latitude"]),
        _degrees(point["longitude"]), point["detection_id"],
    )  # fmt: skip


def _degrees(value: float | None) -> str | None:
    return None if value is None else f"{value:.5f}"


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def companions(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    plate: Plate,
    since: Since = None,
    until: Until = None,
    minutes: Annotated[float, typer.Option(help="At the same camera within so many minutes.")] = 5,
    at_least: Annotated[int, typer.Option("--at-least", help="So many meetings.")] = 3,
    twins: Twins = True,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At the most this many plates.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Seen together: plates that passed the same cameras at about the same time, again and again."""
    asked = {"twins": twins, "reason": reason, "minutes": minutes, "at_least": at_least, "limit": limit}
    with api(ctx) as client:
        found = client.get(f"/api/plates/{_part(plate)}/companions", **asked, **narrowing(since, until))
    if as_json:
        print_json(found)
        return
    rows = (
        (each["plate"], each["meetings"], each["cameras"], each["share"], local_time(each["first_at"]),
         local_time(each["last_at"]))
        for each in found["items"]
    )  # fmt: skip
    print_table(COMPANIONS, rows, "No plate was near often enough.")
    more = ", the newest" if found["more_passages"] else ""
    say(f"{found['passages']} passages of {cell(' or '.join(found['plates']))} were looked at{more}.")
    tell_blind(found)


def stats(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    by: Annotated[str, typer.Option(help="none, camera, type or color.")] = "none",
    zone: Annotated[str | None, typer.Option("--time-zone", help="By itself the city's.")] = None,
    camera: Cameras = None,
    group: Groups = None,
    as_json: AsJson = False,
) -> None:
    """Vehicles an hour, by itself of the last day; by camera, type or colour."""
    asked = {"by": by, "time_zone": zone, "camera_id": camera, "group_id": group, **narrowing(since, until)}
    with api(ctx) as client:
        found = client.get("/api/detections/stats", **asked)
    if as_json:
        print_json(found)
        return
    keys = [(each["key"], each["name"] or each["key"] or "-") for each in found["keys"]][:8]
    rows = (
        (hour["local"], hour["count"], *(hour["counts"].get(key or "-", 0) for key, _ in keys))
        for hour in found["hours"]
    )
    print_table(("Hour", "Vehicles", *(name for _, name in keys)), rows, "There is no hour in this window.")
    busiest = ", ".join(f"{hour['local']} ({hour['count']})" for hour in found["busiest"])
    say(f"{found['total']} vehicles, {found['with_plate']} with a plate; {cell(found['time_zone'])}.")
    if busiest:
        say(f"Busiest hours: {busiest}")
    tell_blind(found)


def export(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV to write; - for standard output.", dir_okay=False)],
    plate: Annotated[str | None, typer.Option(help="Plate, or with --match its beginning or pattern.")] = None,
    match: Annotated[str | None, typer.Option(help="exact, prefix, wildcard or fuzzy.")] = None,
    since: Since = None,
    until: Until = None,
    camera: Cameras = None,
    group: Groups = None,
    hotlist: Hotlists = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, max=50_000, help="Rows at the most.")] = 50_000,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write detections to a CSV file, at the most 50,000 rows."""
    asked: dict[str, Any] = {
        "plate": plate, "match": match, "camera_id": camera, "group_id": group, "reason": reason, "limit": limit,
        **narrowing(since, until),
    }  # fmt: skip
    _require_free(file, force)
    with api(ctx) as client:
        asked["hotlist_id"] = [hotlist_entries.found(client, name)["id"] for name in hotlist or ()] or None
        data, headers = client.download("/api/detections/export.csv", **asked)
    if str(file) == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        _tell_export(headers, note)
        return
    file.write_bytes(data)
    more = "; there are more: narrow the question" if headers.get("x-gtv-more") == "true" else ""
    say(f"{headers.get('x-gtv-rows', '?')} rows in {cell(str(file))}{more}")
    _tell_export(headers, say)


def _tell_export(headers: Mapping[str, str], tell: Callable[[str], None]) -> None:
    """The file's hash, and what is missing in it; `tell` writes a line."""
    tell(f"SHA-256, as the audit log has it: {cell(headers.get('x-gtv-sha256', '?'))}")
    blind = headers.get("x-gtv-blind", "0")
    if blind != "0":
        least = "at least " if headers.get("x-gtv-blind-more") == "true" else ""
        tell(f"[yellow]Cameras did not see at {least}{cell(blind)} times; no row there means nothing."
             " The audit log has the times.[/]")  # fmt: skip
    tell_lists({"hotlists_whole": headers.get("x-gtv-hotlists-whole") != "false"})


def evidence(
    ctx: typer.Context,
    detection: Annotated[str, typer.Argument(metavar="DETECTION", help="Id of the detection.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="PDF to write; by itself named after the document.")
    ] = None,
    reason: Reason = None,
    lang: Annotated[str | None, typer.Option(help="pt-BR or en.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """One sighting as a PDF: pictures, readings, hashes and chain of custody."""
    if file is not None:
        _require_free(file, force)
    with api(ctx) as client:
        data, headers = client.download(f"/api/detections/{_part(detection)}/evidence.pdf", reason=reason, lang=lang)
    named = re.search(r'filename="([\w.-]+)"', headers.get("content-disposition", ""))
    target = file or Path(named[1] if named else f"{detection}.pdf")
    target.write_bytes(data)
    say(f"{cell(str(target))}")


def _require_free(file: Path, force: bool) -> None:
    from functions.shared.errors import InvalidInput

    if str(file) != "-" and file.exists() and not force:
        raise InvalidInput(f"{file} is there already; name another or give --force", field="file")


def _part(text: str) -> str:
    """A part of a path: what a person typed cannot lead to another route."""
    from urllib.parse import quote

    return quote(text, safe="")
