"""`gtvision users ...`: who may sign in, as what, and which groups of cameras they see."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.account import read_secret
from cli.output import AsJson, cell, local_time, print_fields, print_json, print_table, say
from cli.state import api
from functions.shared.access import Role
from functions.shared.errors import InvalidInput, NotFound

app = typer.Typer(no_args_is_help=True, help="Users, their roles and the groups of cameras they see (for admins).")
Who = Annotated[str, typer.Argument(metavar="USER", help="User name or id.")]
RoleName = Annotated[str | None, typer.Option("--role", help=f"One of {', '.join(role.value for role in Role)}.")]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", help="A group of cameras that is seen; may be repeated."),
]
FullName = Annotated[str | None, typer.Option("--name", help="Full name.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
]


def find(client: Any, who: str) -> dict[str, Any]:
    """A user by name or id. Raises NotFound."""
    for user in client.pages("/api/auth/users", None):
        if who in (user["username"], user["id"]):
            found: dict[str, Any] = user
            return found
    raise NotFound(f"there is no user {who}", mend="see `gtvision users list`")


def state_of(user: dict[str, Any]) -> str:
    return "disabled" if user["disabled"] else "inactive" if user["inactive"] else "active"


def groups_of(row: dict[str, Any]) -> str:
    return "all" if row["groups"] is None else ", ".join(row["groups"]) or "none"


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Users with their roles, groups and last sign-in."""
    with api(ctx) as client:
        found = list(client.pages("/api/auth/users", None))
    if as_json:
        print_json({"items": found})
        return
    columns = ("User", "Name", "Role", "Groups", "Signs in by", "State", "Last sign-in")
    rows = (
        (one["username"], one["full_name"], one["role"], groups_of(one), one["sign_in"], state_of(one),
         local_time(one["last_login_at"]))
        for one in found
    )  # fmt: skip
    print_table(columns, rows, "There is no user.")


@app.command()
def show(ctx: typer.Context, user: Who, as_json: AsJson = False) -> None:
    """One user and where they are signed in."""
    with api(ctx) as client:
        found = find(client, user)
        sessions = client.get(f"/api/auth/users/{found['id']}/sessions")["items"]
    if as_json:
        print_json({**found, "sessions": sessions})
        return
    print_fields({**found, "groups": groups_of(found)})
    rows = ((one["id"], one["method"], one["address"], one["agent"], local_time(one["seen_at"])) for one in sessions)
    print_table(("Session", "By", "From", "Browser or program", "Last seen"), rows, "Not signed in anywhere.")


@app.command()
def add(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    username: Annotated[
        str, typer.Argument(metavar="USERNAME", help="Lower-case letters, digits, dot, dash, underscore.")
    ],
    role: Annotated[str, typer.Option("--role", help=f"One of {', '.join(role.value for role in Role)}.")] = "viewer",
    groups: Groups = None,
    no_groups: Annotated[bool, typer.Option("--no-groups", help="Sees no camera yet.")] = False,
    full_name: FullName = None,
    sign_in: Annotated[
        str,
        typer.Option("--sign-in", help="password, oidc (the provider's account) or keys (a machine's, by API keys)."),
    ] = "password",
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Make a user; asks for the password where one is needed. Without --group and --no-groups every camera is seen."""
    body: dict[str, Any] = {"username": username, "role": role, "sign_in": sign_in, "full_name": full_name}
    if groups or no_groups:
        body["groups"] = groups or []
    if sign_in == "password":
        body["password"] = read_secret("Password", password_stdin)
    with api(ctx) as client:
        made = client.call("POST", "/api/auth/users", json=body)
    if as_json:
        print_json(made)
    else:
        say(f"Added [bold]{cell(made['username'])}[/] ({made['role']}; groups: {cell(groups_of(made))}).")


@app.command()
def update(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    user: Who,
    role: RoleName = None,
    groups: Groups = None,
    all_groups: Annotated[bool, typer.Option("--all-groups", help="Sees every camera.")] = False,
    no_groups: Annotated[bool, typer.Option("--no-groups", help="Sees no camera.")] = False,
    full_name: FullName = None,
    as_json: AsJson = False,
) -> None:
    """Change role, groups or name; it counts at once. Groups that are named replace those there were; without any of
    the options about groups they stay."""
    body: dict[str, Any] = {"role": role, "full_name": full_name}
    body = {name: value for name, value in body.items() if value is not None}
    if sum((bool(groups), all_groups, no_groups)) > 1:
        raise InvalidInput("choose one of --group, --all-groups and --no-groups", field="options")
    if groups or all_groups or no_groups:
        body["groups"] = None if all_groups else groups or []
    if not body:
        raise InvalidInput("nothing is to be changed: name at least one option", field="options")
    _change(ctx, user, body, f"Changed [bold]{cell(user)}[/]: {', '.join(sorted(body))}.", as_json)


@app.command()
def password(ctx: typer.Context, user: Who, password_stdin: FromStdin = False) -> None:
    """Set a user's password; their sessions end."""
    given = read_secret("New password", password_stdin)
    _change(ctx, user, {"password": given}, f"The password of [bold]{cell(user)}[/] was set.", False)


@app.command()
def disable(ctx: typer.Context, user: Who) -> None:
    """Keep a user out: sessions and API keys stop at once."""
    _change(ctx, user, {"disabled": True}, f"[bold]{cell(user)}[/] is disabled.", False)


@app.command()
def enable(ctx: typer.Context, user: Who) -> None:
    """Let a user in again who was disabled, or locked for not having used the account."""
    _change(ctx, user, {"disabled": False}, f"[bold]{cell(user)}[/] may sign in again.", False)


@app.command("sign-out")
def sign_out(ctx: typer.Context, user: Who) -> None:
    """End every session of a user."""
    with api(ctx) as client:
        client.call("DELETE", f"/api/auth/users/{find(client, user)['id']}/sessions")
    say(f"Signed [bold]{cell(user)}[/] out everywhere.")


def _change(ctx: typer.Context, who: str, body: dict[str, Any], told: str, as_json: bool) -> None:
    with api(ctx) as client:
        changed = client.call("PATCH", f"/api/auth/users/{find(client, who)['id']}", json=body)
    if as_json:
        print_json(changed)
    else:
        say(told)
