"""Streets that hypothesis draws: vehicles that drive, stop, hide and are misread, seen by frames at odd times."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import strategies as st

from functions.shared.inference import Box, Candidate, FormatLattice, Observation, PlateReading, VehicleSighting

WIDTH, HEIGHT = 640, 360
TEXTS = ("ABC1D23", "ABC1D28", "QWE5R66", "XYZ9K88")
MISREAD = ("A8C1D23", "QWE5R6G", "OFERTAS", "IIJ1F17")


@dataclass(frozen=True)
class Shot:
    """One frame of a street: when it was taken, in seconds, and what it shows."""

    second: float
    observations: tuple[Observation, ...]


def lattice_of(text: str, confidence: float) -> dict[str, FormatLattice]:
    """A Mercosul lattice in which each character of a text has the root of its confidence; none for another text."""
    if len(text) != 7 or not (text[:3] + text[4]).isalpha() or not (text[3] + text[5:]).isdigit():
        return {}
    each = confidence ** (1 / 7)
    twins = {"A": "R", "B": "E", "C": "G", "D": "Q", "1": "7", "2": "7", "3": "8", "8": "3"}
    places = tuple({char: round(math.log(each), 3), twins.get(char, "9" if char.isdigit() else "Z"):
                    round(math.log(max(1e-4, 1 - each)), 3)} for char in text)  # fmt: skip
    return {"br_mercosul": FormatLattice(log=0.0, places=places)}


def observed(body: Box, text: str | None, confidence: float, kind: str, seen: float, color: str | None) -> Observation:
    plate = None
    if text is not None:
        x, y, size = body.x1 + 0.35 * body.width, body.y1 + 0.7 * body.height, body.width
        at = Box(x1=x, y1=y, x2=x + 0.3 * size, y2=y + 0.1 * size)
        form = "br_mercosul" if lattice_of(text, confidence) else None
        plate = PlateReading(
            text=text, confidence=confidence, format=form, box=at, rows=1, detector_confidence=0.9,
            corners=((at.x1, at.y1), (at.x2, at.y1), (at.x2, at.y2), (at.x1, at.y2)),
            candidates=(Candidate(text=text, confidence=confidence, format=form),),
            lattice=lattice_of(text, confidence),
        )  # fmt: skip
    vehicle = VehicleSighting.model_validate(
        {"type": kind, "confidence": seen, "box": body, "color": color, "color_confidence": 0.7 if color else None}
    )
    return Observation(vehicle=vehicle, plate=plate)


@st.composite
def vehicles(draw: st.DrawFn, times: list[float]) -> dict[int, Observation]:
    """What one vehicle shows in each frame, by the frame's number; frames miss it now and then."""
    enters = draw(st.sampled_from(range((len(times) + 1) // 2)))
    x, y = draw(st.integers(0, 500)), draw(st.integers(0, 200))
    dx, dy = draw(st.sampled_from([(0, 0), (0, 0), (40, 10), (-60, 30), (120, 0), (20, 60)]))
    size, grows = draw(st.sampled_from([40.0, 90.0, 140.0])), draw(st.sampled_from([1.0, 1.0, 1.25, 0.85]))
    text = draw(st.sampled_from([*TEXTS, None]))
    kind, color = (
        draw(st.sampled_from(["car", "car", "truck", "motorcycle"])),
        draw(st.sampled_from(["white", "red", None])),
    )
    shown: dict[int, Observation] = {}
    for number in range(enters, len(times)):
        gone = min(times[number] - times[enters], 20.0)
        wide = min(400.0, max(20.0, size * grows**gone))
        left, top = x + dx * gone, y + dy * gone
        body = Box(x1=max(0, left), y1=max(0, top), x2=min(WIDTH, left + wide), y2=min(HEIGHT, top + 0.7 * wide))
        if body.width < 12 or body.height < 12:
            break
        if draw(st.integers(0, 5)) == 0:
            continue
        said = draw(st.sampled_from([text, text, text, None, draw(st.sampled_from(MISREAD))])) if text else None
        sure = draw(st.sampled_from([0.95, 0.9, 0.6, 0.3, 0.05]))
        shown[number] = observed(body, said, sure, kind, draw(st.sampled_from([0.9, 0.8, 0.6, 0.4])), color)
    return shown


@st.composite
def streets(draw: st.DrawFn, most_frames: int = 12) -> list[Shot]:
    """Shots of one camera in order of time; no two at the same time."""
    gaps = draw(
        st.lists(st.sampled_from([0.2, 0.5, 1.0, 1.0, 1.0, 2.0, 3.0, 5.0, 30.0]), min_size=3, max_size=most_frames - 1)
    )
    times = [0.0]
    for gap in gaps:
        times.append(round(times[-1] + gap, 3))
    drawn = draw(st.lists(vehicles(times), min_size=2, max_size=4))
    return [
        Shot(second, tuple(shown[number] for shown in drawn if number in shown)) for number, second in enumerate(times)
    ]
