"""What is sent: a CloudEvent 1.0 (structured, JSON) around the data of an event, as the endpoint's owner may see it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.shared import masking
from functions.shared.context import Context
from functions.shared.contracts import EVENTS, DetectionRecorded
from functions.shared.errors import NotFound
from functions.shared.logs import redact
from functions.webhooks import repository

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
TEST = repository.TEST
# Fields whose text is, or may be, a plate; where plates are masked, lists of candidates are left out.
_PLATES = re.compile(r"plate|matched|entry|pattern|twin")
_NO_PLATES = frozenset({"plate_format", "plate_rows", "entry_id"})
_TEXTS = frozenset({"reason", "decode_reason", "withdrawn_reason", "note"})
# Attributes of the message that CloudEvents carries, and what says nothing to strangers.
_ENVELOPE = frozenset({"id", "occurred_at", "correlation_id", "holder"})


def event_types() -> dict[str, str]:
    """Every type that can be asked for, with what it tells, from the messages themselves."""
    return {kind.type: " ".join((kind.__doc__ or "").split("\n\n")[0].split()) for kind in EVENTS}


@dataclass(frozen=True)
class Event:
    """A message of the bus: its CloudEvents attributes and its body."""

    id: str
    type: str
    source: str
    time: str
    camera_id: str | None
    body: Mapping[str, Any]

    @property
    def cameras(self) -> set[str]:
        """Every camera that it tells of: an alert may name two."""
        return ({self.camera_id} if self.camera_id else set()) | _cameras(self.body)


def _cameras(value: Any) -> set[str]:
    found: set[str] = set()
    pairs = value.items() if isinstance(value, Mapping) else ((None, item) for item in value)
    for name, item in pairs:
        if isinstance(name, str) and (name == "camera_id" or name.endswith(("_camera_id", "camera_ids"))):
            found |= {item} if isinstance(item, str) else {one for one in item or () if isinstance(one, str)}
        elif isinstance(item, (Mapping, list)):
            found |= _cameras(item)
    return found


@dataclass(frozen=True)
class View:
    """As whom the data is shown: with plates masked, or thin (who and where to ask, and no more)."""

    masked: bool
    thin: bool
    camera_name: str | None = None


async def render(context: Context, event: Event, view: View) -> bytes:
    """The body of one attempt; links in it end after some minutes."""
    if view.thin:
        data = _thin(context, event)
    elif event.type == DetectionRecorded.type:
        data = await _detection(context, event.body, view)
    else:
        data = await _other(context, event.body, view)
    envelope = {
        "specversion": "1.0", "id": event.id, "source": event.source, "type": event.type, "time": event.time,
        **({"subject": event.camera_id} if event.camera_id else {}), "datacontenttype": "application/json",
        "data": data,
    }  # fmt: skip
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def _thin(context: Context, event: Event) -> dict[str, Any]:
    """Ids, and where to ask for the rest with a token of one's own."""
    names = ("detection_id", "alert_id", "camera_id", "webhook_id", "replaced_by", "final")
    data = {name: event.body[name] for name in names if event.body.get(name) is not None}
    if "detection_id" in data:
        data["url"] = f"{context.settings.public_url.rstrip('/')}/api/detections/{data['detection_id']}"
    return data


async def _detection(context: Context, body: Mapping[str, Any], view: View) -> dict[str, Any]:
    """As an item of GET /api/detections, and `replaced_by` and `source` of the event."""
    seen = DetectionRecorded.model_validate(body)
    plate, read = (
        (masking.masked(seen.plate), masking.masked(seen.plate_read)) if view.masked else (seen.plate, seen.plate_read)
    )
    return {
        "id": seen.detection_id, "camera_id": seen.camera_id, "camera_name": view.camera_name,
        "started_at": seen.started_at.isoformat(), "ended_at": seen.ended_at.isoformat(), "type": seen.vehicle_type,
        "confidence": seen.vehicle_confidence, "plate": plate, "plate_read": read,
        "plate_confidence": seen.plate_confidence, "plate_format": seen.plate_format, "rows": seen.plate_rows,
        "corrected": seen.corrected, "uncertain": seen.uncertain, "final": seen.final,
        "candidates": [] if view.masked else [one.model_dump() for one in seen.candidates],
        "box": list(seen.box) if seen.box else None, "color": seen.color, "color_confidence": seen.color_confidence,
        "direction": seen.direction, "observations": seen.observations, "score": None, "masked": view.masked,
        "snapshot_url": await _vehicle(context, seen, view),
        "plate_snapshot_url": await _link(context, seen.plate_snapshot_key, view),
        "replaced_by": seen.replaced_by, "source": seen.source,
    }  # fmt: skip


async def _vehicle(context: Context, seen: DetectionRecorded, view: View) -> str | None:
    """Where plates are masked: the route of search that shows the vehicle with its plate painted over."""
    if view.masked and seen.snapshot_key is not None:
        return f"{context.settings.public_url.rstrip('/')}/api/detections/{seen.detection_id}/snapshot.jpg"
    return await _link(context, seen.snapshot_key, view)


async def _other(context: Context, body: Mapping[str, Any], view: View) -> dict[str, Any]:
    """Any other message: what it says, with links for keys, and nothing that its reader may not see."""
    data: dict[str, Any] = {}
    for name, value in body.items():
        if name in _ENVELOPE:
            continue
        if name.endswith("_key"):
            # Keys of the store become links, as `snapshot_key` does.
            data[f"{name.removesuffix('_key')}_url"] = await _link(context, value, view)
        elif isinstance(value, dict):
            data[name] = await _other(context, value, view)
        elif isinstance(value, list):
            kept = [item for item in value if not (view.masked and isinstance(item, dict) and "text" in item)]
            data[name] = [
                await _other(context, item, view) if isinstance(item, dict) else _shown(name, item, view)
                for item in kept
            ]
        else:
            data[name] = _shown(name, value, view)
    if view.camera_name is not None and "camera_id" in data:
        data["camera_name"] = view.camera_name
    return data


def _shown(name: str, value: Any, view: View) -> Any:
    if not isinstance(value, str):
        return value
    if view.masked and name not in _NO_PLATES and _PLATES.search(name):
        return masking.masked(value)
    if name not in _TEXTS:
        return value
    # Reasons of cameras are words of other systems, which may hold an address; those of alerts may name a plate.
    return redact((masking.masked_text(value) or "") if view.masked else value)


async def _link(context: Context, key: Any, view: View) -> str | None:
    """A link that ends, never the key by itself; none to a picture of a plate that is masked."""
    if not isinstance(key, str) or view.masked:
        return None
    try:
        return await context.store.link(key, context.settings.link_ttl_s)
    except NotFound:
        return None
