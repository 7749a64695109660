"""What a polygon is, by itself and through the routes of the register."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.cameras import polygons
from tests.functions.cameras.conftest import URL, Register

SQUARE = [[0.1, 0.4], [0.9, 0.4], [0.9, 1.0], [0.1, 1.0]]
BOW_TIE: list[list[float]] = [[0, 0], [1, 1], [1, 0], [0, 1]]
GOOD: list[list[list[float]]] = [
    SQUARE,
    [[0, 0], [1, 0], [0, 1]],
    [[0, 0], [0.5, 0], [1, 0], [1, 1], [0, 1]],
    [[0, 0], [1, 0], [1, 1], [0.5, 0.2], [0, 1]],
    [[0, 0], [1, 0], [1, 0.2], [0.2, 0.2], [0.2, 0.8], [1, 0.8], [1, 1], [0, 1]],
]
BAD: list[tuple[list[list[float]], str]] = [
    (BOW_TIE, "side 1 meets side 3"),
    ([[0, 0], [0.5, 0.5], [1, 1]], "crosses itself"),
    ([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], "same corner twice"),
    ([*SQUARE, SQUARE[0]], "last corner is joined to the first by itself"),
    ([[0, 0], [1, 0], [0.5, 0], [0.5, 1]], "crosses itself"),
    # A corner that only touches another side.
    ([[0, 0], [1, 0], [1, 1], [0.5, 0], [0, 1]], "crosses itself"),
    ([[0.5, 0.5], [0.5005, 0.5], [0.5, 0.5005]], "has no area"),
]


@pytest.mark.parametrize("corners", GOOD)
def test_a_simple_polygon_has_no_fault_wherever_it_begins_and_however_it_turns(corners: list[list[float]]) -> None:
    for start in range(len(corners)):
        turned = corners[start:] + corners[:start]
        assert polygons.fault(turned) is None
        assert polygons.fault(turned[::-1]) is None


@pytest.mark.parametrize(("corners", "reason"), BAD)
def test_what_is_no_simple_polygon_says_why(corners: list[list[float]], reason: str) -> None:
    assert reason in str(polygons.fault(corners))
    for start in range(len(corners)):
        assert polygons.fault((corners[start:] + corners[:start])[::-1]) is not None


def star(angles: list[float], radii: list[float]) -> list[list[float]]:
    """Corners around the middle in the order of their angles: simple, whatever the radii are."""
    return [
        [0.5 + 0.5 * radius * math.cos(angle), 0.5 + 0.5 * radius * math.sin(angle)]
        for angle, radius in zip(angles, radii, strict=True)
    ]


@given(st.integers(3, 32), st.data())
def test_corners_around_a_point_are_simple_and_two_swapped_are_not(count: int, data: st.DataObject) -> None:
    angles = [2 * math.pi * number / count for number in range(count)]
    radii = data.draw(st.lists(st.floats(0.2, 1.0), min_size=count, max_size=count))
    corners = star(angles, radii)
    assert polygons.fault(corners) is None
    # On one circle any other order than around it crosses.
    if count > 3:
        circle = star(angles, [1.0] * count)
        one = data.draw(st.integers(0, count - 2))
        circle[one], circle[one + 1] = circle[one + 1], circle[one]
        assert "crosses itself" in str(polygons.fault(circle))


def test_area() -> None:
    assert polygons.area(SQUARE) == pytest.approx(0.48)
    assert polygons.area(SQUARE[::-1]) == pytest.approx(0.48)


FIELDS = ("regions", "ignore_zones")


async def make(register: Register, **changed: Any) -> Any:
    return await register.client.post("/api/cameras", json={"id": "cam-1", "name": "Cam", "rtsp_url": URL, **changed})


async def test_polygons_are_kept_changed_and_emptied(register: Register) -> None:
    client, path = register.client, "/api/cameras/cam-1"
    made = await make(register, regions=GOOD, ignore_zones=[SQUARE], min_plate_height=14, min_confidence=0.8)
    assert made.status_code == 201, made.text
    found = (await client.get(path)).json()
    assert (found["regions"], found["ignore_zones"]) == (GOOD, [SQUARE])
    assert (found["min_plate_height"], found["min_confidence"]) == (14, 0.8)
    same = await client.patch(path, json={"regions": GOOD, "min_plate_height": 14})
    assert same.json()["revision"] == 1
    less = await client.patch(path, json={"regions": GOOD[:1], "min_plate_height": None})
    assert (less.json()["revision"], less.json()["regions"], less.json()["min_plate_height"]) == (2, GOOD[:1], None)
    # No polygon is the whole picture, however it is said.
    nothing: tuple[list[Any] | None, ...] = ([], None)
    for empty in nothing:
        await client.patch(path, json={"regions": GOOD})
        assert (await client.patch(path, json={"regions": empty})).json()["regions"] is None
    assert (await client.get("/api/cameras")).json()["items"][0]["ignore_zones"] == [SQUARE]


WRONG: list[tuple[Any, str]] = [
    ([SQUARE, BOW_TIE], "1"),
    ([SQUARE, SQUARE[:2]], "1"),
    ([[[0, 0], [0.001, 0], [0, 0.001]]], "0"),
    ([SQUARE, SQUARE, [[0, 0], [1, 0], [1, 1.01]]], "2.2.1"),
    ([[[0, 0], [1, 0], [-0.1, 1]]], "0.2.0"),
    ([[[0, 0], [1, 0], [1, 1, 1]]], "0.2"),
    ([[[0, 0], [1, 0], ["x", 1]]], "0.2.0"),
    ([[[0, 0], [1, 0], None]], "0.2"),
    ([[[index / 33, index % 2] for index in range(33)]], "0"),
    ([SQUARE] * 17, ""),
    ("everywhere", ""),
    ({"0": SQUARE}, ""),
]


@pytest.mark.parametrize("field", FIELDS)
async def test_a_wrong_polygon_is_named_by_field_and_place(sqlite_register: Register, field: str) -> None:
    await make(sqlite_register, **{field: [SQUARE]})
    for value, place in WRONG:
        name = f"{field}.{place}".rstrip(".")
        for answer in (
            await make(sqlite_register, id="cam-2", **{field: value}),
            await sqlite_register.client.patch("/api/cameras/cam-1", json={field: value}),
        ):
            assert answer.status_code == 422, value
            assert name in [row["field"] for row in answer.json()["error"]["details"]["fields"]], value
    assert (await sqlite_register.client.get("/api/cameras/cam-1")).json()["revision"] == 1


async def test_numbers_that_are_none_are_no_corners(sqlite_register: Register) -> None:
    for number in ("NaN", "Infinity", "-Infinity"):
        body = f'{{"name": "Cam", "rtsp_url": "{URL}", "regions": [[[0, 0], [1, 0], [{number}, 1]]]}}'
        answer = await sqlite_register.client.post(
            "/api/cameras", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 422, number


async def test_openapi_shows_a_polygon_and_its_limits(sqlite_register: Register) -> None:
    api = (await sqlite_register.client.get("/api/openapi.json")).json()
    schemas = api["components"]["schemas"]
    for name in ("CameraCreate", "CameraUpdate"):
        for field in FIELDS:
            shown = schemas[name]["properties"][field]
            lists = next(way for way in shown["anyOf"] if way.get("type") == "array")
            assert (lists["maxItems"], lists["items"]["minItems"], lists["items"]["maxItems"]) == (16, 3, 32)
            for example in shown["examples"]:
                assert [polygons.fault(corners) for corners in example] == [None]
