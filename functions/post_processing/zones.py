"""Where in the picture a camera looks: regions of interest and zones to ignore. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from functions.shared.inference import Observation, Point

Polygon = tuple[Point, ...]


@dataclass(frozen=True)
class Zones:
    """Polygons in parts of the picture's width and height, 0..1. No region: the whole picture counts."""

    regions: tuple[Polygon, ...] = ()
    ignored: tuple[Polygon, ...] = ()

    def count(self, observation: Observation, width: int, height: int) -> bool:
        """Whether an observation is to be recorded: within a region, and within no zone that is ignored."""
        x, y = anchor(observation)
        point = x / max(1, width), y / max(1, height)
        wanted = not self.regions or any(inside(point, polygon) for polygon in self.regions)
        return wanted and not any(inside(point, polygon) for polygon in self.ignored)


def anchor(observation: Observation) -> Point:
    """The point that counts, in pixels: the plate's centre, else the middle of the vehicle's lower edge."""
    if observation.plate is not None:
        box = observation.plate.box
        return (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2
    assert observation.vehicle is not None, "an observation has a vehicle or a plate"
    box = observation.vehicle.box
    return (box.x1 + box.x2) / 2, box.y2


def inside(point: Point, polygon: Sequence[Point]) -> bool:
    """Whether a point lies in a polygon (even-odd rule; its left and upper edges belong to it)."""
    x, y = point
    within = False
    for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], *polygon[:1]), strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            within = not within
    return within
