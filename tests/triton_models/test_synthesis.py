"""The generator of synthetic plates: the same picture for the same seed, and the truth about it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from cli.models.repository import SOURCE

TRAINING = SOURCE / "training"


@pytest.fixture(scope="module")
def synthesis() -> ModuleType:
    sys.path.insert(0, str(TRAINING))
    try:
        return importlib.import_module("synthesis")
    finally:
        sys.path.remove(str(TRAINING))


@pytest.fixture(scope="module")
def data(synthesis: ModuleType) -> ModuleType:
    """The trainer's batches.py, which needs no torch."""
    spec = importlib.util.spec_from_file_location("_training_batches", TRAINING / "batches.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def hard(synthesis: ModuleType) -> list[Any]:
    return [synthesis.sample(seed, hard=True) for seed in range(120)]


def pattern(text: str) -> str:
    return "".join("N" if character.isdigit() else "L" for character in text)


def test_a_seed_always_gives_the_same_picture_and_another_seed_another(synthesis: ModuleType) -> None:
    one, again, other = synthesis.sample(5, hard=True), synthesis.sample(5, hard=True), synthesis.sample(6, hard=True)
    assert np.array_equal(one.picture, again.picture)
    assert (one.text, one.light, one.layout) == (again.text, again.light, again.layout)
    assert np.array_equal(one.corners, again.corners)
    assert one.text != other.text


def test_by_default_brazilian_plates_of_their_own_patterns_are_drawn(synthesis: ModuleType, hard: list[Any]) -> None:
    patterns = {synthesis.OLD: "LLLNNNN", synthesis.MERCOSUL: "LLLNLNN"}
    patterns |= {synthesis.OLD_ROWS: "LLLNNNN", synthesis.MERCOSUL_ROWS: "LLLNLNN"}
    for one in hard:
        written = pattern(one.text)
        assert written == patterns[one.layout]
        assert one.rows == (2 if one.layout in (synthesis.OLD_ROWS, synthesis.MERCOSUL_ROWS) else 1)
        assert one.format == ("br_old" if written == "LLLNNNN" else "br_mercosul")
    assert {one.layout for one in hard} == set(patterns)
    assert {one.light for one in hard} == set(synthesis.LIGHTS)


def test_the_corners_lie_in_the_picture_and_are_about_as_far_apart_as_is_said(hard: list[Any]) -> None:
    for one in hard:
        height, width = one.picture.shape[:2]
        x0, y0, x1, y1 = one.box
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert one.picture.dtype == np.uint8
        assert 45 <= one.width <= 195
        assert 0.2 < one.height / one.width < 1.5


def test_infrared_is_grey_and_a_plates_ink_stands_out_by_every_light(hard: list[Any]) -> None:
    for one in hard:
        x0, y0, x1, y1 = (round(value) for value in one.box)
        inside = one.picture[y0:y1, x0:x1].astype(float)
        assert inside.mean(axis=2).std() > 5
        if one.light == "infrared":
            assert np.abs(inside[..., 0] - inside[..., 2]).mean() < 3


def test_a_crop_is_what_the_reader_takes(synthesis: ModuleType, hard: list[Any]) -> None:
    crop = synthesis.crop(hard[0], np.random.default_rng(1))
    again = synthesis.crop(hard[0], np.random.default_rng(1))
    assert crop.shape == (64, 128, 3)
    assert crop.dtype == np.uint8
    assert np.array_equal(crop, again)


@pytest.mark.parametrize("family", ["old", "fe", "mixed"])
def test_every_character_can_be_drawn_and_no_two_look_alike(synthesis: ModuleType, family: str) -> None:
    face = synthesis.random_face(np.random.default_rng(3), family)
    drawn: dict[str, Any] = {}
    for character in synthesis.CHARACTERS:
        mask = np.zeros((80, 60), np.uint8)
        synthesis.draw_character(mask, character, (8, 8, 52, 72), face)
        drawn[character] = mask.astype(int)
        assert 0.06 < (mask > 128).mean() < 0.6, character
        assert not mask[:2].any(), character
    for one in drawn:
        for other in drawn:
            if one < other:
                assert np.abs(drawn[one] - drawn[other]).mean() > 2, (one, other)
    with pytest.raises(KeyError):
        synthesis.draw_character(np.zeros((8, 8), np.uint8), "?", (0, 0, 8, 8), face)


def test_other_patterns_and_pictures_without_a_plate_come_when_they_are_asked_for(synthesis: ModuleType) -> None:
    others = [synthesis.sample(seed, share=synthesis.Share(0, 0, 0, 0, 1, 0)) for seed in range(40)]
    assert {one.layout for one in others} == {synthesis.OTHER}
    assert {len(one.text) for one in others} >= {6, 7}
    nothing = synthesis.sample(1, share=synthesis.Share(0, 0, 0, 0, 0, 1))
    assert (nothing.text, nothing.layout) == ("", synthesis.NOTHING)
    free = [synthesis.sample(seed, share=synthesis.Share(1, 1, 0, 0, 0, 0), follow=False) for seed in range(80)]
    usual = {"br_old": "LLLNNNN", "br_mercosul": "LLLNLNN"}
    assert any(pattern(one.text) != usual[one.format] for one in free)


def test_a_scene_is_a_whole_frame_with_the_plate_at_the_corners(synthesis: ModuleType) -> None:
    one = synthesis.scene(3, 640, 360)
    x0, y0, x1, y1 = one.box
    assert one.picture.shape == (360, 640, 3)
    assert 0 <= x0 < x1 <= 640
    assert 0 <= y0 < y1 <= 360


def test_a_plate_can_be_laid_on_any_picture(synthesis: ModuleType) -> None:
    rng = np.random.default_rng(2)
    spec = synthesis.random_spec(rng, synthesis.MERCOSUL)
    corners = np.array([[100, 80], [260, 84], [258, 138], [99, 133]], np.float32)
    shot = synthesis.place(rng, np.full((240, 360, 3), 90, np.uint8), spec, corners)
    inside, outside = shot[84:132, 104:254].astype(float), shot[:60].astype(float)
    assert inside.std() > 3 * outside.std()


def test_a_chunk_of_training_is_the_same_for_the_same_seed_and_its_truth_is_in_classes(data: ModuleType) -> None:
    one, again, other = (data.chunk(7, number, [], pictures=4) for number in (3, 3, 4))
    assert np.array_equal(one.crops, again.crops)
    assert np.array_equal(one.places, again.places)
    assert not np.array_equal(one.crops, other.crops)
    assert one.crops.shape == (8, 64, 128, 3)
    assert np.array_equal(one.places[0::2], one.places[1::2])  # two crops of each picture
    assert data.classes("0A9Z") == [1, 11, 10, 36, 0, 0, 0, 0]
    assert ((one.places > 0).sum(axis=1)[one.layouts == 5] == 0).all()


def test_batches_hold_each_chunk_whole_and_as_much_again_of_the_ones_before(data: ModuleType) -> None:
    chunks = [data.chunk(1, number, [], pictures=4) for number in range(3)]
    batches = list(data.batches(iter(chunks), 4, 5))
    assert len(batches) == 3 * 4
    seen = [crop.tobytes() for crops, _, _ in batches[4:8] for crop in crops]
    assert {crop.tobytes() for crop in chunks[1].crops} <= set(seen)
    assert set(seen) <= {crop.tobytes() for part in chunks[:2] for crop in part.crops}
    again = list(data.batches(iter(chunks), 4, 5))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(batches, again, strict=True))


def test_what_is_measured_on_is_never_trained_on(data: ModuleType) -> None:
    assert data.VALIDATION_SEED + 1_000_000 < data.FIRST_SEED


def test_a_share_of_the_characters_can_be_of_those_that_are_easily_mistaken(synthesis: ModuleType) -> None:
    plain = [synthesis.sample(seed) for seed in range(60)]
    mixed = [synthesis.sample(seed, lookalikes=1.0) for seed in range(60)]
    assert [pattern(one.text) for one in mixed] == [pattern(one.text) for one in plain]
    assert set("".join(one.text for one in mixed)) <= set("ODQHMWNVCGITYJU" + "6835917" + "0")
    assert [one.text for one in mixed] == [synthesis.sample(seed, lookalikes=1.0).text for seed in range(60)]
    assert [one.text for one in plain] == [synthesis.sample(seed).text for seed in range(60)]
