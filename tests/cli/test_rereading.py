"""`gtvision detections correct, confirm, corrections, reread, export-labels` against a running platform.

The models that read are the real ones, in the command's own process.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cli.bench.lpr.labels import read_labels
from cli.demo.plates import ASPECT, Plate, PlateStyle, draw_plate
from functions.post_processing import snapshots
from functions.shared.contracts import new_id, now
from functions.shared.db import Database
from functions.shared.inference import Box, FrameReading, open_inference
from functions.shared.store import image_key
from functions.shared.tables import Detection
from tests.cli.conftest import PASSWORD, Platform
from tests.support.cli import gtvision
from tests.support.models import ensure_models, photograph

WRONG = "AAA0A00"
TEXTS = ("BRA2E19", "QWX7K35", "HJK4L68")


async def frame_reading(repository: Path) -> FrameReading:
    engine = open_inference(None, repository, timeout_s=60, threads=1)
    try:
        return await engine.read(photograph())
    finally:
        await engine.close()


@dataclass(frozen=True)
class Car:
    """A car of the photograph that bears a drawn Brazilian plate instead of its own."""

    vehicle: Box
    plate: Box
    text: str


@dataclass(frozen=True)
class Scene:
    frame: Any
    cars: list[Car]


@dataclass(frozen=True)
class Past:
    """Passages of the photograph's cars with a wrong plate, read without confidence; by id the plate that is there."""

    plates: dict[str, str]

    @property
    def ids(self) -> list[str]:
        return list(self.plates)


def stored(platform: Platform, frame: Any, car: Car) -> Detection:
    """A passage as post-processing leaves it, with its pictures in the platform's folder."""
    at, detection_id = now() - timedelta(minutes=5), new_id()
    keys = [image_key(kind, "gate", at, detection_id) for kind in ("vehicles", "plates")]
    cuts = (
        snapshots.shrunk(snapshots.crop(frame, car.vehicle, snapshots.MARGIN)),
        snapshots.crop(frame, car.plate, snapshots.PLATE_MARGIN),
    )
    for key, cut in zip(keys, cuts, strict=True):
        file = platform.folder / "data" / "images" / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(snapshots.encode(cut, 90))
    facts: dict[str, Any] = {
        "id": detection_id, "camera_id": "gate", "started_at": at, "ended_at": at, "final": True, "plate": WRONG,
        "plate_reversed": WRONG[::-1], "plate_read": WRONG, "plate_confidence": 0.01, "plate_format": "br_mercosul",
        "uncertain": True, "candidates": [], "observation_count": 1, "snapshot_key": keys[0], "corrected": False,
        "plate_snapshot_key": keys[1], "correlation_id": "c", "created_at": at, "updated_at": at,
    }  # fmt: skip
    return Detection(**facts)


async def insert(platform: Platform, rows: list[Detection]) -> None:
    database = Database(f"sqlite+aiosqlite:///{platform.folder / 'data' / 'gtvision.db'}")
    async with database.transaction() as session:
        session.add_all(rows)
    await database.close()


@pytest.fixture(scope="module")
def scene() -> Scene:
    reading = asyncio.run(frame_reading(ensure_models()))
    frame = snapshots.decode(photograph()).copy()
    cars = []
    for one, text in zip(reading.observations, TEXTS, strict=False):
        if one.plate is None or one.vehicle is None:
            continue
        box = one.plate.box
        x, y, width = round(box.x1), round(box.y1), round(box.width)
        height = round(width / ASPECT)
        drawn = draw_plate(Plate(text, PlateStyle.MERCOSUL))
        frame[y : y + height, x : x + width] = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)
        cars.append(Car(one.vehicle.box, Box(x1=x, y1=y, x2=x + width, y2=y + height), text))
    assert cars, "the photograph shows cars with plates"
    return Scene(frame, cars)


@pytest.fixture
def past(platform: Platform, scene: Scene) -> Past:
    rows = [stored(platform, scene.frame, car) for car in scene.cars]
    asyncio.run(insert(platform, rows))
    return Past({row.id: car.text for row, car in zip(rows, scene.cars, strict=True)})


def reread(platform: Platform, tmp_path: Path, *arguments: str) -> Any:
    journal = ("--journal", str(tmp_path / "journal.jsonl"))
    done = platform("detections", "reread", "--from", "1h", *journal, "--per-second", "50", "--json", *arguments)
    assert done.code == 0, done.err
    return done.json


def test_what_changes_is_shown_then_applied_and_no_persons_word_is_touched(
    platform: Platform, tmp_path: Path, past: Past
) -> None:
    mine, *_ = past.ids
    shown = reread(platform, tmp_path)
    assert shown["written"] is None
    found = {one["detection_id"]: one for one in shown["changes"]}
    assert {one: found[one]["new_plate"] for one in past.ids} == past.plates
    assert {found[one]["verdict"] for one in past.ids} == {"change"}
    assert {found[one]["picture"] for one in past.ids} == {"vehicle"}
    for one in past.ids:
        assert platform("detections", "show", one, "--json").json["plate"] == WRONG
    # A person looks before it is applied.
    assert platform("detections", "correct", mine, "abc-1d23", "--reason", "seen", "--expect", WRONG).code == 0
    written = reread(platform, tmp_path, "--apply", "--yes")
    assert written["written"] in ({"applied": len(past.ids) - 1}, None)
    assert platform("detections", "show", mine, "--json").json["plate"] == "ABC1D23"
    for one in past.ids[1:]:
        now_there = platform("detections", "show", one, "--json").json
        assert (now_there["plate"], now_there["plate_read"]) == (past.plates[one], past.plates[one])
        [note] = now_there["corrections"]
        assert note["source"] == "reread"
        assert note["model"].startswith("triton_models@")
    # Nothing is read again, and nothing is left to change.
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == len(lines)
    assert not {one["detection_id"] for one in reread(platform, tmp_path)["changes"]} & set(past.ids)


