"""Plates seen from the front: what is on the metal, without a camera.

Proportions after Contran resolutions 231/2007 (old) and 969/2022 (Mercosul), in millimetres: 400 x 130, motorcycles
200 x 170 (old ones also 187 x 136). Pictures are uint8 BGR at one pixel a millimetre.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from . import texts
from .glyphs import Face, draw_character, random_face

Array = NDArray[Any]
Color = tuple[int, int, int]

OLD, MERCOSUL, OLD_ROWS, MERCOSUL_ROWS, OTHER, NOTHING = range(6)
LAYOUTS = ("old", "mercosul", "old, two rows", "mercosul, two rows", "another", "none")
OLD_COLORS: tuple[tuple[float, Color, Color], ...] = (
    (0.66, (182, 182, 180), (25, 25, 25)),
    (0.13, (40, 34, 165), (235, 235, 235)),
    (0.09, (236, 236, 236), (25, 25, 25)),
    (0.03, (236, 236, 236), (40, 34, 175)),
    (0.03, (25, 25, 25), (190, 190, 190)),
    (0.03, (150, 70, 25), (235, 235, 235)),
    (0.03, (70, 110, 30), (235, 235, 235)),
)
"""Share, ground, characters (BGR): private, hired, official, learners', collectors', makers', trial."""
MERCOSUL_COLORS: tuple[tuple[float, Color, Color], ...] = (
    (0.70, (238, 238, 238), (25, 22, 22)),
    (0.14, (238, 238, 238), (40, 30, 185)),
    (0.06, (238, 238, 238), (160, 70, 20)),
    (0.03, (238, 238, 238), (60, 120, 20)),
    (0.02, (238, 238, 238), (60, 150, 190)),
    (0.02, (238, 238, 238), (130, 130, 130)),
    (0.03, (30, 30, 30), (215, 215, 215)),
)
"""Private, hired, official, special, diplomats', collectors' (white and black)."""


@dataclass(frozen=True)
class Spec:
    """One plate. `layout` is one of OLD .. NOTHING, `style` the artwork (a key of texts.PATTERNS or "free"), `rows` 1
    or 2, `ground` and `ink` colours (BGR), `seed` everything else (the city, screws, which face).
    """

    text: str
    layout: int
    style: str
    rows: int
    ground: Color
    ink: Color
    seed: int
    face: Face = field(repr=False, compare=False, default_factory=Face)


def random_spec(rng: np.random.Generator, layout: int, faces: list[Face] | None = None) -> Spec:
    """A plate of one layout. `faces`: further faces (of masks) of which a share is drawn."""
    style, rows = _style(rng, layout)
    pattern = texts.PATTERNS.get(style)
    text = texts.of_pattern(rng, pattern) if pattern else texts.free(rng)
    if pattern and layout != OTHER and rng.random() < 0.08:
        text = _against_the_pattern(rng, pattern)
    colors = OLD_COLORS if layout in (OLD, OLD_ROWS) or style.endswith("old") else MERCOSUL_COLORS
    ground, ink = _choose(rng, colors)
    if style == "ar_old":
        ground, ink = (30, 28, 28), (230, 230, 230)
    if style == "free":
        ground, ink = _free_colors(rng)
    face = _face(rng, layout, faces)
    return Spec(text, layout, style, rows, _vary(rng, ground), _vary(rng, ink), int(rng.integers(1 << 31)), face)


def _against_the_pattern(rng: np.random.Generator, pattern: str) -> str:
    """A text on this artwork that does not follow its pattern, so that no reader learns to lean on it."""
    kind = rng.random()
    if kind < 0.4:
        return texts.of_pattern(rng, "".join(str(rng.choice(["L", "N"])) for _ in pattern))
    if kind < 0.7:
        return texts.of_pattern(rng, "LLLNLNN" if pattern == "LLLNNNN" else "LLLNNNN")
    return texts.free(rng, 6, 8)


_OTHER_STYLES = ("ar_mercosul", "ar_mercosul", "ar_old", "uy_mercosul", "py_mercosul", "py_old", "free", "free",
                 "ar_moto_mercosul", "py_moto_mercosul")  # fmt: skip


def _style(rng: np.random.Generator, layout: int) -> tuple[str, int]:
    if layout in (OLD, OLD_ROWS):
        return "br_old", 1 if layout == OLD else 2
    if layout in (MERCOSUL, MERCOSUL_ROWS):
        return "br_mercosul", 1 if layout == MERCOSUL else 2
    style = _OTHER_STYLES[int(rng.integers(len(_OTHER_STYLES)))]
    return style, 2 if "moto" in style or (style == "free" and rng.random() < 0.3) else 1


