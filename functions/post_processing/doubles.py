"""What is left of a frame's observations: each vehicle once, and no plate that the frame cuts. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from functions.post_processing.plates import distance
from functions.shared.inference import Box, Observation, PlateReading, VehicleSighting

# Overlap above which two boxes show the same vehicle (a car that is also taken for a truck), or the same plate.
SAME_VEHICLE, SAME_PLATE = 0.7, 0.3
# A box that comes this near to the frame's edge, in pixels, goes on beyond it.
EDGE = 2.0
# A vehicle fainter than this is but a part of another when so much of the smaller box lies in the larger.
FAINT, WITHIN = 0.5, 0.8
# Two plates this sure and this different are two plates, though one vehicle's box holds both.
SURE, DIFFERENT = 0.6, 3.0


def without_doubles(observations: Iterable[Observation]) -> list[Observation]:
    """The observations of one frame, each vehicle once, its best reading kept; clearest first."""
    kept: list[Observation] = []
    for observation in sorted(observations, key=_clarity, reverse=True):
        twin = next((index for index, other in enumerate(kept) if _same(other, observation)), None)
        if twin is None:
            kept.append(observation)
        else:
            kept[twin] = _union(kept[twin], observation)
    return kept


def without_cut_plates(observations: Iterable[Observation], width: int, height: int) -> list[Observation]:
    """The observations without fragments: plates at the frame's edge that fit no format asked for."""
    left = []
    for item in observations:
        plate = item.plate
        cut = plate is not None and plate.format is None and not _inside(plate.box, width, height)
        whole = item.model_copy(update={"plate": None}) if cut else item
        if whole.vehicle is not None or whole.plate is not None:
            left.append(whole)
    return left


def _inside(box: Box, width: int, height: int) -> bool:
    return box.x1 > EDGE and box.y1 > EDGE and box.x2 < width - EDGE and box.y2 < height - EDGE


def _clarity(observation: Observation) -> tuple[float, float]:
    plate, vehicle = observation.plate, observation.vehicle
    return (plate.confidence if plate else 0.0, vehicle.confidence if vehicle else 0.0)


def _same(better: Observation, other: Observation) -> bool:
    if better.plate is not None and other.plate is not None:
        return _same_plate(better.plate, other.plate, _overlap(better, other))
    if better.vehicle is not None and other.vehicle is not None:
        return _overlap(better, other) >= SAME_VEHICLE or _is_part(better.vehicle, other.vehicle)
    plate = better.plate or other.plate
    vehicle = better.vehicle or other.vehicle
    return plate is not None and vehicle is not None and _holds(vehicle.box, plate.box)


def _is_part(better: VehicleSighting, other: VehicleSighting) -> bool:
    """A faint box of the same type that lies within the other, or around it: half a vehicle, or one and a half."""
    if other.type != better.type or other.confidence >= FAINT:
        return False
    one, two = better.box, other.box
    width = min(one.x2, two.x2) - max(one.x1, two.x1)
    height = min(one.y2, two.y2) - max(one.y1, two.y1)
    return max(0.0, width) * max(0.0, height) >= WITHIN * min(one.area, two.area)


def _same_plate(better: PlateReading, other: PlateReading, overlap: float) -> bool:
    """`overlap` is the vehicles'; 0 when one of the plates has none."""
    if better.box.iou(other.box) >= SAME_PLATE:
        return True
    return overlap >= SAME_VEHICLE and (other.confidence < SURE or distance(better.text, other.text) < DIFFERENT)


def _overlap(one: Observation, other: Observation) -> float:
    if one.vehicle is None or other.vehicle is None:
        return 0.0
    return one.vehicle.box.iou(other.vehicle.box)


def _holds(vehicle: Box, plate: Box) -> bool:
    x, y = (plate.x1 + plate.x2) / 2, (plate.y1 + plate.y2) / 2
    return vehicle.x1 <= x < vehicle.x2 and vehicle.y1 <= y < vehicle.y2


def _union(better: Observation, other: Observation) -> Observation:
    return Observation(vehicle=better.vehicle or other.vehicle, plate=better.plate or other.plate)
