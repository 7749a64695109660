"""The parts of `detections reread` and `export-labels`: places, verdicts, journal, models, times."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cli import moments
from cli.bench.lpr.labels import read_labels
from cli.reread import changes, labels, places
from cli.reread.journal import Journal
from cli.reread.model import Reading, fingerprint, model_of
from functions.post_processing import snapshots
from functions.shared.errors import InvalidInput
from functions.shared.inference import Box, FrameReading, Observation, PlateReading, VehicleSighting

Frame = Callable[[int, int], Any]
PLATE = Box(x1=700, y1=500, x2=820, y2=540)


@pytest.fixture
def frame() -> Frame:
    """A picture in which no two places are alike."""

    def made(width: int, height: int) -> Any:
        rough = np.random.default_rng(7).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
        return cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)

    return made


def stored(frame: Any, vehicle: Box) -> tuple[bytes, bytes]:
    """A vehicle's and its plate's picture, as post-processing stores them."""
    whole = snapshots.encode(snapshots.shrunk(snapshots.crop(frame, vehicle, snapshots.MARGIN)), 85)
    return whole, snapshots.encode(snapshots.crop(frame, PLATE, snapshots.PLATE_MARGIN), 95)


def test_the_measures_are_those_of_what_stores_the_pictures() -> None:
    assert (places.LONGEST_SIDE, places.PLATE_MARGIN) == (snapshots.LONGEST_SIDE, snapshots.PLATE_MARGIN)
    assert places.AROUND == snapshots.MARGIN


def test_a_plate_is_found_in_its_vehicles_picture(frame: Frame) -> None:
    vehicle = Box(x1=600, y1=200, x2=1000, y2=600)
    whole, plate = stored(frame(1600, 900), vehicle)
    found = places.locate(whole, plate)
    assert found is not None
    # The vehicle's picture begins 15 % of 400 px before it, at 540, 140; the plate's 12 and 4 px before the plate.
    assert found.iou(Box(x1=148, y1=356, x2=292, y2=404)) > 0.95
    assert places.tight(found).iou(Box(x1=160, y1=360, x2=280, y2=400)) > 0.95


def test_a_plate_is_found_in_a_picture_that_was_shrunk(frame: Frame) -> None:
    whole, plate = stored(frame(2560, 1440), Box(x1=100, y1=50, x2=2300, y2=1400))
    size = places.size_of(whole)
    assert size is not None
    assert max(size) == places.LONGEST_SIDE
    found = places.locate(whole, plate)
    assert found is not None
    scale = size[0] / 2560
    assert found.iou(Box(x1=688 * scale, y1=496 * scale, x2=832 * scale, y2=544 * scale)) > 0.7


def test_what_is_not_there_is_not_found(frame: Frame) -> None:
    whole, plate = stored(frame(1600, 900), Box(x1=600, y1=200, x2=1000, y2=600))
    other = snapshots.encode(frame(1600, 900)[0:48, 0:144], 95)
    flat = snapshots.encode(np.full((40, 120, 3), 90, np.uint8), 95)
    assert [places.locate(whole, part) for part in (other, flat, b"", b"no picture")] == [None] * 4
    # A plate larger than the vehicle's picture.
    assert places.locate(plate, whole) is None
    assert places.locate(b"", plate) is None
    assert places.size_of(b"no picture") is None


def plate(text: str, box: Box, confidence: float = 0.9) -> PlateReading:
    corners = ((box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2))
    return PlateReading(
        text=text, confidence=confidence, format=None, box=box, corners=corners, candidates=(), detector_confidence=0.8
    )


def seen(*pairs: tuple[PlateReading, Box | None]) -> FrameReading:
    found = tuple(
        Observation(vehicle=None if box is None else VehicleSighting(type="car", confidence=0.9, box=box), plate=read)
        for read, box in pairs
    )
    return FrameReading(width=520, height=520, observations=found, timings_ms={})


def test_the_plate_is_the_detections_own() -> None:
    own, beside = Box(x1=160, y1=360, x2=280, y2=400), Box(x1=400, y1=300, x2=500, y2=330)
    reading = seen((plate("AAA0A00", own, 0.5), None), (plate("BBB0B00", beside), None))
    place = Box(x1=150, y1=350, x2=290, y2=410)
    chosen = places.own_plate(reading, place)
    assert chosen is not None
    assert chosen.text == "AAA0A00"
    assert places.own_plate(reading, Box(x1=0, y1=0, x2=50, y2=20)) is None
    # Without a place it must sit on the vehicle that fills the picture.
    assert places.own_plate(reading, None) is None
    middle = Box(x1=60, y1=60, x2=460, y2=460)
    chosen = places.own_plate(seen((plate("AAA0A00", own, 0.5), middle), (plate("BBB0B00", beside), beside)), None)
    assert chosen is not None
    assert chosen.text == "AAA0A00"


@pytest.mark.parametrize(
    ("plate", "confidence", "reading", "least", "verdict"),
    [
        ("AAA0A00", 0.8, Reading(text="AAA0A00", confidence=0.1), None, "same"),
        ("AAA0A00", 0.8, Reading(text="AAA0A08", confidence=0.8), None, "change"),
        ("AAA0A00", 0.8, Reading(text="AAA0A08", confidence=0.79), None, "less sure"),
        ("AAA0A00", 0.8, Reading(text="AAA0A08", confidence=0.7), 0.7, "change"),
        ("AAA0A00", 0.8, Reading(text="AAA0A08", confidence=0.85), 0.9, "less sure"),
        (None, None, Reading(text="AAA0A08", confidence=0.3), None, "change"),
        ("AAA0A00", 0.8, Reading(why="nothing read"), None, "nothing read"),
        ("AAA0A00", 0.8, Reading(why="no picture"), 0.0, "no picture"),
    ],
)
def test_a_reading_must_be_surer_to_change_anything(
    plate: str | None, confidence: float | None, reading: Reading, least: float | None, verdict: str
) -> None:
    item = {"plate": plate, "plate_confidence": confidence}
    assert changes.compared(item, reading, least).verdict == verdict


def test_a_text_that_the_api_would_refuse_is_no_reading() -> None:
    box = Box(x1=0, y1=0, x2=9, y2=9)
    assert Reading.of(plate("ABCDEFGHIJK", box), "plate").text is None
    assert Reading.of(plate("ABC1D23", box), "plate").text == "ABC1D23"


def test_the_journal_goes_on_where_a_run_was_ended(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "journal.jsonl"
    with Journal(file) as journal:
        journal.put("a" * 32, Reading(text="AAA0A00", confidence=0.9))
    with file.open("a") as stream:
        stream.write('{"id": "bbbb", "read')
    with Journal(file) as journal:
        kept = journal.get("a" * 32)
        assert kept is not None
        assert kept.text == "AAA0A00"
        assert journal.get("b" * 32) is None
    assert file.stat().st_mode & 0o777 == 0o600
    with Journal(file, fresh=True) as journal:
        assert journal.get("a" * 32) is None


def test_which_reader_is_meant(tmp_path: Path) -> None:
    assert model_of("grpc://127.0.0.1:8001").url == "grpc://127.0.0.1:8001"
    (tmp_path / "mine" / "alpr" / "1" / "platereader").mkdir(parents=True)
    code = tmp_path / "mine" / "alpr" / "1" / "platereader" / "pipeline.py"
    code.write_text("one")
    first = model_of(str(tmp_path / "mine"))
    assert first.name == f"mine@{fingerprint(tmp_path / 'mine')}"
    code.write_text("two")
    assert model_of(str(tmp_path / "mine")).name != first.name
    for wrong in ("no-such-model", "http://127.0.0.1:8000", str(tmp_path)):
        with pytest.raises(InvalidInput, match="grpc://HOST:PORT"):
            model_of(wrong)


def test_times_as_people_give_them() -> None:
    at = datetime.fromisoformat(moments.moment("36h", "since"))
    assert abs(datetime.now(UTC) - timedelta(hours=36) - at) < timedelta(minutes=1)
    assert moments.moment("2026-11-22T10:00-03:00", "since") == "2026-11-22T13:00:00+00:00"
    assert moments.moment_or_none(None, "since") is None
    for wrong in ("yesterday", "9999999d", "5y", ""):
        with pytest.raises(InvalidInput, match="since"):
            moments.moment(wrong, "since")


def said(number: int, before: str | None, after: str | None, detection: int = 0) -> dict[str, Any]:
    return {
        "id": f"{number:032x}", "detection_id": f"{detection or number:032x}", "plate_before": before,
        "plate_after": after, "plate_format": "br_mercosul", "camera_id": "gate",
    }  # fmt: skip


def test_a_detections_last_word_counts() -> None:
    words = [said(3, "B", "C", 1), said(2, "D", "D", 2), said(1, "A", "B", 1)]
    assert [one["id"][-1] for one in labels.newest(words, None)] == ["3", "2"]
    assert [one["id"][-1] for one in labels.newest(words, "changed")] == ["3"]
    assert [one["id"][-1] for one in labels.newest(words, "confirmed")] == ["2"]


class Pictures:
    """The API as an export asks it, over pictures in memory."""

    def __init__(self, pictures: dict[str, bytes]) -> None:
        self.pictures = pictures

    def picture(self, path: str, **params: Any) -> bytes | None:
        return self.pictures.get(path)

    def get(self, path: str) -> dict[str, Any]:
        return {"rows": 2}


def test_an_export_is_what_the_bench_reads(tmp_path: Path, frame: Frame) -> None:
    whole, cut = stored(frame(1600, 900), Box(x1=600, y1=200, x2=1000, y2=600))
    both, alone, bare = said(1, "ABC1D28", "ABC1D23"), said(2, "ABC1D23", "ABC1D23"), said(3, None, "ABC1D23")
    client: Any = Pictures(
        {
            f"/api/corrections/{both['id']}/plate.jpg": cut, f"/api/corrections/{alone['id']}/plate.jpg": cut,
            f"/api/detections/{both['detection_id']}/snapshot.jpg": whole,
        }
    )  # fmt: skip
    folder = tmp_path / "set"
    done = labels.export(client, folder, [both, alone, bare, said(4, "ABC1D23", None)])
    assert done == {
        "vehicles": 1, "plates alone": 1, "without a picture of the plate, left out": 1, "without a plate, left out": 1,
    }  # fmt: skip
    first, second = read_labels(folder)
    assert (first.plate, first.rows, first.source, first.note) == ("ABC1D23", "2", "gate", "read as ABC1D28")
    assert first.box is not None
    assert first.box.iou(Box(x1=160, y1=360, x2=280, y2=400)) > 0.9
    assert first.image.read_bytes() == whole
    assert second.note == "confirmed"
    assert second.box is not None
    assert second.image.read_bytes() == cut
    with (folder / "plates.csv").open(newline="") as stream:
        crops = list(csv.DictReader(stream))
    assert [(folder / row["image"]).read_bytes() for row in crops] == [cut, cut]
    # Another export into it is welcome, one among foreign files is not.
    labels.export(client, folder, [both])
    assert len(read_labels(folder)) == 1
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    with pytest.raises(InvalidInput, match="something else"):
        labels.export(client, tmp_path / "letters", [both])
