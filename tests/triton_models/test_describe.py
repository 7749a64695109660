"""What a frame's answer says: which plate is whose, and what is none."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from tests.triton_models.conftest import part

BUS = (10.0, 20.0, 800.0, 520.0)
PLATE, SIGN = (73.0, 460.0, 153.0, 490.0), (547.0, 352.0, 681.0, 417.0)


def plate(box: tuple[float, float, float, float], text: str, confidence: float, form: str | None) -> Any:
    frame, joint = part("frame"), part("joint")
    found = frame.Plate.in_box(np.array([*box, 0.6], np.float32), 0.25)
    found.reading = joint.Reading((joint.Text(text, confidence, form),), 1, {}, 0.0, 1.0)
    return found


def observed(pictures: ModuleType, vehicles: list[tuple[float, ...]], plates: list[Any]) -> list[tuple[Any, Any]]:
    """(vehicle's left edge or None, plate's text or None) of each observation."""
    frame = part("frame")
    picture = np.full((720, 1280, 3), 90, np.uint8)
    made = frame.Frame(picture, pictures.fit_for_detection(720, 1280), frame.Options())
    made.vehicles = np.array([[*box, 0.9, 2] for box in vehicles], np.float32).reshape(-1, 6)
    made.plates = plates
    answer = part("describe").described(made, {})
    return [
        (item["vehicle"] and item["vehicle"]["box"]["x1"], item["plate"] and item["plate"]["text"])
        for item in answer["observations"]
    ]


def test_lettering_does_not_take_a_plates_place_on_its_vehicle(pictures: ModuleType) -> None:
    """A bus with the number of its line where a plate would sit, and its plate in a corner."""
    plates = [plate(SIGN, "2715O1", 0.58, None), plate(PLATE, "KWA2I49", 0.99, "br_mercosul")]
    assert observed(pictures, [BUS], plates) == [(10.0, "KWA2I49")]


def test_a_text_of_no_format_is_kept_where_no_plate_is_certain(pictures: ModuleType) -> None:
    doubtful = [plate(SIGN, "2715O1", 0.58, None), plate(PLATE, "KWA2I49", 0.4, "br_mercosul")]
    assert sorted(text for _, text in observed(pictures, [BUS], doubtful)) == ["2715O1", "KWA2I49"]
    assert observed(pictures, [BUS], [plate(SIGN, "2715O1", 0.58, None)]) == [(10.0, "2715O1")]


def test_a_plate_of_another_vehicle_before_it_is_no_lettering(pictures: ModuleType) -> None:
    """A foreign plate on a car that hides a part of the bus."""
    car = (500.0, 300.0, 720.0, 450.0)
    plates = [plate(SIGN, "W7XQ99", 0.58, None), plate(PLATE, "KWA2I49", 0.99, "br_mercosul")]
    assert sorted(observed(pictures, [BUS, car], plates)) == [(10.0, "KWA2I49"), (500.0, "W7XQ99")]


def test_two_plates_that_fit_a_format_are_both_kept(pictures: ModuleType) -> None:
    plates = [plate(SIGN, "ABC1D23", 0.99, "br_mercosul"), plate(PLATE, "KWA2I49", 0.99, "br_mercosul")]
    assert sorted(text for _, text in observed(pictures, [BUS], plates)) == ["ABC1D23", "KWA2I49"]


def test_a_faint_plate_stays_while_its_characters_are_doubtful_if_a_plate_is_plain() -> None:
    for plain, text, confidence, form, stays in (
        (True, "ABC1234", 0.3, "br_old", True),
        (False, "ABC1234", 0.3, "br_old", False),
        (False, "ABC1234", 0.6, "br_old", True),
        (True, "ABC1234", 0.1, "br_old", False),
        (True, "W7XQ99", 0.6, None, False),
    ):
        found = plate(SIGN, text, confidence, form)
        found.faint, found.plain = True, plain
        assert found.believed is stays
        found.faint = False
        assert found.believed
