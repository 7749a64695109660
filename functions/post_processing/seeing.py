"""What a frame showed: the engine's reading as sightings, each vehicle once, within the camera's zones. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from functions.post_processing import rows, snapshots
from functions.post_processing.doubles import without_cut_plates, without_doubles
from functions.post_processing.looks import Size
from functions.post_processing.plates import lattice_of
from functions.post_processing.sightings import Sighting, sighting_id
from functions.post_processing.tracker import Frame
from functions.post_processing.zones import Zones
from functions.shared.contracts import FrameMeta
from functions.shared.inference import Box, FrameReading, Observation

LONGEST_PLATE = 16


@dataclass(frozen=True)
class Seen:
    """`plate_cuts`: by sighting, the part of the picture in which its plate was read."""

    frame: Frame
    size: Size
    plate_cuts: Mapping[str, Box]


def seen_in(meta: FrameMeta, reading: FrameReading, zones: Zones) -> Seen:
    """The observations of a frame that count: each vehicle once, no fragments of plates, nothing outside the zones."""
    whole = without_cut_plates(reading.observations, reading.width, reading.height)
    counted = [item for item in without_doubles(whole) if zones.count(item, reading.width, reading.height)]
    sightings = [_sighting(meta, index, item) for index, item in enumerate(counted)]
    cuts = {sighting.id: snapshots.plate_cut(item.plate)
            for sighting, item in zip(sightings, counted, strict=True) if item.plate is not None}  # fmt: skip
    return Seen(Frame(meta.id, meta.captured_at, tuple(sightings)), (reading.width, reading.height), cuts)


def _sighting(meta: FrameMeta, index: int, observation: Observation) -> Sighting:
    """Rounded as it is stored: what is worked with now is what will be read back."""
    vehicle, plate = observation.vehicle, observation.plate
    candidates = tuple(item for item in (plate.candidates if plate else ()) if 0 < len(item.text) <= LONGEST_PLATE)
    vehicle_key, plate_key = snapshots.keys_of(meta.camera_id, meta.captured_at, meta.id, index)
    return Sighting(
        id=sighting_id(meta.id, meta.captured_at, index), frame_id=meta.id, at=meta.captured_at,
        vehicle_type=vehicle.type if vehicle else None,
        vehicle_confidence=rows.rounded(vehicle.confidence if vehicle else None),
        vehicle_box=rows.rounded_box(vehicle.box if vehicle else None),
        color=vehicle.color if vehicle else None,
        color_confidence=rows.rounded(vehicle.color_confidence if vehicle else None),
        plate_box=rows.rounded_box(plate.box if plate else None), plate_format=plate.format if plate else None,
        plate_rows=plate.rows if plate else None, candidates=rows.rounded_candidates(candidates),
        lattice=lattice_of(plate.lattice if plate else {}), snapshot_key=vehicle_key,
        plate_snapshot_key=plate_key if plate else None,
    )  # fmt: skip
