"""`gtvision retention policy | run | report | reconcile | holds`: for how long things are kept, and what went."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from cli import moments
from cli.output import AsJson, cell, local_time, note, print_fields, print_json, print_table, say
from cli.state import api
from functions.shared.errors import InvalidInput
from functions.shared.exits import UNAVAILABLE

app = typer.Typer(no_args_is_help=True, help="For how long things are kept, legal holds, and what was deleted.")
holds = typer.Typer(no_args_is_help=True, help="Legal holds: what must not be deleted.")
app.add_typer(holds, name="holds")
Reason = Annotated[str, typer.Option(help="Why: a case number or a sentence; it is kept in the audit log.")]
_PAUSE_S = 2.0


@app.command()
def policy(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    data_class: Annotated[str | None, typer.Argument(metavar="CLASS", help="A class of data to change.")] = None,
    days: Annotated[int | None, typer.Option(min=0, help="Days to keep it; 0 for ever.")] = None,
    group: Annotated[str | None, typer.Option(help="Only of the cameras of this group.")] = None,
    default: Annotated[bool, typer.Option("--default", help="Back to what holds without the rule.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the audit log.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is kept and for how long, or change the days of one class."""
    with api(ctx) as client:
        if data_class is None:
            items = client.get("/api/retention/policy")["items"]
        else:
            items = [_changed(client, data_class, days, group, reason, default)]
    if as_json:
        print_json({"items": items})
        return
    rows = (
        (item["name"], item["what"], item.get("kept") or _days(item["days"]),
         ", ".join(f"{each['group_id']}: {_days(each['days'])}" for each in item["groups"]), item["setting"],
         item["where"])
        for item in items
    )  # fmt: skip
    print_table(("Class", "What", "Kept", "Groups", "Setting", "Where"), rows, "There is no class.")


def _changed(client: Any, name: str, days: int | None, group: str | None, reason: str | None, default: bool) -> Any:
    path = f"/api/retention/policy/{name}"
    if default:
        return client.call("DELETE", path, params={"group_id": group} if group else {})
    if days is None or not reason:
        raise InvalidInput("name --days and --reason, or --default", field="days")
    return client.call("PUT", path, json={"days": days, "group_id": group, "reason": reason})


def _days(days: int) -> str:
    return f"{days} days" if days else "for ever"


