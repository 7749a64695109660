"""The dominant colour of drawn cars, and of pictures without any."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

VEHICLE = np.array([100, 60, 340, 300], np.float32)
PLATE = np.array([185, 225, 255, 248], np.float32)
PAINT = {
    "white": (238, 238, 236),
    "silver": (158, 156, 152),
    "grey": (98, 96, 94),
    "black": (24, 22, 22),
    "red": (30, 24, 178),
    "blue": (150, 62, 20),
    "green": (48, 118, 28),
    "yellow": (20, 190, 232),
    "brown": (36, 62, 98),
}
"""BGR."""


def street(paint: tuple[int, int, int], light: float = 1.0, seed: int = 0) -> NDArray[np.uint8]:
    """A car from behind on a road: body, window, tyres, lamps, a plate."""
    picture = np.full((360, 440, 3), (205, 200, 190), np.uint8)
    picture[200:] = (104, 106, 108)
    picture[40:90, :80] = (250, 250, 250)

    def box(x1: float, y1: float, x2: float, y2: float, color: tuple[int, int, int]) -> None:
        left, top = VEHICLE[:2]
        wide, high = VEHICLE[2:] - VEHICLE[:2]
        first, last = (
            (round(left + x1 * wide), round(top + y1 * high)),
            (round(left + x2 * wide), round(top + y2 * high)),
        )
        cv2.rectangle(picture, first, last, color, -1)

    box(0.05, 0.8, 0.25, 1, (20, 20, 20))
    box(0.75, 0.8, 0.95, 1, (20, 20, 20))
    box(0.12, 0, 0.88, 0.5, paint)
    box(0.2, 0.08, 0.8, 0.38, (58, 52, 48))
    box(0, 0.42, 1, 0.9, paint)
    box(0.02, 0.45, 0.12, 0.6, (30, 24, 150))
    box(0.88, 0.45, 0.98, 0.6, (30, 24, 150))
    x1, y1, x2, y2 = PLATE.astype(int)
    picture[y1:y2, x1:x2] = (225, 225, 225)
    noise = np.random.default_rng(seed).normal(0, 6, picture.shape)
    return np.asarray(np.clip(picture * light + noise, 0, 255), np.uint8)


def color(colors: ModuleType, picture: NDArray[Any], plate: NDArray[Any] | None = PLATE) -> tuple[str | None, float]:
    found: tuple[str | None, float] = colors.Scene(picture).color(VEHICLE, plate)
    return found


@pytest.mark.parametrize("name", PAINT)
@pytest.mark.parametrize("light", [1.0, 0.7])
def test_a_drawn_car_has_its_colour(colors: ModuleType, name: str, light: float) -> None:
    for plate in (PLATE, None):
        found, sure = color(colors, street(PAINT[name], light), plate)
        assert found == name
        assert 0.25 < sure <= 1


def test_infrared_has_no_colour(colors: ModuleType) -> None:
    grey = cv2.cvtColor(street(PAINT["red"]), cv2.COLOR_BGR2GRAY)
    assert color(colors, cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)) == (None, 0.0)
    tinted = np.clip(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR) * (1.0, 0.95, 1.0), 0, 255).astype(np.uint8)
    assert color(colors, tinted) == (None, 0.0)


def test_every_answer_is_a_colour_that_the_platform_knows(colors: ModuleType) -> None:
    random = np.random.default_rng(2)
    for _ in range(30):
        noise = cv2.resize(random.integers(0, 256, (6, 6, 3), np.uint8), (440, 360))
        name, sure = color(colors, noise)
        assert name in colors.COLORS
        assert 0 < sure <= 1


def test_a_vehicle_of_a_few_pixels_has_none(colors: ModuleType) -> None:
    scene = colors.Scene(street(PAINT["red"]))
    assert scene.color(np.array([10, 10, 15, 15], np.float32), None) == (None, 0.0)
