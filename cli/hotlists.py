"""`gtvision hotlists ...`: lists of plates that somebody is to be told of."""

from __future__ import annotations

import json
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import hotlist_entries
from cli.account import read_secret
from cli.hotlist_entries import ListName, Match, ValidUntil, found, given
from cli.moments import TIME, time_or_none
from cli.output import AsJson, cell, local_time, print_fields, print_json, print_table, say
from cli.state import api
from functions.shared.errors import InvalidInput

app = typer.Typer(
    no_args_is_help=True, help="Plates that people want to be told of, and what a list would have caught."
)
app.add_typer(hotlist_entries.entries, name="entries")
app.command("import")(hotlist_entries.import_)
app.command("export")(hotlist_entries.export)


class Kind(StrEnum):
    WATCH = "watch"
    ALLOW = "allow"


class Emptied(StrEnum):
    """What may be empty, as the command line names it."""

    GROUPS = "groups"
    VALID_FROM = "valid-from"
    VALID_UNTIL = "valid-until"
    HOURS = "hours"
    DIRECTIONS = "directions"
    ESCALATE_AFTER = "escalate-after"
    EMAILS = "emails"
    ESCALATION_EMAILS = "escalation-emails"
    HOOK = "hook"

    @property
    def field(self) -> tuple[str, Any]:
        """The field of the API, and what it is when it is empty."""
        names = {"groups": "group_ids", "escalate-after": "escalate_after_min"}
        listed = {"hours", "directions", "emails", "escalation-emails"}
        return names.get(self.value, self.value.replace("-", "_")), [] if self.value in listed else None


Owner = Annotated[str | None, typer.Option(help="Who answers for it.")]
Reason = Annotated[str | None, typer.Option(help="Why: a case number or text; shown with each alert.")]
Priority = Annotated[str | None, typer.Option(help="0 to 100, or info, low, normal, high, critical.")]
Group = Annotated[list[str] | None, typer.Option("--group", help="Group of cameras where it counts; repeatable.")]
Direction = Annotated[list[str] | None, typer.Option(help="towards, away, left, right; repeatable.")]
Hours = Annotated[
    list[str] | None, typer.Option(help="When it counts, e.g. mon,tue=22:00-06:00, in GTV_TIME_ZONE; repeatable.")
]
ValidFrom = Annotated[str | None, typer.Option(help=f"Counts from {TIME} on.")]
Twins = Annotated[bool | None, typer.Option("--twins/--no-twins", help="ABC1234 also means ABC1C34.")]
Tolerance = Annotated[
    list[str] | None, typer.Option("--tolerance", help="Of fuzzy entries by plate length, e.g. 7=0.6; repeatable.")
]
Escalate = Annotated[int | None, typer.Option("--escalate-after", help="Minutes until an alert goes on.")]
Email = Annotated[list[str] | None, typer.Option("--email", help="Told of each alert; repeatable.")]
EscalationEmail = Annotated[list[str] | None, typer.Option("--escalation-email", help="Told when it goes on.")]
HookFlag = Annotated[
    bool, typer.Option("--hook", help="Ask for the address of a pager's hook, without an echo; it holds a key mostly.")
]
HookBody = Annotated[Path | None, typer.Option("--hook-body", help="File with the hook's JSON body.")]
Enabled = Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it counts at all.")]


