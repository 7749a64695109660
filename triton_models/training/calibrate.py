"""The plate reader's numbers: each reader's powers, the odds of a foreign plate, and what a posterior is worth.

    python triton_models/training/calibrate.py --count 1200

Plates that the generator draws (half of them hard, seeds that no training run and no bench uses) are cut as a
detector and a corner network would cut them, somewhat off, and read by the real models. Then the powers are searched
that make the right texts likeliest, and a logistic curve is fitted from what the joint reading says of itself to
whether its text is right. What it prints belongs into triton_models/alpr/1/platereader/calibration.py.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from synthesis import NOTHING, OTHER, Share, sample  # noqa: E402

from functions.shared.inference_embedded import load_reader  # noqa: E402  the paths above come first

FIRST_SEED = 500_000_000
MIX = Share(0.3, 0.36, 0.1, 0.14, 0.06, 0.04)
POWERS = (0.3, 0.45, 0.6, 0.8, 1.0, 1.3)
FOREIGN = (2.0, 3.5, 5.0, 6.5, 8.0)
SEARCHED = {
    "OCR_TRUST": POWERS, "SLOT_TRUST": POWERS, "OCR_FAITH": POWERS, "SLOT_FAITH": POWERS, "LAYOUT_POWER": POWERS,
    "BAND_POWER": POWERS,     "FOREIGN": FOREIGN,
}  # fmt: skip


@dataclass
class Case:
    """One plate that the readers have seen, with what stands on it ("" for none)."""

    job: Any
    text: str
    layout: int


class Models:
    """The repository's models in this process."""

    def __init__(self, repository: Path, threads: int) -> None:
        import onnxruntime

        self.package = load_reader(repository)
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._repository = repository
        self._sessions: dict[str, Any] = {}

    def part(self, name: str) -> ModuleType:
        return importlib.import_module(f"{self.package.__name__}.{name}")

    async def infer(self, model: str, images: Any) -> Any:
        import onnxruntime

        if model not in self._sessions:
            path = str(self._repository / model / "1" / "model.onnx")
            self._sessions[model] = onnxruntime.InferenceSession(path, self._options, ["CPUExecutionProvider"])
        return self._sessions[model].run(list(self.part("frame").OUTPUTS[model]), {"images": images})


def case(models: Models, seed: int, views: int) -> Case:
    """One drawn plate, read through `views` cuts."""
    frame, reading, pictures = models.part("frame"), models.part("reading"), models.part("pictures")
    drawn = sample(seed, hard=seed % 2 == 1, share=MIX)
    rng = np.random.default_rng(seed)
    span = np.array([drawn.width, drawn.height], np.float32)
    box = np.array(drawn.box, np.float32) + rng.normal(0, 0.03, 4).astype(np.float32) * np.tile(span, 2)
    plate = frame.Plate.in_box(np.array([*box, 0.8], np.float32), 0.25)
    if drawn.layout != NOTHING and rng.random() < 0.85:
        plate.corners = (drawn.corners + rng.normal(0, 0.015, (4, 2)) * span).astype(np.float32)
        plate.cornered = True
    fit = pictures.fit_for_detection(*drawn.picture.shape[:2])
    held = frame.Frame(drawn.picture, fit, frame.Options(views=views), plates=[plate])
    job = reading.Job(held, plate)
    asyncio.run(reading.ask([job], 0, views, models.infer))
    return Case(job, drawn.text, drawn.layout)


def decoded(models: Models, cases: list[Case]) -> None:
    """Read all cases anew under the numbers that stand in the modules now."""
    for one in cases:
        models.part("reading").settle([one.job])


def likelihood(models: Models, cases: list[Case]) -> float:
    """The mean log posterior of the right texts of plates, wrong and missing ones cut at ln 0.01."""
    decoded(models, cases)
    logs = []
    for one in cases:
        if one.layout == NOTHING:
            continue
        texts = one.job.raw.texts if one.job.raw else ()
        known = {text.text: text for text in texts}
        fits = one.text in known and (known[one.text].format is None) == (one.layout == OTHER)
        logs.append(float(np.log(max(0.01, known[one.text].confidence))) if fits else float(np.log(0.01)))
    return float(np.mean(logs))


def search(models: Models, cases: list[Case], rounds: int) -> float:
    """Coordinate search of the powers over their grids, in place; the best mean log posterior."""
    calibration = models.part("calibration")
    best = likelihood(models, cases)
    for _ in range(rounds):
        for name, grid in SEARCHED.items():
            kept = getattr(calibration, name)
            for value in grid:
                setattr(calibration, name, value)
                reached = likelihood(models, cases)
                if reached > best + 1e-4:
                    best, kept = reached, value
            setattr(calibration, name, kept)
    decoded(models, cases)
    return best


def fit(features: Any, right: Any, rounds: int = 60) -> Any:
    """Logistic regression by Newton's method with a light ridge: the weights [k]."""
    weights = np.zeros(features.shape[1])
    for _ in range(rounds):
        odds = 1 / (1 + np.exp(-np.clip(features @ weights, -30, 30)))
        slope = features.T @ (right - odds) - 0.5 * weights
        bend = (features * (odds * (1 - odds))[:, None]).T @ features + 0.5 * np.eye(len(weights))
        weights = weights + np.linalg.solve(bend, slope)
    return weights


def reliability(confidence: Any, right: Any) -> list[dict[str, float]]:
    """Per band of confidence: how many, what was promised, what came."""
    rows = []
    for low, high in ((0, 0.3), (0.3, 0.6), (0.6, 0.8), (0.8, 0.9), (0.9, 0.97), (0.97, 0.99), (0.99, 1.01)):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            said, came = float(confidence[inside].mean()), float(right[inside].mean())
            rows.append({"from": low, "plates": int(inside.sum()), "said": round(said, 3), "right": round(came, 3)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=2, help="of the search; 0 keeps the powers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repository", type=Path, default=HERE.parent)
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    models = Models(chosen.repository, chosen.threads)
    cases = []
    for index in range(chosen.count):
        cases.append(case(models, FIRST_SEED + index, 2 if index % 2 else 6))
    half = len(cases) // 2
    reached = search(models, cases[:half], chosen.rounds) if chosen.rounds else likelihood(models, cases[:half])
    calibration = models.part("calibration")
    numbers = {name: getattr(calibration, name) for name in SEARCHED}
    decoded(models, cases)
    read = [one for one in cases if one.job.raw]
    features = np.array([calibration.features(one.job.raw, one.job.looks) for one in read])
    right = np.array([one.job.raw.texts[0].text == one.text for one in read], float)
    learnt = np.arange(len(read)) < len(read) // 2
    weights = fit(features[learnt], right[learnt])
    confidence = 1 / (1 + np.exp(-features @ weights))
    answer = {
        "plates": len(read), "right": float(right.mean()), "log_posterior": reached, **numbers,
        "CURVE": [round(float(weight), 3) for weight in weights],
        "held_out": reliability(confidence[~learnt], right[~learnt]),
    }  # fmt: skip
    sys.stdout.write(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main()
