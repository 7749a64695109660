"""Whole pictures through the real models: close-ups, turned phone photos, what a camera asks for, and the order."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from cli.demo.plates import Plate, PlateStyle, draw_plate
from functions.shared.inference import Ask, FrameReading, Inference, PlateReading, open_inference
from tests.support.models import ensure_models
from tests.triton_models.test_reading import ONE_ROW, TWO_ROWS, two_rows, with_plate


@pytest.fixture
async def engine() -> AsyncIterator[Inference]:
    engine = open_inference(None, ensure_models(), max_in_flight=8, timeout_s=60)
    yield engine
    await engine.close()


Infer = Callable[[str, NDArray[Any]], Awaitable[Sequence[NDArray[Any]]]]


@pytest.fixture(scope="module")
def models() -> Infer:
    """The repository's models, called as the pipeline calls them."""
    repository = ensure_models()
    sessions: dict[str, Any] = {}

    async def infer(model: str, images: NDArray[Any]) -> Sequence[NDArray[Any]]:
        if model not in sessions:
            path = str(repository / model / "1" / "model.onnx")
            sessions[model] = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        found: Sequence[NDArray[Any]] = sessions[model].run(None, {"images": images})
        return found

    return infer


def jpeg(picture: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1])


def plates(reading: FrameReading) -> list[PlateReading]:
    return [o.plate for o in reading.observations if o.plate]


