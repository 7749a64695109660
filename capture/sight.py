"""What a camera sees, from simple statistics of its pictures: too dark or bright, covered, out of focus, turned.

Pure: a picture comes in as its brightness, times as seconds. A camera is compared with its own past, by day and by
night apart (an infrared picture is another one): how sharp it mostly is, and where its scene has edges. A fault is
told once it has lasted `HOLD_S`, and is over once it was absent as long: a lorry before the lens, or headlights, are
none.

The thresholds were set on drawn and photographed streets (`tests/capture/test_sight.py`); they are no norm's.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from capture.gate import Grey

LOOK_S = 5.0  # a look costs some ms of CPU at 1080p
HOLD_S = 60.0  # unless GTV_PICTURE_FAULT_S says otherwise
LEARN = 12  # looks until something is known of the scene
DARK_MEAN, DARK_HIGH = 24.0, 60.0  # grey levels of 255: mean, and the level that 1 % of the picture is above
GLARE_MEAN = 232.0
FLAT = 6.0  # deviation of the brightness within the whole picture below which nothing is shown
TILE_FLAT, TILES_FLAT, TILES_MORE = 3.0, 0.75, 0.35  # a tile without detail; their share; that much above the usual
BLUR = 0.45  # share of the usual sharpness
BLUR_CONTRAST = 18.0  # below, noise is most of what there is, and says nothing of the focus
BLUR_BARE = 25.0  # no picture in focus had so little; for a camera of which nothing is known
FLOOR = 10.2  # 99th over 20th percentile of the absolute values of noise alone (normal distribution)
MOVED, SAME = 0.55, 0.68  # correlation of edges with the scene's: a tenth of the picture aside is 0.3, traffic 0.8
NIGHT_MEAN = 70.0
EDGES = (64, 36)  # width, height of the scene's map of edges
TILES = (8, 5)
_SLOW, _QUICK = 0.01, 0.2  # share learnt a look: the scene, and what is before the lens now

CODES = ("blocked", "dark", "glare", "moved", "blurred")
"""Faults, the gravest first."""

Map = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """Statistics of one picture. `brightness`, `contrast` and `high` in grey levels; `sharpness` is the 99th percentile
    of the Laplacian, without what noise adds, over contrast, times 100; `flat` the share of tiles without detail."""

    brightness: float
    contrast: float
    high: float
    sharpness: float
    flat: float
    edges: Map

    @classmethod
    def at(cls, luma: Grey) -> Look:
        """`luma`: height x width, uint8, any size."""
        height, width = luma.shape
        small = cv2.resize(luma, (320, max(40, round(height * 320 / width))), interpolation=cv2.INTER_AREA)
        contrast = float(small.std())
        half = cv2.resize(luma, (640, max(80, round(height * 640 / width))), interpolation=cv2.INTER_AREA)
        low, high = np.percentile(np.abs(cv2.Laplacian(half, cv2.CV_16S)), (20, 99))
        sharpness = 100.0 * max(0.0, float(high - FLOOR * low)) / (contrast + 10.0)
        return cls(
            float(small.mean()), contrast, float(np.percentile(small, 99)), sharpness, _flat(small), edges_of(small)
        )


def edges_of(small: Any) -> Map:
    """Where a picture has upright edges (upper half) and level ones (lower half), 2 x EDGES in size.

    What is broadly spread, as the texture of a road or the shade of a house, is taken off: it is alike in many scenes.
    """
    grey = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 1.5)
    halves = []
    for dx, dy in ((1, 0), (0, 1)):
        strength = np.sqrt(np.abs(cv2.Sobel(grey, cv2.CV_32F, dx, dy)))
        cells = cv2.resize(strength, EDGES, interpolation=cv2.INTER_AREA)
        halves.append(np.maximum(0.0, cells - cv2.GaussianBlur(cells, (0, 0), 4.0)))
    edges: Map = np.concatenate(halves).astype(np.float32)
    return edges


def likeness(one: Map, other: Map) -> float:
    """Correlation of two maps, -1 to 1; 1 where one of them shows nothing, since it then says nothing."""
    a, b = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 1e-3 else 1.0


def _flat(small: Any) -> float:
    rows, columns = TILES[1], TILES[0]
    height, width = small.shape[0] // rows * rows, small.shape[1] // columns * columns
    tiles = small[:height, :width].astype(np.float32).reshape(rows, height // rows, columns, width // columns)
    return float((tiles.std(axis=(1, 3)) < TILE_FLAT).mean())


@dataclass
class Scene:
    """What is known of a camera by day, or by night. `looks`: how many it was learnt from."""

    looks: int = 0
    sharpness: float = 0.0
    flat: float = 0.0
    edges: Map | None = None

    @property
    def known(self) -> bool:
        return self.looks >= LEARN and self.edges is not None

    def learn(self, look: Look) -> None:
        rate = max(_SLOW, 1.0 / (self.looks + 1))
        self.looks += 1
        self.sharpness += rate * (look.sharpness - self.sharpness)
        self.flat += rate * (look.flat - self.flat)
        self.edges = look.edges if self.edges is None else self.edges + rate * (look.edges - self.edges)

    def packed(self) -> dict[str, Any]:
        assert self.edges is not None
        top = max(1e-3, float(self.edges.max()))
        small = (self.edges / top * 255).astype(np.uint8)
        return {
            "looks": min(self.looks, 10_000), "sharpness": round(self.sharpness, 3), "flat": round(self.flat, 3),
            "edges": base64.b64encode(small.tobytes()).decode(),
        }  # fmt: skip

    @classmethod
    def unpacked(cls, packed: dict[str, Any]) -> Scene:
        """Raises ValueError, KeyError or TypeError for what is none."""
        raw = np.frombuffer(base64.b64decode(packed["edges"], validate=True), np.uint8)
        edges = raw.reshape(2 * EDGES[1], EDGES[0]).astype(np.float32)
        return cls(int(packed["looks"]), float(packed["sharpness"]), float(packed["flat"]), edges)


class Sight:
    """Fed with pictures of one camera. `epoch` rises when somebody says that what it shows now is right: it then learns
    anew. `memory` of an earlier life is taken up where it is of the same epoch."""

    def __init__(self, epoch: int = 0, memory: str = "", hold_s: float = HOLD_S) -> None:
        self.epoch, self.hold_s = epoch, hold_s
        self.faults: tuple[str, ...] = ()
        self.look: Look | None = None
        self.match: float | None = None
        self._scenes = _remembered(memory, epoch)
        self._now: dict[str, Map] = {}
        self._since: dict[str, float] = {}  # when a fault was first seen (or first absent, while it is told)
        self._next = float("-inf")

    def see(self, luma: Grey, at: float) -> bool:
        """Take a picture in, at the most one each LOOK_S. Whether the faults changed."""
        if at < self._next:
            return False
        self._next = at + min(LOOK_S, self.hold_s / 4)
        self.look = Look.at(luma)
        found, judged = self._found(self.look)
        before = self.faults
        self.faults = tuple(
            code for code in CODES if (self._lasts(code, code in found, at) if code in judged else code in before)
        )
        return self.faults != before

    @property
    def usual_sharpness(self) -> float | None:
        scene = self._scenes.get(_time_of_day(self.look)) if self.look is not None else None
        return scene.sharpness if scene is not None and scene.known else None

    def statistics(self) -> dict[str, float] | None:
        """Of the last picture; None before the first."""
        look = self.look
        if look is None:
            return None
        found = {"brightness": look.brightness, "contrast": look.contrast, "sharpness": look.sharpness}
        if self.usual_sharpness is not None:
            found["usual_sharpness"] = self.usual_sharpness
        if self.match is not None:
            found["view_match"] = self.match
        return {name: round(value, 2) for name, value in found.items()}

    def memory(self) -> str:
        """What another life of it begins with, JSON of some kB; empty while nothing is known."""
        scenes = {name: scene.packed() for name, scene in self._scenes.items() if scene.known}
        return json.dumps({"epoch": self.epoch, "scenes": scenes}) if scenes else ""

    def _found(self, look: Look) -> tuple[set[str], set[str]]:
        """The faults of this one picture, and those that it says anything of: a dark one shows no edges."""
        if look.brightness < DARK_MEAN and look.high < DARK_HIGH:
            return {"dark"}, {"dark", "glare"}
        if look.brightness > GLARE_MEAN:
            return {"glare"}, {"dark", "glare"}
        name = _time_of_day(look)
        scene = self._scenes.setdefault(name, Scene())
        covered = look.flat >= TILES_FLAT and (not scene.known or look.flat > scene.flat + TILES_MORE)
        if look.contrast < FLAT or covered:
            return {"blocked"}, {"dark", "glare", "blocked"}
        return self._compared(name, scene, look), set(CODES)

    def _compared(self, name: str, scene: Scene, look: Look) -> set[str]:
        """Against the scene; what is like it is learnt."""
        current = self._now.get(name)
        current = look.edges if current is None else current + _QUICK * (look.edges - current)
        self._now[name] = current
        found = set()
        alike = True
        if scene.known:
            assert scene.edges is not None
            # What does not look like the scene is not learnt, or a camera that was turned would soon be right.
            alike = likeness(look.edges, scene.edges) > SAME
            self.match = likeness(current, scene.edges)
            if look.sharpness < BLUR * scene.sharpness and look.contrast > BLUR_CONTRAST:
                found.add("blurred")
            elif self.match < (SAME if "moved" in self.faults else MOVED):
                # Out of focus has no edges to compare: only a sharp picture can show another scene.
                found.add("moved")
        elif look.sharpness < BLUR_BARE and look.contrast > BLUR_CONTRAST:
            found.add("blurred")
        if alike and not found:
            scene.learn(look)
        return found

    def _lasts(self, code: str, seen: bool, at: float) -> bool:
        told = code in self.faults
        if seen == told:
            self._since.pop(code, None)
            return told
        if at - self._since.setdefault(code, at) >= self.hold_s:
            del self._since[code]
            return seen
        return told


def _time_of_day(look: Look | None) -> str:
    return "night" if look is not None and look.brightness < NIGHT_MEAN else "day"


def _remembered(memory: str, epoch: int) -> dict[str, Scene]:
    """The scenes of a memory of this epoch; what cannot be understood is as if it were not there."""
    try:
        kept = json.loads(memory) if memory else {}
        if kept.get("epoch") != epoch:
            return {}
        return {str(name): Scene.unpacked(packed) for name, packed in kept["scenes"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        return {}
