"""Brazilian plates of both formats, in one row and in two, drawn into a photograph and read from end to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import ModuleType

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cli.demo.glyphs import draw_text
from cli.demo.plates import Plate, PlateStyle, draw_plate
from functions.post_processing import snapshots
from functions.shared.inference import Inference, PlateReading, open_inference
from tests.support.models import ensure_models, photograph
from tests.triton_models.conftest import part

ONE_ROW = np.array([[576, 489], [705, 497], [706, 536], [577, 528]], np.float32)
"""Corners of the right car's plate in the photograph."""
TWO_ROWS = np.array([[590, 462], [690, 468], [690, 550], [590, 544]], np.float32)


@pytest.fixture
async def engine() -> AsyncIterator[Inference]:
    engine = open_inference(None, ensure_models(), timeout_s=60)
    yield engine
    await engine.close()


def with_plate(plate: NDArray[np.uint8], corners: NDArray[np.float32]) -> bytes:
    """The photograph as JPEG with `plate` in place of what is at `corners`."""
    picture = cv2.imdecode(np.frombuffer(photograph(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    width = 2 * round(float(np.linalg.norm(corners[1] - corners[0])))
    size = (width, round(width * plate.shape[0] / plate.shape[1]))
    small = cv2.resize(plate, size, interpolation=cv2.INTER_AREA)
    square = np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]], np.float32)
    move = cv2.getPerspectiveTransform(square, corners)
    frame = (picture.shape[1], picture.shape[0])
    covered = cv2.warpPerspective(np.full(small.shape, 255, np.uint8), move, frame) > 127
    picture[covered] = cv2.warpPerspective(small, move, frame)[covered]
    return bytes(cv2.imencode(".jpg", cv2.GaussianBlur(picture, (0, 0), 0.5), [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


def two_rows(text: str, style: PlateStyle) -> NDArray[np.uint8]:
    """A motorcycle's plate, 200 x 170 mm at two pixels a millimetre."""
    old = style is PlateStyle.OLD
    plate = np.full((340, 400, 3), (176, 180, 182) if old else (242, 244, 244), np.uint8)
    if old:
        draw_text(plate, "SPSAOPAULO", (110, 14, 290, 44), (22, 20, 20))
    else:
        plate[:60] = (150, 52, 8)
        draw_text(plate, "BRASIL", (140, 16, 260, 46), (250, 250, 250))
    cv2.rectangle(plate, (3, 3), (396, 336), (22, 20, 20), 4)
    draw_text(plate, text[:3], (70, 74, 330, 190), (22, 20, 20), 0.24)
    draw_text(plate, text[3:], (36, 208, 364, 324), (22, 20, 20), 0.24)
    return plate


async def plate_at(engine: Inference, jpeg: bytes, corners: NDArray[np.float32]) -> PlateReading:
    """The plate that was found at `corners`."""
    x, y = corners.mean(axis=0)
    plates = [o.plate for o in (await engine.read(jpeg)).observations if o.plate]
    return next(p for p in plates if p.box.x1 < x < p.box.x2 and p.box.y1 < y < p.box.y2)


@pytest.mark.parametrize(
    ("text", "style", "form"),
    [
        ("KTR4938", PlateStyle.OLD, "br_old"),
        ("MFT9147", PlateStyle.OLD, "br_old"),
        ("RIO2A18", PlateStyle.MERCOSUL, "br_mercosul"),
        ("GDY3O58", PlateStyle.MERCOSUL, "br_mercosul"),
        ("MFT9I47", PlateStyle.MERCOSUL, "br_mercosul"),
        ("TLE5B81", PlateStyle.MERCOSUL_COMMERCIAL, "br_mercosul"),
    ],
)
async def test_both_formats_are_read(engine: Inference, text: str, style: PlateStyle, form: str) -> None:
    plate = await plate_at(engine, with_plate(draw_plate(Plate(text, style)), ONE_ROW), ONE_ROW)
    assert (plate.text, plate.format) == (text, form)
    assert np.abs(np.array(plate.corners) - ONE_ROW).max() < 8


@pytest.mark.parametrize(
    ("text", "style", "form"),
    [("KTR4938", PlateStyle.OLD, "br_old"), ("RIO2A18", PlateStyle.MERCOSUL, "br_mercosul")],
)
async def test_two_rows_are_read_as_one_line(engine: Inference, text: str, style: PlateStyle, form: str) -> None:
    plate = await plate_at(engine, with_plate(two_rows(text, style), TWO_ROWS), TWO_ROWS)
    assert (plate.text, plate.format) == (text, form)


def test_two_rows_are_laid_side_by_side(views: ModuleType) -> None:
    plate = np.zeros((170, 200, 3), np.uint8)
    plate[34:90] = (0, 0, 255)
    plate[97:165] = (255, 0, 0)
    corners = np.array([[0, 0], [200, 0], [200, 170], [0, 170]], np.float32)
    line = views.rectify_rows(plate, corners, views.ROWS_VIEWS[0])
    assert line.shape == (48, 160, 3)
    left, right = line[8:40, 8:72].mean(axis=(0, 1)), line[8:40, 88:152].mean(axis=(0, 1))
    assert left[0] > 200 > 60 > left[2]
    assert right[2] > 200 > 60 > right[0]


def test_levels_of_a_washed_out_plate_are_spread_and_an_even_one_does_no_harm(views: ModuleType) -> None:
    plate = cv2.resize(draw_plate(Plate("KTR4938", PlateStyle.OLD)), (128, 64)).astype(np.float32)
    pale = np.clip(200 + 0.15 * (plate - 128), 0, 255).astype(np.uint8)
    found = views.spread(pale)
    assert (found.dtype, found.shape) == (np.uint8, pale.shape)
    assert pale.astype(float).std() < 15 < 45 < found.astype(float).std()
    even = views.spread(np.full((64, 128, 3), 130, np.uint8))
    assert even.std() == 0


async def test_it_says_what_it_looked_at_and_that_alone_reads_the_same(engine: Inference) -> None:
    """Cut out of the frame by `cut`, as it is stored, the plate reads as it did there."""
    for text, corners, drawn in (
        ("RIO2A18", ONE_ROW, draw_plate(Plate("RIO2A18", PlateStyle.MERCOSUL))),
        ("RIO2A18", TWO_ROWS, two_rows("RIO2A18", PlateStyle.MERCOSUL)),
    ):
        jpeg = with_plate(drawn, corners)
        seen = await plate_at(engine, jpeg, corners)
        assert seen.text == text
        assert seen.cut is not None
        picture = snapshots.decode(jpeg)
        cut = snapshots.crop(picture, snapshots.plate_cut(seen), 0.0)
        assert cut.shape[:2] == (round(seen.cut.height), round(seen.cut.width))
        again = await engine.read(snapshots.encode(cut, snapshots.PLATE_QUALITY))
        assert text in [one.plate.text for one in again.observations if one.plate is not None]


def test_what_the_readers_looked_at_holds_every_view(views: ModuleType) -> None:
    """Painted white outside of it, the frame gives the readers the same pictures."""
    reading, frame = part("reading"), part("frame")
    noise = np.random.default_rng(7).integers(0, 255, (300, 400, 3), np.uint8)
    tilted = np.array([[130, 95], [248, 120], [240, 168], [126, 140]], np.float32)
    plate = frame.Plate(np.array([120, 90, 256, 172], np.float32), 0.9, tilted, cornered=True)
    made = frame.Frame(noise, part("pictures").fit_for_detection(300, 400), frame.Options())
    job = reading.Job(made, plate, layouts=[np.zeros(6)] * len(views.SLOT_VIEWS))
    job.symbols = {rows: [np.zeros(1)] * len(seen) for rows, seen in reading.OCR_VIEWS.items()}
    x1, y1, x2, y2 = map(int, job.looked_at())
    assert np.all(np.array([120 - x1, 90 - y1, x2 - 256, y2 - 172]) > 5)
    assert x1 > 0
    before = [job.slot_cut(number) for number in range(len(views.SLOT_VIEWS))]
    before += [job.ocr_cut(rows, number) for rows, seen in reading.OCR_VIEWS.items() for number in range(len(seen))]
    inner = noise[y1:y2, x1:x2].copy()
    noise[:] = 255
    noise[y1:y2, x1:x2] = inner
    after = [job.slot_cut(number) for number in range(len(views.SLOT_VIEWS))]
    after += [job.ocr_cut(rows, number) for rows, seen in reading.OCR_VIEWS.items() for number in range(len(seen))]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
