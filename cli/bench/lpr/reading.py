"""Pictures through one or two engines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cli.bench.lpr.labels import Label
from cli.bench.lpr.report import Answers, Judged, LabelledSet
from functions.shared.errors import BrokenImage, InferenceUnavailable, InvalidInput, NotFound
from functions.shared.inference import Ask, Effort, FrameReading, Inference, open_inference

TIMEOUT_S = 60
Show = Callable[[int, Callable[[], None]], None]
"""(number of steps, the step): calls the step so many times and shows how far it is."""


@dataclass(frozen=True)
class EngineSpec:
    """`url` is grpc://HOST:PORT, or None for the embedded engine over the models of `repository`."""

    url: str | None
    repository: Path
    threads: int = 0
    effort: Effort = field(default_factory=Effort)
    ask: Ask = field(default_factory=Ask)

    @property
    def name(self) -> str:
        return self.url or "embedded"

    async def open(self) -> Inference:
        engine = open_inference(
            self.url,
            self.repository,
            max_in_flight=1,
            timeout_s=TIMEOUT_S,
            threads=self.threads,
            effort=self.effort,
        )
        try:
            await engine.check()
        except BaseException:
            await engine.close()
            raise
        return engine


def second_engine(where: str, first: EngineSpec) -> EngineSpec:
    """What `--against` names: an address of Triton, or the folder of a model repository. Raises NotFound."""
    if "://" in where:
        return replace(first, url=where)
    if not Path(where).is_dir():
        raise NotFound(f"--against: there is no folder {where}; give a model repository or grpc://HOST:PORT")
    return replace(first, url=None, repository=Path(where))


def read_sets(sets: Sequence[LabelledSet], specs: Sequence[EngineSpec], show: Show) -> list[Judged]:
    """Each set's answers by one or two engines. The engines take turns picture by picture, so that whatever else the
    machine does meets them alike; a picture of several labels is read once.
    """
    names = [spec.name if spec.url else f"{spec.name} {spec.repository}" for spec in specs]
    results = []
    with asyncio.Runner() as runner:
        engines: list[Inference] = []
        try:
            for spec in specs:
                engines.append(runner.run(spec.open()))
            for each in sets:
                turns = _Turns(runner, list(zip(engines, (spec.ask for spec in specs), strict=True)), each.labels)
                show(len(each.labels), turns.step)
                answers = [Answers(name, *columns) for name, columns in zip(names, turns.columns, strict=True)]
                results.append(Judged(each, *answers))
        finally:
            for engine in engines:
                runner.run(engine.close())
    return results


class _Turns:
    """One set on its way through the engines, a label a step."""

    def __init__(
        self, runner: asyncio.Runner, engines: Sequence[tuple[Inference, Ask]], labels: Sequence[Label]
    ) -> None:
        self.runner, self.engines, self.labels = runner, engines, iter(labels)
        self.columns: list[tuple[list[FrameReading], list[float]]] = [([], []) for _ in engines]
        self._known: dict[Path, list[tuple[FrameReading, float]]] = {}

    def step(self) -> None:
        label = next(self.labels)
        if label.image not in self._known:
            self._known[label.image] = self._read(label)
        for (readings, spent), (reading, seconds) in zip(self.columns, self._known[label.image], strict=True):
            readings.append(reading)
            spent.append(seconds)

    def _read(self, label: Label) -> list[tuple[FrameReading, float]]:
        data = label.image.read_bytes()
        found = []
        for engine, ask in self.engines:
            started = time.perf_counter()
            try:
                reading = self.runner.run(engine.read(data, ask))
            except BrokenImage as error:
                message = f"labels.csv line {label.line}, field image: {label.image.name}: {error.message}"
                raise InvalidInput(message, field="image") from None
            except InferenceUnavailable as error:
                raise InferenceUnavailable(f"line {label.line}, {label.image}: {error.message}") from error
            found.append((reading, time.perf_counter() - started))
        return found
