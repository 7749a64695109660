"""The bus of ultralytics/assets/bus.jpg without the people before it: what they hide is painted anew.

No person of the photograph is left: every part that somebody covers is filled with the bus's own colours, and its
front wheel is a copy of the rear one. All points were measured by hand in the picture's own pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from cli.demo.glyphs import Image

BUS_OUTLINE = [
    (24, 700), (19, 660), (19, 610), (23, 560), (28, 480), (33, 400), (37, 345), (44, 322), (60, 300), (70, 280),
    (78, 262), (100, 251), (130, 245), (160, 243), (172, 237), (200, 232), (240, 233), (320, 238), (400, 243),
    (460, 247), (540, 253), (600, 256), (660, 259), (700, 266), (728, 281), (740, 300), (770, 304), (788, 312),
    (796, 330), (799, 380), (800, 460), (800, 560), (798, 636), (770, 644), (752, 650), (748, 664), (738, 673),
    (724, 676), (708, 672), (697, 660), (640, 666), (560, 677), (470, 688), (388, 697), (376, 712), (362, 724),
    (345, 729), (326, 727), (312, 721), (260, 722), (200, 722), (120, 719), (60, 714), (32, 708),
]  # fmt: skip
BUS_PLATE = ((82.0, 671.0), (158.0, 675.0), (158.0, 701.0), (82.0, 697.0))
BUS_LAMPS = ((40.0, 632.0), (214.0, 640.0))
_GLASS, _BLUE, _SILL, _DOOR = (44, 40, 38), (178, 96, 24), (128, 134, 136), (50, 42, 36)


def without_people(picture: Image) -> Image:
    """A copy in which bus, and bus alone, fills `BUS_OUTLINE`."""
    clean = picture.copy()
    _front(clean)
    _side(clean)
    _rear(clean)
    return clean


def _paint(picture: Image, corners: list[tuple[int, int]], color: tuple[int, int, int], soft: float = 1.2) -> None:
    """Fills a polygon with a colour that darkens slightly downwards, its edge `soft` pixels wide."""
    mask: Image = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.array(corners, np.int32)], 255, cv2.LINE_AA)
    alpha = cv2.GaussianBlur(mask, (0, 0), soft)[..., None] / 255.0
    top, bottom = min(y for _, y in corners), max(y for _, y in corners)
    rows = np.clip((np.arange(picture.shape[0]) - top) / max(1, bottom - top), 0, 1)
    shade = (1.12 - 0.24 * rows)[:, None, None]
    filled = np.clip(np.array(color) * shade, 0, 255) * np.ones_like(picture)
    picture[:] = (picture * (1 - alpha) + filled * alpha).astype(np.uint8)


def _front(picture: Image) -> None:
    """Windscreen and panel behind the man on the left and the people at the picture's edge."""
    _paint(picture, [(56, 396), (150, 384), (212, 396), (236, 548), (34, 556), (40, 430)], _GLASS, 3.0)
    _paint(picture, [(214, 440), (250, 440), (250, 552), (210, 552)], _GLASS, 2.0)
    for number, edge in enumerate((70, 104, 140, 176, 206)):  # reflections, as the free part of the glass has them
        tone = (86, 92, 92) if number % 2 else (70, 68, 62)
        _paint(picture, [(edge, 396), (edge + 9, 396), (edge + 2, 540), (edge - 8, 540)], tone, 4.0)
    _paint(picture, [(14, 556), (240, 548), (300, 556), (300, 690), (14, 690)], _BLUE, 1.5)
    _paint(picture, [(30, 566), (206, 562), (206, 584), (30, 588)], (150, 78, 18), 2.0)
    _paint(picture, [(14, 660), (300, 664), (312, 726), (14, 720)], _SILL, 1.5)
    for x, y in BUS_LAMPS:
        cv2.ellipse(picture, (int(x), int(y)), (17, 11), 0, 0, 360, (60, 54, 50), -1, cv2.LINE_AA)
        cv2.ellipse(picture, (int(x), int(y)), (13, 8), 0, 0, 360, (226, 230, 228), -1, cv2.LINE_AA)
    _paint(picture, [(20, 706), (240, 712), (312, 716), (312, 732), (14, 730)], (52, 54, 54), 1.5)


def _side(picture: Image) -> None:
    """Door and wheel arch behind the second man, and the sill behind the bollards."""
    _paint(picture, [(238, 330), (352, 320), (362, 500), (330, 520), (242, 545)], _DOOR, 2.0)
    _paint(picture, [(250, 350), (296, 346), (300, 520), (252, 530)], (66, 60, 50), 2.0)
    _paint(picture, [(304, 345), (346, 340), (352, 498), (306, 516)], (62, 54, 46), 2.0)
    _paint(picture, [(240, 545), (330, 520), (364, 502), (372, 560), (372, 668), (240, 668)], _BLUE, 1.5)
    _paint(picture, [(240, 664), (388, 660), (388, 700), (312, 722), (240, 722)], _SILL, 1.5)
    for left, top, right, bottom in ((423, 650, 466, 694), (655, 616, 694, 672)):
        _bridge(picture, left, top, right, bottom)
    wheel = picture[570:676, 692:758].copy()
    # The right rim of the rear wheel is hidden too: its left half is mirrored.
    wheel[:, 33:] = wheel[:, :33][:, ::-1]
    _wheel(picture, wheel, (342, 664), (82, 128))
    _wheel(picture, wheel, (724, 622), (66, 106))


def _bridge(picture: Image, left: int, top: int, right: int, bottom: int) -> None:
    """Fills a box by blending from its left neighbours to its right ones, row by row along the bus's slope."""
    slope = -0.12
    part = np.linspace(0, 1, right - left)[None, :, None]
    rise = round(slope * (right - left))
    before = picture[top:bottom, left - 4 : left].mean(1, keepdims=True)
    after = picture[top + rise : bottom + rise, right : right + 4].mean(1, keepdims=True)
    picture[top:bottom, left:right] = (before * (1 - part) + after * part).astype(np.uint8)


def _wheel(picture: Image, wheel: Image, centre: tuple[int, int], size: tuple[int, int]) -> None:
    cv2.ellipse(
        picture, (centre[0], centre[1] - 2), (size[0] // 2 + 7, size[1] // 2 + 7), 0, 168, 372, (40, 34, 30), -1
    )
    scaled = cv2.resize(wheel, size, interpolation=cv2.INTER_CUBIC)
    mask: Image = np.zeros((size[1], size[0]), np.uint8)
    cv2.ellipse(mask, (size[0] // 2, size[1] // 2), (size[0] // 2 - 2, size[1] // 2 - 2), 0, 0, 360, 255, -1)
    alpha = cv2.GaussianBlur(mask, (0, 0), 1.2)[..., None] / 255.0
    x0, y0 = centre[0] - size[0] // 2, centre[1] - size[1] // 2
    area = picture[y0 : y0 + size[1], x0 : x0 + size[0]]
    area[:] = (area * (1 - alpha) + scaled * alpha).astype(np.uint8)


def _rear(picture: Image) -> None:
    """The end of the side behind the man on the right."""
    _paint(picture, [(748, 392), (786, 392), (786, 500), (748, 512)], _DOOR, 2.0)
    _paint(picture, [(784, 318), (806, 318), (806, 650), (784, 650)], _BLUE, 1.2)
    _paint(picture, [(712, 520), (806, 500), (806, 626), (764, 632), (752, 590), (724, 566), (708, 566)], _BLUE, 1.5)
    _paint(picture, [(758, 624), (806, 618), (806, 650), (756, 654)], _SILL, 1.5)
