"""Interlaced pictures: how far the fields are apart, and that the plate between them is read."""

from __future__ import annotations

import asyncio
from types import ModuleType

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cli.demo.plates import Plate, PlateStyle, draw_plate
from functions.shared.inference import open_inference
from tests.support.models import ensure_models
from tests.triton_models.test_reading import ONE_ROW, with_plate

BOX = np.array([40, 30, 240, 100], np.float32)


def scene() -> NDArray[np.uint8]:
    plate = cv2.resize(draw_plate(Plate("KTR4938", PlateStyle.OLD)), (200, 70), interpolation=cv2.INTER_AREA)
    picture = np.full((140, 300, 3), 90, np.uint8)
    picture[30:100, 40:240] = plate
    noise = np.random.default_rng(3).normal(0, 6, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def torn(picture: NDArray[np.uint8], shift: int, first: int = 0) -> NDArray[np.uint8]:
    fields = picture.copy()
    fields[first::2] = np.roll(fields[first::2], shift, axis=1)
    return fields


@pytest.mark.parametrize("shift", [-6, -3, -1, 0, 1, 2, 5])
def test_the_fields_are_measured_and_joined(fields: ModuleType, shift: int) -> None:
    plain = scene()
    assert fields.apart(torn(plain, shift)) == shift
    assert fields.apart(torn(plain, shift, first=1)) == -shift
    mended = fields.joined(torn(plain, shift), BOX)
    np.testing.assert_array_equal(mended[30:100, 40:240], plain[30:100, 40:240])


def test_a_whole_picture_is_given_back_as_it_is(fields: ModuleType) -> None:
    plain = scene()
    assert fields.joined(plain, BOX) is plain
    noise = np.random.default_rng(5).integers(0, 256, (60, 200, 3), np.uint8)
    assert fields.apart(noise) == 0
    assert fields.apart(np.zeros((60, 200, 3), np.uint8)) == 0


@pytest.mark.parametrize("box", [(-30, -30, 20, 10), (0, 0, 3, 2), (290, 130, 320, 160)])
def test_boxes_at_the_edge_do_no_harm(fields: ModuleType, box: tuple[float, ...]) -> None:
    torn_apart = torn(scene(), 2)
    assert fields.joined(torn_apart, np.array(box, np.float32)).shape == torn_apart.shape


def test_a_plate_that_is_torn_into_fields_is_read() -> None:
    data = with_plate(draw_plate(Plate("KTR4938", PlateStyle.OLD)), ONE_ROW)
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    jpeg = bytes(cv2.imencode(".jpg", torn(picture.astype(np.uint8), 6), [cv2.IMWRITE_JPEG_QUALITY, 92])[1])

    async def read() -> list[str]:
        engine = open_inference(None, ensure_models(), max_in_flight=1, timeout_s=60)
        try:
            found = await engine.read(jpeg)
        finally:
            await engine.close()
        return [each.plate.text for each in found.observations if each.plate]

    assert "KTR4938" in asyncio.run(read())
