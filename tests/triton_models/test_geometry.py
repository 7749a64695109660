"""Boxes, corners and pictures: what goes into a model comes back to the same pixels."""

from __future__ import annotations

from types import ModuleType

import cv2
import numpy as np
import pytest


def naive_suppression(rows: list[list[float]], threshold: float) -> list[list[float]]:
    def overlap(a: list[float], b: list[float]) -> float:
        width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        common = max(0.0, width) * max(0.0, height)
        return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)

    kept: list[list[float]] = []
    for row in sorted(rows, key=lambda row: -row[4]):
        if all(overlap(row, other) <= threshold for other in kept):
            kept.append(row)
    return kept


@pytest.mark.parametrize("seed", range(5))
def test_suppression_equals_the_plain_definition(geometry: ModuleType, seed: int) -> None:
    random = np.random.default_rng(seed)
    low = random.uniform(0, 100, (60, 2))
    rows = np.concatenate([low, low + random.uniform(5, 60, (60, 2)), random.permutation(60)[:, None] / 60], axis=1)
    np.testing.assert_allclose(geometry.suppress(rows, 0.4), naive_suppression(rows.tolist(), 0.4))


def test_suppression_of_nothing_is_nothing(geometry: ModuleType) -> None:
    assert geometry.suppress(np.zeros((0, 6)), 0.5).shape == (0, 6)


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((1080, 1920), (384, 640)),
        ((720, 1280), (384, 640)),
        ((480, 640), (480, 640)),
        ((1920, 1080), (640, 384)),
        ((1000, 1000), (640, 640)),
        ((40, 4000), (384, 640)),
    ],
)
def test_a_letterbox_leads_back_to_the_picture(
    pictures: ModuleType, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    fit = pictures.fit_for_detection(*size)
    assert (fit.height, fit.width) == shape
    picture = np.zeros((*size, 3), np.uint8)
    y, x = size[0] // 2, size[1] // 3
    reach = max(2, round(4 / fit.scale))
    picture[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach] = (0, 0, 255)
    laid = pictures.letterbox(picture, fit)
    assert laid.shape == (*shape, 3)
    rows, columns = np.nonzero((laid[..., 0] > 128) & (laid[..., 2] < 64))
    centre = fit.back([[columns.mean() + 0.5, rows.mean() + 0.5]])[0]
    np.testing.assert_allclose(centre, (x, y), atol=1.5 / fit.scale)


def test_a_window_leads_back_to_the_picture_also_past_its_edge(pictures: ModuleType) -> None:
    picture = np.zeros((400, 600, 3), np.uint8)
    cv2.circle(picture, (40, 30), 6, (255, 255, 255), -1)
    for box, size in (((-60, -40, 148, 56), (96, 208)), ((-300, -130, 532, 254), (96, 208))):
        cut, fit = pictures.window(picture, box, *size)
        rows, columns = np.nonzero(cut[..., 0] > 180)
        centre = fit.back([[columns.mean(), rows.mean()]])[0]
        np.testing.assert_allclose(centre, (40, 30), atol=1.5 / fit.scale + 1)


def test_a_level_plate_comes_out_of_a_cell(geometry: ModuleType) -> None:
    cell = np.array([[0.9, 4, 3, 2.0, 0, 0.5, 0, 0.6, -0.25], [0.1, 0, 0, 1, 0, 0, 0, 1, 0]], np.float32)
    quads, scores = geometry.quads(cell, 0.5)
    assert scores.tolist() == pytest.approx([0.9])
    centre = np.array([(4.5 + 0.5 * 7.75) * 16, (3.5 - 0.25 * 7.75) * 16])
    half = np.array([7.75 * 16, 0.3 * 7.75 * 16])
    expected = [centre - half, centre + half * (1, -1), centre + half, centre + half * (-1, 1)]
    np.testing.assert_allclose(quads[0], expected, rtol=1e-5)


def test_mirrored_cells_do_not_flip_the_plate(geometry: ModuleType) -> None:
    quads, _ = geometry.quads(np.array([[0.9, 4, 3, -2.0, 0, 0, 0, 0.6, 0]], np.float32), 0.5)
    assert not geometry.is_plate_shaped(quads[0])


@pytest.mark.parametrize(
    ("corners", "fits"),
    [
        ([[0, 0], [100, 5], [100, 38], [0, 33]], True),
        ([[0, 0], [60, 0], [60, 50], [0, 50]], True),
        ([[0, 0], [100, 33], [100, 0], [0, 33]], False),
        ([[0, 0], [10, 0], [10, 60], [0, 60]], False),
        ([[0, 0], [100, 0], [100, 2], [0, 2]], False),
    ],
)
def test_what_is_shaped_like_a_plate(geometry: ModuleType, corners: list[list[float]], fits: bool) -> None:
    assert geometry.is_plate_shaped(np.array(corners, np.float32)) is fits


def test_a_plate_is_bound_to_the_vehicle_that_carries_it(geometry: ModuleType) -> None:
    behind, before = np.array([100, 0, 500, 300]), np.array([0, 100, 400, 420])
    plates = [np.array([150, 330, 250, 360]), np.array([350, 220, 420, 245]), np.array([700, 50, 760, 70])]
    assert geometry.bind(plates, [behind, before]) == [1, 0, None]


def test_a_vehicle_has_one_plate(geometry: ModuleType) -> None:
    car = np.array([0, 0, 400, 300])
    low, high = np.array([150, 220, 250, 250]), np.array([160, 20, 240, 40])
    assert geometry.bind([high, low], [car]) == [None, 0]
    assert geometry.bind([high, low], [car], [True, False]) == [0, None], "what is surely a plate chooses first"
    assert geometry.bind([high, low], [car], [True, True]) == [None, 0]
    assert geometry.bind([], [car]) == []
    assert geometry.bind([low], []) == [None]


def test_rectification_undoes_the_perspective(views: ModuleType) -> None:
    random = np.random.default_rng(5)
    plate = cv2.resize(random.integers(0, 256, (6, 20, 3), np.uint8), (160, 48), interpolation=cv2.INTER_LINEAR)
    corners = np.array([[210, 120], [372, 150], [368, 208], [205, 170]], np.float32)
    square = np.array([[0, 0], [160, 0], [160, 48], [0, 48]], np.float32)
    scene = cv2.warpPerspective(plate, cv2.getPerspectiveTransform(square, corners), (640, 480))
    back = views.rectify(scene, corners, views.View(True, 0, 0, 0, 0))
    inner = np.abs(back[4:-4, 4:-4].astype(int) - plate[4:-4, 4:-4, ::-1].astype(int))
    assert inner.mean() < 6
    # A margin moves the plate inwards by just that part.
    wide = views.rectify(scene, corners, views.View(True, 0.5, 0.5, 0.5, 0.5))
    small = cv2.resize(plate, (80, 24), interpolation=cv2.INTER_AREA)[..., ::-1]
    assert np.abs(wide[14:34, 42:118].astype(int) - small[2:22, 2:78].astype(int)).mean() < 12


def test_a_large_plate_is_averaged_down_without_a_shift(views: ModuleType) -> None:
    scene = np.zeros((900, 2400, 3), np.uint8)
    scene[200:700, 300:2100] = 255
    cut = views.rectify(
        scene,
        np.array([[300, 200], [2100, 200], [2100, 700], [300, 700]], np.float32),
        views.View(True, 0.1, 0.1, 0.1, 0.1),
    )
    rows, columns = np.nonzero(cut[..., 0] > 127)
    assert (columns.min(), columns.max()) == (pytest.approx(13, abs=2), pytest.approx(146, abs=2))
    assert (rows.min(), rows.max()) == (pytest.approx(4, abs=1.5), pytest.approx(43, abs=1.5))
