"""The benchmark of the pipeline, small: a real bus, real models, a real database, and figures that add up."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.bench import pipeline as bench
from cli.bench.app import app
from cli.bench.pipeline import frames as pictures
from cli.bench.pipeline.bare import Bare, Cost
from cli.bench.pipeline.platform import Ear, Round
from cli.bench.pipeline.report import Facts, compared, make_report
from cli.bench.pipeline.show import show
from cli.stack.parts import nats_binary
from cli.triton_server import supported
from functions.shared.errors import InvalidInput, Misconfigured, NotFound
from tests.support.models import ensure_models, photograph
from tests.support.require import missing


@pytest.fixture(scope="module")
def models() -> Path:
    try:
        nats_binary()
    except Misconfigured as error:
        missing(error.message)
    return ensure_models()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cameras with two frames each: two cars that come nearer."""
    target = tmp_path_factory.mktemp("frames")
    whole = cv2.imdecode(np.frombuffer(photograph(), np.uint8), cv2.IMREAD_COLOR)
    assert whole is not None
    for camera in ("north", "south"):
        (target / camera).mkdir()
        for number in range(2):
            near = cv2.resize(whole, None, fx=1 + number * 0.04, fy=1 + number * 0.04)
            cv2.imwrite(str(target / camera / f"{number}.jpg"), near)
    return target


@pytest.mark.e2e
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ["embedded", pytest.param("triton", marks=pytest.mark.triton)])
async def test_a_small_run_counts_every_frame_and_adds_up(models: Path, folder: Path, engine: Any) -> None:
    if engine == "triton":
        try:
            supported()
        except Misconfigured as error:
            missing(error.message)
    report = await bench.measure(bench.Plan(folder, engine, 2, 8, models))
    assert (report.frames, report.rounds, report.engine) == (4, 2, engine)
    assert report.every_frame_once
    # Each camera sees two cars: what was heard on the bus is what the database holds, the same in each round.
    assert report.passages == report.stored == (4, 4)
    assert len(report.plates) == 4
    assert max(Counter(report.plates).values()) == 2
    assert sum(report.cpu_ms.values()) == pytest.approx(report.cpu_ms_total, abs=0.1)
    parts = {"publisher", "nats", "functions: event loop", "functions: other threads"}
    assert set(report.cpu_ms) == (parts | {"triton"} if engine == "triton" else parts)
    # The bus and the publisher may spend less on so few frames than the 10 ms that the kernel counts in.
    assert min(report.cpu_ms.values()) >= 0
    assert report.cpu_ms["functions: other threads"] > 0
    assert {"inference", "record", "pictures", "store"} <= set(report.steps_ms)
    assert set(report.cpu_ms_by_model) == set(report.pictures_by_model) == set(report.batch_by_model)
    assert report.pictures_by_model["vehicle_detector"] >= 4
    assert (report.ratio_server is not None) == (report.server_per_second is not None) == (engine == "triton")
    for spread in (report.ratio, report.ratio_reader, report.ratio_cpu, report.ratio_server or report.ratio):
        assert 0 < spread.least <= spread.median <= spread.most


@pytest.mark.e2e
@pytest.mark.timeout(600)
async def test_two_repositories_take_turns_in_one_run(models: Path, folder: Path, tmp_path: Path) -> None:
    """The second is a copy whose detectors look at smaller pictures."""
    other = tmp_path / "small"
    shutil.copytree(models, other)
    (other / "alpr" / "1" / "sizes.json").write_text('{"long_side": 320, "sides": [192, 256, 320]}')
    report = await bench.measure(bench.Plan(folder, "embedded", 2, 8, models, against=other))
    found = report.against
    assert found is not None
    assert (report.repository, found.report.repository) == (str(models), str(other))
    assert report.every_frame_once
    assert found.report.every_frame_once
    assert report.passages == report.stored == (4, 4)
    assert found.report.rounds == report.rounds == 2
    assert found.report.pictures_by_model["vehicle_detector"] >= 4
    assert min(found.cpu_models.least, found.cpu.least, found.speed.least) > 0


