"""What is behind, around and over a plate: bodywork, holders, bumpers, shadows, dirt, tow hitches."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from . import texts
from .plates import small_text

Array = NDArray[Any]

_BODY = ((235, 235, 235), (190, 190, 190), (120, 120, 122), (28, 28, 30), (30, 30, 150), (120, 60, 25), (60, 90, 40),
         (40, 160, 200), (60, 80, 110), (160, 180, 190))  # fmt: skip


def bodywork(rng: np.random.Generator, height: int, width: int) -> Array:
    """A piece of a vehicle: a colour in a gradient with edges, gaps and reflections. float32 BGR [h, w, 3]."""
    base = np.array(_BODY[int(rng.integers(len(_BODY)))], np.float32) + rng.normal(0, 12, 3).astype(np.float32)
    coarse = base * rng.uniform(0.45, 1.25, (int(rng.integers(2, 5)), int(rng.integers(2, 4)), 1)).astype(np.float32)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(0, 6))):
        color = tuple(float(value) for value in base * rng.uniform(0.1, 1.5))
        _mark(picture, rng, color)
    return picture


def _mark(picture: Array, rng: np.random.Generator, color: tuple[float, ...]) -> None:
    """An edge, a panel, or a lamp."""
    height, width = picture.shape[:2]
    kind = rng.random()
    x, y = int(rng.integers(-width // 4, width)), int(rng.integers(-height // 4, height))
    if kind < 0.45:
        end = (width, int(y + rng.normal(0, 0.08) * height))
        cv2.line(picture, (0, y), end, color, int(rng.integers(1, max(2, height // 12))), cv2.LINE_AA)
    elif kind < 0.85:
        size = (int(rng.integers(4, width)), int(rng.integers(3, max(4, height // 2))))
        cv2.rectangle(picture, (x, y), (x + size[0], y + size[1]), color, -1)
    else:
        lamp = (30.0, 30.0, float(rng.uniform(90, 220))) if rng.random() < 0.6 else (200.0, 220.0, 235.0)
        cv2.circle(picture, (x, y), int(rng.integers(3, max(4, height // 4))), lamp, -1, cv2.LINE_AA)


def no_plate(rng: np.random.Generator, height: int, width: int) -> Array:
    """Something that a detector may take for a plate: bodywork, a grille, a sign or sticker with words. float32 BGR."""
    picture = bodywork(rng, height, width)
    kind = rng.random()
    if kind < 0.25:
        step = int(rng.integers(3, 9))
        across = rng.random() < 0.5
        for at in range(0, height if across else width, step):
            line = np.s_[at : at + max(1, step // 2)]
            picture[line if across else (slice(None), line)] *= 0.4
    elif kind < 0.6:
        _sticker(picture, rng)
    elif kind < 0.75:
        noise = rng.uniform(0, 255, (height // 4 + 1, width // 4 + 1, 3)).astype(np.float32)
        picture += 0.4 * (cv2.resize(noise, (width, height)) - 128)
    return picture


def _sticker(picture: Array, rng: np.random.Generator) -> None:
    height, width = picture.shape[:2]
    inset = rng.uniform(0.05, 0.25)
    x0, y0 = round(inset * width), round(inset * height)
    ground = rng.uniform(0, 255, 3)
    cv2.rectangle(picture, (x0, y0), (width - x0, height - y0), tuple(float(value) for value in ground), -1)
    words = [texts.WORDS[int(index)] for index in rng.integers(0, len(texts.WORDS), int(rng.integers(1, 4)))]
    ink = tuple(int(value) for value in 255 - ground)
    tall = (height - 2 * y0) / len(words)
    for row, word in enumerate(words):
        top = y0 + (row + 0.15) * tall
        box = (x0 + 0.05 * width, top, width - x0 - 0.05 * width, top + 0.7 * tall)
        small_text(picture, word, box, (ink[0], ink[1], ink[2]), rng.uniform(0.2, 0.4))


def holder(plate: Array, rng: np.random.Generator) -> tuple[Array, tuple[int, int]]:
    """The plate in a dealer's frame (or none): the picture and where the plate's own corner lies in it (x, y)."""
    if rng.random() < 0.65:
        return plate, (0, 0)
    height, width = plate.shape[:2]
    side, top, low = int(rng.integers(3, 12)), int(rng.integers(3, 12)), int(rng.integers(4, 28))
    shade = float(rng.uniform(10, 70) if rng.random() < 0.75 else rng.uniform(150, 220))
    framed = np.full((height + top + low, width + 2 * side, 3), shade, np.float32)
    lap = int(rng.integers(0, 4))
    framed[top : top + height, side : side + width] = plate
    if lap:
        framed[top + height - lap : top + height, side : side + width] = shade
    if low > 14 and rng.random() < 0.7:
        word = texts.WORDS[int(rng.integers(len(texts.WORDS)))] + " " + texts.WORDS[int(rng.integers(len(texts.WORDS)))]
        middle, half = framed.shape[1] / 2, rng.uniform(0.2, 0.42) * width
        box = (middle - half, top + height + 3, middle + half, top + height + low - 3)
        ink = 230 if shade < 100 else 25
        small_text(framed, word, box, (ink, ink, ink), 0.3)
    return framed, (side, top)


def dirt(plate: Array, rng: np.random.Generator, hard: bool) -> None:
    """Dust, mud, rust and scratches on the plate (float32 BGR, changed in place)."""
    height, width = plate.shape[:2]
    if rng.random() < (0.5 if hard else 0.3):
        cloud = cv2.resize(rng.random((4, 9), np.float32), (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
        color = np.array((70, 100, 125), np.float32) * rng.uniform(0.6, 1.5)
        plate += (color - plate) * np.clip(cloud, 0, 1) * rng.uniform(0.1, 0.5)
    for _ in range(int(rng.poisson(1.6 if hard else 0.6))):
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        axes = (int(rng.integers(1, 10)), int(rng.integers(1, 7)))
        tone = float(rng.uniform(0.2, 1.0))
        mud = (60.0 * tone, 85.0 * tone, 115.0 * tone)
        cv2.ellipse(plate, centre, axes, float(rng.uniform(0, 180)), 0, 360, mud, -1, cv2.LINE_AA)
    if rng.random() < 0.15:
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        end = (round(x + rng.normal(0, 80)), round(y + rng.normal(0, 25)))
        cv2.line(plate, (round(x), round(y)), end, (210.0, 210.0, 210.0), 1, cv2.LINE_AA)


def shade(picture: Array, rng: np.random.Generator) -> None:
    """A shadow's or a reflection's edge across everything (float32 BGR, changed in place)."""
    height, width = picture.shape[:2]
    kind = rng.random()
    if kind < 0.3:
        angle = rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        distance = (x - width * rng.uniform(0.2, 0.8)) * np.cos(angle) + (y - height * rng.uniform(0.2, 0.8)) * np.sin(
            angle
        )
        softness = rng.uniform(0.5, 0.15 * width)
        edge = 1 / (1 + np.exp(-np.clip(distance / softness, -30, 30)))
        picture *= (1 - edge * rng.uniform(0.25, 0.75)).astype(np.float32)[..., None]
    elif kind < 0.55:
        grid = rng.uniform(0.6, 1.35, (3, 4)).astype(np.float32)
        picture *= cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    elif kind < 0.62:
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        spread = rng.uniform(0.08, 0.3) * width
        away = ((x - rng.uniform(0, width)) ** 2 + (y - rng.uniform(0, height)) ** 2) / spread**2
        picture += (rng.uniform(30, 160) * np.exp(-away)).astype(np.float32)[..., None]


def hitch(picture: Array, corners: Array, rng: np.random.Generator) -> None:
    """A tow ball or a strap that hides a little of the plate's lower rim."""
    left, right = corners[3], corners[2]
    across = float(np.linalg.norm(right - left))
    at = left + (right - left) * rng.uniform(0.3, 0.7)
    centre = (round(float(at[0])), round(float(at[1] + across * rng.uniform(0.0, 0.03))))
    tone = float(rng.uniform(10, 90))
    cv2.circle(picture, centre, max(1, round(across * rng.uniform(0.02, 0.045))), (tone, tone, tone), -1, cv2.LINE_AA)
