"""A vehicle ready to be drawn into frames: shadow, light and glow baked in, at several sizes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cli.demo.cutouts import Cutout, Points
from cli.demo.glyphs import Image

_MARGIN = 0.10  # of the width, on every side, for shadow and glow


@dataclass(frozen=True)
class Light:
    """`gain` multiplies B, G, R of everything; `lamps` lights the vehicles' own lamps."""

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    lamps: bool = False


class Sprite:
    """Premultiplied BGRA at full size and halved sizes. Colour without alpha adds light (a glow)."""

    def __init__(self, cutout: Cutout, light: Light) -> None:
        self.kind, self.metres = cutout.kind, cutout.metres
        height, width = cutout.rgba.shape[:2]
        pad = round(width * _MARGIN)
        self.size = (width, height)
        self.plate: Points = cutout.plate
        self.ground = np.array(cutout.ground)
        self._pad = pad
        self.levels = [_baked(cutout, light, pad)]
        while min(self.levels[-1].shape[:2]) > 60:
            self.levels.append(cv2.resize(self.levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))

    def scale_for(self, ppm: float) -> float:
        return float(ppm * self.metres / self.size[0])

    def box(self, at: tuple[float, float], ppm: float) -> tuple[float, float, float, float]:
        """The vehicle's box (left, top, right, bottom) when its ground point stands at `at`."""
        scale = self.scale_for(ppm)
        left, top = at[0] - self.ground[0] * scale, at[1] - self.ground[1] * scale
        return float(left), float(top), float(left + self.size[0] * scale), float(top + self.size[1] * scale)

    def plate_at(self, at: tuple[float, float], ppm: float) -> Points:
        scale = self.scale_for(ppm)
        corners: Points = (self.plate - self.ground) * scale + np.array(at)
        return corners

    def draw(
        self, frame: Image, at: tuple[float, float], ppm: float, moved: tuple[float, float], fade: float = 1.0
    ) -> None:
        """Draws into `frame`. `moved` is the path in pixels while the shutter was open (motion blur)."""
        scale = self.scale_for(ppm)
        level = int(np.clip(np.floor(-np.log2(max(scale, 1e-6))), 0, len(self.levels) - 1))
        picture = self.levels[level]
        factor = scale * (1 << level)
        origin = np.array(at) - (self.ground + self._pad) * scale
        x0, y0 = np.maximum(np.floor(origin).astype(int), 0)
        x1 = min(frame.shape[1], int(origin[0] + picture.shape[1] * factor) + 2)
        y1 = min(frame.shape[0], int(origin[1] + picture.shape[0] * factor) + 2)
        if x1 <= x0 or y1 <= y0:
            return
        matrix = np.array([[factor, 0, origin[0] - x0], [0, factor, origin[1] - y0]])
        patch = cv2.warpAffine(picture, matrix, (int(x1 - x0), int(y1 - y0)), flags=cv2.INTER_LINEAR)
        patch = _blurred(patch.astype(np.uint8), moved)
        if fade < 1:
            patch = (patch * fade).astype(np.uint8)
        area = frame[y0:y1, x0:x1]
        rest = cv2.cvtColor(cv2.bitwise_not(patch[..., 3]), cv2.COLOR_GRAY2BGR)
        cv2.add(cv2.multiply(area, rest, scale=1 / 255), np.ascontiguousarray(patch[..., :3]), dst=area)


def _blurred(patch: Image, moved: tuple[float, float]) -> Image:
    length = float(np.hypot(*moved))
    size = int(length) | 1
    if size < 3:
        return patch
    kernel = np.zeros((size, size), np.float32)
    half = np.array(moved) / length * (size // 2)
    middle = size // 2
    ends = [(round(middle + sign * half[0]), round(middle + sign * half[1])) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return cv2.filter2D(patch, -1, kernel / kernel.sum(), borderType=cv2.BORDER_CONSTANT).astype(np.uint8)


def _baked(cutout: Cutout, light: Light, pad: int) -> Image:
    rgba = cv2.copyMakeBorder(cutout.rgba, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    alpha = rgba[..., 3].astype(np.float32) / 255
    shadow = _shadow(alpha, cutout.rgba.shape[1]) * 0.62
    color = rgba[..., :3].astype(np.float32) * np.array(light.gain, np.float32) * alpha[..., None]
    if light.lamps:
        color += _glow(cutout, rgba.shape[:2], pad)
    whole = alpha + shadow * (1 - alpha)
    return np.clip(np.dstack([color, whole * 255]), 0, 255).astype(np.uint8)


def _shadow(alpha: Image, width: int) -> Image:
    """A soft dark band under the vehicle, which follows the lower edge of its outline."""
    solid = alpha > 0.5
    rows = np.arange(alpha.shape[0])[:, None]
    lowest = np.where(solid.any(0), alpha.shape[0] - 1 - solid[::-1].argmax(0), -1)
    band = (rows > lowest - 0.10 * width) & (rows < lowest + 0.022 * width) & (lowest > 0)
    return cv2.GaussianBlur(band.astype(np.float32), (0, 0), width * 0.016)


def _glow(cutout: Cutout, shape: tuple[int, ...], pad: int) -> Image:
    width = cutout.rgba.shape[1]
    color = (30.0, 30.0, 230.0) if cutout.rear else (205.0, 235.0, 245.0)
    spots = np.zeros(shape, np.float32)
    for x, y in cutout.lamps + pad:
        cv2.circle(spots, (int(x), int(y)), max(2, round(width * 0.017)), 1.0, -1, cv2.LINE_AA)
    halo = cv2.GaussianBlur(spots, (0, 0), width * 0.022) * 1.2
    core = cv2.GaussianBlur(spots, (0, 0), width * 0.004)
    strength = np.clip(core * 0.75 + halo * 0.55, 0, 1)[..., None]
    return (strength * np.array(color, np.float32)).astype(np.float32)