def _choose(rng: np.random.Generator, colors: tuple[tuple[float, Color, Color], ...]) -> tuple[Color, Color]:
    shares = np.array([share for share, _, _ in colors])
    _, ground, ink = colors[int(rng.choice(len(colors), p=shares / shares.sum()))]
    return ground, ink


def _free_colors(rng: np.random.Generator) -> tuple[Color, Color]:
    pairs: list[tuple[Color, Color]] = [
        ((238, 238, 238), (20, 20, 20)), ((60, 200, 240), (20, 20, 20)), ((238, 238, 238), (150, 60, 20)),
        ((30, 30, 30), (230, 230, 230)), ((150, 60, 20), (240, 240, 240)), ((210, 225, 235), (40, 90, 20)),
    ]  # fmt: skip
    return pairs[int(rng.integers(len(pairs)))]


def _vary(rng: np.random.Generator, color: Color) -> Color:
    shifted = np.clip(np.array(color) * rng.uniform(0.88, 1.08) + rng.normal(0, 5, 3), 0, 255).astype(int)
    return int(shifted[0]), int(shifted[1]), int(shifted[2])


def _face(rng: np.random.Generator, layout: int, faces: list[Face] | None) -> Face:
    share = rng.random()
    if faces and share < 0.22:
        return faces[int(rng.integers(len(faces)))]
    own = "old" if layout in (OLD, OLD_ROWS) else "fe"
    return random_face(rng, own if share < 0.78 else "mixed")


def size_mm(spec: Spec) -> tuple[int, int]:
    """The plate's (width, height) in millimetres, which are its pixels when drawn."""
    if spec.rows == 2:
        return (187, 136) if spec.layout == OLD_ROWS and spec.seed % 3 == 0 else (200, 170)
    return (294, 129) if spec.style == "ar_old" else (400, 130)


def draw(spec: Spec) -> Array:
    """The plate from the front, uint8 BGR [h, w, 3], its corners rounded only by what stands behind it."""
    rng = np.random.default_rng(spec.seed)
    width, height = size_mm(spec)
    plate = np.empty((height, width, 3), np.float32)
    plate[:] = spec.ground
    mask = np.zeros((height, width), np.uint8)
    if spec.layout in (OLD, OLD_ROWS):
        _old_art(plate, spec, rng)
    elif spec.style.endswith("mercosul"):
        _mercosul_art(plate, spec, rng)
    elif rng.random() < 0.5:
        _border(plate, spec.ink, rng.uniform(2, 6), rng)
    _characters(mask, spec, rng)
    _emboss(plate, mask, spec.ink, rng)
    _screws(plate, rng)
    if spec.layout == OLD and rng.random() < 0.6:
        _slots(plate, rng)
    return np.clip(plate, 0, 255).astype(np.uint8)


def _emboss(plate: Array, mask: Array, ink: Color, rng: np.random.Generator) -> None:
    """Lays the ink on, worn here and there, and lights the edges of the raised characters."""
    alpha = mask.astype(np.float32)[..., None] / 255
    if rng.random() < 0.15:
        worn = cv2.resize(rng.random((8, 20), np.float32), (mask.shape[1], mask.shape[0]))[..., None]
        alpha *= np.clip(1.4 - worn * rng.uniform(0.3, 1.1), 0, 1)
    plate += (np.array(ink, np.float32) - plate) * alpha
    strength = rng.uniform(-45, 45) if rng.random() < 0.7 else 0
    if abs(strength) > 3:
        plate += cv2.Sobel(mask, cv2.CV_32F, 0, 1, ksize=5, scale=strength / 255 / 24)[..., None]


def _border(plate: Array, color: Color, thick: float, rng: np.random.Generator) -> None:
    inset = int(rng.integers(2, 5))
    cv2.rectangle(plate, (inset, inset), (plate.shape[1] - inset, plate.shape[0] - inset), color, max(1, round(thick)))


