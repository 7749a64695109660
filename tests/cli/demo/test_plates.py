"""The drawn plates."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.demo.glyphs import ALPHABET, draw_text, strokes
from cli.demo.plates import (
    HEIGHT,
    MERCOSUL_PATTERN,
    OLD_PATTERN,
    WIDTH,
    Plate,
    PlateStyle,
    draw_plate,
    pattern_of,
    random_plates,
)

OLD, MERCOSUL = re.compile(r"[A-Z]{3}\d{4}"), re.compile(r"[A-Z]{3}\d[A-Z]\d{2}")


@given(st.integers(0, 2**31), st.integers(1, 40))
def test_plates_follow_their_formats_and_differ_in_three_places(seed: int, count: int) -> None:
    plates = random_plates(count, seed)
    assert len(plates) == count
    for plate in plates:
        form = OLD if plate.style is PlateStyle.OLD else MERCOSUL
        assert form.fullmatch(plate.text)
    for number, plate in enumerate(plates):
        for other in plates[:number]:
            assert sum(a != b for a, b in zip(plate.text, other.text, strict=True)) >= 3


def test_the_same_seed_gives_the_same_plates_and_pixels() -> None:
    assert random_plates(30, 7) == random_plates(30, 7)
    assert random_plates(30, 7) != random_plates(30, 8)
    plate = Plate("ABC1D23", PlateStyle.MERCOSUL)
    assert np.array_equal(draw_plate(plate, 3), draw_plate(plate, 3))


def test_patterns() -> None:
    assert pattern_of("ABC1234") == OLD_PATTERN
    assert pattern_of("ABC1D23") == MERCOSUL_PATTERN
    assert pattern_of("AB-1D23") == "LL?DLDD"


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("ABC1234", PlateStyle.MERCOSUL),
        ("ABC1D23", PlateStyle.OLD),
        ("ABC12", PlateStyle.OLD),
        ("abc1234", PlateStyle.OLD),
    ],
)
def test_a_plate_of_the_wrong_form_is_refused(text: str, style: PlateStyle) -> None:
    with pytest.raises(ValueError, match=text):
        draw_plate(Plate(text, style))


def test_mercosul_has_a_blue_band_and_dark_letters_and_old_is_grey() -> None:
    mercosul = draw_plate(Plate("ABC1D23", PlateStyle.MERCOSUL)).astype(int)
    assert mercosul.shape == (HEIGHT, WIDTH, 3)
    band, face = mercosul[14:58, 40:240].reshape(-1, 3).mean(0), mercosul[90:230, 60:760]
    assert band[0] > band[2] + 80
    assert face.min() < 60
    assert np.percentile(face, 90) > 200
    old = draw_plate(Plate("ABC1234", PlateStyle.OLD)).astype(int)
    assert np.ptp(old.reshape(-1, 3).mean(0)) < 15


def test_commercial_letters_are_red() -> None:
    face = draw_plate(Plate("ABC1D23", PlateStyle.MERCOSUL_COMMERCIAL))[90:230].reshape(-1, 3).astype(int)
    red = (face[:, 2] > face[:, 0] + 80) & (face[:, 2] > face[:, 1] + 80)
    assert red.mean() > 0.08


def test_every_character_is_drawn_in_its_cell_and_no_two_look_alike() -> None:
    pictures = {}
    for character in sorted(ALPHABET):
        canvas = np.full((90, 60, 3), 255, np.uint8)
        draw_text(canvas, character, (5, 5, 55, 85), (0, 0, 0))
        assert canvas.min() < 50
        for edge in (canvas[:3], canvas[-3:], canvas[:, :3], canvas[:, -3:]):
            assert edge.min() > 200
        pictures[character] = canvas[..., 0] < 128
    names = sorted(pictures)
    for number, one in enumerate(names):
        for other in names[:number]:
            assert (pictures[one] ^ pictures[other]).sum() > 60, (one, other)


def test_an_unknown_character_is_an_error() -> None:
    with pytest.raises(KeyError):
        strokes("É")
