"""What the pipeline's benchmark says, made from its rounds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from cli.bench.pipeline.bare import Cost
from cli.bench.pipeline.platform import Round


class Spread(BaseModel):
    """Median, least and most over the rounds."""

    model_config = ConfigDict(frozen=True)

    median: float
    least: float
    most: float


class Report(BaseModel):
    """One benchmark. Rates in frames/s, times in ms a frame.

    `ratio` is the platform's rate over that of the bare models in the same round, `ratio_reader` over that of the plate
    reader alone (decoding and text besides the models). `ratio_cpu` compares CPU: the bare models' over the platform's.
    `cpu_ms` says where the platform's CPU goes while frames are read; its parts add up to `cpu_ms_total`.
    `cpu_ms_settling` is what it spends afterwards, at rest but for the ends of passages. `steps_ms` is the time on
    the clock that frames spend in each step of the reader, where steps of different frames overlap.
    """

    model_config = ConfigDict(frozen=True)

    engine: str
    repository: str
    variant: str
    frames: int
    rounds: int
    cores: int
    load_before: float
    platform_per_second: Spread
    models_per_second: Spread
    reader_per_second: Spread
    ratio: Spread
    ratio_reader: Spread
    ratio_cpu: Spread
    cpu_ms: dict[str, float]
    cpu_ms_total: float
    cpu_ms_settling: float
    cpu_ms_models: float
    cpu_ms_reader: float
    cpu_ms_by_model: dict[str, float]
    pictures_by_model: dict[str, int]
    batch_by_model: dict[str, int]
    steps_ms: dict[str, float]
    every_frame_once: bool
    passages: tuple[int, ...]
    stored: tuple[int, ...]
    plates: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What is the same in all rounds."""

    engine: str
    repository: str
    variant: str
    cores: int
    load_before: float
    pictures: Mapping[str, int]
    batches: Mapping[str, int]
    by_model: Mapping[str, float]


def make_report(rounds: Sequence[tuple[Round, Cost, Cost]], facts: Facts) -> Report:
    """From (platform, models, reader) of each round."""
    frames = rounds[0][0].frames
    cpu = {name: _ms([one.cpu_s.get(name, 0.0) for one, _, _ in rounds], frames) for name in rounds[0][0].cpu_s}
    last = rounds[-1][0]
    return Report(
        engine=facts.engine, repository=facts.repository, variant=facts.variant, frames=frames, rounds=len(rounds),
        cores=facts.cores, load_before=round(facts.load_before, 2),
        platform_per_second=spread([frames / one.wall_s for one, _, _ in rounds]),
        models_per_second=spread([frames / models.wall_s for _, models, _ in rounds]),
        reader_per_second=spread([frames / reader.wall_s for _, _, reader in rounds]),
        ratio=spread([models.wall_s / one.wall_s for one, models, _ in rounds]),
        ratio_reader=spread([reader.wall_s / one.wall_s for one, _, reader in rounds]),
        ratio_cpu=spread([models.cpu_s / sum(one.cpu_s.values()) for one, models, _ in rounds]),
        cpu_ms=cpu, cpu_ms_total=round(sum(cpu.values()), 2),
        cpu_ms_settling=_ms([one.settling_s for one, _, _ in rounds], frames),
        cpu_ms_models=_ms([models.cpu_s for _, models, _ in rounds], frames),
        cpu_ms_reader=_ms([reader.cpu_s for _, _, reader in rounds], frames),
        cpu_ms_by_model={name: round(spent * 1000 / frames, 2) for name, spent in sorted(facts.by_model.items())},
        pictures_by_model=dict(sorted(facts.pictures.items())), batch_by_model=dict(sorted(facts.batches.items())),
        steps_ms={name: _ms([one.steps_s.get(name, 0.0) for one, _, _ in rounds], frames) for name in last.steps_s},
        every_frame_once=all(_once(one) for one, _, _ in rounds),
        passages=tuple(one.passages for one, _, _ in rounds), stored=tuple(one.stored for one, _, _ in rounds),
        plates=last.plates,
    )  # fmt: skip


def _once(one: Round) -> bool:
    """Whether each frame was given out, read and acknowledged exactly once."""
    return one.frames == one.acknowledged_once == one.read and not (one.redelivered or one.dropped or one.failed)


def spread(values: Sequence[float]) -> Spread:
    return Spread(median=round(statistics.median(values), 3), least=round(min(values), 3), most=round(max(values), 3))


def _ms(seconds: Sequence[float], frames: int) -> float:
    """The median over rounds, in ms a frame."""
    return round(statistics.median(seconds) * 1000 / frames, 2)
