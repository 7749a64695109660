"""The work of `gtvision detections reread`: list, read, compare, apply."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import track

from cli.client import Client
from cli.reread.changes import Comparison, compared
from cli.reread.journal import Journal
from cli.reread.model import Model, Reader, Reading
from functions.shared.formats import DEFAULT

AT_ONCE = 100
"""Readings sent in one call."""


@dataclass(frozen=True)
class Scope:
    """Which detections: as the API's filters name them, and at the most how many."""

    filters: Mapping[str, Any]
    limit: int | None


@dataclass(frozen=True)
class How:
    """`formats` () are those of each camera's group; `per_second` pictures at the most are read."""

    model: Model
    formats: tuple[str, ...]
    per_second: float
    threads: int
    min_confidence: float | None


def listed(client: Client, scope: Scope) -> list[dict[str, Any]]:
    """Ended passages that no person corrected, newest first."""
    # The same keyset as the console's: what comes in meanwhile is newer than where it began.
    return list(client.pages("/api/detections", scope.limit, final=True, corrected=False, **scope.filters))


def read(client: Client, items: Sequence[Mapping[str, Any]], how: How, journal: Journal) -> list[Comparison]:
    """Each detection's pictures through the model; what the journal knows is not read again."""
    unread = [item for item in items if journal.get(item["id"]) is None]
    if unread:
        formats = {} if how.formats else formats_by_camera(client)
        with Reader(how.model, how.threads) as reader:
            for item in _paced(unread, how.per_second):
                asked = how.formats or formats.get(item["camera_id"], DEFAULT)
                vehicle, plate = (_picture(client, item, kind) for kind in ("vehicle", "plate"))
                journal.put(item["id"], reader.read(vehicle, plate, asked))
    return [compared(item, journal.get(item["id"]) or Reading(), how.min_confidence) for item in items]


def _picture(client: Client, item: Mapping[str, Any], kind: str) -> bytes | None:
    if item["snapshot_url" if kind == "vehicle" else "plate_snapshot_url"] is None:
        return None
    return client.picture(f"/api/detections/{item['id']}/snapshot.jpg", kind=kind)


def _paced(items: Sequence[Mapping[str, Any]], per_second: float) -> Iterator[Mapping[str, Any]]:
    """The items, not faster than `per_second`, with a bar on stderr."""
    due = time.monotonic()
    bar = track(items, "reading", console=Console(stderr=True), transient=True)
    for item in bar:
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic() - 1.0) + 1.0 / per_second
        yield item


def formats_by_camera(client: Client) -> dict[str, tuple[str, ...]]:
    """The plate formats of each camera that is in a group."""
    groups = {group["id"]: tuple(group["plate_formats"]) for group in client.pages("/api/groups", None)}
    cameras = client.pages("/api/cameras", None)
    return {camera["id"]: groups[camera["group_id"]] for camera in cameras if groups.get(camera["group_id"])}


def apply(client: Client, changes: Sequence[Comparison], model: str) -> dict[str, int]:
    """Write the changes; returns how many had which outcome."""
    outcomes: Counter[str] = Counter()
    for start in range(0, len(changes), AT_ONCE):
        body = {"model": model, "items": [one.request() for one in changes[start : start + AT_ONCE]]}
        answer = client.call("POST", "/api/detections/reread", json=body, slow=True)
        outcomes.update(one["outcome"] for one in answer["items"])
    return dict(outcomes)
