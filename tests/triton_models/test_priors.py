"""What a plate's looks say of its format and rows before a character is read."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

CORNERS = np.array([[0, 0], [400, 0], [400, 130], [0, 130]], np.float32)


def odds(views: ModuleType, priors: ModuleType, plate: np.ndarray, exact: bool = True) -> float:
    return float(priors.band_odds(*views.band(plate, CORNERS, exact), exact))


def test_a_band_is_seen_by_its_blue_or_its_darkness(views: ModuleType, priors: ModuleType) -> None:
    plate = np.full((130, 400, 3), 225, np.uint8)
    assert odds(views, priors, plate) < -1
    plate[:30] = (150, 52, 8)
    assert odds(views, priors, plate) > 2
    infrared = np.repeat(plate[..., 2:], 3, axis=2)
    assert odds(views, priors, infrared) > 0


def test_without_corners_a_band_is_found_anywhere_above_and_its_absence_says_nothing(
    views: ModuleType, priors: ModuleType
) -> None:
    plate = np.full((130, 400, 3), 225, np.uint8)
    assert odds(views, priors, plate, exact=False) == 0
    plate[:12] = 60
    assert odds(views, priors, plate, exact=False) == 0
    plate[16:44] = (150, 52, 8)
    assert odds(views, priors, plate, exact=False) == 2


@pytest.mark.parametrize(("layout", "better"), [(0, "br_old"), (1, "br_mercosul"), (2, "br_old"), (3, "br_mercosul")])
def test_the_layout_speaks_for_its_format(priors: ModuleType, formats: ModuleType, layout: int, better: str) -> None:
    looks = priors.Looks(np.eye(6)[layout], 0.0)
    prior = priors.of_formats(looks, formats.chosen(formats.DEFAULT))
    assert max(prior, key=lambda name: prior[name]) == better
    rows = priors.of_rows(looks)
    assert (rows[2] > rows[1]) is (layout in (2, 3))
    assert np.exp(rows[1]) + np.exp(rows[2]) == pytest.approx(1)


def test_an_unseen_layout_leaves_the_format_to_the_band(priors: ModuleType, formats: ModuleType) -> None:
    wanted = formats.chosen(formats.DEFAULT)
    plain = priors.of_formats(priors.Looks(priors.UNSEEN, 0.0), wanted)
    assert plain["br_old"] == plain["br_mercosul"]
    banded = priors.of_formats(priors.Looks(priors.UNSEEN, 3.0), wanted)
    assert banded["br_mercosul"] - banded["br_old"] == pytest.approx(3.0)


def test_another_layout_speaks_for_other_countries(priors: ModuleType, formats: ModuleType) -> None:
    prior = priors.of_formats(priors.Looks(np.eye(6)[4], 0.0), formats.chosen(("br_old", "ar_old")))
    assert prior["ar_old"] > prior["br_old"]


def test_a_sure_band_decides_whatever_the_layout_is_taken_for(
    views: ModuleType, priors: ModuleType, formats: ModuleType
) -> None:
    """Blue between known corners, and a second reader that is certain of the old layout."""
    plate = np.full((130, 400, 3), 225, np.uint8)
    plate[:30] = (150, 52, 8)
    wanted = formats.chosen(formats.DEFAULT)
    for layout in (0, 2):
        sure = priors.of_formats(priors.Looks(np.eye(6)[layout], odds(views, priors, plate)), wanted)
        assert sure["br_mercosul"] - sure["br_old"] > 1
        beside = priors.of_formats(priors.Looks(np.eye(6)[layout], odds(views, priors, plate, exact=False)), wanted)
        assert beside["br_mercosul"] < beside["br_old"]
        dark = np.repeat(plate[..., 2:], 3, axis=2)
        infrared = priors.of_formats(priors.Looks(np.eye(6)[layout], odds(views, priors, dark)), wanted)
        assert infrared["br_mercosul"] < infrared["br_old"]


def test_a_sure_band_leaves_the_layouts_word_on_formats_that_have_one(priors: ModuleType, formats: ModuleType) -> None:
    wanted = formats.chosen(("br_old", "br_mercosul", "ar_mercosul"))
    layout = np.array([0.9, 0.02, 0.0, 0.0, 0.08, 0.0])
    plain, sure = (priors.of_formats(priors.Looks(layout, band), wanted) for band in (0.0, 4.0))
    assert sure["ar_mercosul"] - sure["br_mercosul"] == pytest.approx(plain["ar_mercosul"] - plain["br_mercosul"])
    assert max(sure, key=lambda name: sure[name]) == "ar_mercosul"


def test_a_band_that_the_layout_shows_too_counts_once(priors: ModuleType, formats: ModuleType) -> None:
    wanted = formats.chosen(formats.DEFAULT)
    plain, sure = (priors.of_formats(priors.Looks(np.eye(6)[1], band), wanted) for band in (0.0, 4.0))
    assert sure["br_mercosul"] - plain["br_mercosul"] == pytest.approx(4.0)
    assert sure["br_old"] == plain["br_old"]
