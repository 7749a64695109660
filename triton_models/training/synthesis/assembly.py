"""Plates put into pictures, with the truth about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from . import camera, surroundings, texts
from .glyphs import Face
from .plates import NOTHING, OLD, OTHER, Spec, draw, random_spec, size_mm

Array = NDArray[Any]
WIDTH, HEIGHT = 128, 64
"""The pixels of a crop."""


@dataclass(frozen=True)
class Share:
    """How often each layout comes, in the order of plates.LAYOUTS."""

    old: float = 0.28
    mercosul: float = 0.34
    old_rows: float = 0.1
    mercosul_rows: float = 0.14
    other: float = 0.09
    nothing: float = 0.05

    def choose(self, rng: np.random.Generator) -> int:
        shares = np.array([self.old, self.mercosul, self.old_rows, self.mercosul_rows, self.other, self.nothing])
        return int(rng.choice(len(shares), p=shares / shares.sum()))


BRAZIL = Share(0.32, 0.4, 0.12, 0.16, 0, 0)
"""What sample() and scene() draw unless told otherwise: readable Brazilian plates."""


@dataclass(frozen=True)
class Sample:
    """A picture (uint8 BGR) with one plate and the truth about it.

    `text` is what stands on it ("" where there is no readable plate), `layout` one of plates.OLD .. NOTHING, `format`
    the artwork's format ("br_old", ... or "free"), `rows` 1 or 2, `light` one of camera.LIGHTS, `corners` [4, 2] in
    pixels from the top left clockwise, `box` the upright box about them, `height` and `width` the plate's mean edges.
    """

    picture: Array
    text: str
    layout: int
    format: str
    rows: int
    light: str
    corners: Array

    @property
    def box(self) -> tuple[float, float, float, float]:
        low, high = self.corners.min(axis=0), self.corners.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def height(self) -> float:
        return (
            float(np.linalg.norm(self.corners[3] - self.corners[0]) + np.linalg.norm(self.corners[2] - self.corners[1]))
            / 2
        )

    @property
    def width(self) -> float:
        return (
            float(np.linalg.norm(self.corners[1] - self.corners[0]) + np.linalg.norm(self.corners[2] - self.corners[3]))
            / 2
        )


def sample(
    seed: int,
    hard: bool = False,
    share: Share = BRAZIL,
    faces: list[Face] | None = None,
    follow: bool = True,
    lookalikes: float = 0.0,
) -> Sample:
    """A plate with a strip of its surroundings. Texts that break the artwork's pattern come only if not `follow`. About
    a share `lookalikes` of the characters are of those that are easily mistaken.
    """
    rng = np.random.default_rng(seed)
    layout = share.choose(rng)
    if layout == NOTHING and rng.random() < 0.75:
        return _without(rng, hard)
    spec = _spec(rng, layout if layout != NOTHING else int(rng.integers(4)), faces, follow)
    if lookalikes:
        spec = replace(spec, text=texts.lookalike(rng, spec.text, lookalikes))
    plate = draw(spec)
    return seen(rng, spec, plate, hard, unreadable=layout == NOTHING)


def _spec(rng: np.random.Generator, layout: int, faces: list[Face] | None, follow: bool) -> Spec:
    while True:
        spec = random_spec(rng, layout, faces)
        if not follow or layout == OTHER or follows(spec):
            return spec


def follows(spec: Spec) -> bool:
    """Whether the text is of the artwork's pattern."""
    wanted = {"br_old": "LLLNNNN", "br_mercosul": "LLLNLNN"}.get(spec.style)
    return wanted is None or "".join("N" if c.isdigit() else "L" for c in spec.text) == wanted


def seen(rng: np.random.Generator, spec: Spec, plate: Array, hard: bool, unreadable: bool = False) -> Sample:
    """The drawn plate (uint8 BGR) as a camera sees it from near by."""
    width = _pixels(rng, spec, hard)
    if unreadable:
        width = rng.uniform(9, 15)
    corners = camera.pose(rng, size_mm(spec), width, hard)
    margin = 0.34 * width + 4
    low = margin * rng.uniform(0.85, 1.2, 2)
    extent = np.ceil(corners.max(axis=0) + low + margin * rng.uniform(0.85, 1.2, 2)).astype(int)
    corners = corners + low.astype(np.float32)
    picture = surroundings.bodywork(rng, int(extent[1]), int(extent[0]))
    kind = camera.choose_light(rng, hard)
    shot = _shoot(rng, picture, plate, corners, (kind, hard))
    text, layout = (spec.text, spec.layout) if not unreadable else ("", NOTHING)
    return Sample(shot, text, layout, spec.style, spec.rows, kind, corners)