def small_text(picture: Array, text: str, box: tuple[float, float, float, float], color: Color, weight: float) -> None:
    """Small print in a plain face, as wide as `box` (left, top, right, bottom)."""
    left, top, right, bottom = box
    cell = (right - left) / max(1, len(text))
    x0, y0 = max(0, int(left) - 1), max(0, int(top) - 1)
    x1, y1 = min(picture.shape[1], int(right) + 2), min(picture.shape[0], int(bottom) + 2)
    if x1 <= x0 or y1 <= y0:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    size = (max(1, round(0.8 * cell)), max(1, round(bottom - top)))
    for place, character in enumerate(text):
        if character != " ":
            x, y = round(left + (place + 0.1) * cell) - x0, round(top) - y0
            tile = cv2.resize(_print(character, round(weight, 1)), size, interpolation=cv2.INTER_AREA)
            target = mask[max(0, y) : y + size[1], max(0, x) : x + size[0]]
            np.maximum(target, tile[: target.shape[0], : target.shape[1]], out=target)
    alpha = mask[..., None].astype(np.float32) / 255
    part = picture[y0:y1, x0:x1]
    part[:] = part + (np.array(color, np.float32) - part) * alpha


@functools.cache
def _print(character: str, weight: float) -> Array:
    mask = np.zeros((48, 28), np.uint8)
    draw_character(mask, character, (0, 0, 28, 48), Face(weight=weight, square=False))
    return mask


def _old_art(plate: Array, spec: Spec, rng: np.random.Generator) -> None:
    """The raised rim and the strip with the town."""
    height, width = plate.shape[:2]
    if rng.random() < 0.8:
        shade = rng.uniform(0.6, 1.15)
        color = tuple(float(min(255, value * shade)) for value in spec.ground)
        cv2.rectangle(plate, (3, 3), (width - 4, height - 4), color, int(rng.integers(1, 4)))
    city = texts.CITIES[int(rng.integers(len(texts.CITIES)))]
    top, low = (9, 25) if spec.rows == 2 else (13, 34)
    low += int(rng.integers(-3, 4))
    half = 0.36 * width * rng.uniform(0.8, 1.15)
    strip = plate[top - 1 : low, round(width / 2 - half) : round(width / 2 + half)]
    strip *= rng.uniform(0.8, 1.1)
    tall = (low - top) * rng.uniform(0.6, 0.9)
    reach = min(half * 0.97, len(city) * tall * rng.uniform(0.3, 0.42))
    middle = (top + low) / 2 + rng.uniform(-2, 2)
    dark = tuple(int(value) for value in np.array(spec.ink) * rng.uniform(0.8, 1.0) + 15)
    box = (width / 2 - reach, middle - tall / 2, width / 2 + reach, middle + tall / 2)
    small_text(plate, city, box, (dark[0], dark[1], dark[2]), rng.uniform(0.22, 0.4))
    if spec.rows == 1 and rng.random() < 0.6:  # the seal at the left
        color = (40, 40, 190) if rng.random() < 0.6 else (60, 190, 200) if rng.random() < 0.5 else (70, 75, 75)
        centre = (round(rng.uniform(0.06, 0.13) * width), round(rng.uniform(0.12, 0.2) * height))
        cv2.circle(plate, centre, int(rng.integers(5, 12)), color, -1, cv2.LINE_AA)


_BANDS = {"br": "BRASIL", "ar": "REPUBLICA ARGENTINA", "uy": "URUGUAY", "py": "REPUBLICA DEL PARAGUAY"}


def _mercosul_art(plate: Array, spec: Spec, rng: np.random.Generator) -> None:
    """The blue band with the country, the emblem and the flag; QR code and BR at the left of Brazilian ones."""
    width = plate.shape[1]
    band = int(rng.integers(27, 36)) if spec.rows == 1 else int(rng.integers(25, 36))
    blue = np.array((150, 60, 15), np.float32) * rng.uniform(0.7, 1.35) + rng.normal(0, 8, 3)
    edge = int(rng.integers(0, 5))
    plate[edge:band, edge : width - edge] = np.clip(blue, 0, 255)
    name = _BANDS[spec.style[:2]]
    tall = rng.uniform(0.42, 0.62) * band
    reach = min(0.36 * width, len(name) * tall * rng.uniform(0.36, 0.52))
    shift, middle = width * rng.uniform(-0.02, 0.02), band * rng.uniform(0.48, 0.58)
    box = (width / 2 - reach + shift, middle - tall / 2, width / 2 + reach + shift, middle + tall / 2)
    small_text(plate, name, box, (235, 235, 235), rng.uniform(0.2, 0.36))
    _flag(plate, (width * rng.uniform(0.9, 0.93), middle), band, spec.style[:2])
    cv2.ellipse(plate, (round(width * 0.08), round(middle)), (round(band * 0.4), round(band * 0.22)), 0, 150, 400,
                (220, 225, 225), 2, cv2.LINE_AA)  # fmt: skip
    if spec.style.startswith("br"):
        _brazilian_marks(plate, spec, band, rng)
    if rng.random() < 0.7:
        _border(plate, spec.ink if rng.random() < 0.6 else (60, 60, 60), rng.uniform(1, 4), rng)


