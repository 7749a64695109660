"""The bare side: the model calls that the same frames need, batched, on all cores, and nothing else.

What the plate reader asks of its models is recorded once. A round then runs just these calls, gathered by model and
shape into batches over all frames, which no live system could do better: its frames come one after another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from functions.shared.errors import InvalidInput

Array = NDArray[Any]
BATCHES = (1, 2, 4, 8, 16)
TOGETHER = 4
"""Frames that the reader is given at once where it is measured alone."""


@dataclass(frozen=True)
class Cost:
    """Seconds of one round: on the clock, and of CPU over all threads."""

    wall_s: float
    cpu_s: float


class Bare:
    """The models of a repository in this process, on `threads` cores (0: all)."""

    def __init__(self, repository: Path, threads: int = 0) -> None:
        import onnxruntime

        from functions.shared.inference_embedded import load_reader, model_paths

        self._pipeline: Any = load_reader(repository).pipeline
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._sessions = {
            name: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            for name, path in model_paths(repository).items()
        }
        self._calls: dict[tuple[str, tuple[int, ...]], Array] = {}
        self.batch: dict[str, int] = {}

    def prepare(self, frames: Sequence[bytes]) -> dict[str, int]:
        """Record the calls that the frames need and find each model's best batch; returns pictures by model.

        Raises InvalidInput for a frame that is no picture.
        """
        recorded: dict[tuple[str, tuple[int, ...]], list[Array]] = {}

        async def infer(model: str, images: Array) -> list[Array]:
            recorded.setdefault((model, images.shape[1:]), []).append(images)
            return await self._infer(model, images)

        self._read(frames, infer)
        self._calls = {key: np.concatenate(parts) for key, parts in recorded.items()}
        for model in {model for model, _ in self._calls}:
            self.batch[model] = min((self._seconds(model, size), size) for size in BATCHES)[1]
        pictures: dict[str, int] = {}
        for (model, _), images in self._calls.items():
            pictures[model] = pictures.get(model, 0) + len(images)
        return pictures

    def models(self) -> Cost:
        """One round of the calls alone."""
        return _timed(self._run_all)

    def _run_all(self) -> None:
        for (model, _), images in self._calls.items():
            self._run(model, images, self.batch[model])

    def by_model(self) -> dict[str, float]:
        """CPU seconds of one round by model."""
        spent: dict[str, float] = {}
        for (model, _), images in self._calls.items():
            cost = _timed(partial(self._run, model, images, self.batch[model]))
            spent[model] = spent.get(model, 0.0) + cost.cpu_s
        return spent

    def reader(self, frames: Sequence[bytes]) -> Cost:
        """One round of the whole plate reader, pictures to text, without bus, votes and database."""
        return _timed(lambda: self._read(frames, self._infer))

    async def _infer(self, model: str, images: Array) -> list[Array]:
        outputs: list[Array] = self._sessions[model].run(list(self._pipeline.OUTPUTS[model]), {"images": images})
        return outputs

    def _read(self, frames: Sequence[bytes], infer: Any) -> None:
        for at in range(0, len(frames), TOGETHER):
            for answer in asyncio.run(self._pipeline.read_frames(list(frames[at : at + TOGETHER]), infer)):
                if isinstance(answer, Exception):
                    raise InvalidInput(f"a frame is no picture: {answer}", field="frames")

    def _seconds(self, model: str, size: int) -> float:
        """The better of two runs of a few batches, for a picture."""
        (shape, images) = next((key[1], value) for key, value in self._calls.items() if key[0] == model)
        several = np.resize(images[: max(size, 1)], (size, *shape))
        return min(_timed(lambda: self._run(model, several, size)).wall_s for _ in range(3)) / size

    def _run(self, model: str, images: Array, size: int) -> None:
        outputs = list(self._pipeline.OUTPUTS[model])
        for at in range(0, len(images), size):
            self._sessions[model].run(outputs, {"images": images[at : at + size]})


def _timed(work: Callable[[], None]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)