def place(
    rng: np.random.Generator, picture: Array, spec: Spec, corners: Array, how: tuple[str, bool] = ("day", False)
) -> Array:
    """`picture` (uint8 BGR) with the plate between `corners` [4, 2], under a light of camera.LIGHTS, hard or not: the
    whole of it is lit, blurred and compressed as one shot. `how` is (light, hard).
    """
    return _shoot(rng, picture.astype(np.float32), draw(spec), corners.astype(np.float32), how)


def _shoot(rng: np.random.Generator, picture: Array, plate: Array, corners: Array, how: tuple[str, bool]) -> Array:
    """The plate laid on, lit, blurred and compressed: float32 BGR to uint8 BGR."""
    kind, hard = how
    metal = plate.astype(np.float32)
    surroundings.dirt(metal, rng, hard)
    framed, inset = surroundings.holder(metal, rng)
    outer = corners
    if framed is not metal:
        own = np.array([[0, 0], [metal.shape[1], 0], [metal.shape[1], metal.shape[0]], [0, metal.shape[0]]], np.float32)
        whole = np.array(
            [[0, 0], [framed.shape[1], 0], [framed.shape[1], framed.shape[0]], [0, framed.shape[0]]], np.float32
        )
        move = cv2.getPerspectiveTransform(own, corners.astype(np.float32))
        outer = cv2.perspectiveTransform((whole - np.array(inset, np.float32))[None], move)[0]
    camera.paste(picture, framed, outer)
    across = float(np.linalg.norm(corners[1] - corners[0]))
    if rng.random() < 0.04:
        surroundings.hitch(picture, corners, rng)
    surroundings.shade(picture, rng)
    cover = np.zeros(picture.shape[:2], np.float32)
    cv2.fillConvexPoly(cover, np.round(corners).astype(np.int32), 1.0)
    area = _characters_area(picture, corners)
    lit = camera.light(picture, kind, rng, cover)
    if camera.readable(lit, area)[1] < camera.LEAST_CONTRAST:  # pale ink that the light has washed out
        lit = camera.light(picture, "day", rng, cover)
        if kind == "infrared":
            lit = np.repeat(lit.mean(axis=2, keepdims=True), 3, axis=2)
    exposed, contrast = camera.readable(camera.blur(lit, across, rng, hard), area)
    return camera.sensor(exposed, kind, rng, (hard, 0.36 * contrast))


def _characters_area(picture: Array, corners: Array) -> Array:
    """Where the characters stand, uint8 [h, w], 1 inside."""
    down = corners[[3, 2]] - corners[[0, 1]]
    upper, lower = corners[[0, 1]] + 0.34 * down, corners[[0, 1]] + 0.92 * down
    area = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(area, np.round(np.array([upper[0], upper[1], lower[1], lower[0]])).astype(np.int32), 1)
    return area


def _pixels(rng: np.random.Generator, spec: Spec, hard: bool) -> float:
    """The plate's width in the picture: the fewer pixels the commoner, down to what a person still reads."""
    least, most = (64.0, 190.0) if hard else (42.0, 300.0)
    if spec.rows == 2:
        least, most = 0.72 * least, 0.72 * most
    return float(np.exp(rng.uniform(np.log(least), np.log(most))))


def _without(rng: np.random.Generator, hard: bool) -> Sample:
    """A picture without a plate, with the corners where a detector might see one."""
    width, height = int(rng.integers(50, 300)), int(rng.integers(30, 150))
    kind = camera.choose_light(rng, hard)
    lit = camera.light(surroundings.no_plate(rng, height, width), kind, rng)
    blurred = camera.blur(lit, width, rng, hard)
    shot = camera.sensor(blurred, kind, rng, (hard, 0.45 * float(blurred.std())))
    box = np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]], np.float32) * (width, height)
    return Sample(shot, "", NOTHING, "none", 1, kind, box.astype(np.float32))