def _flag(plate: Array, centre: tuple[float, float], band: int, country: str) -> None:
    x, y, w, h = centre[0], centre[1], band * 0.42, band * 0.3
    box = (round(x - w), round(y - h)), (round(x + w), round(y + h))
    if country != "br":
        cv2.rectangle(plate, *box, (235, 190, 120) if country != "py" else (60, 50, 200), -1)
        cv2.rectangle(plate, (box[0][0], round(y - h / 3)), (box[1][0], round(y + h / 3)), (240, 240, 240), -1)
        return
    cv2.rectangle(plate, *box, (60, 140, 10), -1)
    rhomb = np.array([(x - 0.8 * w, y), (x, y - 0.8 * h), (x + 0.8 * w, y), (x, y + 0.8 * h)])
    cv2.fillConvexPoly(plate, np.round(rhomb).astype(np.int32), (30, 215, 250), cv2.LINE_AA)
    cv2.circle(plate, (round(x), round(y)), max(1, round(h * 0.42)), (120, 45, 10), -1, cv2.LINE_AA)


def _brazilian_marks(plate: Array, spec: Spec, band: int, rng: np.random.Generator) -> None:
    """The QR code under the band, BR at the lower left, sometimes the older arms at the right and the wavy film."""
    height, width = plate.shape[:2]
    if rng.random() < 0.8:
        side = 21 if spec.rows == 1 else 17
        code = (rng.random((11, 11)) < 0.5).astype(np.uint8)
        block = cv2.resize(code, (side, side), interpolation=cv2.INTER_NEAREST)[..., None].astype(np.float32)
        x, y = int(rng.integers(6, 12)), band + int(rng.integers(3, 9))
        plate[y : y + side, x : x + side] = 235 - 200 * block
    size = rng.uniform(16, 22)
    bottom = height - rng.uniform(7, 14)
    left = rng.uniform(8, 13)
    small_text(plate, "BR", (left, bottom - size * 0.9, left + size * 1.2, bottom), spec.ink, 0.34)
    if rng.random() < 0.25:
        right = width - int(rng.integers(18, 26))
        for step in range(2):
            y = band + 8 + 26 * step + int(rng.integers(0, 6))
            color = tuple(int(value) for value in rng.integers(40, 200, 3))
            cv2.rectangle(plate, (right, y), (right + 14, y + 12), color, -1)


def _characters(mask: Array, spec: Spec, rng: np.random.Generator) -> None:
    if spec.rows == 2:
        _two_rows(mask, spec, rng)
    else:
        _one_row(mask, spec, rng)


def _one_row(mask: Array, spec: Spec, rng: np.random.Generator) -> None:
    height, width = mask.shape
    gaps = {"br_old": {3: 0.5}, "ar_mercosul": {2: 0.55, 5: 0.55}, "ar_old": {3: 0.5}, "uy_mercosul": {3: 0.45},
            "py_mercosul": {4: 0.45}, "py_old": {3: 0.4}}.get(spec.style, {})  # fmt: skip
    if spec.style == "free" and rng.random() < 0.6:
        gaps = {int(rng.integers(1, len(spec.text))): rng.uniform(0.2, 0.8)}
    if spec.style == "br_mercosul":
        left, right = rng.uniform(24, 36), width - rng.uniform(8, 24)
        top, bottom = height * rng.uniform(0.3, 0.37), height * rng.uniform(0.86, 0.94)
    elif spec.style == "br_old":
        left, right = rng.uniform(9, 22), width - rng.uniform(9, 24)
        top, bottom = height * rng.uniform(0.32, 0.4), height * rng.uniform(0.84, 0.92)
    else:
        left, right = width * rng.uniform(0.04, 0.12), width * rng.uniform(0.88, 0.96)
        low = 0.3 if spec.style.endswith("mercosul") else 0.14
        top, bottom = height * rng.uniform(low, low + 0.1), height * rng.uniform(0.84, 0.93)
    _row(mask, spec, spec.text, (left, top, right, bottom), gaps)
    if spec.style == "br_old":
        _dot(mask, spec, (left, top, right, bottom), rng)


