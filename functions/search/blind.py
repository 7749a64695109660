"""When cameras could not have seen: times in a window without a span in which they did. Pure.

A camera that streams but whose picture is dark, covered, out of focus or turned away is as blind as one that is off.

No sighting in a blind time is no sign that nobody passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from functions.search.repository_cameras import Place, Span

SEEING = frozenset({"online", "degraded"})
# A camera that is degraded is up, but what its picture lacks it could not show: the codes of `capture.sight`. Any other
# reason, as frames that come slowly, leaves something to be seen.
SIGHTLESS = frozenset({"blocked", "dark", "glare", "moved", "blurred"})
# Between two spans lies the time of a message; that is no gap.
SHORTEST = timedelta(seconds=2)
NOT_THERE, DELETED, NO_RECORD = "not_registered", "deleted", "no_record"


@dataclass(frozen=True)
class Blind:
    """`reason`: why, as a short word: of the camera's state, or `not_registered`, `deleted`, `no_record`."""

    camera_id: str
    camera_name: str
    start: datetime
    end: datetime
    reason: str


def blind_times(cameras: Iterable[Place], spans: Iterable[Span], start: datetime, end: datetime) -> list[Blind]:
    """By camera and time. `end` is not in the future."""
    by_camera: dict[str, list[Span]] = {}
    for span in spans:
        by_camera.setdefault(span.camera_id, []).append(span)
    return [
        each
        for place in cameras
        for each in _joined(_of_camera(place, by_camera.get(place.id, []), start, end))
        if each.end - each.start >= SHORTEST
    ]


def _of_camera(place: Place, spans: Sequence[Span], start: datetime, end: datetime) -> list[Blind]:
    found: list[Blind] = []

    def add(since: datetime, until: datetime, reason: str) -> None:
        since, until = max(since, start), min(until, end)
        if since < until:
            found.append(Blind(place.id, place.name, since, until, reason))

    born, gone = place.created_at, place.deleted_at or end
    add(start, born, NOT_THERE)
    at = max(start, born)
    for span in spans:
        since, until = max(span.started_at, at), min(span.ended_at or end, gone)
        add(at, min(since, gone), NO_RECORD)
        if span.state not in SEEING or span.reason in SIGHTLESS:
            add(since, until, span.reason or span.state)
        at = max(at, until)
    add(at, min(end, gone), NO_RECORD)
    add(max(gone, start), end, DELETED)
    return found


def _joined(found: Sequence[Blind]) -> list[Blind]:
    """One after the other for the same reason is one."""
    joined: list[Blind] = []
    for each in found:
        last = joined[-1] if joined else None
        if last is not None and last.reason == each.reason and each.start - last.end < SHORTEST:
            joined[-1] = replace(last, end=each.end)
        else:
            joined.append(each)
    return joined
