"""`gtvision webhooks ...`: where events are handed on to, what became of each, and a check for their receivers."""

from __future__ import annotations

import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client
from cli.moments import HELP, moment
from cli.output import AsJson, cell, local_time, note, print_fields, print_json, print_table, say
from cli.state import api
from functions.shared import signatures
from functions.shared.errors import InvalidInput, NotFound, Rejected
from functions.shared.exits import CHECK_FAILED

app = typer.Typer(no_args_is_help=True, help="Events handed on to other systems, and what became of each.")
WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Name or id of the webhook.")]
Types = Annotated[list[str] | None, typer.Option("--type", help="A type of event; may be repeated. See `types`.")]
Cameras = Annotated[list[str] | None, typer.Option("--camera", help="A camera whose events are sent; may be repeated.")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="A group whose events are sent; may be repeated.")]
Previews = Annotated[
    bool | None, typer.Option("--previews/--no-previews", help="Also what is said before a passage has ended.")
]
Thin = Annotated[bool | None, typer.Option("--thin/--full", help="Ids and a link, or the whole data.")]
SecretFile = Annotated[
    Path | None, typer.Option("--secret-file", help="File with a secret of your own, whsec_...", dir_okay=False)
]
_ID = re.compile("[0-9a-f]{32}")


def _path(client: Client, webhook: str, rest: str = "") -> str:
    """The route of a webhook by its id or its name. Raises NotFound, InvalidInput (a name that several have)."""
    if not _ID.fullmatch(webhook):
        wanted = webhook.casefold()
        found = [item["id"] for item in client.pages("/api/webhooks", None) if item["name"].casefold() == wanted]
        if not found:
            raise NotFound(f"there is no webhook {webhook}")
        if len(found) > 1:
            raise InvalidInput(f"{len(found)} webhooks are named {webhook}: take an id of `list`", field="webhook")
        webhook = found[0]
    return f"/api/webhooks/{webhook}{rest}"


@app.command()
def add(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name for people.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="Address that events are POSTed to; https.")],
    types: Types = None,
    cameras: Cameras = None,
    groups: Groups = None,
    previews: Previews = None,
    thin: Thin = None,
    secret_file: SecretFile = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Add a webhook. Its secret is shown this once. Where no --type, --camera or --group is named, all are meant."""
    body = _settings(name, url, types, cameras, groups) | _how(previews, thin)
    if secret_file is not None:
        body["secret"] = secret_file.read_text().strip()
    with api(ctx) as client:
        made = client.call("POST", "/api/webhooks", json=body)
    if as_json:
        print_json(made)
        return
    say(f"Added [bold]{cell(made['id'])}[/]. Keep its secret; it is not shown again:")
    print(made["secret"])
    note(f"`gtvision webhooks test {made['id']}` sends a first event.")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Webhooks, newest first: yours, or everybody's for an admin."""
    with api(ctx) as client:
        found = list(client.pages("/api/webhooks", None))
    if as_json:
        print_json({"items": found})
        return
    rows = ((item["id"], item["name"], item["owner"], item["state"], item["waiting"], item["dead"],
             local_time(item["last_success_at"]), item["last_outcome"]) for item in found)  # fmt: skip
    columns = ("Id", "Name", "Owner", "State", "Waiting", "Dead", "Last success", "Last answer")
    print_table(columns, rows, "There is no webhook.")


@app.command()
def show(ctx: typer.Context, webhook: WebhookId, as_json: AsJson = False) -> None:
    """One webhook: its settings and how it fares."""
    with api(ctx) as client:
        found = client.get(_path(client, webhook))
    if as_json:
        print_json(found)
    else:
        print_fields(found)


