"""What the root command was given, for the commands below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cli.client import Client

DEFAULT_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Root:
    url: str = DEFAULT_URL


def url_of(ctx: typer.Context) -> str:
    root = ctx.find_root().obj
    return root.url if isinstance(root, Root) else DEFAULT_URL


def api(ctx: typer.Context) -> Client:
    """The API that `--url` names. httpx is loaded here and not with the program."""
    from cli.client import Client

    return Client(url_of(ctx))
