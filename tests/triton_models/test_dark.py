"""Frames at night and in infrared: what the first look misses is found, and days cost nothing for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from cli.bench.synthetic import Order, draw
from cli.bench.synthetic_scenes import bodies
from cli.demo.scenes import CAMERAS
from cli.demo.street import paint_street
from functions.shared.errors import Unavailable
from tests.support.models import ensure_models, photograph
from tests.support.require import missing


class Models:
    """The repository's models, called as the pipeline calls them, and how many pictures each was given."""

    def __init__(self) -> None:
        self.repository = ensure_models()
        self.sessions: dict[str, Any] = {}
        self.asked: Counter[str] = Counter()
        self.shapes: set[tuple[str, tuple[int, ...]]] = set()

    async def infer(self, model: str, images: NDArray[Any]) -> Sequence[NDArray[Any]]:
        if model not in self.sessions:
            path = str(self.repository / model / "1" / "model.onnx")
            self.sessions[model] = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.asked[model] += len(images)
        self.shapes.add((model, images.shape[1:3]))
        found: Sequence[NDArray[Any]] = self.sessions[model].run(None, {"images": images})
        return found


@pytest.fixture
def models() -> Models:
    return Models()


def jpeg(picture: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1])


def texts(answer: dict[str, Any]) -> list[str]:
    return [each["plate"]["text"] for each in answer["observations"] if each["plate"]]


@pytest.mark.parametrize("number", [7, 69, 79, 167, 184])
def test_plates_of_dark_pictures_are_found(pipeline: ModuleType, models: Models, number: int) -> None:
    """Scenes of the benchmark that a person reads at once and the detector's first look does not see."""
    try:
        bodies()
    except Unavailable as error:
        missing(error.message)
    drawing = draw(Order(300, 2026), number)
    data = jpeg(drawing.picture)
    once = asyncio.run(pipeline.read_frames([data], models.infer, pipeline.Options(fallback=False)))[0]
    assert texts(once) == []
    (found,) = asyncio.run(pipeline.read_frames([data], models.infer))
    assert texts(found) == [drawing.fields["plate"]]


def test_nights_without_a_plate_have_none(pipeline: ModuleType, models: Models) -> None:
    rng = np.random.default_rng(4)
    for camera in CAMERAS:
        street = cv2.resize(paint_street(camera.view, camera.street), (960, 540), interpolation=cv2.INTER_AREA)
        grey = np.repeat(street.mean(axis=2, keepdims=True) * rng.uniform(0.1, 0.5), 3, axis=2)
        night = np.clip(grey + rng.normal(0, 9, (540, 960, 1)), 0, 255).astype(np.uint8)
        (found,) = asyncio.run(pipeline.read_frames([jpeg(night)], models.infer))
        assert texts(found) == [], camera
    assert models.asked["plate_detector"] == 2 * len(CAMERAS)


def test_a_day_asks_the_models_no_more_than_before(pipeline: ModuleType, models: Models) -> None:
    day = paint_street(CAMERAS[0].view, CAMERAS[0].street)
    for data in (jpeg(day), photograph()):
        asyncio.run(pipeline.read_frames([data], models.infer))
    assert {shape for model, shape in models.shapes if model == "plate_corners"} <= {(96, 208), (288, 288)}
    assert models.asked["vehicle_detector"] == 2
    night = (day * 0.3).astype(np.uint8)
    asyncio.run(pipeline.read_frames([jpeg(night)], models.infer))
    assert ("plate_corners", (384, 640)) in models.shapes


def test_what_is_dim(dark: ModuleType) -> None:
    rng = np.random.default_rng(1)
    day = rng.integers(60, 220, (9, 16, 3), np.uint8).repeat(60, axis=0).repeat(60, axis=1)
    grey = day.mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, axis=2)
    assert [dark.is_dim(picture) for picture in (day, day // 3, grey)] == [False, True, True]


def test_levels_are_spread_and_an_even_picture_does_no_harm(dark: ModuleType) -> None:
    slope = np.linspace(10, 40, 200).astype(np.uint8)[None, :, None].repeat(60, axis=0).repeat(3, axis=2)
    spread = dark.normalised(slope)
    assert (spread.dtype, spread.shape) == (np.uint8, slope.shape)
    assert spread.min() == 0
    assert spread.max() == 255
    assert dark.normalised(np.zeros((60, 200, 3), np.uint8)).max() == 0
