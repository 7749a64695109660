"""`gtvision keys new`: a key for GTV_FERNET_KEYS."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Keys that encrypt what is kept: RTSP addresses, private keys.")


@app.callback()
def keys() -> None:
    """Keys that encrypt what is kept: RTSP addresses, private keys."""


@app.command()
def new() -> None:
    """Print a new Fernet key. Put it first in GTV_FERNET_KEYS and keep the old ones behind it."""
    from cryptography.fernet import Fernet

    print(Fernet.generate_key().decode())
