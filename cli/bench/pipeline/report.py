"""What the pipeline's benchmark says, made from its rounds."""

from __future__ import annotations

import statistics
from collections import Counter
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


class Against(BaseModel):
    """A second model repository that took turns with the first. `speed`: its platform's rate over the first's in the
    same round, `speed_models` and `speed_reader` those of the models and the reader alone; `cpu`, `cpu_models` and
    `cpu_reader`: the CPU that it needs, over what the first needs. `report` is its own.
    """

    model_config = ConfigDict(frozen=True)

    speed: Spread
    speed_models: Spread
    speed_reader: Spread
    cpu: Spread
    cpu_models: Spread
    cpu_reader: Spread
    plates_only_first: tuple[str, ...]
    plates_only_second: tuple[str, ...]
    report: Report


class Report(BaseModel):
    """One benchmark. Rates in frames/s, times in ms a frame.

    `ratio` is the platform's rate over that of the bare models in the same round, `ratio_reader` over that of the plate
    reader alone (decoding and text besides the models), `ratio_server`, where there is a Triton server, over that of
    the server asked directly, without bus, votes and database. `ratio_cpu` compares CPU: the bare models' over the
    platform's.
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
    server_per_second: Spread | None = None
    ratio_server: Spread | None = None
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
    against: Against | None = None


Rounds = Sequence[tuple[Round, Cost, Cost]]


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
    server_s: tuple[float, ...] = ()
    """Seconds of each round that the Triton server alone took."""


def make_report(rounds: Rounds, facts: Facts) -> Report:
    """From (platform, models, reader) of each round."""
    frames = rounds[0][0].frames
    cpu = {name: _ms([one.cpu_s.get(name, 0.0) for one, _, _ in rounds], frames) for name in rounds[0][0].cpu_s}
    last = rounds[-1][0]
    alone = facts.server_s
    return Report(
        engine=facts.engine, repository=facts.repository, variant=facts.variant, frames=frames, rounds=len(rounds),
        cores=facts.cores, load_before=round(facts.load_before, 2),
        platform_per_second=spread([frames / one.wall_s for one, _, _ in rounds]),
        models_per_second=spread([frames / models.wall_s for _, models, _ in rounds]),
        reader_per_second=spread([frames / reader.wall_s for _, _, reader in rounds]),
        ratio=spread([models.wall_s / one.wall_s for one, models, _ in rounds]),
        ratio_reader=spread([reader.wall_s / one.wall_s for one, _, reader in rounds]),
        ratio_cpu=spread([models.cpu_s / sum(one.cpu_s.values()) for one, models, _ in rounds]),
        server_per_second=spread([frames / seconds for seconds in alone]) if alone else None,
        ratio_server=spread([s / one.wall_s for (one, _, _), s in zip(rounds, alone, strict=True)]) if alone else None,
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


def compared(first: Report, second: Report, ours: Rounds, others: Rounds) -> Report:
    """The first's report with the second held against it, round by round."""
    pairs = list(zip(ours, others, strict=True))
    plates, other_plates = Counter(first.plates), Counter(second.plates)
    against = Against(
        speed=spread([one[0].wall_s / two[0].wall_s for one, two in pairs]),
        speed_models=spread([one[1].wall_s / two[1].wall_s for one, two in pairs]),
        speed_reader=spread([one[2].wall_s / two[2].wall_s for one, two in pairs]),
        cpu=spread([sum(two[0].cpu_s.values()) / sum(one[0].cpu_s.values()) for one, two in pairs]),
        cpu_models=spread([two[1].cpu_s / one[1].cpu_s for one, two in pairs]),
        cpu_reader=spread([two[2].cpu_s / one[2].cpu_s for one, two in pairs]),
        plates_only_first=tuple(sorted((plates - other_plates).elements())),
        plates_only_second=tuple(sorted((other_plates - plates).elements())),
        report=second,
    )
    return first.model_copy(update={"against": against})


def _once(one: Round) -> bool:
    """Whether each frame was given out, read and acknowledged exactly once."""
    return one.frames == one.acknowledged_once == one.read and not (one.redelivered or one.dropped or one.failed)


def spread(values: Sequence[float]) -> Spread:
    return Spread(median=round(statistics.median(values), 3), least=round(min(values), 3), most=round(max(values), 3))


def _ms(seconds: Sequence[float], frames: int) -> float:
    """The median over rounds, in ms a frame."""
    return round(statistics.median(seconds) * 1000 / frames, 2)
