"""What the pictures of one request may cost, however often they are shown."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np
import pytest

from functions.ingest import reads_pictures, reads_service
from functions.ingest.reads_pictures import pictures_of
from functions.ingest.reads_shapes import Read

AT = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
READ = Read("plate_recognizer", "r", ("gate",), AT, AT, "BRA2E19", plate_box=(100.0, 60.0, 180.0, 84.0))
Counted = dict[str, int]


def png(width: int, height: int, shade: int = 90) -> bytes:
    done, data = cv2.imencode(".png", np.full((height, width, 3), shade, np.uint8))
    assert done
    return bytes(data.tobytes())


def jpeg(width: int, height: int, seed: int = 1) -> bytes:
    image = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    done, data = cv2.imencode(".jpg", image)
    assert done
    return bytes(data.tobytes())


def reads(pictures: list[bytes], **changed: Any) -> list[Read | None]:
    return [dataclasses.replace(READ, external_id=f"r{n}", picture=one, **changed) for n, one in enumerate(pictures)]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The real codec, with its calls and its pixels counted."""
    found: Counted = {"imdecode": 0, "imencode": 0, "pixels": 0}

    def counting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            answer = real(*arguments)
            image = answer if name == "imdecode" else arguments[1]
            found[name] += 1
            found["pixels"] += image.shape[0] * image.shape[1]
            return answer

        return call

    for name in ("imdecode", "imencode"):
        monkeypatch.setattr(cv2, name, counting(name, getattr(cv2, name)))
    return found


def test_a_picture_of_a_hundred_reads_is_decoded_once(counted: Counted) -> None:
    picture = png(1280, 720)
    counted.update(dict.fromkeys(counted, 0))
    found = pictures_of(reads([picture] * 100))
    # The PNG once, the JPEG that it became once, and a plate for each read.
    assert (counted["imdecode"], counted["imencode"]) == (2, 101)
    assert all(one.vehicle is found[0].vehicle and one.plate is not None and not one.refused for one in found)


def test_the_pixels_of_a_request_are_bounded(counted: Counted) -> None:
    """Distinct pictures of a few kB with 33 megapixels each; the small one after them is taken all the same."""
    pictures = [png(7680, 4200, shade) for shade in range(4)]
    counted.update(dict.fromkeys(counted, 0))
    found = pictures_of([*reads(pictures, plate_box=None), *reads([jpeg(320, 180)])])
    assert [one.refused for one in found] == [False, False, False, True, False]
    # A PNG is decoded and encoded: twice what is allowed to come in.
    assert counted["pixels"] <= 2 * reads_pictures.MOST_PIXELS


def test_cutting_plates_is_bounded_too(counted: Counted) -> None:
    picture = jpeg(1920, 1080)
    counted.update(dict.fromkeys(counted, 0))
    found = pictures_of(reads([picture] * 100, plate_box=(0.0, 0.0, 1920.0, 1080.0)))
    cut = [one for one in found if one.plate is not None]
    assert 10 < len(cut) < 60
    assert counted["pixels"] <= reads_pictures.MOST_PIXELS


def test_the_bytes_of_a_request_are_bounded() -> None:
    picture = jpeg(1920, 1080)
    found = pictures_of(reads([picture] * 100))
    kept = sum(len(one.vehicle) for one in found if one.vehicle is not None)
    assert reads_pictures.MOST_STORED - len(picture) < kept <= reads_pictures.MOST_STORED
    assert found[0].refused is False
    assert (found[-1].vehicle, found[-1].refused) == (None, True)
    assert found[-1].plate is not None, "the plate is small: it is kept where the whole picture is not"


async def test_a_request_that_is_over_ends_the_work(counted: Counted) -> None:
    """The thread that draws goes on where its request was cancelled; it must begin no other picture."""
    pictures = [png(4000, 2000, shade) for shade in range(10)]
    counted.update(dict.fromkeys(counted, 0))
    drawing = asyncio.create_task(reads_service.draw(reads(pictures, plate_box=None)))
    await asyncio.sleep(0.1)
    drawing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drawing
    under_way = counted["imdecode"]
    await asyncio.sleep(0.5)
    assert counted["imdecode"] <= under_way + 1 < len(pictures)
