"""What the sightings of a passage tell of its vehicle, and where in the picture a camera looks. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from functions.post_processing.looks import color_of, direction_of, is_leaving, rows_of, vehicle_of
from functions.post_processing.sightings import Sighting
from functions.post_processing.zones import Zones, inside
from functions.shared.inference import Box, Candidate, Observation
from tests.functions.post_processing.scenes import HEIGHT, WIDTH, box, car, plate

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
SIZE = (WIDTH, HEIGHT)


def seen(second: float, place: Box | None, **more: object) -> Sighting:
    name = f"{second:06.1f}"
    return Sighting(name, name, START + timedelta(seconds=second), vehicle_box=place, **more)  # type: ignore[arg-type]  # its fields


def way(*boxes: tuple[float, float, float, float]) -> list[Sighting]:
    return [seen(second, box(*each)) for second, each in enumerate(boxes)]


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([(300, 20, 40, 30), (280, 60, 80, 60), (250, 120, 160, 120)], "towards"),
        # It comes nearer on a road at an angle: it moves aside by more than its width.
        ([(400, 20, 40, 30), (300, 60, 80, 60), (100, 120, 160, 120)], "towards"),
        ([(250, 120, 160, 120), (280, 60, 80, 60), (300, 20, 40, 30)], "away"),
        ([(50, 100, 100, 70), (200, 100, 100, 70), (400, 102, 102, 71)], "right"),
        ([(400, 100, 100, 70), (200, 100, 100, 70)], "left"),
        # Cut by the edges it comes in and goes out by, it seems to grow and to shrink.
        ([(0, 100, 30, 70), (120, 100, 100, 70), (300, 100, 100, 70), (590, 100, 50, 40)], "right"),
        ([(100, 20, 60, 60), (100, 60, 62, 62), (100, 110, 64, 64)], "towards"),
        ([(100, 20, 60, 60), (101, 21, 60, 60)], None),
        ([(100, 20, 60, 60)], None),
    ],
)
def test_direction(boxes: list[tuple[float, float, float, float]], expected: str | None) -> None:
    assert direction_of(way(*boxes), SIZE) == expected


def test_the_direction_of_a_plate_without_a_vehicle() -> None:
    plates = [seen(second, None, plate_box=box(100 + 60 * second, 50, 20, 7)) for second in range(3)]
    assert direction_of(plates, SIZE) == "right"


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([(300, 100, 100, 70), (535, 100, 105, 70)], True),
        ([(0, 100, 60, 70), (40, 100, 100, 70)], False),
        # Due outside by the next second, though not at the edge yet.
        ([(100, 100, 100, 70), (400, 100, 100, 70)], True),
        ([(300, 100, 100, 70), (310, 220, 140, 140)], True),
        # Standing at the edge.
        ([(540, 100, 100, 70)] * 5, False),
        ([(540, 100, 100, 70)], False),
        ([(300, 100, 100, 70), (320, 110, 100, 70)], False),
    ],
)
def test_leaving(boxes: list[tuple[float, float, float, float]], expected: bool) -> None:
    assert is_leaving(way(*boxes), SIZE) is expected


def test_colour_type_and_rows_are_voted_by_confidence_and_size() -> None:
    candidates = (Candidate(text="ABC1D23", confidence=0.9),)
    sightings = [
        seen(0, box(0, 0, 20, 15), color="grey", color_confidence=0.9, vehicle_type="car", vehicle_confidence=0.5),
        seen(1, box(0, 0, 200, 150), color="red", color_confidence=0.6, vehicle_type="truck", vehicle_confidence=0.9),
        seen(2, box(0, 0, 30, 20), color="grey", color_confidence=0.9, vehicle_type="car", vehicle_confidence=0.3),
        seen(3, box(0, 0, 30, 20), plate_rows=2, candidates=candidates, plate_box=box(5, 5, 10, 10)),
    ]
    assert color_of(sightings)[0] == "red"
    assert vehicle_of(sightings) == ("truck", 0.9)
    assert rows_of(sightings) == 2
    assert color_of(sightings[3:]) == vehicle_of(sightings[3:]) == (None, None)


SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
NOTCHED = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.2), (0.0, 1.0))


@pytest.mark.parametrize(
    ("point", "polygon", "expected"),
    [
        ((0.5, 0.5), SQUARE, True), ((0.1, 0.5), SQUARE, False), ((0.9, 0.5), SQUARE, False),
        ((0.5, 0.5), NOTCHED, False), ((0.1, 0.5), NOTCHED, True), ((0.9, 0.5), NOTCHED, True),
    ],
)  # fmt: skip
def test_inside(point: tuple[float, float], polygon: tuple[tuple[float, float], ...], expected: bool) -> None:
    assert inside(point, polygon) is expected


@pytest.mark.parametrize(
    ("observation", "counts"),
    [
        # The plate's centre, at (300, 155), counts; without one the middle of the lower edge, at (300, 170).
        (car(250, 100, "ABC1D23"), True),
        (car(250, 100), True),
        (car(250, 240), False),
        (Observation(vehicle=car(0, 0).vehicle, plate=plate("ABC1D23", 0.9, box(300, 150, 20, 10))), True),
        (Observation(vehicle=None, plate=plate("ABC1D23", 0.9, box(0, 0, 20, 10))), False),
    ],
)
def test_only_what_lies_in_a_region_and_in_no_ignored_zone_counts(observation: Observation, counts: bool) -> None:
    assert Zones(regions=(SQUARE,)).count(observation, WIDTH, HEIGHT) is counts
    assert Zones(ignored=(SQUARE,)).count(observation, WIDTH, HEIGHT) is not counts
    assert not Zones(regions=(SQUARE,), ignored=(SQUARE,)).count(observation, WIDTH, HEIGHT)
    assert Zones().count(observation, WIDTH, HEIGHT)
