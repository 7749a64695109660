"""One plate at two places that no car can reach in time. Pure."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, NamedTuple

_EARTH_KM = 6371.0088
# Two passages that overlap, or nearly, would need any speed at all; this keeps the figure a number.
_LEAST_S = 1.0
# Below this a detector's word for a colour or a type proves nothing.
_SURE = 0.6
# Detectors take these for each other, by day and even more by night.
_ALIKE_COLORS = (frozenset({"white", "silver", "gray"}), frozenset({"black", "gray", "blue"}))
_ALIKE_TYPES = (frozenset({"car", "truck", "bus"}),)


class Sighting(NamedTuple):
    """A passage at a camera of known place. Colour and type with their confidence; None: a person said so."""

    detection_id: str
    camera_id: str
    latitude: float
    longitude: float
    started_at: datetime
    ended_at: datetime
    color: str | None = None
    color_confidence: float | None = None
    type: str | None = None
    type_confidence: float | None = None


class Limits(NamedTuple):
    """Faster than `kmh` is no car; cameras nearer than `km` prove nothing."""

    kmh: float
    km: float


def kilometres(one: Sighting, other: Sighting) -> float:
    """Along the great circle (haversine): no road is shorter."""
    lat1, lat2 = math.radians(one.latitude), math.radians(other.latitude)
    lat, lon = lat2 - lat1, math.radians(other.longitude - one.longitude)
    part = math.sin(lat / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(lon / 2) ** 2
    return 2 * _EARTH_KM * math.asin(math.sqrt(min(1.0, part)))


def in_order(one: Sighting, other: Sighting) -> tuple[Sighting, Sighting]:
    """The earlier and the later one."""
    first, second = sorted((one, other), key=lambda item: (item.started_at, item.detection_id))
    return first, second


def kmh(one: Sighting, other: Sighting) -> float:
    """How fast a car must have been from where it was last seen to where it was first seen again."""
    earlier, later = in_order(one, other)
    seconds = (later.started_at - earlier.ended_at).total_seconds()
    return kilometres(one, other) / max(_LEAST_S, seconds) * 3600


def impossible(one: Sighting, other: Sighting, limits: Limits) -> bool:
    if one.camera_id == other.camera_id or kilometres(one, other) < limits.km:
        return False
    return kmh(one, other) > limits.kmh


def evidence(one: Sighting, other: Sighting) -> dict[str, Any]:
    """What speaks for two cars, as JSON: distance, time, speed, and in what else they differ."""
    earlier, later = in_order(one, other)
    differ = []
    if _differ(_sure(one.color, one.color_confidence), _sure(other.color, other.color_confidence), _ALIKE_COLORS):
        differ.append("color")
    if _differ(_sure(one.type, one.type_confidence), _sure(other.type, other.type_confidence), _ALIKE_TYPES):
        differ.append("type")
    return {
        "km": round(kilometres(one, other), 2),
        "seconds": round(max(0.0, (later.started_at - earlier.ended_at).total_seconds()), 1),
        "kmh": round(kmh(one, other)), "differ": differ, "colors": [earlier.color, later.color],
        "types": [earlier.type, later.type],
    }  # fmt: skip


def _sure(word: str | None, confidence: float | None) -> str | None:
    return word if confidence is None or confidence >= _SURE else None


def _differ(one: str | None, other: str | None, alike: tuple[frozenset[str], ...]) -> bool:
    if one is None or other is None or one == other:
        return False
    return not any({one, other} <= group for group in alike)
