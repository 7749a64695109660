"""`gtvision cameras health | accept-view`: how well a camera sees and is read."""

from __future__ import annotations

from typing import Any

import typer

from cli.camera_options import CameraId
from cli.output import AsJson, local_time, print_fields, print_json, print_table, say
from cli.state import api


def health(ctx: typer.Context, camera: CameraId, as_json: AsJson = False) -> None:
    """What is wrong with a camera's pictures and readings, and what to mend"""
    with api(ctx) as client:
        found = client.call("GET", f"/api/cameras/{camera}/health")
    if as_json:
        print_json(found)
        return
    _show(found)


def _show(found: dict[str, Any]) -> None:
    reading, picture = found["reading"], found["picture"] or {}
    wrong = [(one["code"], one["mend"]) for one in (*found["faults"], *reading["verdicts"])]
    print_fields({"camera": found["camera_id"], "state": found["status"]["state"], **picture,
                  "plate height, px": reading["plate_height"]})  # fmt: skip
    print_table(("wrong", "what to do"), wrong, "Nothing is wrong: it sees, and its plates are read as usual.")
    print_table(
        ("hour", "passages", "usual", "with a plate", "uncertain"),
        [
            (local_time(hour["at"]), hour["passages"], hour["usual_passages"], hour["plates"], hour["uncertain"])
            for hour in reading["hours"]
        ],
        "",
    )


def accept_view(ctx: typer.Context, camera: CameraId) -> None:
    """Say that what a camera shows now is right, though it is not what it showed"""
    with api(ctx) as client:
        client.call("POST", f"/api/cameras/{camera}/health/accept")
    say(f"{camera} learns its scene anew.")