def turned(data: bytes) -> bytes:
    """The JPEG stored lying on its side, with the EXIF tag (6) that says so, as phones do."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    lying = jpeg(np.ascontiguousarray(np.rot90(picture)))
    tag = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\x00\x00II*\x00" + struct.pack("<IH", 8, 1) + tag + struct.pack("<I", 0)
    return lying[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + lying[2:]


@pytest.mark.parametrize("margin", [0, 12])
async def test_a_picture_that_is_the_crop_of_a_plate_is_read(engine: Inference, margin: int) -> None:
    plate = cv2.resize(draw_plate(Plate("RIO2A18", PlateStyle.MERCOSUL)), (300, 98), interpolation=cv2.INTER_AREA)
    framed = np.full((98 + 2 * margin, 300 + 2 * margin, 3), (60, 58, 55), np.uint8)
    framed[margin : margin + 98, margin : margin + 300] = plate
    found = plates(await engine.read(jpeg(framed)))
    assert [(p.text, p.format, p.rows) for p in found] == [("RIO2A18", "br_mercosul", 1)]
    assert found[0].box.width > 200


async def test_the_crop_of_a_plate_of_two_rows_is_read(engine: Inference) -> None:
    plate = cv2.resize(two_rows("KTR4938", PlateStyle.OLD), (180, 153), interpolation=cv2.INTER_AREA)
    found = plates(await engine.read(jpeg(plate)))
    assert [(p.text, p.format, p.rows) for p in found] == [("KTR4938", "br_old", 2)]


async def test_pictures_without_a_plate_have_none(engine: Inference) -> None:
    wall = np.full((300, 400, 3), (150, 160, 170), np.uint8)
    cv2.putText(wall, "PIZZA", (60, 160), cv2.FONT_HERSHEY_SIMPLEX, 2.5, (20, 20, 160), 8)
    for picture in (wall, wall[:80, :200], np.random.default_rng(1).integers(0, 256, (120, 240, 3), np.uint8)):
        assert (await engine.read(jpeg(picture))).observations == ()


async def test_a_turned_photo_is_read_upright(engine: Inference) -> None:
    data = with_plate(draw_plate(Plate("KTR4938", PlateStyle.OLD)), ONE_ROW)
    upright, lying = await engine.read(data), await engine.read(turned(data))
    assert (lying.width, lying.height) == (upright.width, upright.height) == (1200, 784)
    assert "KTR4938" in [plate.text for plate in plates(lying)]


async def test_two_rows_say_so_and_carry_their_lattice(engine: Inference) -> None:
    found = plates(await engine.read(with_plate(two_rows("RIO2A18", PlateStyle.MERCOSUL), TWO_ROWS)))
    plate = next(plate for plate in found if plate.text == "RIO2A18")
    assert plate.rows == 2
    assert plate.candidates[0].model_dump() == {
        "text": plate.text, "confidence": plate.confidence, "format": plate.format,
    }  # fmt: skip
    assert len(plate.candidates) <= 8
    assert set(plate.lattice) == {"br_old", "br_mercosul"}
    places = plate.lattice["br_mercosul"].places
    assert "".join(max(place, key=lambda character: place[character]) for place in places) == "RIO2A18"
    assert plate.lattice["br_mercosul"].log > plate.lattice["br_old"].log


async def test_each_frame_of_a_batch_is_read_under_its_own_formats(engine: Inference) -> None:
    argentine = two_rows("A123BCD", PlateStyle.MERCOSUL)
    data = with_plate(argentine, TWO_ROWS)
    asks = [None, Ask(formats=("ar_moto_mercosul",)), Ask(formats=("br_old", "any")), Ask(formats=("any",))]
    for reading, expected in zip(
        await asyncio.gather(*(engine.read(data, ask) for ask in asks)),
        [None, "ar_moto_mercosul", None, None],
        strict=True,
    ):
        centre = TWO_ROWS.mean(axis=0)
        plate = next(p for p in plates(reading) if p.box.x1 < centre[0] < p.box.x2 and p.box.y1 < centre[1] < p.box.y2)
        assert (plate.text, plate.format) == ("A123BCD", expected)
        assert max(plate.lattice, key=lambda name: plate.lattice[name].log) == (expected or "any")


async def test_plates_that_are_too_low_are_not_read_and_their_vehicles_stay(engine: Inference) -> None:
    data = with_plate(draw_plate(Plate("KTR4938", PlateStyle.OLD)), ONE_ROW)
    all_of_them = await engine.read(data)
    none = await engine.read(data, Ask(min_plate_height=200))
    assert plates(none) == []
    vehicles = [{(v.type, v.box) for o in reading.observations if (v := o.vehicle)} for reading in (all_of_them, none)]
    assert vehicles[0] == vehicles[1] != set()


async def test_the_largest_plate_comes_first(engine: Inference) -> None:
    found = plates(await engine.read(with_plate(draw_plate(Plate("KTR4938", PlateStyle.OLD)), ONE_ROW)))
    assert len(found) == 2
    assert found[0].text == "KTR4938"  # of a format, and the other is not


def test_of_plates_that_overlap_the_best_read_stays(
    finding: ModuleType, frame: ModuleType, joint: ModuleType, pictures: ModuleType
) -> None:
    def plate(box: tuple[float, ...], text: str | None, sure: float, form: str | None = "br_old") -> object:
        made = frame.Plate.in_box(np.array([*box, 0.8], np.float32), 0.25)
        if text:
            made.reading = joint.Reading((joint.Text(text, sure, form),), 1, {}, 0.0, 1.0)
        return made

    one, two = plate((0, 0, 100, 40), "ABC1234", 0.9), plate((5, 2, 98, 39), "ABC1284", 0.4)
    free, far = plate((0, 0, 99, 41), "BC1234", 0.95, None), plate((300, 0, 400, 40), None, 0.0)
    picture = np.zeros((100, 500, 3), np.uint8)
    held = frame.Frame(picture, pictures.fit_for_detection(100, 500), frame.Options(), plates=[two, free, one, far])
    finding.drop_doubles(held)
    assert [id(plate) for plate in held.plates] == [id(one), id(far)]


async def test_a_faint_plate_that_only_later_views_show_is_read_too(
    reading: ModuleType, frame: ModuleType, pictures: ModuleType
) -> None:
    """Its first views say that there is no plate, so it gets no OCR then; it must not fail the frames beside it."""
    told = itertools.chain([0.9, 0.9, 0.9], itertools.repeat(0.1))
    asked: list[int] = []

    async def infer(model: str, images: NDArray[Any]) -> list[NDArray[Any]]:
        if model == "plate_ocr":
            asked.append(len(images))
            return [np.full((len(images), 20, 38), 1 / 38, np.float32)]
        layout = np.zeros((len(images), 6), np.float32)
        for row in layout:
            row[5] = next(told)
            row[0] = 1 - row[5]
        return [np.full((len(images), 8, 37), 1 / 37, np.float32), layout]

    picture = np.full((200, 600, 3), 90, np.uint8)
    plate = frame.Plate.in_box(np.array([100, 50, 300, 110, 0.1], np.float32), 0.25)
    held = frame.Frame(picture, pictures.fit_for_detection(200, 600), frame.Options(), plates=[plate])
    await reading.read_plates([held], infer)
    assert plate.reading is not None
    # Once it shows itself, it gets the views that it had missed as well.
    assert asked[0] == 4


@pytest.mark.parametrize("most", [2, 6])
async def test_what_all_views_leave_doubtful_is_shown_to_the_cheap_reader_some_more_times(
    reading: ModuleType, frame: ModuleType, pictures: ModuleType, most: int
) -> None:
    """Only where all views were asked for, and PP-OCR is asked no more than before."""
    asked: Counter[str] = Counter()

    async def infer(model: str, images: NDArray[Any]) -> list[NDArray[Any]]:
        asked[model] += len(images)
        if model == "plate_ocr":
            return [np.full((len(images), 20, 38), 1 / 38, np.float32)]
        layout = np.tile(np.array([1, 0, 0, 0, 0, 0], np.float32), (len(images), 1))
        return [np.full((len(images), 8, 37), 1 / 37, np.float32), layout]

    picture = np.full((200, 600, 3), 90, np.uint8)
    plate = frame.Plate.in_box(np.array([100, 50, 300, 110, 0.9], np.float32), 0.25)
    options = frame.Options(views=most)
    await reading.read_plates([frame.Frame(picture, pictures.fit_for_detection(200, 600), options, [], [plate])], infer)
    assert asked == {"plate_reader": 14 if most == 6 else 2, "plate_ocr": most}


async def test_a_box_that_is_far_too_large_is_drawn_in(
    frame: ModuleType, pictures: ModuleType, sifting: ModuleType, models: Infer
) -> None:
    """As detectors put them about motorcycles' plates; where no cut shows a plate a faint box is dropped."""
    data = with_plate(two_rows("RIO2A18", PlateStyle.MERCOSUL), TWO_ROWS)
    picture = pictures.decode(data)
    low, high = TWO_ROWS.min(axis=0), TWO_ROWS.max(axis=0)
    margin = 0.25 * (high - low)
    loose = frame.Plate.in_box(np.array([*(low - margin), *(high + margin), 0.5], np.float32), 0.25)
    wall = frame.Plate.in_box(np.array([30, 20, 130, 90, 0.01], np.float32), 0.25)
    held = frame.Frame(picture, pictures.fit_for_detection(*picture.shape[:2]), frame.Options(), plates=[loose, wall])
    before = loose.found.copy()
    await sifting.sift([held], models)
    assert [id(plate) for plate in held.plates] == [id(loose)]
    area, was = (np.prod(box[2:] - box[:2]) for box in (loose.found, before))
    assert area < 0.7 * was
    assert (loose.found[:2] < low + 0.1 * (high - low)).all()
    assert (loose.found[2:] > high - 0.1 * (high - low)).all()
