"""What the commands that ask about detections share: the window of time, and the times in which nobody saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli import moments
from cli.output import cell, local_time, note

MOST_TOLD = 10


def narrowing(since: str | None, until: str | None) -> dict[str, str | None]:
    """The window as the API takes it. Raises InvalidInput naming the option."""
    return {"from": moments.moment_or_none(since, "from"), "to": moments.moment_or_none(until, "to")}


def tell_lists(answer: Mapping[str, Any]) -> None:
    """On stderr: that plates of the lists may be missing."""
    if answer.get("hotlists_whole") is False:
        note("[yellow]Some fuzzy entries reach farther than a distance of 1: beyond it only what raised an alert is"
             " shown.[/]")  # fmt: skip


def tell_blind(answer: Mapping[str, Any]) -> None:
    """On stderr: no sighting in these times is no sign that nobody passed."""
    blind, window = answer.get("blind"), answer.get("blind_window")
    if not blind or not window:
        return
    span = f"{local_time(window['from'])} to {local_time(window['to'])}"
    note(f"[yellow]Cameras that did not see ({span}); nothing found there means nothing:[/]")
    for each in blind[:MOST_TOLD]:
        note(
            f"  {cell(each['camera_name'])}: {local_time(each['from'])} to {local_time(each['to'])} ({each['reason']})"
        )
    left = len(blind) - MOST_TOLD
    if left > 0 or window["more"]:
        note(f"  and {max(left, 0)}{' or more' if window['more'] else ''} others; --json has them")
