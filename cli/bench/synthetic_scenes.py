"""Scenes for drawn plates: streets, vehicles cut out of photographs with their own plates painted over, motorcycles."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cli.bench.synthetic import Drawing, fields, random_plate
from cli.demo.cutouts import Cutout, flipped, load_cutouts, painted
from cli.demo.scenes import BLUE, CAMERAS, GREEN, RED
from cli.demo.street import paint_street

Picture = npt.NDArray[Any]
WIDTH, HEIGHT = 960, 540
PLATE_WIDTHS = (64.0, 190.0)
"""Pixels of a plate of one row in the frame, drawn evenly on a logarithmic scale; those of two rows: 0.72 of it."""
MOTORCYCLES = 0.6
"""The share of the plates with two rows that are on motorcycles."""
_FULL = np.array([(0, 0), (400, 0), (400, 130), (0, 130)], np.float32)
_MOTORCYCLES = 6


@dataclass(frozen=True)
class Body:
    """A vehicle without a plate: BGRA uint8. `from_mm` [3, 3] takes millimetres on its plate's plane, from the plate's
    middle, to its pixels.
    """

    name: str
    rgba: Picture
    from_mm: Picture


def draw_scene(generator: ModuleType, rng: np.random.Generator) -> Drawing:
    """One frame with one plate."""
    assembly, plates, camera = generator.assembly, generator.plates, generator.camera
    spec = random_plate(generator, rng)
    two = spec.rows == 2
    cars, motorcycles = bodies()
    pool = motorcycles if two and rng.random() < MOTORCYCLES else cars
    body = pool[int(rng.integers(len(pool)))]
    picture = _background(rng)
    corners = _mounted(rng, picture, body, plates.size_mm(spec), two)
    light = camera.choose_light(rng, True)
    shot = assembly.place(rng, picture, spec, corners, (light, True))
    sample = assembly.Sample(shot, spec.text, spec.layout, spec.style, spec.rows, light, corners)
    return Drawing(shot, fields(sample, body.name))


def _mounted(rng: np.random.Generator, picture: Picture, body: Body, size_mm: tuple[int, int], two: bool) -> Picture:
    """Puts the vehicle into the picture (in place); the plate's corners [4, 2] there."""
    half = np.array(size_mm) / 2
    rim = np.array([(-half[0], -half[1]), (half[0], -half[1]), (half[0], half[1]), (-half[0], half[1])], np.float64)
    own = cv2.perspectiveTransform(rim[None], body.from_mm)[0]
    turn = _turn(rng)
    turned = own @ turn.T
    across = (np.linalg.norm(turned[1] - turned[0]) + np.linalg.norm(turned[2] - turned[3])) / 2
    low, high = np.log(PLATE_WIDTHS)
    wanted = float(np.exp(rng.uniform(low, high))) * (0.72 if two else 1.0)
    turn = turn * wanted / across
    at = np.array([rng.uniform(0.22, 0.78) * picture.shape[1], rng.uniform(0.42, 0.82) * picture.shape[0]])
    shift = at - (own @ turn.T).mean(axis=0)
    _lay(picture, body.rgba, np.hstack([turn, shift[:, None]]))
    return np.asarray(own @ turn.T + shift, np.float32)


def _turn(rng: np.random.Generator) -> Picture:
    """A slant as another place of the camera gives it: roll, narrower by yaw, sheared by both. [2, 2]"""
    roll = np.radians(np.clip(rng.normal(0, 3.5), -9, 9))
    narrow = 1 - abs(np.clip(rng.normal(0, 0.14), -0.35, 0.35))
    shear = np.clip(rng.normal(0, 0.07), -0.18, 0.18)
    turned = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    return np.asarray(turned @ np.array([[narrow, 0.0], [shear, 1.0]]))


def _lay(picture: Picture, rgba: Picture, matrix: Picture) -> None:
    """Blends BGRA over the picture; reduces first, since a warp alone would alias."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < 0.7:
        factor = max(scale * 1.3, 0.05)
        small = cv2.resize(rgba, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        own = np.array([small.shape[1] / rgba.shape[1], small.shape[0] / rgba.shape[0]])
        rgba, matrix = small, np.hstack([matrix[:, :2] / own, matrix[:, 2:]])
    size = (picture.shape[1], picture.shape[0])
    laid = cv2.warpAffine(rgba, matrix, size, flags=cv2.INTER_LINEAR)
    alpha = laid[..., 3:].astype(np.float32) / 255
    picture[:] = (picture * (1 - alpha) + laid[..., :3] * alpha).astype(np.uint8)


def _background(rng: np.random.Generator) -> Picture:
    """A piece of a street, another one each time. uint8 BGR"""
    street = streets()[int(rng.integers(len(streets())))]
    part = rng.uniform(0.62, 1.0)
    width, height = round(street.shape[1] * part), round(street.shape[0] * part)
    x = int(rng.integers(0, street.shape[1] - width + 1))
    y = int(rng.integers((street.shape[0] - height) // 2, street.shape[0] - height + 1))
    piece = street[y : y + height, x : x + width]
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    gain = rng.uniform(0.75, 1.15)
    resized = cv2.resize(piece, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(resized * gain, 0, 255), np.uint8)


@functools.cache
def streets() -> tuple[Picture, ...]:
    """The demo's streets, empty."""
    return tuple(paint_street(camera.view, camera.street) for camera in CAMERAS)


