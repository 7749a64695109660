"""`gtvision keys ...`: the keys that encrypt and sign, and API keys for machines."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.output import AsJson, cell, local_time, note, print_json, print_table, say
from cli.state import api
from cli.users import find, groups_of

app = typer.Typer(no_args_is_help=True, help="API keys for machines; keys that encrypt what is kept and sign tokens.")


@app.command()
def new() -> None:
    """Print a new Fernet key. Put it first in GTV_FERNET_KEYS and keep the old ones behind it."""
    from cryptography.fernet import Fernet

    print(Fernet.generate_key().decode())


@app.command()
def rotate(
    ctx: typer.Context,
    revoke_old: Annotated[
        bool, typer.Option("--revoke-old", help="Old signing keys stop at once: everybody signs in anew.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Encrypt everything anew under the first of GTV_FERNET_KEYS, and sign tokens with a new key."""
    with api(ctx) as client:
        cameras = client.call("POST", "/api/cameras/keys/rotate", slow=True)
        hooks = client.call("POST", "/api/hotlists/keys/rotate", slow=True)
        webhooks = client.call("POST", "/api/webhooks/keys/rotate", slow=True)
        signing = client.call("POST", "/api/auth/keys/rotate", slow=True, json={"revoke_old": revoke_old})
        sealed = client.call("POST", "/api/auth/audit/keys/rotate", slow=True)["sealed"]
    if as_json:
        counts = {"cameras": cameras, "hooks": hooks, "webhooks": webhooks}
        encrypted = {f"{name}_encrypted": made["encrypted"] for name, made in counts.items()}
        print_json(encrypted | {"signing_key": signing["kid"], "audit_seals": sealed})
        return
    say(
        f"{cameras['encrypted']} camera addresses, {hooks['encrypted']} hooks of hotlists and the secrets of "
        f"{webhooks['encrypted']} webhooks encrypted anew."
    )
    say(f"Tokens are now signed with key {signing['kid']}.")
    if revoke_old:
        say("The old signing keys hold no more: run `gtvision login` again.")


@app.command()
def create(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    user: Annotated[str, typer.Option("--user", "-u", help="User whom it acts as: it can never do more than they.")],
    permissions: Annotated[
        list[str], typer.Option("--permission", "-p", help="May be repeated; see `gtvision keys permissions`.")
    ],
    groups: Annotated[
        list[str] | None,
        typer.Option("--group", help="A group of cameras that it sees; may be repeated (default: those of its user)."),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=1095, help="Days until it ends.")] = 365,
    as_json: AsJson = False,
) -> None:
    """Make an API key for a machine. It is printed this once and kept nowhere."""
    with api(ctx) as client:
        body: dict[str, Any] = {
            "name": name, "user_id": find(client, user)["id"], "permissions": permissions, "expires_in_days": days,
            "groups": groups or None,
        }  # fmt: skip
        made = client.call("POST", "/api/auth/api-keys", json=body)
    if as_json:
        print_json(made)
        return
    note(f"This key is shown once. It acts as {cell(made['username'])} until {local_time(made['expires_at'])}.")
    print(made["key"])


@app.command("list")
def list_(
    ctx: typer.Context,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Only the keys of this user.")] = None,
    as_json: AsJson = False,
) -> None:
    """API keys with their users, permissions, end and last use."""
    with api(ctx) as client:
        query = {"user_id": find(client, user)["id"]} if user else {}
        found = list(client.pages("/api/auth/api-keys", None, **query))
    if as_json:
        print_json({"items": found})
        return
    columns = ("Id", "Name", "Begins with", "User", "Permissions", "Groups", "State", "Ends", "Last use")
    rows = (
        (one["id"], one["name"], one["prefix"], one["username"], ", ".join(one["permissions"]), groups_of(one),
         one["state"], local_time(one["expires_at"]), local_time(one["last_used_at"]))
        for one in found
    )  # fmt: skip
    print_table(columns, rows, "There is no API key.")


@app.command()
def revoke(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Id of the API key.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """End an API key at once."""
    if not yes:
        typer.confirm(f"End API key {key} for good?", abort=True)
    with api(ctx) as client:
        client.call("DELETE", f"/api/auth/api-keys/{key}")
    say(f"Revoked [bold]{cell(key)}[/].")


@app.command()
def permissions(ctx: typer.Context, as_json: AsJson = False) -> None:
    """What an API key may be given, and for which roles."""
    with api(ctx) as client:
        found = client.get("/api/auth/permissions")
    if as_json:
        print_json(found)
        return
    rows = ((one["permission"], ", ".join(one["roles"]), len(one["routes"])) for one in found["items"])
    print_table(("Permission", "Roles", "Routes"), rows, "There is no permission.")