@app.command()
def update(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    webhook: WebhookId,
    name: Annotated[str | None, typer.Option("--name", help="Name for people.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Address that events are POSTed to; https.")] = None,
    types: Types = None,
    cameras: Cameras = None,
    groups: Groups = None,
    previews: Previews = None,
    thin: Thin = None,
    clear: Annotated[
        list[str] | None, typer.Option("--clear", help="A filter to take away: type, camera or group.")
    ] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Send to it (again), or no more.")
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Change a webhook. Filters that are named replace those it had; --clear takes one away, so that all are sent."""
    body = _settings(name, url, types, cameras, groups) | _how(previews, thin)
    filters = {"type": "event_types", "camera": "camera_ids", "group": "group_ids"}
    for word in clear or ():
        if word not in filters:
            raise InvalidInput("--clear takes type, camera or group", field="clear")
        body[filters[word]] = []
    if enabled is not None:
        body["enabled"] = enabled
    if not body:
        raise InvalidInput("nothing is to be changed: name at least one option", field="options")
    with api(ctx) as client:
        changed = client.call("PATCH", _path(client, webhook), json=body)
    if as_json:
        print_json(changed)
    else:
        say(f"Changed [bold]{cell(changed['name'])}[/]: {', '.join(sorted(body))}. It is {cell(changed['state'])}.")


def _settings(
    name: str | None, url: str | None, types: list[str] | None, cameras: list[str] | None, groups: list[str] | None
) -> dict[str, Any]:
    given = {"name": name, "url": url, "event_types": types, "camera_ids": cameras, "group_ids": groups}
    return {key: value for key, value in given.items() if value is not None and value != []}


def _how(previews: bool | None, thin: bool | None) -> dict[str, Any]:
    given = {"previews": previews, "payload": None if thin is None else "thin" if thin else "full"}
    return {key: value for key, value in given.items() if value is not None}


@app.command()
def remove(
    ctx: typer.Context,
    webhook: WebhookId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take a webhook out, with its deliveries."""
    if not yes:
        typer.confirm(f"Take webhook {webhook} out, with its deliveries?", abort=True)
    with api(ctx) as client:
        client.call("DELETE", _path(client, webhook))
    say(f"Removed [bold]{cell(webhook)}[/].")


@app.command("test")
def try_(ctx: typer.Context, webhook: WebhookId, as_json: AsJson = False) -> None:
    """Send a test event now. Ends with 9 where it did not arrive."""
    with api(ctx) as client:
        done = client.call("POST", _path(client, webhook, "/test"), slow=True)
    last = done["last"] or {}
    if as_json:
        print_json(done)
    elif done["state"] == "delivered":
        say(f"[green]Arrived[/]: status {last['status']} after {last['duration_ms']} ms.")
    else:
        say(f"[red]Did not arrive[/]: {cell(_outcome(last))} after {last.get('duration_ms', 0)} ms.")
    if done["state"] != "delivered":
        raise typer.Exit(CHECK_FAILED)


@app.command("rotate-secret")
def rotate_secret(
    ctx: typer.Context,
    webhook: WebhookId,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The old secret signs no more: for one that has leaked.")
    ] = False,
    secret_file: SecretFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a new secret, shown this once; the old one signs beside it for 24 hours."""
    body: dict[str, Any] = {"at_once": at_once}
    if secret_file is not None:
        body["secret"] = secret_file.read_text().strip()
    with api(ctx) as client:
        done = client.call("POST", _path(client, webhook, "/rotate-secret"), json=body)
    if as_json:
        print_json(done)
        return
    until = done["previous_secret_until"]
    say("The old secret signs no more." if until is None else f"The old secret signs until {local_time(until)}.")
    print(done["secret"])


@app.command()
def types(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Types of events that a webhook can ask for."""
    with api(ctx) as client:
        found = client.get("/api/webhooks/event-types")
    if as_json:
        print_json(found)
    else:
        print_table(("Type", "What it tells"), ((one["type"], one["description"]) for one in found["items"]), "None.")


@app.command()
def deliveries(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    webhook: WebhookId,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="pending, delivered, dead or skipped; may be repeated.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help=f"Queued at or after {HELP}.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Queued before such a time.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at the most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """What was sent, or is to be, newest first."""
    span = {"from": moment(start, "from") if start else None, "to": moment(end, "to") if end else None}
    with api(ctx) as client:
        found = list(client.pages(_path(client, webhook, "/deliveries"), limit, state=state or None, **span))
    if as_json:
        print_json({"items": found})
        return
    rows = ((item["id"], local_time(item["occurred_at"]), item["type"], item["camera_id"], item["state"],
             item["tries"], _outcome(item["last"] or {}), local_time(item["next_at"])) for item in found)  # fmt: skip
    columns = ("Id", "Happened", "Type", "Camera", "State", "Tries", "Last", "Next try")
    print_table(columns, rows, "There is no delivery.")


def _outcome(last: dict[str, Any]) -> str:
    return str(last.get("status") or last.get("reason") or last.get("failure") or "-")


def _plain(answer: str) -> str:
    """The beginning of what a stranger's server said, without what would steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in answer[:80])


@app.command()
def delivery(
    ctx: typer.Context,
    webhook: WebhookId,
    which: Annotated[str, typer.Argument(metavar="DELIVERY", help="Id of the delivery.")],
    as_json: AsJson = False,
) -> None:
    """One delivery with each attempt, and what would be sent now."""
    with api(ctx) as client:
        found = client.get(_path(client, webhook, f"/deliveries/{which}"))
    if as_json:
        print_json(found)
        return
    attempts = found.pop("attempts")
    print_fields({name: value for name, value in found.items() if name != "last"})
    rows = ((local_time(one["at"]), _outcome(one), one["duration_ms"], _plain(one["answer"])) for one in attempts)
    print_table(("At", "Outcome", "ms", "Answer"), rows, "Nothing was sent yet.")


@app.command()
def replay(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    webhook: WebhookId,
    ids: Annotated[list[str] | None, typer.Argument(metavar="DELIVERY", help="Ids of deliveries.")] = None,
    start: Annotated[str | None, typer.Option("--from", help=f"Events since {HELP}.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Events before such a time (default: now).")] = None,
    delivered: Annotated[
        bool, typer.Option("--delivered", help="Also those that were delivered, not the dead alone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send deliveries again, under their old webhook-id: by id, or those of a span of time."""
    if bool(ids) == bool(start):
        raise InvalidInput("name deliveries, or --from", field="options")
    if ids:
        body: dict[str, Any] = {"delivery_ids": ids}
    else:
        until = moment(end, "to") if end else datetime.now(UTC).isoformat()
        states = ["dead", "delivered"] if delivered else ["dead"]
        body = {"from": moment(start or "", "from"), "to": until, "states": states}
    with api(ctx) as client:
        done = client.call("POST", _path(client, webhook, "/replay"), json=body)
    if as_json:
        print_json(done)
    else:
        say(f"{done['replayed']} deliveries are sent again.")


@app.command()
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The body, byte for byte as it came; - is stdin.")],
    message_id: Annotated[str, typer.Option("--id", help="The header webhook-id.")],
    timestamp: Annotated[str, typer.Option("--timestamp", help="The header webhook-timestamp.")],
    signature: Annotated[str, typer.Option("--signature", help="The header webhook-signature.")],
    secret_file: SecretFile = None,
    any_time: Annotated[bool, typer.Option("--any-time", help="Also a message that is older than 5 minutes.")] = False,
) -> None:
    """Check a message that came, offline; the secret is asked for, or read from --secret-file."""
    body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    if secret_file is None and file == "-":
        raise InvalidInput("give --secret-file where the body comes by stdin", field="secret-file")
    secret = secret_file.read_text().strip() if secret_file else typer.prompt("Secret", hide_input=True)
    given = {signatures.ID: message_id, signatures.TIMESTAMP: timestamp, signatures.SIGNATURE: signature}
    at = float(timestamp) if any_time and timestamp.isascii() and timestamp.isdigit() else time.time()
    try:
        signatures.verify(secret, given, body, at)
    except InvalidInput:
        raise
    except Rejected as error:
        raise InvalidInput(error.message, field="signature") from None
    say("[green]The signature holds.[/]")
