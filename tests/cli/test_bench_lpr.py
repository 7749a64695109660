"""`gtvision bench lpr`: what it counts, what it says of a bad folder, and that plates are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.bench.lpr import lpr
from cli.bench.lpr.labels import read_labels
from cli.bench.lpr.report import Judged, LabelledSet
from cli.bench.lpr.scoring import SPLITS, case_of, edit_distance, mcnemar, side_height, wilson
from cli.bench.lpr.sets import distinct, open_set
from functions.shared.errors import InvalidInput, NotFound
from functions.shared.inference import Box, FrameReading
from tests.cli.bench_readings import folder_of, one_set, plate, reading, report_of
from tests.support.models import ensure_models, labelled_folder, photograph

app = typer.Typer()
app.command()(lpr)


def test_the_plate_that_overlaps_the_label_is_compared(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path, "a.jpg,100,100,100,30,ABC1234", "a.jpg,300,100,100,30,DEF-5678", "a.jpg,0,0,9,9,XYZ9999"
    )
    labels = read_labels(folder)
    assert labels[1].plate == "DEF5678"
    right, beside = Box(x1=100, y1=100, x2=200, y2=130), Box(x1=300, y1=110, x2=400, y2=140)
    both = reading(plate("ABC1234", right), plate("DEF5670", beside))
    report = report_of(one_set(labels, [both, both, reading()], [0.1, 0.2, 0.6])).sets[0]
    assert (report.images, report.exact, report.answered) == (3, 1, 2)
    assert (report.found, report.found_exact) == (2, 1)
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
    ("exact", "count", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662),
     (112, 114, 0.9383, 0.9952)],
)  # fmt: skip
def test_wilson_interval_of_known_ratios(exact: int, count: int, low: float, high: float) -> None:
    """81 of 263 is Newcombe's example (Statistics in Medicine 17, 1998, 857-872, table I, method 3)."""
    assert list(wilson(exact, count)) == pytest.approx([low, high], abs=1e-4)


@pytest.mark.parametrize(
    ("first", "second", "p"), [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (8, 2, 0.109375), (2, 8, 0.109375)]
)
def test_mcnemar_is_the_exact_binomial(first: int, second: int, p: float) -> None:
    assert mcnemar(first, second) == pytest.approx(p)