def crop(one: Sample, rng: np.random.Generator) -> Array:
    """The plate as a reader gets it, uint8 RGB [64, 128, 3]: by corners that are a little off, or the upright box."""
    span = np.array([one.width, one.height], np.float32)
    if rng.random() < 0.62:
        corners = one.corners + rng.normal(0, 0.016, (4, 2)) * span + rng.normal(0, 0.012, 2) * span
    else:
        x0, y0, x1, y1 = one.box
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) + rng.normal(0, 0.022, (1, 2)) * span
    margins = np.where(rng.random(4) < 0.75, rng.uniform(-0.03, 0.12, 4), rng.uniform(-0.04, 0.25, 4))
    return cut(one.picture, corners.astype(np.float32), margins)


def cut(picture: Array, corners: Array, margins: Array) -> Array:
    """The quadrilateral with margins (left, top, right, bottom, in parts of its sides) as uint8 RGB [64, 128, 3]."""
    left, top, right, bottom = (float(value) for value in margins)
    inner_w, inner_h = WIDTH / (1 + left + right), HEIGHT / (1 + top + bottom)
    x, y = left * inner_w, top * inner_h
    target = np.array([[x, y], [x + inner_w, y], [x + inner_w, y + inner_h], [x, y + inner_h]], np.float32)
    across = float(max(np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[2] - corners[3])))
    if across > 1.6 * inner_w:
        scale = inner_w / across
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        corners = corners * np.array([size[0] / picture.shape[1], size[1] / picture.shape[0]], np.float32)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    move = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    flat = cv2.warpPerspective(picture, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(flat, cv2.COLOR_BGR2RGB))


def scene(seed: int, width: int = 960, height: int = 540, hard: bool = True, share: Share = BRAZIL) -> Sample:
    """A frame with the drawn rear of a vehicle and its plate."""
    rng = np.random.default_rng(seed)
    layout = share.choose(rng)
    spec = _spec(rng, layout, None, True)
    corners = camera.pose(rng, size_mm(spec), _pixels(rng, spec, hard), hard)
    across, tall = (float(value) for value in corners.max(axis=0))
    room = np.array([width - across, height - tall])
    corners = corners + (room * rng.uniform((0.3, 0.5), (0.7, 0.75))).astype(np.float32)
    picture = _street(rng, width, height)
    middle = corners.mean(axis=0)
    _vehicle(picture, rng, (float(middle[0]), float(middle[1])), across * (3.9 if spec.rows == 1 else 2.2))
    kind = camera.choose_light(rng, hard)
    shot = _shoot(rng, picture, draw(spec), corners, (kind, hard))
    return Sample(shot, spec.text, spec.layout, spec.style, spec.rows, kind, corners)


def _street(rng: np.random.Generator, width: int, height: int) -> Array:
    coarse = rng.uniform(60, 200, (4, 6, 1)).astype(np.float32) * np.array((1.0, 0.98, 0.95), np.float32)
    coarse[2:] = rng.uniform(70, 120)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def _vehicle(picture: Array, rng: np.random.Generator, plate: tuple[float, float], span: float) -> None:
    """A plain rear about the plate's middle: body, window, lamps, bumper, wheels."""
    x, y = plate
    body = tuple(float(value) for value in np.array(surroundings._BODY[int(rng.integers(10))]) * rng.uniform(0.7, 1.1))
    half, dark = span / 2, (25.0, 25.0, 28.0)

    def box(x0: float, y0: float, x1: float, y1: float, color: tuple[float, ...]) -> None:
        a, b = (round(x + x0 * half), round(y + y0 * half)), (round(x + x1 * half), round(y + y1 * half))
        cv2.rectangle(picture, a, b, color, -1)

    box(-0.95, 0.5, -0.6, 0.95, dark)
    box(0.6, 0.5, 0.95, 0.95, dark)
    box(-0.8, -1.35, 0.8, -0.4, body)
    box(-0.68, -1.25, 0.68, -0.6, (70.0, 62.0, 55.0))
    box(-1.0, -0.55, 1.0, 0.6, body)
    box(-1.0, 0.35, 1.0, 0.68, tuple(0.6 * value for value in body))
    for side in (-1, 1):
        box(side * 0.98, -0.4, side * 0.72, 0.05, (40.0, 35.0, 170.0))


__all__ = ["OLD", "Sample", "Share", "crop", "cut", "place", "sample", "scene"]
