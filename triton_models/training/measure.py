"""What a reader gets right: whole texts, split by layout, light and height, and how true its probabilities are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from batches import Validation
from synthesis import CHARACTERS, LAYOUTS
from torch import Tensor

HEIGHTS = (0, 20, 28, 40, 60, 1000)


@dataclass(frozen=True)
class Figures:
    """Shares of right answers. `reliability`: (mean probability, share right, count) of ten equal groups; `error`: the
    mean distance between the two, weighted (expected calibration error).
    """

    count: int
    exact: float
    characters: float
    layout: float
    by_layout: dict[str, float]
    by_light: dict[str, float]
    by_height: dict[str, float]
    reliability: list[tuple[float, float, int]]
    error: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def texts_of(places: Tensor) -> list[str]:
    """The likeliest text for each [8, 37] of logits or probabilities."""
    best = places.argmax(dim=-1).tolist()
    return ["".join(CHARACTERS[index - 1] for index in row if index) for row in best]


def figures(found: tuple[Tensor, Tensor], held: Validation, temperatures: tuple[float, float] = (1.0, 1.0)) -> Figures:
    """The figures of logits (places [n, 8, 37], layout [n, 6]) on labelled crops."""
    read = texts_of(found[0])
    right = np.array([text == wanted for text, wanted in zip(read, held.texts, strict=True)])
    same = [
        sum(a == b for a, b in zip(text, wanted, strict=False)) for text, wanted in zip(read, held.texts, strict=True)
    ]
    sure = torch.softmax(found[0] / temperatures[0], -1).amax(-1).prod(-1).numpy()
    reliability = _reliability(sure, right)
    lights = np.array(held.lights)
    return Figures(
        len(right),
        round(float(right.mean()), 4),
        round(sum(same) / max(1, sum(len(text) for text in held.texts)), 4),
        round(float((found[1].argmax(-1).numpy() == held.layouts).mean()), 4),
        {LAYOUTS[kind]: _mean(right[held.layouts == kind]) for kind in sorted(set(held.layouts.tolist()))},
        {light: _mean(right[lights == light]) for light in sorted(set(held.lights))},
        {
            f"{low}-{high} px": _mean(right[(held.heights >= low) & (held.heights < high)])
            for low, high in pairwise(HEIGHTS)
            if ((held.heights >= low) & (held.heights < high)).any()
        },
        reliability,
        round(sum(abs(a - b) * n for a, b, n in reliability) / max(1, len(right)), 4),
    )


def _mean(values: Any) -> float:
    return round(float(values.mean()), 4)


def _reliability(sure: Any, right: Any) -> list[tuple[float, float, int]]:
    groups = np.array_split(np.argsort(sure), 10)
    return [(_mean(sure[rows]), _mean(right[rows]), len(rows)) for rows in groups if len(rows)]
