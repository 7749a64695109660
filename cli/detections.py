"""`gtvision detections list | show | tail`, and what belongs to them in modules of its own."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from cli import corrections, hotlist_entries, moments, movements
from cli.finding import narrowing, tell_blind, tell_lists
from cli.labels import export_labels
from cli.output import AsJson, AsLines, local_time, note, print_fields, print_json, print_line, print_table
from cli.reread.command import reread
from cli.state import api
from functions.shared.errors import Unavailable

app = typer.Typer(no_args_is_help=True, help="What the cameras have seen: passages of vehicles and their plates.")
_RECONNECT_S = 2.0
COLUMNS = ("Started", "Camera", "Plate", "Score", "Conf.", "Mark", "Format", "Vehicle", "Id")


@app.command("list")
def list_(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    plate: Annotated[str | None, typer.Option(help="Plate, or with --match its beginning or pattern.")] = None,
    match: Annotated[
        str | None, typer.Option(help="exact, prefix, wildcard (* and ?), or fuzzy: also what is easily misread.")
    ] = None,
    twins: Annotated[bool, typer.Option("--twins", help="Also the other numbering: ABC1234 is ABC1C34.")] = False,
    camera: Annotated[list[str] | None, typer.Option("--camera", "-c", help="Camera id; may be repeated.")] = None,
    since: Annotated[str | None, typer.Option("--from", help=f"Seen at or after this: {moments.HELP}.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Seen before this.")] = None,
    group: Annotated[list[str] | None, typer.Option("--group", help="Group id; may be repeated.")] = None,
    hotlist: movements.Hotlists = None,
    type_: Annotated[list[str] | None, typer.Option("--type", help="car, motorcycle, bus, truck; repeatable.")] = None,
    color: Annotated[list[str] | None, typer.Option(help="Colour of the vehicle; repeatable.")] = None,
    direction: Annotated[list[str] | None, typer.Option(help="towards, away, left, right; repeatable.")] = None,
    format_: Annotated[
        list[str] | None, typer.Option("--format", help="Plate format, any: of none; repeatable.")
    ] = None,
    uncertain: Annotated[bool | None, typer.Option("--uncertain/--certain", help="By the mark of the plate.")] = None,
    corrected: Annotated[
        bool | None, typer.Option("--corrected/--uncorrected", help="Whether a person vouched for the plate.")
    ] = None,
    sure: Annotated[
        float | None, typer.Option("--min-confidence", min=0, max=1, help="Plates read at least this surely.")
    ] = None,
    reason: movements.Reason = None,
    limit: Annotated[int, typer.Option(min=1, help="At the most this many, newest first.")] = 50,
    every: Annotated[bool, typer.Option("--all", help="All of them; --limit is not looked at.")] = False,
    as_json: AsJson = False,
) -> None:
    """Detections, newest first; the most alike first with --match fuzzy. Says when the asked cameras did not see."""
    filters: dict[str, Any] = {
        "plate": plate, "match": match, "twins": twins or None, "camera_id": camera or None, "group_id": group,
        "type": type_, "color": color, "direction": direction, "plate_format": format_, "uncertain": uncertain,
        "corrected": corrected, "min_confidence": sure, "reason": reason, **narrowing(since, until),
    }  # fmt: skip
    first: dict[str, Any] = {}
    with api(ctx) as client:
        filters["hotlist_id"] = [hotlist_entries.found(client, name)["id"] for name in hotlist or ()] or None
        found = list(client.pages("/api/detections", None if every else limit, first, **filters))
    if as_json:
        told = ("blind", "blind_window", "hotlists_whole")
        blind = {name: first[name] for name in told if first.get(name) is not None}
        print_json({"items": found, **blind})
    else:
        print_table(COLUMNS, (row(item) for item in found), "Nothing was found.")
        tell_blind(first)
        tell_lists(first)


def row(item: dict[str, Any]) -> tuple[Any, ...]:
    return (
        local_time(item.get("started_at")), item.get("camera_id"), item.get("plate"), item.get("score"),
        item.get("plate_confidence"), _mark(item), item.get("plate_format"), item.get("type"), item.get("id"),
    )  # fmt: skip


def _mark(item: dict[str, Any]) -> str:
    return "corrected" if item.get("corrected") else "uncertain" if item.get("uncertain") else ""


@app.command()
def show(ctx: typer.Context, detection_id: corrections.DetectionId, as_json: AsJson = False) -> None:
    """One detection, whole."""
    with api(ctx) as client:
        found = client.get(f"/api/detections/{detection_id}")
    if as_json:
        print_json(found)
    else:
        print_fields(found)


@app.command()
def tail(
    ctx: typer.Context,
    camera: Annotated[list[str] | None, typer.Option("--camera", "-c", help="Only this camera; repeatable.")] = None,
    previews: Annotated[bool, typer.Option(help="Also passages that are not over yet.")] = True,
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="End after this many (0: never).")] = 0,
    as_json: AsLines = False,
) -> None:
    """Follow detections as they come, until Ctrl-C; with --json one object a line."""
    shown = 0
    for item in _followed(ctx):
        if (camera and item["camera_id"] not in camera) or not (previews or item["final"]):
            continue
        if item.get("replaced_by") and not as_json:
            # It was part of another passage, which is told of itself.
            continue
        if as_json:
            print_line(item)
        else:
            state = "" if item["final"] else "  (in sight)"
            fields = (local_time(item["started_at"]), item["camera_id"], item["plate"] or "-", item["type"] or "-")
            print("  ".join(f"{field:<16}" for field in fields).rstrip() + state, flush=True)
        shown += 1
        if shown == count:
            return


def _followed(ctx: typer.Context) -> Any:
    """The feed's detections over reconnects, each once by its event id."""
    after: str | None = None
    with api(ctx) as client:
        while True:
            try:
                for identity, event, data in client.follow("/api/events", after):
                    after = identity or after
                    if event == "detection":
                        yield data
            except Unavailable as error:
                if after is None:
                    raise
                note(f"[yellow]{error.message}; trying again[/]")
            time.sleep(_RECONNECT_S if after is None else 0.2)


app.command("route")(movements.route)
app.command("companions")(movements.companions)
app.command("stats")(movements.stats)
app.command("export")(movements.export)
app.command("evidence")(movements.evidence)
app.command("correct")(corrections.correct)
app.command("confirm")(corrections.confirm)
app.command("corrections")(corrections.corrections)
app.command("export-labels")(export_labels)
app.command("reread")(reread)
