"""What light and a camera do to a picture: pose, day, night, infrared, blur, noise, few pixels, JPEG."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LEAST_CONTRAST = 11.0
LIGHTS = ("day", "dusk", "night", "infrared", "glare")


def pose(rng: np.random.Generator, size: tuple[int, int], width: float, hard: bool) -> Array:
    """The corners [4, 2] of a plate of `size` (mm) turned in space, from its top left clockwise, about `width` px wide.

    The plate is turned about three axes and seen through a pinhole two to six plates' widths away.
    """
    reach = (38.0, 24.0, 9.0) if hard else (26.0, 18.0, 6.0)
    yaw, pitch, roll = (np.radians(np.clip(rng.normal(0, 0.5), -1, 1) * limit) for limit in reach)
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64) * (1.0, size[1] / size[0])
    points = np.concatenate([half, np.zeros((4, 1))], axis=1)
    turn_yaw = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    turn_pitch = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    turn_roll = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turned = points @ (turn_roll @ turn_pitch @ turn_yaw).T
    distance = rng.uniform(4, 12)
    flat = turned[:, :2] * (distance / (distance + turned[:, 2:3]))
    across = (np.linalg.norm(flat[1] - flat[0]) + np.linalg.norm(flat[2] - flat[3])) / 2
    flat = flat * (width / across)
    return np.asarray(flat - flat.min(axis=0), np.float32)


def paste(scene: Array, plate: Array, corners: Array) -> None:
    """Lays the plate uint8/float32 [h, w, 3] between `corners` [4, 2] of the scene (float32, in place)."""
    across = max(np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[2] - corners[3]))
    scale = min(1.0, 1.15 * float(across) / plate.shape[1])
    if scale < 0.9:
        size = (max(8, round(plate.shape[1] * scale)), max(6, round(plate.shape[0] * scale)))
        plate = cv2.resize(plate, size, interpolation=cv2.INTER_AREA)
    height, width = plate.shape[:2]
    alpha = np.full((height, width), 1.0, np.float32)
    radius = max(1, round(0.05 * height))
    for x, y in ((0, 0), (width - radius, 0), (0, height - radius), (width - radius, height - radius)):
        alpha[y : y + radius, x : x + radius] = 0.5 if radius > 1 else 0.8
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2, (scene.shape[1], scene.shape[0]))
    part = scene[low[1] : high[1], low[0] : high[0]]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    move = cv2.getPerspectiveTransform(source, (corners - low).astype(np.float32))
    size = (part.shape[1], part.shape[0])
    laid = cv2.warpPerspective(
        plate.astype(np.float32), move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    cover = cv2.warpPerspective(alpha, move, size, flags=cv2.INTER_LINEAR)[..., None]
    part += (laid - part) * cover


def choose_light(rng: np.random.Generator, hard: bool) -> str:
    shares = (0.34, 0.14, 0.24, 0.2, 0.08) if hard else (0.56, 0.14, 0.12, 0.12, 0.06)
    return LIGHTS[int(rng.choice(len(LIGHTS), p=shares))]


def light(picture: Array, kind: str, rng: np.random.Generator, plate: Array | None = None) -> Array:
    """The picture (float32 BGR) as it is lit and exposed: one of LIGHTS. `plate` [h, w] is 1 where the plate lies,
    which throws headlights and infrared back. Raises KeyError for another name.
    """
    return {"day": _day, "dusk": _dusk, "night": _night, "infrared": _infrared, "glare": _glare}[kind](
        picture, rng, plate
    )


def _tint(rng: np.random.Generator, strength: float) -> Array:
    return np.exp(rng.normal(0, strength, 3)).astype(np.float32)


def _expose(picture: Array, gain: float, veil: float, gamma: float) -> Array:
    return np.asarray(255 * np.power(np.clip((picture * gain + veil) / 255, 0, 1), gamma), np.float32)


def _day(picture: Array, rng: np.random.Generator, plate: Array | None) -> Array:
    return _expose(picture * _tint(rng, 0.06), rng.uniform(0.55, 1.25), rng.uniform(-8, 40), rng.uniform(0.7, 1.3))


def _dusk(picture: Array, rng: np.random.Generator, plate: Array | None) -> Array:
    cool = np.array((1.2, 1.0, 0.85), np.float32) if rng.random() < 0.5 else np.array((0.75, 0.95, 1.15), np.float32)
    return _expose(picture * cool * _tint(rng, 0.08), rng.uniform(0.28, 0.7), rng.uniform(0, 25), rng.uniform(0.8, 1.2))


def _night(picture: Array, rng: np.random.Generator, plate: Array | None) -> Array:
    warm = np.array((0.55, 0.85, 1.1), np.float32) if rng.random() < 0.6 else np.array((1.0, 1.0, 0.95), np.float32)
    lit = rng.uniform(0.16, 0.4)
    gain: Any = lit
    if plate is not None:
        lamp = np.linspace(rng.uniform(0.8, 2.6), rng.uniform(0.5, 1.6), picture.shape[0], dtype=np.float32)[:, None]
        gain = (lit * (1 + plate * (lamp * rng.uniform(0.6, 2.2) - 0.4)))[..., None]
    return _expose(
        _bloom(picture * gain * warm * _tint(rng, 0.08), rng, 0.25), 1.0, rng.uniform(0, 18), rng.uniform(0.8, 1.1)
    )


def _infrared(picture: Array, rng: np.random.Generator, plate: Array | None) -> Array:
    """Grey: red ink and the blue band come out paler or darker than they are, the ground throws the light back."""
    weights = np.array((rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.4), rng.uniform(0.15, 0.45)), np.float32)
    grey = picture @ (weights / weights.sum())
    if plate is not None:
        grey = grey * (1 - plate) * rng.uniform(0.15, 0.6) + grey * plate * rng.uniform(0.6, 1.35)
    grey = _expose(grey, rng.uniform(0.8, 1.15), rng.uniform(0, 30), rng.uniform(0.75, 1.2))
    return np.repeat(_bloom(grey, rng, 0.3)[..., None], 3, axis=2)


def _glare(picture: Array, rng: np.random.Generator, plate: Array | None) -> Array:
    return _expose(
        _bloom(picture * rng.uniform(1.15, 1.6), rng, 0.6) * _tint(rng, 0.04),
        1.0,
        rng.uniform(10, 75),
        rng.uniform(0.8, 1.1),
    )


def _bloom(picture: Array, rng: np.random.Generator, share: float) -> Array:
    """Light that runs over from what is too bright."""
    if rng.random() > share:
        return picture
    sigma = max(1.0, 0.03 * picture.shape[1] * rng.uniform(0.5, 2))
    over = cv2.GaussianBlur(np.clip(picture - 170, 0, None), (0, 0), sigma)
    return np.asarray(picture + over * rng.uniform(0.3, 1.2))


def blur(picture: Array, across: float, rng: np.random.Generator, hard: bool) -> Array:
    """Movement and defocus, in parts of the plate's width `across` (px)."""
    share = rng.random()
    reach = 0.032 if hard else 0.022
    if share < 0.35:
        length = across * rng.uniform(0.3, 1.0) * reach * 1.3
        picture = _motion(picture, length, rng.normal(0, 35) if rng.random() < 0.7 else rng.uniform(0, 180))
    if share > 0.25:
        sigma = across * rng.beta(1.1, 2.2) * reach * 0.5 + 0.25
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    return picture