class TestFrames:
    def test_films_are_cut_by_camera_and_limit(self, folder: Path, tmp_path: Path) -> None:
        films = pictures.load_films(folder, 8)
        assert [len(film.frames) for film in films] == [2, 2]
        assert len({film.name for film in films}) == 2
        assert (films[0].frames[0].width, films[0].frames[0].height) == (1200, 784)
        assert [index for _, index in pictures.in_turn(films)] == [0, 0, 1, 1]
        assert [len(film.frames) for film in pictures.load_films(folder, 2)] == [1, 1]
        for number in range(pictures.CHUNK + 1):
            (tmp_path / f"{number}.jpg").write_bytes(photograph())
        assert [len(film.frames) for film in pictures.load_films(tmp_path, 64)] == [pictures.CHUNK, 1]

    def test_wrong_folders_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="there is no folder"):
            pictures.load_films(tmp_path / "nowhere", 8)
        with pytest.raises(InvalidInput, match="holds no picture"):
            pictures.load_films(tmp_path, 8)
        (tmp_path / "broken.jpg").write_bytes(photograph()[:100])
        with pytest.raises(InvalidInput, match=r"broken\.jpg is no picture"):
            pictures.load_films(tmp_path, 8)

    def test_an_engine_that_is_none_is_refused(self) -> None:
        done = CliRunner().invoke(app, ["pipeline", "--engine", "abacus"])
        assert "embedded or triton, not abacus" in str(done.exception)


def test_the_bare_side_makes_the_calls_that_the_reader_makes(models: Path) -> None:
    bare = Bare(models)
    counted = bare.prepare([photograph(), photograph()])
    assert counted["vehicle_detector"] >= 2
    assert counted["plate_ocr"] >= 4
    assert set(bare.batch) == set(counted)
    spent = bare.models()
    assert spent.cpu_s > 0
    assert set(bare.by_model()) == set(counted)
    with pytest.raises(InvalidInput, match="a frame is no picture"):
        bare.prepare([b"nothing"])


async def test_the_ear_counts_acknowledgements_and_repeats() -> None:
    ear = Ear()
    for subject, data in (
        ("$JS.ACK.FRAMES.post-processing.1.7.1.1700000000.0", b"+ACK"),
        ("$JS.ACK.FRAMES.post-processing.1.8.2.1700000000.0", b"-NAK {}"),
        ("$JS.ACK.FRAMES.post-processing.2.8.3.1700000000.0", b"+ACK"),
        ("$JS.ACK.FRAMES.post-processing.3.9.4.1700000000.0", b"+TERM"),
        ("$JS.ACK.FRAMES.post-processing.1.10.5.1700000000.0", b"+WPI"),
    ):
        await ear.on_ack(SimpleNamespace(subject=subject, data=data))  # type: ignore[arg-type]  # what it reads of one
    assert (dict(ear.acked), ear.refused) == ({7: 1, 8: 1}, [9])
    assert (ear.given[7], ear.given[8]) == (1, 2)


def rounds_of(**changed: Any) -> Round:
    facts: dict[str, Any] = {
        "wall_s": 2.0, "cpu_s": {"nats": 0.1, "functions": 0.9}, "settling_s": 0.2, "frames": 10,
        "acknowledged_once": 10, "redelivered": 0, "passages": 3, "final": 3, "plates": ("ABC1234",),
        "steps_s": {"record": 0.05}, "read": 10, "dropped": 0, "failed": 0, "stored": 3,
    }  # fmt: skip
    return Round(**{**facts, **changed})


