"""`gtvision login | logout | whoami`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.output import AsJson, print_json, say
from cli.state import api
from functions.shared.errors import InvalidInput


def read_secret(prompt: str, from_stdin: bool) -> str:
    """A secret from standard input's first line, or typed without an echo; never an argument."""
    secret = sys.stdin.readline().rstrip("\r\n") if from_stdin else str(typer.prompt(prompt, hide_input=True))
    if not secret:
        raise InvalidInput(f"{prompt.lower()}: nothing was given", field=prompt.lower())
    return secret


def login(
    ctx: typer.Context,
    username: Annotated[
        str, typer.Option("--username", "-u", prompt=True, help="Your user name; asked for where it is left out.")
    ],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Sign in; the session is kept in your config folder (mode 0600) and refreshed by itself."""
    password = read_secret("Password", password_stdin)
    with api(ctx) as client:
        session = client.login(username, password)
        if as_json:
            print_json({"url": client.url, "username": session.username, "role": session.role})
        else:
            say(f"Signed in to {client.url} as [bold]{session.username}[/] ({session.role}).")


def logout(ctx: typer.Context) -> None:
    """End the session here and on the server."""
    with api(ctx) as client:
        say(f"Signed out of {client.url}." if client.logout() else f"You were not signed in to {client.url}.")


def whoami(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Who you are signed in as, and with which role."""
    with api(ctx) as client:
        me = client.get("/api/auth/me")
        if as_json:
            print_json({**me, "url": client.url})
        else:
            say(f"[bold]{me['username']}[/] ({me['role']}) at {client.url}")