@functools.cache
def bodies() -> tuple[tuple[Body, ...], tuple[Body, ...]]:
    """Cars and buses, and motorcycles. Fetches the photographs on the first run; raises what `cli.wheels` raises."""
    cars = []
    for cutout in load_cutouts().values():
        # The sedan's photograph is of dark paint alone, the bus is large: neither is painted again.
        hues: tuple[int | None, ...] = (RED, BLUE, GREEN, None) if cutout.name in ("roadster", "coupe") else ()
        bare = _without_plate(cutout)
        for variant in (bare, *(painted(bare, hue, 0.9) for hue in hues)):
            cars += [_body(variant), _body(flipped(variant))]
    rng = np.random.default_rng(11)
    return tuple(cars), tuple(_motorcycle(rng, number) for number in range(_MOTORCYCLES))


def _body(cutout: Cutout) -> Body:
    centred = (_FULL - (200, 65)).astype(np.float32)
    return Body(cutout.name, cutout.rgba, cv2.getPerspectiveTransform(centred, cutout.plate.astype(np.float32)))


def _without_plate(cutout: Cutout) -> Cutout:
    """The vehicle with its own plate painted over by what surrounds it."""
    hole = np.zeros(cutout.rgba.shape[:2], np.uint8)
    middle = cutout.plate.mean(axis=0)
    grown = (cutout.plate - middle) * (1.09, 1.3) + middle
    cv2.fillConvexPoly(hole, grown.round().astype(np.int32), 255)
    rgba = cutout.rgba.copy()
    rgba[..., :3] = cv2.inpaint(np.ascontiguousarray(rgba[..., :3]), hole, 7, cv2.INPAINT_TELEA)
    return replace(cutout, rgba=rgba)


def _motorcycle(rng: np.random.Generator, number: int) -> Body:
    """The rear of a motorcycle with its rider, drawn: 700 x 1240 px, a pixel a millimetre and a half."""
    canvas: Picture = np.zeros((1240, 700, 4), np.uint8)
    paint = tuple(int(value) for value in rng.integers(20, 200, 3))
    jacket = tuple(int(value) for value in rng.integers(20, 120, 3))
    shapes: list[tuple[list[tuple[int, int]], tuple[int, ...]]] = [
        ([(300, 800), (400, 800), (412, 1225), (288, 1225)], (26, 26, 28)),  # tyre
        ([(455, 900), (505, 895), (520, 1150), (470, 1160)], (120, 122, 125)),  # silencer
        ([(200, 330), (500, 330), (540, 640), (440, 700), (260, 700), (160, 640)], jacket),  # rider's back
        ([(160, 350), (215, 340), (215, 560), (120, 600), (105, 560)], jacket),
        ([(540, 350), (485, 340), (485, 560), (580, 600), (595, 560)], jacket),
        ([(170, 640), (260, 640), (250, 900), (190, 930)], (58, 46, 40)),  # legs
        ([(530, 640), (440, 640), (450, 900), (510, 930)], (58, 46, 40)),
        ([(255, 640), (445, 640), (425, 790), (275, 790)], paint),  # tail
        ([(262, 790), (438, 790), (425, 840), (275, 840)], (30, 30, 32)),
        ([(295, 745), (405, 745), (395, 785), (305, 785)], (40, 36, 190)),  # lamp
        ([(215, 765), (262, 765), (262, 790), (215, 790)], (20, 140, 240)),  # indicators
        ([(438, 765), (485, 765), (485, 790), (438, 790)], (20, 140, 240)),
        ([(262, 960), (438, 960), (445, 1040), (255, 1040)], (34, 34, 36)),  # mudguard under the plate
    ]
    for points, color in shapes:
        cv2.fillPoly(canvas, [np.array(points, np.int32)], (*color, 255), cv2.LINE_AA)
    cv2.ellipse(canvas, (350, 230), (105, 128), 0, 0, 360, (*paint[::-1], 255), -1, cv2.LINE_AA)
    cv2.ellipse(canvas, (350, 316), (72, 40), 0, 0, 360, (22, 22, 24, 255), -1, cv2.LINE_AA)
    for side, x in itertools.product((-1, 1), (0, 1)):
        cv2.line(canvas, (350 + side * 110, 600), (350 + side * 330, 560 - 40 * x), (60, 60, 62, 255), 12, cv2.LINE_AA)
    shade = np.linspace(1.15, 0.75, 1240)[:, None] * np.linspace(0.9, 1.1, 700)[None]
    grain = rng.normal(0, 5, canvas.shape[:2])[..., None]
    canvas[..., :3] = np.clip(canvas[..., :3] * shade[..., None] + grain, 0, 255).astype(np.uint8)
    soft = cv2.GaussianBlur(canvas, (0, 0), 1.6)
    lean = 1.0 if number % 2 else -1.0
    from_mm = np.array([[0.86, 0.02 * lean, 350.0], [0.0, 0.86, 905.0], [0.0, 0.0, 1.0]])
    return Body("motorcycle", soft, from_mm)
