"""A street drawn in perspective: sky, buildings, trees, pavement, kerb, road, lane marks; the same for the same seed.

The camera is a pinhole `height` metres over the ground that looks along the road. A point `across` metres to the
right of the vanishing line and `up` metres high, where a metre is `ppm` pixels, is seen at
`(vx + across * ppm, vy + (height - up) * ppm)`. Nearer means a larger `ppm`, so `ppm` serves as depth throughout.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cli.demo.glyphs import Image

Color = tuple[int, int, int]
Shade = npt.NDArray[Any]
_SHIFT = 4


@dataclass(frozen=True)
class View:
    """`width` x `height_px` pixels; the vanishing point (`vx`, `vy`); the camera's `height` in metres."""

    width: int
    height_px: int
    vx: float
    vy: float
    height: float

    def project(self, across: float, up: float, ppm: float) -> tuple[float, float]:
        return self.vx + across * ppm, self.vy + (self.height - up) * ppm

    def ppm_at(self, y: float) -> float:
        """Pixels per metre of what stands on the ground at the picture's line `y`."""
        return (y - self.vy) / self.height


@dataclass(frozen=True)
class Street:
    """The cross-section in metres (`across`), from left to right, and what stands beside the road.

    `crossing` is the nearness (1 at the picture's lower edge, 2 twice as far) of a zebra crossing; a lawn begins
    `lawn` metres beside the road; `lit` has light in some windows.
    """

    road: tuple[float, float]
    dividers: tuple[float, ...]
    walls: tuple[float, float]
    seed: int
    overcast: bool = False
    lit: bool = False
    crossing: float | None = None
    lawn: float | None = None


