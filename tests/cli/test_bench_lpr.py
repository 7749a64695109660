"""`gtvision bench lpr`: what it counts, what it says of a bad folder, and that plates are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.bench.lpr import edit_distance, lpr, make_report, read_labels
from functions.shared.errors import InvalidInput, NotFound
from functions.shared.inference import Box, FrameReading, Observation, PlateReading
from tests.support.models import ensure_models, labelled_folder, photograph

app = typer.Typer()
app.command()(lpr)

HEADER = "image,x,y,width,height,plate\n"


def plate(text: str, box: Box) -> Observation:
    corners = ((box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2))
    return Observation(
        vehicle=None,
        plate=PlateReading(
            text=text, confidence=0.9, format=None, box=box, corners=corners, candidates=(), detector_confidence=0.8
        ),
    )


def reading(*observations: Observation) -> FrameReading:
    return FrameReading(width=640, height=480, observations=observations, timings_ms={"read": 4.0})


def folder_of(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    (tmp_path / "a.jpg").write_bytes(photograph())
    (tmp_path / "labels.csv").write_text(header + "".join(f"{line}\n" for line in lines))
    return tmp_path


def test_the_plate_that_overlaps_the_label_is_compared(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path, "a.jpg,100,100,100,30,ABC1234", "a.jpg,300,100,100,30,DEF-5678", "a.jpg,0,0,9,9,XYZ9999"
    )
    labels = read_labels(folder)
    assert labels[1].plate == "DEF5678"
    right, beside = Box(x1=100, y1=100, x2=200, y2=130), Box(x1=300, y1=110, x2=400, y2=140)
    both = reading(plate("ABC1234", right), plate("DEF5670", beside))
    report = make_report(labels, [both, both, reading()], [0.1, 0.2, 0.6], engine="embedded", views=6)
    assert (report.images, report.exact) == (3, 1)
    assert report.exact_ratio == pytest.approx(1 / 3, abs=1e-4)
    assert report.char_accuracy == pytest.approx(1 - 8 / 21, abs=1e-4)
    assert report.recall == {"0.5": pytest.approx(2 / 3, abs=1e-4), "0.3": pytest.approx(2 / 3, abs=1e-4)}
    assert (report.ms_per_image, report.ms_median, report.steps_ms) == (300.0, 200.0, {"read": 4.0})
    assert [(miss.expected, miss.read) for miss in report.misses] == [("DEF5678", "DEF5670"), ("XYZ9999", None)]


@pytest.mark.parametrize(
    ("expected", "got", "distance"),
    [("ABC1234", "ABC1234", 0), ("ABC1234", "", 7), ("ABC1234", "ABC123", 1), ("ABC1234", "BC12345", 2), ("", "AB", 2)],
)
def test_edit_distance(expected: str, got: str, distance: int) -> None:
    assert edit_distance(expected, got) == distance


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("a.jpg,one,100,100,30,ABC1234", "x"),
        ("a.jpg,1,100,0,30,ABC1234", "width"),
        ("a.jpg,1,-4,10,30,ABC1234", "y"),
        ("a.jpg,1,4,10,nan,ABC1234", "height"),
        ("a.jpg,1,4,10,30,", "plate"),
        ("a.jpg,1,4,10", "height"),
        ("b.jpg,1,4,10,30,ABC1234", "image"),
        (",1,4,10,30,ABC1234", "image"),
    ],
)
def test_a_bad_line_is_named_with_its_field(tmp_path: Path, line: str, field: str) -> None:
    folder = folder_of(tmp_path, "a.jpg,100,100,100,30,ABC1234", line)
    with pytest.raises(InvalidInput, match=f"line 3, field {field}: "):
        read_labels(folder)


def test_a_bad_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"labels\.csv"):
        read_labels(tmp_path)
    with pytest.raises(InvalidInput, match="line 1: the column width is missing"):
        read_labels(folder_of(tmp_path, "a.jpg,1,2,3,ABC1234", header="image,x,y,height,plate\n"))
    with pytest.raises(InvalidInput, match="names no picture"):
        read_labels(folder_of(tmp_path))
    (tmp_path / "labels.csv").write_bytes(b"image,x,y,width,height,plate\na.jpg,1,2,3,4,\xff\xfe\n")
    with pytest.raises(InvalidInput, match="line 2: no CSV"):
        read_labels(tmp_path)


def test_a_picture_that_is_none_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.jpg,1,2,30,40,ABC1234")
    (folder / "a.jpg").write_bytes(b"no picture")
    result = CliRunner().invoke(app, [str(folder), "--json", "--repository", str(ensure_models())])
    assert isinstance(result.exception, InvalidInput)
    assert "line 2, field image: a.jpg" in result.exception.message


def test_tables_for_people(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.jpg,80,480,100,38,NO23456", "a.jpg,577,492,130,40,ABC1234")
    result = CliRunner().invoke(app, [str(folder), "--repository", str(ensure_models())])
    assert result.exit_code == 0, result.output
    assert "1 of 2 (50.00%)" in result.stdout
    assert "MLB803" in result.stdout


def test_brazilian_plates_are_read() -> None:
    folder = labelled_folder()
    result = CliRunner().invoke(app, [str(folder), "--json", "--repository", str(ensure_models())])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["images"] == 57
    assert report["exact"] >= 55
    assert report["exact"] + len(report["misses"]) == 57
    assert report["exact_ratio"] == pytest.approx(report["exact"] / 57, abs=1e-4)
    assert report["char_accuracy"] > 0.98
    assert report["recall"]["0.5"] >= 0.98
    assert report["ms_per_image"] > 0
