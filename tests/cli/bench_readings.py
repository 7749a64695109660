"""Labelled folders and engines' answers, made up, for the tests of `gtvision bench lpr`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cli.bench.lpr.labels import Label
from cli.bench.lpr.report import Answers, Judged, LabelledSet, Report, make_report
from functions.shared.inference import Box, Candidate, FrameReading, Observation, PlateReading

HEADER = "image,x,y,width,height,plate\n"


def folder_of(folder: Path, *lines: str, header: str = HEADER) -> Path:
    """A folder with labels.csv and one picture, a.jpg, 640 x 480."""
    folder.mkdir(exist_ok=True)
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    cv2.imwrite(str(folder / "a.jpg"), noise)
    (folder / "labels.csv").write_text(header + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def plate(text: str, box: Box, confidence: float = 0.9, others: Sequence[tuple[str, float]] = ()) -> Observation:
    corners = ((box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2))
    candidates = ((text, confidence), *others)
    return Observation(
        vehicle=None,
        plate=PlateReading(
            text=text,
            confidence=confidence,
            format=None,
            box=box,
            corners=corners,
            candidates=tuple(Candidate(text=each, confidence=sure) for each, sure in candidates),
            detector_confidence=0.8,
        ),
    )


def reading(*observations: Observation) -> FrameReading:
    return FrameReading(width=640, height=480, observations=observations, timings_ms={"read": 4.0})


def one_set(
    labels: Sequence[Label],
    readings: Sequence[FrameReading],
    spent: Sequence[float] | None = None,
    second: Sequence[FrameReading] | None = None,
) -> Judged:
    times = spent or [0.1] * len(labels)
    other = Answers("other", second, times) if second is not None else None
    return Judged(LabelledSet("set", "real", labels), Answers("embedded", readings, times), other)


def report_of(*judged: Judged) -> Report:
    return make_report(judged, engine="embedded", views=6)