@app.command()
def run(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what is due and delete nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what is due now, row and picture together, and say what went."""
    with api(ctx) as client:
        found = _followed(client, client.call("POST", "/api/retention/runs", slow=True, json={"dry_run": dry_run}))
    _show(found, as_json)


@app.command()
def reconcile(
    ctx: typer.Context,
    days: Annotated[int | None, typer.Option(min=1, help="Only the last so many days.")] = None,
    delete_orphans: Annotated[
        bool, typer.Option("--delete-orphans", help="Delete pictures that no row names.")
    ] = False,
    forget_missing: Annotated[
        bool, typer.Option("--forget-missing", help="Let rows name no picture any more that is not there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the store with the rows: pictures that no row names, rows whose picture is not there."""
    body = {"days": days, "delete_orphans": delete_orphans, "forget_missing": forget_missing}
    with api(ctx) as client:
        found = _followed(client, client.call("POST", "/api/retention/reconcile", slow=True, json=body))
    _show(found, as_json)


def _followed(client: Any, found: Any) -> Any:
    """The run when it is over; one that takes long is asked for now and then."""
    told = False
    while found["state"] == "running":
        if not told:
            note("Still running; Ctrl-C does not end it. `gtvision retention report` shows it later.")
            told = True
        time.sleep(_PAUSE_S)
        found = client.get(f"/api/retention/runs/{found['id']}")
    return found


@app.command()
def report(
    ctx: typer.Context,
    run_id: Annotated[str | None, typer.Argument(metavar="RUN", help="One run, whole.")] = None,
    kind: Annotated[str | None, typer.Option(help="run, reconcile or erase.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At the most this many, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """What runs, erasures and comparisons did, newest first; or one of them."""
    with api(ctx) as client:
        if run_id is not None:
            _show(client.get(f"/api/retention/runs/{run_id}"), as_json)
            return
        found = list(client.pages("/api/retention/runs", limit, kind=kind))
    if as_json:
        print_json({"items": found})
        return
    rows = (
        (local_time(item["started_at"]), item["kind"] + (" (dry)" if item["dry_run"] else ""), item["state"],
         item["started_by"], *_sums(item["report"]), item["id"])
        for item in found
    )  # fmt: skip
    print_table(("Started", "Kind", "State", "By", "Rows", "Pictures", "Held", "Id"), rows, "Nothing ran yet.")


def _sums(report: dict[str, Any]) -> tuple[int, int, int]:
    classes = report.get("classes", {}).values()
    sums = [sum(each.get(name) or 0 for each in classes) for name in ("rows", "images", "held")]
    return sums[0], sums[1], sums[2]


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        _print_run(found)
    if found["state"] == "failed":
        raise typer.Exit(UNAVAILABLE)


def _print_run(found: dict[str, Any]) -> None:
    report = found["report"]
    what = "would go" if found["dry_run"] else "gone"
    classes = report.get("classes", {})
    rows = (
        (name, _days(each["days"]) if "days" in each else "", each.get("rows"), each.get("images"), _size(each),
         each.get("held"))
        for name, each in classes.items()
    )  # fmt: skip
    if classes:
        print_table(("Class", "Kept", f"Rows {what}", "Pictures", "Size", "Held"), rows, "")
    for name in ("files", "orphans", "missing", "mended"):
        if name in report:
            say(f"{name}: {report[name]}")
    for name in ("orphan_examples", "missing_examples"):
        for key in report.get(name, [])[:5]:
            say(f"  {name.partition('_')[0]}: {cell(key)}")
    if "held_from" in classes.get("audit", {}):
        say(f"A legal hold names row {classes['audit']['held_from']} of the audit log: it stays, and all behind it.")
    if "errors" in report:
        say(f"[red]{report['errors']['count']} pictures could not be deleted[/]; the next run tries again.")
    ended = f"{found['kind']} {found['id']}: {cell(found['state'])}"
    say(ended + (f" - {cell(found['message'])}" if found["message"] else ""))


def _size(each: dict[str, Any]) -> str:
    return f"{(each.get('bytes') or 0) / 1_000_000:.1f} MB"


@holds.command("add")
def add_hold(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    case: Annotated[str, typer.Option("--case", help="Number of the case.")],
    reason: Reason,
    plate: Annotated[str | None, typer.Option(help="A plate; its twin is held too.")] = None,
    camera: Annotated[str | None, typer.Option("--camera", "-c", help="Camera id.")] = None,
    detection: Annotated[str | None, typer.Option(help="Id of one detection.")] = None,
    since: Annotated[str | None, typer.Option("--from", help=f"Seen at or after: {moments.HELP}.")] = None,
    before: Annotated[str | None, typer.Option("--to", help="Seen before.")] = None,
    until: Annotated[str | None, typer.Option(help="When the hold ends by itself.")] = None,
    as_json: AsJson = False,
) -> None:
    """Keep passages and their pictures, whatever their age; criteria that are given all have to be met."""
    given = {
        "case_number": case, "reason": reason, "plate": plate, "camera_id": camera, "detection_id": detection,
        "seen_from": moments.moment_or_none(since, "from"), "seen_to": moments.moment_or_none(before, "to"),
        "until": moments.moment_or_none(until, "until"),
    }  # fmt: skip
    body = {name: value for name, value in given.items() if value is not None}
    with api(ctx) as client:
        made = client.call("POST", "/api/retention/holds", json=body)
    if as_json:
        print_json(made)
    else:
        say(f"Held for case {cell(case)}: [bold]{made['id']}[/].")


@holds.command("list")
def list_holds(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also those that were released or are over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Legal holds, newest first."""
    with api(ctx) as client:
        found = list(client.pages("/api/retention/holds", None, all="true" if every else None))
    if as_json:
        print_json({"items": found})
        return
    rows = (
        (item["case_number"], _what(item), item["created_by"], local_time(item["created_at"]),
         local_time(item["until"]) if item["until"] else "-", "in force" if item["in_force"] else "over", item["id"])
        for item in found
    )  # fmt: skip
    print_table(("Case", "What is held", "By", "Since", "Until", "State", "Id"), rows, "There is no hold.")


def _what(item: dict[str, Any]) -> str:
    plate = "/".join(text for text in (item["plate"], item["twin"]) if text)
    parts = (plate, item["camera_id"], item["detection_id"],
             item["seen_from"] and f"from {local_time(item['seen_from'])}",
             item["seen_to"] and f"to {local_time(item['seen_to'])}")  # fmt: skip
    return ", ".join(part for part in parts if part)


@holds.command("release")
def release_hold(
    ctx: typer.Context,
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="Id of the hold.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """End a hold. What is due then goes with the next run."""
    with api(ctx) as client:
        found = client.call("POST", f"/api/retention/holds/{hold}/release", json={"reason": reason})
    if as_json:
        print_json(found)
    else:
        print_fields(found)
