"""`gtvision status`: how the platform and its cameras fare."""

from __future__ import annotations

from typing import Any

import typer

from cli.output import AsJson, local_time, print_json, print_table, say
from cli.state import api
from functions.shared.exits import UNAVAILABLE

PARTS = ("database", "bus", "capture", "inference", "disk")


def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Health of every part, and the cameras by state. Ends with 6 when a part is down or failing."""
    with api(ctx) as client:
        found = client.get("/api/status")
    parts = {name: found[name] for name in PARTS if isinstance(found.get(name), dict)}
    well = all(part["state"] not in ("down", "failing") for part in parts.values())
    if as_json:
        print_json({"url": client.url, "ok": well, **found})
    else:
        rows = ((name, part["state"], known(part)) for name, part in parts.items())
        print_table(("Part", "State", "What is known"), rows, "")
        cameras = found.get("cameras") or {}
        counted = ", ".join(f"{count} {state}" for state, count in cameras.items() if state != "total" and count)
        say(f"\nCameras: {cameras.get('total', 'unknown')}" + (f" ({counted})" if counted else ""))
        say(f"Last detection: {local_time(found.get('last_detection_at'))}")
        if given_up := lost(found):
            say(given_up)
    if not well:
        raise typer.Exit(UNAVAILABLE)


def lost(found: dict[str, Any]) -> str:
    """How many messages of the bus were given up; nothing where none was, or where nobody knows."""
    count = found.get("dead_letters")
    return f"[yellow]Messages that were given up: {count}[/], with their reasons in DEAD_LETTERS" if count else ""


def known(part: dict[str, Any]) -> str:
    """The part's message; of inference also the engine and, while it is down, since when and for which reason."""
    known = str(part["message"])
    if part.get("reason"):
        known = f"{part['reason']} since {local_time(part['since'])}: {known}"
    return f"{part['engine']}: {known}" if part.get("engine") else known