def test_by_mark_camera_and_number(platform: Platform, tmp_path: Path, past: Past) -> None:
    assert reread(platform, tmp_path, "--camera", "elsewhere")["counts"]["change"] == 0
    one = reread(platform, tmp_path, "--only-uncertain", "--limit", "1")
    assert sum(one["counts"].values()) == 1
    least = reread(platform, tmp_path, "--limit", "1", "--min-confidence", "1")
    assert {row["verdict"] for row in least["changes"]} <= {"less sure"}


def test_for_people_it_asks_before_it_writes(platform: Platform, tmp_path: Path, past: Past) -> None:
    words = ("detections", "reread", "--from", "1h", "--per-second", "50", "--journal", str(tmp_path / "j"))
    looked = platform(*words)
    assert looked.code == 0, looked.err
    assert "with --apply writes the changes" in looked.out
    assert WRONG in looked.out
    refused = platform(*words, "--apply", given="n\n")
    assert refused.code == 130
    assert platform("detections", "show", past.ids[0], "--json").json["plate"] == WRONG
    agreed = platform(*words, "--apply", given="y\n")
    assert agreed.code == 0, agreed.err
    assert "applied" in agreed.out


def test_what_is_wrong_is_said(platform: Platform, tmp_path: Path) -> None:
    base = ("detections", "reread", "--from")
    assert platform(*base, "soon").code == 2
    assert platform(*base, "1h", "--model", "no-such").code == 2
    assert platform(*base, "1h", "--format", "us").code == 2
    assert platform(*base, "1h", "--apply", "--json").code == 2
    assert platform("detections", "correct", "0" * 32, "ABC1D23").code == 4
    assert platform("detections", "correct", "0" * 32).code == 2
    assert platform("detections", "correct", "0" * 32, "ABC1D23", "--no-plate").code == 2
    assert platform("detections", "confirm", "0" * 32).code == 4
    both = platform("detections", "export-labels", str(tmp_path / "x"), "--confirmed", "--from-corrections")
    assert both.code == 2


def test_a_triton_that_is_away_is_said(platform: Platform, tmp_path: Path, past: Past) -> None:
    done = platform(
        "detections", "reread", "--from", "1h", "--model", "grpc://127.0.0.1:9", "--journal", str(tmp_path / "j")
    )
    assert done.code == 6
    assert "Triton at 127.0.0.1:9" in done.err


def test_labels_that_people_made_are_exported_and_read(platform: Platform, tmp_path: Path, past: Past) -> None:
    for one, plate in past.plates.items():
        assert platform("detections", "correct", one, plate).code == 0
    listed = platform("detections", "corrections", "--from", "1h", "--source", "person", "--json").json["items"]
    assert {one["detection_id"] for one in listed} >= set(past.ids)
    assert "gate" in platform("detections", "corrections").out
    done = platform("detections", "export-labels", str(tmp_path / "set"), "--since", "1h", "--json")  # the former name
    assert done.code == 0, done.err
    labels = read_labels(tmp_path / "set")
    assert len(labels) == done.json["labels"] >= len(past.ids)
    # Where the vehicle's picture says the plate is, there is the plate's own picture.
    for label in labels:
        if label.image.parent.name != "vehicles":
            continue
        assert label.box is not None
        whole = cv2.imdecode(np.frombuffer(label.image.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        assert whole is not None
        assert 0 <= label.box.x1 < label.box.x2 <= whole.shape[1]
    # The reader's own eyes find each plate in its picture.
    report = gtvision("bench", "lpr", str(tmp_path / "set"), "--json", environ=platform.environ, timeout=170)
    assert report.code == 0, report.err


def test_confirmed_filters_and_marks(platform: Platform, past: Past) -> None:
    one = past.ids[0]
    assert platform("detections", "confirm", one, "--json").json["corrected"] is True
    found = platform("detections", "list", "--corrected", "--all", "--json").json["items"]
    assert one in {item["id"] for item in found}
    assert "corrected" in platform("detections", "list", "--corrected", "--plate", WRONG).out
    certain = platform("detections", "list", "--certain", "--all", "--json").json["items"]
    assert one in {item["id"] for item in certain}
    assert platform("detections", "correct", one, "--color", "red", "--type", "truck", "--no-plate").code == 0
    shown = platform("detections", "show", one, "--json").json
    assert (shown["plate"], shown["color"], shown["type"], shown["plate_read"]) == (None, "red", "truck", WRONG)
    assert PASSWORD not in json.dumps(shown)
