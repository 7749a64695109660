"""Sightings as rows: what is stored of them and read back, the same to the last digit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from functions.post_processing.plates import FormatEvidence, Lattice
from functions.post_processing.sightings import Sighting
from functions.shared.inference import Box, Candidate

_DIGITS = 4
_PICTURES = ("snapshot_key", "plate_snapshot_key", "snapshot_sha256", "plate_snapshot_sha256")

Row = dict[str, Any]


def row_of(sighting: Sighting) -> Row:
    """The columns of an observation, without its detection."""
    reading = sighting.reading
    return {
        "id": sighting.id,
        "frame_id": sighting.frame_id,
        "captured_at": sighting.at,
        "vehicle_type": sighting.vehicle_type,
        "vehicle_confidence": sighting.vehicle_confidence,
        "vehicle_box": box_row(sighting.vehicle_box),
        "color": sighting.color,
        "color_confidence": sighting.color_confidence,
        "plate": reading.text if reading else None,
        "plate_confidence": reading.confidence if reading else None,
        "plate_format": sighting.plate_format,
        "plate_rows": sighting.plate_rows,
        "plate_box": box_row(sighting.plate_box),
        "candidates": candidate_rows(sighting.candidates),
        "lattice": lattice_row(sighting.lattice),
        "snapshot_key": sighting.snapshot_key,
        "plate_snapshot_key": sighting.plate_snapshot_key,
        "snapshot_sha256": sighting.snapshot_sha256,
        "plate_snapshot_sha256": sighting.plate_snapshot_sha256,
    }


def sighting_of(row: Mapping[str, Any]) -> Sighting:
    return Sighting(
        id=row["id"],
        frame_id=row["frame_id"],
        at=row["captured_at"],
        vehicle_type=row["vehicle_type"],
        vehicle_confidence=row["vehicle_confidence"],
        vehicle_box=box_of(row["vehicle_box"]),
        color=row["color"],
        color_confidence=row["color_confidence"],
        plate_box=box_of(row["plate_box"]),
        plate_format=row["plate_format"],
        plate_rows=row["plate_rows"],
        candidates=candidates_of(row["candidates"]),
        lattice=lattice_of_row(row["lattice"]),
        snapshot_key=row["snapshot_key"],
        plate_snapshot_key=row["plate_snapshot_key"],
        snapshot_sha256=row["snapshot_sha256"],
        plate_snapshot_sha256=row["plate_snapshot_sha256"],
    )


def spare_row(sighting: Sighting) -> Row:
    """A sighting that no passage holds, as JSON beside its frame: too faint to be shown, it has no pictures."""
    row = row_of(sighting)
    for name in ("frame_id", "captured_at", "plate", "plate_confidence", *_PICTURES):
        del row[name]
    return row


def spare_of(row: Mapping[str, Any], frame_id: str, at: datetime) -> Sighting:
    return sighting_of({**row, **dict.fromkeys(_PICTURES), "frame_id": frame_id, "captured_at": at})


def rounded(confidence: float | None) -> float | None:
    """As confidences are stored: what is worked with is what will be read back."""
    return None if confidence is None else round(confidence, _DIGITS)


def rounded_box(box: Box | None) -> Box | None:
    return box_of(box_row(box))


def rounded_candidates(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    return candidates_of(candidate_rows(candidates))


def box_row(box: Box | None) -> list[float] | None:
    return None if box is None else [round(value, 1) for value in (box.x1, box.y1, box.x2, box.y2)]


def box_of(row: Sequence[float] | None) -> Box | None:
    return None if row is None else Box(x1=row[0], y1=row[1], x2=row[2], y2=row[3])


def candidate_rows(candidates: Iterable[Candidate]) -> list[Row]:
    return [{"text": item.text, "confidence": round(item.confidence, _DIGITS), "format": item.format}
            for item in candidates]  # fmt: skip


def candidates_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Candidate, ...]:
    return tuple(Candidate.model_validate(row) for row in rows)


def lattice_row(lattice: Lattice) -> Row | None:
    """As the plate reader gives it: {format: {"log": l, "places": [{"A": l, ...}, ...]}}; None for none."""
    if not lattice:
        return None
    return {item.format: {"log": item.log, "places": [dict(place) for place in item.places]} for item in lattice}


def lattice_of_row(row: Mapping[str, Any] | None) -> Lattice:
    return tuple(
        FormatEvidence(name, item["log"], tuple(tuple(place.items()) for place in item["places"]))
        for name, item in (row or {}).items()
    )
