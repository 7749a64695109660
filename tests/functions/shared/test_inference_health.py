"""What a reader makes of its models' answers: up or down, since when, why, and how the platform hears of it."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from prometheus_client import REGISTRY

from functions.shared import inference_health
from functions.shared.bus import Bus
from functions.shared.errors import BrokenImage, GTVisionError, InferenceUnavailable, Misconfigured
from functions.shared.inference import Ask, FrameReading
from functions.shared.inference_health import InferenceReport, WatchedInference
from functions.shared.topology import READERS_KV

DEAD = InferenceUnavailable("the process of plate_ocr is gone", kind="dead_process")


class Models:
    """Answers, or raises what it is given."""

    def __init__(self) -> None:
        self.error: GTVisionError | None = None
        self.checks = 0

    async def read(self, jpeg: bytes, ask: Ask | None = None) -> FrameReading:
        if self.error is not None:
            raise self.error
        return FrameReading(width=1, height=1, observations=(), timings_ms={})

    async def check(self) -> None:
        self.checks += 1
        await self.read(b"")

    async def close(self) -> None:
        return


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def watched(models: Models) -> WatchedInference:
    return WatchedInference(models, "embedded")


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"engine": "embedded", **labels}) or 0.0


async def failed(watched: WatchedInference, kind: type[GTVisionError], times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(kind):
            await watched.read(b"")


async def test_two_failures_in_a_row_are_an_outage_and_an_answer_ends_it(
    models: Models, watched: WatchedInference
) -> None:
    outages, recoveries = (
        sample("gtv_inference_outages_total", kind="dead_process"), sample("gtv_inference_recoveries_total"),
    )  # fmt: skip
    failures = sample("gtv_inference_failures_total", kind="dead_process")
    began = watched.report()
    assert (began.state, began.engine, sample("gtv_inference_up")) == ("ok", "embedded", 1)
    models.error = DEAD
    await failed(watched, InferenceUnavailable)
    assert watched.report().state == "ok", "one may be a frame in hand"
    await failed(watched, InferenceUnavailable, 2)
    report = watched.report()
    assert (report.state, report.reason, report.message) == ("down", "dead_process", DEAD.message)
    assert report.since > began.since
    assert sample("gtv_inference_up") == 0
    models.error = None
    await watched.read(b"")
    assert watched.report().state == "ok"
    assert watched.report().since > report.since
    assert sample("gtv_inference_up") == 1
    assert sample("gtv_inference_outages_total", kind="dead_process") == outages + 1
    assert sample("gtv_inference_recoveries_total") == recoveries + 1
    assert sample("gtv_inference_failures_total", kind="dead_process") == failures + 3


async def test_a_broken_picture_is_an_answer(models: Models, watched: WatchedInference) -> None:
    models.error = BrokenImage("no picture")
    await failed(watched, BrokenImage, 5)
    assert watched.report().state == "ok"


async def test_missing_models_are_an_outage(models: Models, watched: WatchedInference) -> None:
    models.error = Misconfigured("model file missing")
    await failed(watched, Misconfigured, 2)
    assert (watched.report().state, watched.report().reason) == ("down", "misconfigured")


async def reported(bus: Bus, state: Literal["ok", "down"]) -> InferenceReport:
    async with asyncio.timeout(30):
        while True:
            for raw in (await bus.kv_all(READERS_KV)).values():
                if raw and (report := InferenceReport.model_validate_json(raw)).state == state:
                    return report
            await asyncio.sleep(0.1)


async def test_the_bus_hears_of_it_and_models_that_are_down_are_asked_until_they_answer(
    bus: Bus, models: Models, watched: WatchedInference
) -> None:
    stop = asyncio.Event()
    watch = asyncio.create_task(watched.watch(bus, stop))
    assert (await reported(bus, "ok")).engine == "embedded"
    assert models.checks == 0, "the engine in process is not asked while all is well"
    models.error = DEAD
    await failed(watched, InferenceUnavailable, 2)
    assert (await reported(bus, "down")).reason == "dead_process"
    waiting = asyncio.create_task(watched.read(b""))
    await asyncio.sleep(0.3)
    assert not waiting.done(), "a frame waits for models that are known to be down"
    models.error = None
    assert isinstance(await waiting, FrameReading)
    assert models.checks > 0
    assert (await reported(bus, "ok")).reason == ""
    stop.set()
    await watch
    assert not any((await bus.kv_all(READERS_KV)).values()), "it takes its leave"


async def test_a_frame_waits_for_a_while_and_is_then_tried(
    bus: Bus, models: Models, watched: WatchedInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_health, "PATIENCE_S", 0.2)
    stop = asyncio.Event()
    watch = asyncio.create_task(watched.watch(bus, stop))
    models.error = DEAD
    await failed(watched, InferenceUnavailable, 3)
    stop.set()
    await watch
    await failed(watched, InferenceUnavailable)
