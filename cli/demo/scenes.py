"""The demo's cameras: what each sees, which vehicles pass and when. All plates differ, and all is fixed by the seed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from cli.demo.plates import Plate, random_plates
from cli.demo.sprites import Light
from cli.demo.street import Street, View

SEED = 20
FPS = 25
RED, BLUE, GREEN, YELLOW = 177, 112, 62, 24


@dataclass(frozen=True)
class Lane:
    """A line on which vehicles drive, `across` metres beside the vanishing line.

    Nearness is told by `w`: 1 where the ground leaves the picture at the bottom, 2 where everything looks half as
    large. Vehicles come from `far` and leave at `gone` (or the other way round when `away`). They are `fast` (in w
    per second) far off and `slow` where the plate is read, as before a speed bump.
    """

    across: float
    away: bool = False
    far: float = 8.0
    gone: float = 0.55
    fast: float = 1.9
    slow: float = 0.27

    def speed(self, w: float) -> float:
        return self.slow + (self.fast - self.slow) * _ramp(w, 1.9, 3.2) + 0.38 * _ramp(-w, -0.95, -0.7)

    def course(self, fps: int = FPS) -> list[float]:
        """`w` for each frame from entering to leaving."""
        course = [self.far]
        while course[-1] > self.gone:
            course.append(course[-1] - self.speed(course[-1]) / fps)
        return course[::-1] if self.away else course


def _ramp(value: float, start: float, end: float) -> float:
    part = min(1.0, max(0.0, (value - start) / (end - start)))
    return part * part * (3 - 2 * part)


@dataclass(frozen=True)
class Trip:
    """One vehicle that passes: enters `lane` at `start` seconds. `hue` repaints it (None: as in the photograph)."""

    vehicle: str
    lane: int
    start: float
    hue: int | None = None
    grey: bool = False
    light: float = 1.0


@dataclass(frozen=True)
class CameraSpec:
    """One demo camera. `flip` mirrors the vehicles, for a street whose vanishing point lies on the left."""

    name: str
    title: str
    view: View
    street: Street
    lanes: tuple[Lane, ...]
    trips: tuple[Trip, ...]
    duration: float
    gop: int = 25
    light: Light = field(default_factory=Light)
    clouds: float = 0.0
    noise: float = 1.6
    flip: bool = False
    user: str | None = None

    def gain_at(self, t: float) -> float:
        """The light's changing strength: clouds pass once in a round, so that the loop has no seam."""
        return 1.0 - self.clouds * 0.5 * (1 - math.cos(2 * math.pi * t / self.duration))


AVENUE = CameraSpec(
    name="avenida-atlantica",
    title="Avenida Atlântica",
    view=View(1920, 1080, 1480, 130, 3.3),
    street=Street((-7.2, 0.7), (-3.2,), (-11.5, 3.8), 5),
    lanes=(Lane(-4.75, slow=0.2), Lane(-1.3, away=True, slow=0.24)),
    trips=(
        Trip("roadster", 0, 3.0),
        Trip("coupe", 1, 5.5),
        Trip("sedan", 0, 12.0),
        Trip("coupe", 1, 16.0, hue=BLUE, light=0.8),
        Trip("roadster", 0, 21.0, hue=GREEN, light=0.7),
        Trip("sedan", 0, 33.5),
        Trip("coupe", 1, 36.0),
        Trip("roadster", 0, 42.5, hue=BLUE, light=0.8),
        Trip("coupe", 1, 46.0),
    ),
    duration=60,
)
BRIDGE = CameraSpec(
    name="ponte-norte",
    title="Ponte Norte",
    view=View(1280, 720, 300, 105, 3.0),
    street=Street((-0.8, 6.9), (3.0,), (-5.0, 11.0), 11, lit=True),
    lanes=(Lane(4.5, slow=0.18), Lane(1.2, away=True)),
    trips=(
        Trip("sedan", 0, 3.0),
        Trip("roadster", 0, 13.0),
        Trip("coupe", 1, 16.5),
        Trip("sedan", 0, 25.0),
        Trip("coupe", 1, 38.0),
        Trip("roadster", 0, 41.0, hue=YELLOW, light=1.1),
        Trip("sedan", 0, 50.0),
    ),
    duration=64,
    light=Light((0.60, 0.47, 0.46), lamps=True),
    noise=2.6,
    flip=True,
)
SQUARE = CameraSpec(
    name="praca-da-se",
    title="Praça da Sé",
    view=View(1920, 1080, 6000, -1500, 10.2),
    street=Street((-26.4, -16.6), (-21.4,), (-60.0, 60.0), 23, overcast=True, crossing=1.42, lawn=3.2),
    lanes=(
        Lane(-22.6, far=1.62, gone=0.62, fast=0.14, slow=0.14),
        Lane(-19.0, away=True, far=1.75, gone=0.62, fast=0.08, slow=0.08),
        Lane(-22.0, far=1.95, gone=0.55, fast=0.12, slow=0.12),
    ),
    trips=(
        Trip("roadster", 0, 3.0, hue=YELLOW, light=1.0),
        Trip("coupe", 1, 9.0),
        Trip("bus", 2, 15.0),
        Trip("roadster", 0, 26.0),
        Trip("coupe", 1, 31.0, hue=BLUE, light=0.7),
        Trip("sedan", 0, 38.0),
        Trip("coupe", 1, 45.0),
    ),
    duration=57,
    gop=50,
    clouds=0.28,
)
RIVERSIDE = CameraSpec(
    name="marginal-leste",
    title="Marginal Leste",
    view=View(1280, 720, 1010, 95, 3.0),
    street=Street((-6.3, 0.5), (-3.0,), (-11.0, 3.6), 31),
    lanes=(Lane(-4.5, slow=0.18), Lane(-1.25, slow=0.25)),
    trips=(
        Trip("sedan", 1, 3.0),
        Trip("roadster", 0, 8.0),
        Trip("sedan", 1, 14.5),
        Trip("sedan", 0, 20.0),
        Trip("bus", 0, 31.0),
        Trip("sedan", 1, 37.5),
        Trip("roadster", 0, 43.0, grey=True, light=1.5),
        Trip("sedan", 1, 48.5),
    ),
    duration=62,
    user="demo",
)
CAMERAS = (AVENUE, BRIDGE, SQUARE, RIVERSIDE)


def plates_of(camera: CameraSpec) -> list[Plate]:
    """The plates of the camera's trips, in their order; no two of all cameras are alike."""
    plates = random_plates(sum(len(each.trips) for each in CAMERAS), SEED)
    first = 0
    for each in CAMERAS:
        if each.name == camera.name:
            return plates[first : first + len(each.trips)]
        first += len(each.trips)
    return random_plates(len(camera.trips), SEED + 1)  # no camera of the demo: one of the farm or of a test
