"""`gtvision keys new | rotate`: the keys that encrypt and sign."""

from __future__ import annotations

import typer

from cli.output import AsJson, print_json, say
from cli.state import api

app = typer.Typer(no_args_is_help=True, help="Keys that encrypt what is kept: RTSP addresses, private keys.")


@app.command()
def new() -> None:
    """Print a new Fernet key. Put it first in GTV_FERNET_KEYS and keep the old ones behind it."""
    from cryptography.fernet import Fernet

    print(Fernet.generate_key().decode())


@app.command()
def rotate(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Encrypt everything anew under the first of GTV_FERNET_KEYS, and sign tokens with a new key."""
    with api(ctx) as client:
        cameras = client.call("POST", "/api/cameras/keys/rotate", slow=True)
        hooks = client.call("POST", "/api/hotlists/keys/rotate", slow=True)
        webhooks = client.call("POST", "/api/webhooks/keys/rotate", slow=True)
        signing = client.call("POST", "/api/auth/keys/rotate", slow=True)
        sealed = client.call("POST", "/api/auth/audit/keys/rotate", slow=True)["sealed"]
    if as_json:
        counts = {"cameras": cameras, "hooks": hooks, "webhooks": webhooks}
        encrypted = {f"{name}_encrypted": made["encrypted"] for name, made in counts.items()}
        print_json(encrypted | {"signing_key": signing["kid"], "audit_seals": sealed})
    else:
        say(
            f"{cameras['encrypted']} camera addresses, {hooks['encrypted']} hooks of hotlists and the secrets of "
            f"{webhooks['encrypted']} webhooks encrypted anew."
        )
        say(f"Tokens are now signed with key {signing['kid']}.")
