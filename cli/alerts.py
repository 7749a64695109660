"""`gtvision alerts ...`: what the hotlists were told of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.client import Client
from cli.hotlist_entries import found
from cli.moments import HELP, span
from cli.output import AsJson, AsLines, cell, local_time, note, print_fields, print_json, print_line, print_table, say
from cli.state import api
from functions.shared.errors import NotFound, Unavailable

app = typer.Typer(no_args_is_help=True, help="What the hotlists were told of, and who has seen to it.")
AlertId = Annotated[str, typer.Argument(metavar="ALERT", help="Id of the alert.")]
COLUMNS = ("Raised", "State", "Priority", "Plate", "List", "Camera", "Kind", "Id")
_RECONNECT_S = 2.0


class State(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    WITHDRAWN = "withdrawn"


class Outcome(StrEnum):
    CONFIRMED = "confirmed"
    FALSE_ALARM = "false_alarm"
    NO_ACTION = "no_action"
    OTHER = "other"


@app.command("list")
def list_(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    state: Annotated[list[State] | None, typer.Option(help="open, acknowledged, withdrawn; repeatable.")] = None,
    escalated: Annotated[bool | None, typer.Option("--escalated/--not-escalated", help="Whether they went on.")] = None,
    hotlist: Annotated[list[str] | None, typer.Option("--hotlist", help="Name or id of a list; repeatable.")] = None,
    old_hotlist: Annotated[
        list[str] | None, typer.Option("--list", hidden=True, help="The former name of --hotlist.")
    ] = None,
    camera: Annotated[list[str] | None, typer.Option("--camera", "-c", help="Camera id; repeatable.")] = None,
    group: Annotated[list[str] | None, typer.Option("--group", help="Group id; repeatable.")] = None,
    plate: Annotated[str | None, typer.Option(help="The plate that was read.")] = None,
    min_priority: Annotated[int | None, typer.Option(min=0, max=100, help="This priority or a higher one.")] = None,
    since: Annotated[str | None, typer.Option("--from", help=f"Raised at or after {HELP}.")] = None,
    until: Annotated[str | None, typer.Option("--to", help=f"Raised before {HELP}.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At the most this many, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Alerts, newest first."""
    filters: dict[str, Any] = {
        "state": [item.value for item in state] if state else None, "escalated": escalated, "camera_id": camera,
        "group_id": group, "plate": plate, "min_priority": min_priority, **span(since, until),
    }  # fmt: skip
    with api(ctx) as client:
        lists = [found(client, name)["id"] for name in (*(hotlist or ()), *(old_hotlist or ()))]
        filters["hotlist_id"] = lists or None
        items = list(client.pages("/api/alerts", limit, **filters))
    if as_json:
        print_json({"items": items})
    else:
        print_table(COLUMNS, (row(item) for item in items), "There is no such alert.")


def row(item: dict[str, Any]) -> tuple[Any, ...]:
    state = "escalated" if item["state"] == "open" and item["escalated_at"] else item["state"]
    return (
        local_time(item["raised_at"]), state, item["priority"], item["plate"], item["list_name"], item["camera_id"],
        item["kind"], item["id"],
    )  # fmt: skip


@app.command()
def show(ctx: typer.Context, alert_id: AlertId, as_json: AsJson = False) -> None:
    """One alert, whole, with the log of who was told of it."""
    with api(ctx) as client:
        shown = client.get(f"/api/alerts/{alert_id}")
    if as_json:
        print_json(shown)
    else:
        print_fields(shown)


@app.command()
def acknowledge(
    ctx: typer.Context,
    alert_id: AlertId,
    text: Annotated[str, typer.Option("--note", help="What was done.")] = "",
    outcome: Annotated[Outcome | None, typer.Option(help="How it ended.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say that an alert is seen to; it is escalated no more."""
    body = {"note": text, "outcome": outcome.value if outcome else None}
    with api(ctx) as client:
        shown = client.call("POST", f"/api/alerts/{alert_id}/acknowledge", json=body)
    if as_json:
        print_json(shown)
    else:
        say(f"Acknowledged [bold]{cell(shown['plate'])}[/] ({cell(shown['list_name'])}).")


@app.command()
def tail(
    ctx: typer.Context,
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="End after this many (0: never).")] = 0,
    as_json: AsLines = False,
) -> None:
    """Follow alerts as they are raised, acknowledged, escalated or withdrawn, until Ctrl-C."""
    for shown, (change, item) in enumerate(_followed(ctx), 1):
        if as_json:
            print_line({"change": change, **item})
        else:
            fields = (local_time(item["raised_at"]), change, item["plate"], item["list_name"], item["camera_id"])
            print("  ".join(f"{field:<16}" for field in fields).rstrip(), flush=True)
        if shown == count:
            return


def _followed(ctx: typer.Context) -> Iterator[tuple[str, dict[str, Any]]]:
    """The feed's alerts over reconnects, each with what it is now."""
    after: str | None = None
    with api(ctx) as client:
        while True:
            try:
                for identity, event, data in client.follow("/api/events", after):
                    after = identity or after
                    if event == "alert" and (item := _whole(client, data["id"])) is not None:
                        yield data["change"], item
            except Unavailable as error:
                if after is None:
                    raise
                note(f"[yellow]{error.message}; trying again[/]")
            time.sleep(_RECONNECT_S if after is None else 0.2)


def _whole(client: Client, alert_id: str) -> dict[str, Any] | None:
    """None for an alert at a camera that is none of ours."""
    try:
        found: dict[str, Any] = client.get(f"/api/alerts/{alert_id}")
    except NotFound:
        return None
    return found