class Painter:
    def __init__(self, view: View, street: Street) -> None:
        self.view, self.street = view, street
        self.rng = np.random.default_rng(street.seed)
        self.canvas: Image = np.zeros((view.height_px, view.width, 3), np.uint8)
        self.near = view.ppm_at(view.height_px) * 1.6

    def paint(self) -> Image:
        self._sky()
        self._hills()
        self._ground()
        for side, across in zip((-1, 1), self.street.walls, strict=True):
            self._houses(across, side)
        self._trees()
        self._texture()
        return cv2.GaussianBlur(self.canvas, (0, 0), 0.7).astype(np.uint8)

    def _fill(self, points: Sequence[tuple[float, float]], color: Shade | Color) -> None:
        limit = 20000.0
        array = np.clip(np.array(points), -limit, limit) * (1 << _SHIFT)
        shade = tuple(int(np.clip(value, 0, 255)) for value in color)
        cv2.fillPoly(self.canvas, [array.round().astype(np.int32)], shade, cv2.LINE_AA, shift=_SHIFT)

    def _sky(self) -> None:
        rows = max(1, round(self.view.vy) + 4)
        top, low = ((196, 186, 178), (214, 210, 206)) if self.street.overcast else ((214, 158, 104), (232, 214, 196))
        ramp = np.linspace(0, 1, rows)[:, None, None]
        sky = np.array(top) * (1 - ramp) + np.array(low) * ramp
        self.canvas[:rows] = sky.astype(np.uint8)
        spots = self.rng.random((6, 22)).astype(np.float32)
        clouds = cv2.resize(spots, (self.view.width, rows), interpolation=cv2.INTER_CUBIC)
        fine = cv2.resize(self.rng.random((20, 80)).astype(np.float32), (self.view.width, rows))
        amount = np.clip((clouds * 0.75 + fine * 0.25 - 0.5) * 2.4, 0, 0.85)[..., None]
        self.canvas[:rows] = (self.canvas[:rows] * (1 - amount) + np.array((244, 243, 240)) * amount).astype(np.uint8)

    def _hills(self) -> None:
        base = self.view.vy + 6
        for height, color in ((0.055, (168, 158, 140)), (0.03, (132, 138, 112))):
            waves = np.cumsum(self.rng.normal(0, 1, 40))
            waves = (waves - waves.min()) / max(1e-6, np.ptp(waves)) * height * self.view.height_px
            xs = np.linspace(-20, self.view.width + 20, 40)
            line = [(float(x), float(base - 4 - wave)) for x, wave in zip(xs, waves, strict=True)]
            self._fill([(-20, base), *line, (self.view.width + 20, base)], color)

    def _strip(self, left: float, right: float, color: Shade | Color, ppm: tuple[float, float] | None = None) -> None:
        far, near = ppm or (0.0, self.near)
        project = self.view.project
        self._fill(
            [project(left, 0, far), project(right, 0, far), project(right, 0, near), project(left, 0, near)], color
        )

    def _ground(self) -> None:
        left, right = self.street.road
        self.canvas[round(self.view.vy) :] = (118, 128, 122)
        self._strip(self.street.walls[0] - 60, self.street.walls[1] + 60, (134, 140, 142))
        self._paving()
        if self.street.lawn is not None:
            self._grass(self.street.lawn)
        self._strip(left, right, (86, 84, 82))
        for edge, outward in ((left, -1), (right, 1)):
            self._strip(edge, edge + outward * 0.16, (166, 168, 170))
            self._strip(edge + outward * 0.16, edge + outward * 0.30, (112, 112, 112))
            self._strip(edge - outward * 0.38, edge - outward * 0.28, (196, 198, 200))
        for divider in self.street.dividers:
            self._dashes(divider)
        if self.street.crossing is not None:
            self._zebra(self.view.ppm_at(self.view.height_px) / self.street.crossing)

    def _zebra(self, ppm: float) -> None:
        left, right = self.street.road
        across = left + 0.6
        while across + 0.45 < right - 0.4:
            self._strip(across, across + 0.45, (206, 208, 210), (ppm * 0.9, ppm))
            across += 0.95

    def _grass(self, lawn: float) -> None:
        """A lawn on both sides with bushes, seen from above."""
        left, right = self.street.road
        for low, high in ((self.street.walls[0], left - lawn), (right + lawn, self.street.walls[1])):
            self._strip(low, high, (74, 122, 92))
        for edge in (left - lawn, right + lawn):
            self._strip(edge - 0.12, edge + 0.12, (168, 172, 174))
        for _ in range(60):
            ppm = self.view.ppm_at(float(self.rng.uniform(-0.2, 1.2)) * self.view.height_px)
            side = left - lawn - 1.1 if self.rng.random() < 0.6 else right + lawn + 1.1
            x, y = self.view.project(side + float(self.rng.normal(0, 0.12)), 0, ppm)
            self._crown(x, y - 0.35 * ppm, 0.55 * ppm, ppm * 0.09)

    def _paving(self) -> None:
        left, right = self.street.road
        for low, high in ((self.street.walls[0], left - 0.3), (right + 0.3, self.street.walls[1])):
            self._strip(low, high, (146, 150, 154))
            ppm = self.near
            while ppm > 8:
                self._strip(low, high, (130, 134, 138), (ppm * 0.9955, ppm))
                ppm *= 0.962

    def _dashes(self, across: float) -> None:
        depth, focal = 1.0, self.near  # depth 1 is where ppm == near
        while depth < 60:
            self._strip(across - 0.06, across + 0.06, (204, 206, 206), (focal / (depth + 0.30), focal / depth))
            depth += 0.75

    def _houses(self, across: float, side: int) -> None:
        """A row of facades along the street, from far to near; each has its colour, windows and a door."""
        palette = [(186, 200, 212), (150, 176, 204), (178, 186, 178), (128, 150, 186), (196, 196, 188), (160, 164, 200)]
        edges = [1.0]
        while edges[-1] < 40:
            edges.append(edges[-1] * float(self.rng.uniform(1.22, 1.5)))
        for near, far in reversed(list(itertools.pairwise(edges))):
            color = np.array(palette[int(self.rng.integers(len(palette)))], float) * self.rng.uniform(0.72, 1.0)
            tall = float(self.rng.uniform(4.5, 11.0))
            self._facade(across, (self.near / far, self.near / near), tall, color * (0.82 if side > 0 else 1.0))

    def _facade(self, across: float, ppm: tuple[float, float], tall: float, color: Shade) -> None:
        far, near = ppm
        project = self.view.project

        def patch(start: float, end: float, low: float, high: float, shade: Shade | Color) -> None:
            a, b = (1 / (1 / near + (1 / far - 1 / near) * part) for part in (start, end))
            self._fill(
                [project(across, low, a), project(across, low, b), project(across, high, b), project(across, high, a)],
                shade,
            )

        patch(0, 1, 0, tall, color)
        patch(0, 1, tall - 0.35, tall, color * 0.72)
        patch(0, 1, 0, 0.7, color * 0.66)
        columns = max(2, round(3 * far / near * 3))
        for column in range(columns):
            start = (column + 0.24) / columns
            for floor in range(1, int(tall // 3) + 1):
                low = 3 * floor - 1.9
                patch(start, start + 0.52 / columns, low, low + 1.5, self._pane(column + floor))
                patch(start, start + 0.52 / columns, low - 0.12, low, color * 1.12)

    def _pane(self, number: int) -> Color:
        if self.street.lit and self.rng.random() < 0.22:
            return 150, 236, 255
        return (92, 84, 74) if number % 4 else (150, 146, 138)

    def _trees(self) -> None:
        """Tree crowns of many small leaves on the pavement, and lamp posts."""
        for across in (self.street.road[0] - 1.3, self.street.road[1] + 1.3):
            for depth in (24.0, 13.0, 7.5, 4.4):
                ppm = self.near / depth
                x, y = self.view.project(across, 0, ppm)
                if not -200 < x < self.view.width + 200:
                    continue
                self._tree(x, y, ppm)

    def _tree(self, x: float, y: float, ppm: float) -> None:
        trunk = 0.13 * ppm
        self._fill(
            [(x - trunk, y), (x + trunk, y), (x + trunk * 0.7, y - 3 * ppm), (x - trunk * 0.7, y - 3 * ppm)],
            (52, 66, 78),
        )
        self._crown(x, y - 4.1 * ppm, 1.6 * ppm, 0.24 * ppm)

    def _crown(self, x: float, y: float, radius: float, leaf: float) -> None:
        """A ball of leaves, lighter at the top."""
        count = 260
        angle, distance = self.rng.uniform(0, 2 * np.pi, count), np.sqrt(self.rng.random(count))
        xs = x + np.cos(angle) * distance * radius * 1.06
        ys = y + np.sin(angle) * distance * radius * 0.94
        for number in np.argsort(-ys):
            shade = 0.62 + 0.26 * (y + radius - ys[number]) / radius + self.rng.normal(0, 0.09)
            color = tuple(int(np.clip(value * shade, 0, 255)) for value in (58, 118, 84))
            cv2.circle(self.canvas, (int(xs[number]), int(ys[number])), max(1, int(leaf)), color, -1, cv2.LINE_AA)

    def _texture(self) -> None:
        """Asphalt grain, worn tracks and stains on everything below the horizon."""
        top = max(0, round(self.view.vy))
        rows, columns = self.view.height_px - top, self.view.width
        grain = self.rng.normal(0, 4.0, (rows, columns)).astype(np.float32)
        stains = cv2.resize(
            self.rng.normal(0, 4.0, (14, 24)).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC
        )
        strength = np.linspace(0.15, 1.0, rows, dtype=np.float32)[:, None]
        field = (cv2.GaussianBlur(grain, (0, 0), 0.8) * 1.6 + stains) * strength
        area = self.canvas[top:].astype(np.float32) + field[..., None]
        self.canvas[top:] = np.clip(area, 0, 255).astype(np.uint8)


def paint_street(view: View, street: Street) -> Image:
    """The empty street, BGR uint8 of `height_px` x `width`."""
    return Painter(view, street).paint()