def _motion(picture: Array, length: float, degrees: float) -> Array:
    count = int(np.ceil(length)) | 1
    if count < 3:
        return picture
    kernel = np.zeros((count, count), np.float32)
    middle = (count - 1) / 2
    reach = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]) * length / 2
    ends = np.round((np.array([middle, middle]) + np.array([-reach, reach])) * 16).astype(int)
    cv2.line(kernel, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1.0, 1, cv2.LINE_AA, 4)
    return np.asarray(
        cv2.filter2D(picture, -1, kernel / max(1e-6, float(kernel.sum())), borderType=cv2.BORDER_REPLICATE)
    )


def readable(picture: Array, area: Array) -> tuple[Array, float]:
    """The picture (float32 BGR) with about LEAST_CONTRAST or more where `area` (uint8 [h, w]) is 1, as a camera's own
    exposure would give it, and that contrast: the standard deviation in levels, less where it cannot be had.
    """
    inside = picture[area > 0]
    if not len(inside):
        return picture, LEAST_CONTRAST
    grey = np.clip(inside, 0, 255).mean(axis=1)
    level, contrast = float(grey.mean()), max(0.5, float(grey.std()))
    if contrast >= LEAST_CONTRAST:
        return picture, contrast
    gain = min(5.0, LEAST_CONTRAST / contrast)
    if level < 80:
        return picture * gain, contrast * gain
    return (picture - level) * gain + level * 0.9, contrast * gain


def sensor(picture: Array, kind: str, rng: np.random.Generator, how: tuple[bool, float]) -> Array:
    """Noise, an interlaced frame's comb, sharpening and JPEG: float32 BGR to uint8 BGR. `how`: whether hard, and the
    most noise (standard deviation in levels) that still lets a person read it.
    """
    hard, most = how
    height, width = picture.shape[:2]
    sigma = abs(rng.normal(0, 5)) + (rng.uniform(3, 14) if kind in ("night", "infrared", "dusk") else 0)
    sigma = min(sigma, most)
    if rng.random() < 0.8:
        noise = np.empty((height, width, 3), np.float32)
        cv2.setRNGSeed(int(rng.integers(1 << 31)))
        cv2.randn(noise, np.zeros(3), np.full(3, sigma))
        if rng.random() < 0.4:
            noise = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.5, 1.1)) * 1.5
        if kind == "infrared":
            noise = noise[..., :1]
        picture = picture + noise
    if rng.random() < 0.2:
        soft = cv2.GaussianBlur(picture, (0, 0), 1.2)
        picture = picture + (picture - soft) * rng.uniform(0.4, 1.6)
    out = np.clip(picture, 0, 255).astype(np.uint8)
    if hard and rng.random() < 0.06:
        out[::2] = np.roll(out[::2], int(rng.integers(1, 3)), axis=1)
    if rng.random() < 0.85:
        quality = int(rng.integers(30, 96) if rng.random() < 0.5 else rng.integers(65, 96))
        data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return out
