"""Brazilian number plates, drawn: the old grey one (ABC-1234) and the Mercosul one (ABC1D23). 400 x 130 mm.

Sources of the proportions: Contran resolutions 231/2007 (old) and 969/2022 (Mercosul), rounded to what a camera shows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from cli.demo.glyphs import Image, draw_text

PIXELS_PER_MM = 2
WIDTH, HEIGHT = 400 * PIXELS_PER_MM, 130 * PIXELS_PER_MM
ASPECT = WIDTH / HEIGHT
_OVERSAMPLE = 2
_BLACK = (22, 20, 20)
_RED = (38, 28, 190)
_WHITE = (242, 244, 244)
_GREY = (176, 180, 182)
_BLUE = (150, 52, 8)  # BGR of the band
_CITIES = ("SP-SAO PAULO", "RJ-RIO DE JANEIRO", "PR-CURITIBA", "MG-BELO HORIZONTE", "BA-SALVADOR", "PE-RECIFE")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = "0123456789"
OLD_PATTERN, MERCOSUL_PATTERN = "LLLDDDD", "LLLDLDD"


class PlateStyle(StrEnum):
    """How the plate looks. The values are what the truth file calls `plate_style`."""

    OLD = "old"
    MERCOSUL = "mercosul"
    MERCOSUL_COMMERCIAL = "mercosul_commercial"

    @property
    def plate_format(self) -> str:
        return "old" if self is PlateStyle.OLD else "mercosul"


@dataclass(frozen=True)
class Plate:
    """`text` has no hyphen: seven characters."""

    text: str
    style: PlateStyle


def pattern_of(text: str) -> str:
    """`ABC1D23` -> `LLLDLDD`."""
    return "".join("L" if character in _LETTERS else "D" if character in _DIGITS else "?" for character in text)


def random_plates(count: int, seed: int) -> list[Plate]:
    """Distinct plates of all styles, the same ones for the same seed. Each pair differs in three places or more.

    So far apart, no misreading of one can be taken for another.
    """
    rng = random.Random(seed)
    styles = [PlateStyle.MERCOSUL, PlateStyle.OLD, PlateStyle.MERCOSUL, PlateStyle.OLD, PlateStyle.MERCOSUL_COMMERCIAL]
    found: list[Plate] = []
    while len(found) < count:
        style = styles[len(found) % len(styles)]
        pattern = OLD_PATTERN if style is PlateStyle.OLD else MERCOSUL_PATTERN
        text = "".join(rng.choice(_LETTERS if place == "L" else _DIGITS) for place in pattern)
        if all(sum(a != b for a, b in zip(text, other.text, strict=True)) >= 3 for other in found):
            found.append(Plate(text, style))
    return found


def draw_plate(plate: Plate, seed: int = 0) -> Image:
    """The plate seen from the front, BGR uint8 of 260 x 800. `seed` chooses the city and the dirt."""
    expected = OLD_PATTERN if plate.style is PlateStyle.OLD else MERCOSUL_PATTERN
    if pattern_of(plate.text) != expected:
        raise ValueError(f"{plate.text} is no plate of the form {expected}")
    rng = random.Random(f"{plate.text}{seed}")
    ground = _GREY if plate.style is PlateStyle.OLD else _WHITE
    canvas: Image = np.full((HEIGHT * _OVERSAMPLE, WIDTH * _OVERSAMPLE, 3), ground, np.uint8)
    if plate.style is PlateStyle.OLD:
        _draw_old(canvas, plate.text, rng.choice(_CITIES))
    else:
        _draw_mercosul(canvas, plate.text, _RED if plate.style is PlateStyle.MERCOSUL_COMMERCIAL else _BLACK)
    small = cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return _weathered(small, rng.randrange(1 << 30))


def _box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
    k = PIXELS_PER_MM * _OVERSAMPLE
    return left * k, top * k, right * k, bottom * k


def _frame(canvas: Image, color: tuple[int, int, int], width_mm: float) -> None:
    k = PIXELS_PER_MM * _OVERSAMPLE
    inset = round(2.5 * k)
    cv2.rectangle(
        canvas, (inset, inset), (canvas.shape[1] - inset, canvas.shape[0] - inset), color, round(width_mm * k)
    )


def _draw_old(canvas: Image, text: str, city: str) -> None:
    _frame(canvas, (110, 112, 114), 1.5)
    half = len(city) * 5.2
    draw_text(canvas, city, _box(200 - half, 9, 200 + half, 24), (40, 40, 40), 0.22)
    draw_text(canvas, text[:3], _box(14, 39, 178, 116), _BLACK, 0.3)
    draw_text(canvas, "-", _box(179, 39, 197, 116), _BLACK, 0.3)
    draw_text(canvas, text[3:], _box(196, 39, 388, 116), _BLACK, 0.3)


def _draw_mercosul(canvas: Image, text: str, color: tuple[int, int, int]) -> None:
    left, top, right, bottom = (round(value) for value in _box(3, 3, 397, 33))
    cv2.rectangle(canvas, (left, top), (right, bottom), _BLUE, -1)
    draw_text(canvas, "BRASIL", _box(140, 10, 260, 27), _WHITE, 0.24)
    x0, y0, x1, y1 = (round(value) for value in _box(362, 9, 386, 27))
    cv2.rectangle(canvas, (x0, y0), (x1, y1), (58, 140, 0), -1)
    middle = ((x0 + x1) // 2, (y0 + y1) // 2)
    rhomb = np.array([(x0 + 8, middle[1]), (middle[0], y0 + 6), (x1 - 8, middle[1]), (middle[0], y1 - 6)])
    cv2.fillConvexPoly(canvas, rhomb.astype(np.int32), (0, 220, 255), cv2.LINE_AA)
    cv2.circle(canvas, middle, (y1 - y0) // 5, (130, 40, 0), -1, cv2.LINE_AA)
    _frame(canvas, (60, 56, 56), 1.2)
    draw_text(canvas, "BR", _box(8, 106, 24, 118), (70, 60, 60), 0.24)
    draw_text(canvas, text, _box(24, 43, 388, 118), color, 0.28)


def _weathered(image: Image, seed: int) -> Image:
    """Slight dirt: a soft, uneven darkening, mostly at the lower edge."""
    rng = np.random.default_rng(seed)
    patches = rng.uniform(0.9, 1.0, (4, 10)).astype(np.float32)
    patches[-1] -= 0.05
    field = cv2.resize(patches, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(image * field[..., None], 0, 255).astype(np.uint8)