def test_without_a_box_the_nearest_sure_plate_counts(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.jpg,abc-1d23", header="image,plate\n")
    (label,) = read_labels(folder)
    assert (label.plate, label.box, label.format, label.rows) == ("ABC1D23", None, "br_mercosul", "not told")
    far, near = Box(x1=0, y1=0, x2=60, y2=20), Box(x1=300, y1=100, x2=450, y2=150)
    case = case_of(label, reading(plate("XYZ0000", far, 0.99), plate("ABC1D23", near, 0.6)))
    assert case.right
    assert case.iou is None
    doubted = case_of(label, reading(plate("XYZ0000", far, 0.99), plate("ABC1D23", near, 0.3)))
    assert not doubted.right
    assert case_of(label, reading()).plate is None


def test_the_height_of_a_slanted_plate_is_that_of_its_sides() -> None:
    upright = plate("ABC1234", Box(x1=0, y1=0, x2=100, y2=80)).plate
    assert upright is not None
    slanted = upright.model_copy(update={"corners": ((0, 0), (100, 50), (100, 80), (0, 30))})
    assert side_height(slanted) == pytest.approx(30)


WIDE = "image,x,y,width,height,plate,format,rows,light,source\n"


def test_splits_count_every_label_once(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        "a.jpg,10,10,100,30,ABC1234,,,day,phone",
        "a.jpg,10,10,100,30,ABC1D23,,1,night,phone",
        "a.jpg,10,10,40,34,ABC1D24,mercosul,,,street",
        "a.jpg,,,,,ABC123,ar_old,2,day,",
        "a.jpg,10,10,300,90,AB12,Own words,,,",
        header=WIDE,
    )
    labels = read_labels(folder)
    box = Box(x1=10, y1=10, x2=110, y2=40)
    report = report_of(one_set(labels, [reading(plate(text, box)) for text in
                                        ("ABC1234", "ABC1D23", "ABC1D29", "ABC123", "AB12")])).sets[0]  # fmt: skip
    counts = {name: {value: (found.n, found.exact) for value, found in scores.items()}
              for name, scores in report.splits.items()}  # fmt: skip
    assert set(counts) == set(SPLITS)
    for scores in counts.values():
        assert sum(count for count, _ in scores.values()) == report.images == 5
        assert sum(exact for _, exact in scores.values()) == report.exact == 4
    assert counts["format"] == {"br_old": (1, 1), "br_mercosul": (2, 1), "ar_old": (1, 1), "own_words": (1, 1)}
    assert counts["rows"] == {"1": (3, 3), "2": (2, 1)}
    assert counts["light"] == {"day": (2, 2), "night": (1, 1), "not told": (2, 1)}
    assert counts["size"] == {"24-39 px": (3, 2), ">= 80 px": (1, 1), "not told": (1, 1)}
    assert counts["source"] == {"phone": (2, 2), "street": (1, 0), "not told": (2, 2)}
    assert report.splits["size"]["not told"].recall == {"0.5": None, "0.3": None}


def test_several_sets_stay_apart_and_the_mean_is_of_real_ones(tmp_path: Path) -> None:
    labels = read_labels(folder_of(tmp_path, "a.jpg,10,10,100,30,ABC1234", "a.jpg,10,10,100,30,DEF5678"))
    box = Box(x1=10, y1=10, x2=110, y2=40)
    right, wrong = reading(plate("ABC1234", box)), reading(plate("QQQ0000", box))
    half, none = one_set(labels, [right, wrong]), one_set(labels, [wrong, wrong])
    drawn = one_set(labels, [wrong, wrong])
    drawn = Judged(LabelledSet("drawn", "synthetic", labels, origin={"seed": 3}), drawn.first)
    report = report_of(half, none, drawn)
    assert report.mean_of_real_sets is not None
    assert (report.mean_of_real_sets.sets, report.mean_of_real_sets.exact_ratio) == (2, 0.25)
    told = report.as_json()
    assert "exact" not in told
    assert [(each["kind"], each["exact"], each["images"]) for each in told["sets"]] == [
        ("real", 1, 2), ("real", 0, 2), ("synthetic", 0, 2)]  # fmt: skip
    assert told["sets"][2]["origin"] == {"seed": 3}
    alone = report_of(drawn).as_json()
    assert (alone["exact"], alone["kind"], alone["mean_of_real_sets"]) == (0, "synthetic", None)


def test_two_engines_are_compared_in_pairs(tmp_path: Path) -> None:
    texts = ["AAA0001", "AAA0002", "AAA0003", "AAA0004", "AAA0005"]
    labels = read_labels(folder_of(tmp_path, *(f"a.jpg,10,10,100,30,{text}" for text in texts)))
    box = Box(x1=10, y1=10, x2=110, y2=40)

    def readings(*right: int) -> list[FrameReading]:
        return [reading(plate(text if place in right else "ZZZ9999", box)) for place, text in enumerate(texts)]

    judged = one_set(labels, readings(0, 1, 2), second=readings(0, 3))
    found = report_of(judged).sets[0].against
    assert found is not None
    assert (found.both, found.only_first, found.only_second, found.none) == (1, 2, 1, 1)
    assert found.both + found.only_first + found.only_second + found.none == len(labels)
    assert found.mcnemar_p == 1.0
    assert found.score.exact == 2
    assert [(each.expected, each.first, each.second) for each in found.differences] == [
        ("AAA0002", "AAA0002", "ZZZ9999"), ("AAA0003", "AAA0003", "ZZZ9999"),
        ("AAA0004", "ZZZ9999", "AAA0004")]  # fmt: skip


def test_a_folder_says_itself_that_it_is_synthetic(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "one", "a.jpg,10,10,100,30,ABC1234")
    assert open_set(folder).kind == "real"
    (folder / "set.json").write_text('{"kind": "synthetic", "seed": 4}')
    drawn = open_set(folder)
    (folder / "others.csv").write_bytes((folder / "labels.csv").read_bytes())
    assert open_set(folder / "others.csv").labels == drawn.labels
    assert (drawn.kind, drawn.origin) == ("synthetic", {"seed": 4})
    (folder / "set.json").write_text("[]")
    with pytest.raises(InvalidInput, match=r"set\.json"):
        open_set(folder)


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    sets = [open_set(folder_of(tmp_path / top / "set", "a.jpg,10,10,100,30,ABC1234")) for top in "ab"]
    assert [each.name for each in sets] == ["set", "set"]
    assert [each.name for each in distinct(sets)] == [str(tmp_path / top / "set") for top in "ab"]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("a.jpg,one,100,100,30,ABC1234", "x"),
        ("a.jpg,1,100,0,30,ABC1234", "width"),
        ("a.jpg,1,-4,10,30,ABC1234", "y"),
        ("a.jpg,1,4,10,nan,ABC1234", "height"),
        ("a.jpg,1,4,10,30,", "plate"),
        ("a.jpg,1,4,10", "height"),
        ("a.jpg,1,,10,30,ABC1234", "y"),
        ("a.jpg,,,,,ÇBC1234", "plate"),
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
    with pytest.raises(InvalidInput, match="line 1: the column plate is missing"):
        read_labels(folder_of(tmp_path, "a.jpg", header="image,rows\n"))
    with pytest.raises(InvalidInput, match="line 2, field rows: 'two'"):
        read_labels(folder_of(tmp_path, "a.jpg,ABC1234,two", header="image,plate,rows\n"))
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
    (folder / "a.jpg").write_bytes(photograph())
    result = CliRunner().invoke(app, [str(folder), "--repository", str(ensure_models())])
    assert result.exit_code == 0, result.output
    assert "1 of 2 (50.00%)" in result.stdout
    assert "MLB803" in result.stdout


@pytest.mark.timeout(600)
def test_brazilian_plates_are_read() -> None:
    folder = labelled_folder()
    result = CliRunner().invoke(app, [str(folder), "--json", "--repository", str(ensure_models())])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["images"] == 57
    assert report["exact"] == 56
    # Its label is wrong: the plate in the picture reads FBZ9581.
    assert [(miss["expected"], miss["read"]) for miss in report["misses"]] == [("FZB9581", "FBZ9581")]
    assert report["exact_ratio"] == pytest.approx(report["exact"] / 57, abs=1e-4)
    assert report["char_accuracy"] > 0.98
    assert report["recall"]["0.5"] >= 0.98
    assert report["ms_per_image"] > 0
    interval, found = report["interval"], report["reliability"]
    assert interval[0] < report["exact_ratio"] <= interval[1]
    assert found["answers"] >= 56
    assert report["sets"][0]["kind"] == "real"
    assert report["sets"][0]["exact"] == report["exact"]
    assert {value: score["n"] for value, score in report["splits"]["format"].items()} == {"br_old": 57}