def test_ratios_are_taken_within_a_round() -> None:
    facts = Facts("embedded", "models", "fp32 384x640", 2, 0.0, {"m": 10}, {"m": 4}, {"m": 0.5})
    slow = rounds_of(wall_s=4.0)
    report = make_report([(rounds_of(), Cost(1.0, 0.8), Cost(1.5, 0.9)), (slow, Cost(3.0, 0.8), Cost(3.6, 0.9))], facts)
    assert (report.ratio.least, report.ratio.median, report.ratio.most) == (0.5, 0.625, 0.75)
    assert (report.ratio_reader.least, report.ratio_reader.most) == (0.75, 0.9)
    assert report.ratio_cpu.median == 0.8
    assert (report.platform_per_second.least, report.platform_per_second.most) == (2.5, 5.0)
    assert (report.cpu_ms, report.cpu_ms_total) == ({"nats": 10.0, "functions": 90.0}, 100.0)
    assert (report.cpu_ms_models, report.cpu_ms_reader, report.cpu_ms_by_model) == (80.0, 90.0, {"m": 50.0})
    assert (report.steps_ms, report.cpu_ms_settling) == ({"record": 5.0}, 20.0)
    assert report.every_frame_once


def test_the_server_alone_is_a_third_measure_where_there_is_one() -> None:
    facts = Facts("triton", "models", "fp32 384x640", 2, 0.0, {"m": 10}, {"m": 4}, {"m": 0.5}, (1.0, 1.8))
    report = make_report([(rounds_of(), Cost(1, 1), Cost(1, 1)), (rounds_of(), Cost(1, 1), Cost(1, 1))], facts)
    assert report.ratio_server is not None
    assert (report.ratio_server.least, report.ratio_server.most) == (0.5, 0.9)
    console = Console(record=True, width=160)
    show(report, console)
    assert "ratio to Triton alone" in console.export_text()


def test_repositories_are_compared_round_by_round() -> None:
    facts = Facts("embedded", "first", "fp32 384x640", 2, 0.0, {"m": 10}, {"m": 4}, {"m": 0.5})
    other = replace(facts, repository="second", variant="int8 384x640")
    ours = [
        (rounds_of(wall_s=2.0), Cost(1.0, 0.8), Cost(1.5, 0.9)),
        (rounds_of(wall_s=4.0), Cost(2.0, 0.8), Cost(3, 1)),
    ]
    quick = {"plates": ("ABC1234", "XYZ9K87"), "cpu_s": {"nats": 0.1, "functions": 0.4}}
    theirs = [(rounds_of(wall_s=1.0, **quick), Cost(0.5, 0.4), Cost(0.75, 0.45)),
              (rounds_of(wall_s=4.0, **quick), Cost(1.0, 0.2), Cost(1.5, 0.5))]  # fmt: skip
    report = compared(make_report(ours, facts), make_report(theirs, other), ours, theirs)
    found = report.against
    assert found is not None
    assert (found.speed.least, found.speed.median, found.speed.most) == (1.0, 1.5, 2.0)
    assert (found.speed_models.median, found.speed_reader.median) == (2.0, 2.0)
    assert (found.cpu.median, found.cpu_models.least, found.cpu_models.most, found.cpu_reader.median) == (
        0.5, 0.25, 0.5, 0.5)  # fmt: skip
    assert (found.plates_only_first, found.plates_only_second) == ((), ("XYZ9K87",))
    console = Console(record=True, width=160)
    show(report, console)
    said = console.export_text()
    assert "int8 384x640 (second) over fp32 384x640 (first)" in said
    assert "by the second alone: XYZ9K87" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--against", "no/such"], "--against: there is no folder no/such"),
     (["--against", ".", "--database-url", "postgresql://x/y"], "cannot share a database")],
)  # fmt: skip
def test_a_second_repository_that_cannot_be_compared_is_named(arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(app, ["pipeline", *arguments])
    assert says in str(done.exception)


@pytest.mark.parametrize("wrong", [{"read": 9}, {"read": 11}, {"redelivered": 1}, {"dropped": 1}, {"failed": 1},
                                   {"acknowledged_once": 9}])  # fmt: skip
def test_a_frame_that_was_lost_or_doubled_is_told(wrong: dict[str, int]) -> None:
    facts = Facts("embedded", "models", "fp32 384x640", 2, 0.0, {}, {}, {})
    report = make_report([(rounds_of(**wrong), Cost(1.0, 0.8), Cost(1.5, 0.9))], facts)
    assert not report.every_frame_once