def _priority(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdecimal() else text


def hours_of(texts: list[str] | None) -> list[dict[str, Any]] | None:
    """`mon,tue=22:00-06:00` as the API takes it. Raises InvalidInput."""
    if texts is None:
        return None
    made = []
    for text in texts:
        parts = re.fullmatch(r"([a-z,]+)=(\d\d:\d\d)-(\d\d:\d\d)", text.lower())
        if parts is None:
            raise InvalidInput("--hours: must read mon,tue=22:00-06:00", field="hours")
        made.append({"days": parts[1].split(","), "start": parts[2], "end": parts[3]})
    return made


def tolerances_of(texts: list[str] | None) -> dict[str, float] | None:
    """`7=0.6` as the API takes it. Raises InvalidInput."""
    if texts is None:
        return None
    made = {}
    for text in texts:
        parts = re.fullmatch(r"(\d{1,2})=(\d(?:\.\d+)?)", text)
        if parts is None:
            raise InvalidInput("--tolerance: must read LENGTH=DISTANCE, e.g. 7=0.6", field="tolerances")
        made[parts[1]] = float(parts[2])
    return made


def _hook(asked: bool, body: Path | None) -> dict[str, Any] | None:
    if not asked:
        if body is not None:
            raise InvalidInput("--hook-body: goes with --hook", field="hook")
        return None
    hook: dict[str, Any] = {"url": read_secret("Address of the hook", from_stdin=not sys.stdin.isatty())}
    if body is not None:
        try:
            hook["body"] = json.loads(body.read_text())
        except ValueError:
            raise InvalidInput(f"--hook-body: {body} is no JSON", field="hook") from None
    return hook


@app.command()
def add(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name for people.")],
    kind: Annotated[Kind, typer.Option(help="watch: tell of what is on it; allow: of what is not.")] = Kind.WATCH,
    owner: Owner = None,
    reason: Reason = None,
    priority: Priority = None,
    group: Group = None,
    direction: Direction = None,
    hours: Hours = None,
    valid_from: ValidFrom = None,
    valid_until: ValidUntil = None,
    twins: Twins = None,
    tolerance: Tolerance = None,
    escalate_after: Escalate = None,
    email: Email = None,
    escalation_email: EscalationEmail = None,
    hook: HookFlag = False,
    hook_body: HookBody = None,
    enabled: Enabled = None,
    as_json: AsJson = False,
) -> None:
    """Make a list; without --group it counts at every camera."""
    body = given(
        name=name, kind=kind.value, owner=owner, reason=reason, priority=_priority(priority), group_ids=group or None,
        directions=direction or None, hours=hours_of(hours or None),
        valid_from=time_or_none(valid_from, "valid_from"), valid_until=time_or_none(valid_until, "valid_until"),
        twins=twins, tolerances=tolerances_of(tolerance or None), escalate_after_min=escalate_after,
        emails=email or None, escalation_emails=escalation_email or None, hook=_hook(hook, hook_body), enabled=enabled,
    )  # fmt: skip
    with api(ctx) as client:
        made = client.call("POST", "/api/hotlists", json=body)
    if as_json:
        print_json(made)
    else:
        say(f"Made the list [bold]{cell(made['name'])}[/] ({made['id']}). Add plates: gtvision hotlists entries add")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Lists, and how many entries each has."""
    with api(ctx) as client:
        items = list(client.pages("/api/hotlists", None))
    if as_json:
        print_json({"items": items})
        return
    columns = ("Name", "Kind", "Priority", "On", "Entries", "Groups", "Owner", "Id")
    rows = (
        (item["name"], item["kind"], item["priority"], item["enabled"], item["entries"],
         "all" if item["group_ids"] is None else ", ".join(item["group_ids"]), item["owner"] or None, item["id"])
        for item in items
    )  # fmt: skip
    print_table(columns, rows, "There is no list yet: gtvision hotlists add NAME")


@app.command()
def show(ctx: typer.Context, hotlist: ListName, as_json: AsJson = False) -> None:
    """One list, without its entries."""
    with api(ctx) as client:
        shown = found(client, hotlist)
    if as_json:
        print_json(shown)
    else:
        print_fields(shown)


@app.command()
def update(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    hotlist: ListName,
    name: Annotated[str | None, typer.Option("--name", help="Name for people.")] = None,
    owner: Owner = None,
    reason: Reason = None,
    priority: Priority = None,
    group: Group = None,
    direction: Direction = None,
    hours: Hours = None,
    valid_from: ValidFrom = None,
    valid_until: ValidUntil = None,
    twins: Twins = None,
    tolerance: Tolerance = None,
    escalate_after: Escalate = None,
    email: Email = None,
    escalation_email: EscalationEmail = None,
    hook: HookFlag = False,
    hook_body: HookBody = None,
    enabled: Enabled = None,
    clear: Annotated[list[Emptied] | None, typer.Option(help="Make it empty; --clear groups: every camera.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change what is named; the rest stays. `cloned` is the list of plates at two places at once."""
    body = given(
        name=name, owner=owner, reason=reason, priority=_priority(priority), group_ids=group or None,
        directions=direction or None, hours=hours_of(hours or None),
        valid_from=time_or_none(valid_from, "valid_from"), valid_until=time_or_none(valid_until, "valid_until"),
        twins=twins, tolerances=tolerances_of(tolerance or None), escalate_after_min=escalate_after,
        emails=email or None, escalation_emails=escalation_email or None, hook=_hook(hook, hook_body), enabled=enabled,
    )  # fmt: skip
    body |= dict(item.field for item in clear or ())
    if not body:
        raise InvalidInput("nothing is to be changed: name at least one option", field="options")
    with api(ctx) as client:
        seen = found(client, hotlist)
        headers = {"If-Match": f'"{seen["revision"]}"'}
        changed = client.call("PATCH", f"/api/hotlists/{seen['id']}", json=body, headers=headers)
    if as_json:
        print_json(changed)
    else:
        say(f"Changed [bold]{cell(changed['name'])}[/]: {', '.join(sorted(body))}.")


@app.command()
def remove(
    ctx: typer.Context,
    hotlist: ListName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take a list out with its entries; its alerts stay."""
    with api(ctx) as client:
        seen = found(client, hotlist)
        if not yes:
            typer.confirm(f"Take the list {seen['name']} with {seen['entries']} entries out?", abort=True)
        client.call("DELETE", f"/api/hotlists/{seen['id']}", headers={"If-Match": f'"{seen["revision"]}"'})
    say(f"Removed [bold]{cell(seen['name'])}[/].")


@app.command()
def preview(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    hotlist: Annotated[str | None, typer.Argument(metavar="LIST", help="Name or id; left out: --plate.")] = None,
    plate: Annotated[list[str] | None, typer.Option("--plate", help="Plate or pattern instead of a list.")] = None,
    match: Annotated[Match | None, typer.Option(help="Of --plate.")] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="Of --plate: group of cameras to look at; repeatable.")
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(help="Of --plate: why they are looked for, a case number or text; kept in the audit log."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=30, help="How far to look back.")] = 30,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Passages to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """What a list would have caught in the past days."""
    if (hotlist is None) == (not plate):
        raise InvalidInput("name a list, or plates with --plate", field="plate")
    if hotlist is not None:
        for name, value in (("match", match), ("group", group), ("reason", reason)):
            if value:
                raise InvalidInput(f"--{name}: goes with --plate; a list has its own", field=name)
    with api(ctx) as client:
        if hotlist is not None:
            path = f"/api/hotlists/{found(client, hotlist)['id']}/preview"
            answer = client.call("POST", path, params={"days": days, "limit": limit}, slow=True)
        else:
            patterns = [given(pattern=text, match=match.value if match else None) for text in plate or ()]
            body = given(entries=patterns, group_ids=group or None, reason=reason, days=days, limit=limit)
            answer = client.call("POST", "/api/hotlists/preview", json=body, slow=True)
    if as_json:
        print_json(answer)
        return
    more = "" if answer["complete"] else " or more; not all could be looked at in time"
    say(f"{answer['count']} passages since {local_time(answer['since'])}{more}.")
    rows = (
        (
            local_time(item["seen_at"]),
            item["camera_id"],
            item["plate"],
            item["pattern"],
            item["match"],
            item["distance"],
        )
        for item in answer["items"]
    )
    print_table(("Seen", "Camera", "Plate", "Entry", "Match", "Distance"), rows, "It would have caught nothing.")