def _pitches(count: int, gaps: dict[int, float]) -> tuple[list[float], float]:
    """Where each character's cell begins, in cells, and how many cells the row is wide."""
    starts, at = [], 0.0
    for place in range(count):
        at += gaps.get(place, 0.0) if place else 0.0
        starts.append(at)
        at += 1
    return starts, at


def _row(mask: Array, spec: Spec, text: str, box: tuple[float, float, float, float], gaps: dict[int, float]) -> None:
    left, top, right, bottom = box
    starts, total = _pitches(len(text), gaps)
    cell = (right - left) / total
    across = min((bottom - top) * spec.face.aspect, 0.92 * cell)
    for start, character in zip(starts, text, strict=True):
        middle = left + (start + 0.5) * cell
        draw_character(mask, character, (middle - across / 2, top, middle + across / 2, bottom), spec.face)


def _dot(mask: Array, spec: Spec, box: tuple[float, float, float, float], rng: np.random.Generator) -> None:
    """The dot (or short hyphen) between letters and digits."""
    left, top, right, bottom = box
    starts, total = _pitches(len(spec.text), {3: 0.5})
    if len(spec.text) < 4:
        return
    cell = (right - left) / total
    x, y = left + (starts[3] - 0.25) * cell, top + (bottom - top) * rng.uniform(0.42, 0.6)
    half = cell * rng.uniform(0.06, 0.11)
    wide = half * (1.0 if rng.random() < 0.8 else 1.8)
    cv2.rectangle(mask, (round(x - wide), round(y - half)), (round(x + wide), round(y + half)), 255, -1)


def _two_rows(mask: Array, spec: Spec, rng: np.random.Generator) -> None:
    height, width = mask.shape
    upper = 3
    if spec.layout == OTHER:
        upper = 4 if spec.style == "ar_moto_mercosul" and rng.random() < 0.5 else 3
    first, second = spec.text[:upper], spec.text[upper:]
    head = 0.19 if spec.layout in (OLD_ROWS,) else 0.22 if spec.style.endswith("mercosul") else 0.06
    top = height * (head + rng.uniform(0.0, 0.05))
    bottom = height * rng.uniform(0.91, 0.97)
    gap = height * rng.uniform(0.03, 0.07)
    tall = (bottom - top - gap) / 2
    margin = rng.uniform(0.03, 0.08) * width
    aside = rng.uniform(0.02, 0.05) * width if spec.layout == MERCOSUL_ROWS else 0.0
    cells = max(4, len(second), len(first))
    cell = (width - 2 * margin - aside) / cells
    for row, text in enumerate((first, second)):
        if not text:
            continue
        spread = cell * (rng.uniform(1.0, 1.22) if len(text) < cells else 1.0)
        middle = width / 2 + aside + (rng.uniform(-0.02, 0.04) * width if len(text) < cells else 0)
        y = top + row * (tall + gap)
        half = spread * len(text) / 2
        _row(mask, spec, text, (middle - half, y, middle + half, y + tall), {})


def _screws(plate: Array, rng: np.random.Generator) -> None:
    if rng.random() < 0.45:
        return
    height, width = plate.shape[:2]
    rows = [0.1] if rng.random() < 0.6 else [0.1, 0.94]
    shade = float(rng.uniform(20, 190))
    for y in rows:
        for x in (rng.uniform(0.2, 0.36), rng.uniform(0.64, 0.8)):
            centre = (round(x * width), round((y + rng.uniform(-0.02, 0.03)) * height))
            cv2.circle(plate, centre, int(rng.integers(3, 8)), (shade, shade, shade), -1, cv2.LINE_AA)


def _slots(plate: Array, rng: np.random.Generator) -> None:
    """The two oblong holes under the characters of an old plate, dark or filled by a seal's wire."""
    height, width = plate.shape[:2]
    shade = float(rng.uniform(10, 60) if rng.random() < 0.8 else rng.uniform(60, 200))
    y, half = round(height * rng.uniform(0.86, 0.91)), round(rng.uniform(5, 9))
    for x in (rng.uniform(0.24, 0.3), rng.uniform(0.68, 0.75)):
        middle = round(x * width)
        cv2.rectangle(plate, (middle - half, y - 2), (middle + half, y + int(rng.integers(2, 4))), (shade,) * 3, -1)
