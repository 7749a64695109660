"""Drawn plates: the same ones for the same seed, labelled truly, marked as synthetic, and read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cli.bench.lpr import lpr
from cli.bench.lpr.sets import open_set
from cli.bench.synthetic import Order, draw, holes, load_generator, random_plate, write_set
from cli.bench.synthetic_scenes import HEIGHT, WIDTH, bodies
from functions.shared.errors import InvalidInput, Misconfigured, Unavailable
from functions.shared.formats import format_of
from tests.support.models import ensure_models
from tests.support.require import missing

app = typer.Typer()
app.command()(lpr)
SCENES = Order(6, 11)


@pytest.fixture(scope="module", autouse=True)
def photographs() -> None:
    """The vehicles of the scenes."""
    try:
        bodies()
    except Unavailable as error:
        missing(error.message)


def times(count: int) -> Callable[[Callable[[], None]], None]:
    def show(step: Callable[[], None]) -> None:
        for _ in range(count):
            step()

    return show


def test_the_same_seed_draws_the_same_set_with_any_number_of_processes(tmp_path: Path) -> None:
    marks = [write_set(SCENES, tmp_path / str(workers), workers, times(6)) for workers in (1, 2)]
    assert marks[0] == marks[1]
    other = write_set(Order(6, 12), tmp_path / "other", 1, times(6))
    assert other["sha256"] != marks[0]["sha256"]
    assert (tmp_path / "1" / "labels.csv").read_bytes() == (tmp_path / "2" / "labels.csv").read_bytes()
    found = open_set(tmp_path / "1")
    assert (found.kind, len(found.labels), found.origin["seed"]) == ("synthetic", 6, 11)
    with pytest.raises(InvalidInput, match="is not empty"):
        write_set(SCENES, tmp_path / "1", 1, times(6))


@pytest.mark.parametrize("crops", [False, True])
def test_labels_are_within_the_picture_and_say_what_is_drawn(crops: bool) -> None:
    drawings = [draw(Order(24, 3, crops), number) for number in range(24)]
    assert {drawing.fields["rows"] for drawing in drawings} == {"1", "2"}
    assert {drawing.fields["format"] for drawing in drawings} == {"br_old", "br_mercosul"}
    assert len({drawing.fields["plate"] for drawing in drawings}) == 24
    for drawing in drawings:
        told = drawing.fields
        height, width = drawing.picture.shape[:2]
        assert crops or (width, height) == (WIDTH, HEIGHT)
        assert format_of(told["plate"]) == told["format"]
        x, y, wide, high = (float(told[name]) for name in ("x", "y", "width", "height"))
        assert 0 <= x < x + wide <= width
        assert 0 <= y < y + high <= height


def test_no_six_or_nine_has_closed_into_an_eight() -> None:
    generator = load_generator()
    plates = generator.plates
    rng = np.random.default_rng(2)
    drawn = [random_plate(generator, rng) for _ in range(150)]
    for spec in drawn:
        for character in set(spec.text) & {"6", "9"}:
            assert holes(generator, character, spec.face) == 1
    assert {character for spec in drawn for character in spec.text} >= {"6", "8", "9", "S"}
    assert [holes(generator, character, plates.Face()) for character in "18OB"] == [0, 2, 1, 2]


@pytest.mark.parametrize("form", ["scenes", "crops"])
def test_drawn_plates_are_read_and_kept(tmp_path: Path, form: str) -> None:
    """They are found where their labels say, and most are read: a set that nobody can read would say nothing."""
    keep, html = tmp_path / "kept", tmp_path / "page.html"
    arguments = ["--synthetic", "8", "--seed", "5", "--write", str(keep), "--html", str(html)]
    if form == "crops":
        arguments += ["--crops", "--against", str(ensure_models()), "--formats", "br_old,br_mercosul"]
    result = CliRunner().invoke(app, [*arguments, "--json", "--repository", str(ensure_models())])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["kind"], report["images"], report["mean_of_real_sets"]) == ("synthetic", 8, None)
    assert report["exact"] + len(report["misses"]) == 8
    assert report["exact"] >= 4
    assert report["recall"]["0.3"] >= 0.5
    assert report["origin"]["form"] == form
    if form == "crops":
        pairs = report["against"]
        assert (pairs["both"], pairs["none"]) == (report["exact"], 8 - report["exact"])
        assert (pairs["only_first"], pairs["only_second"], pairs["mcnemar_p"]) == (0, 0, 1.0)
    assert html.read_text(encoding="utf-8").count('id="miss-1-') == len(report["misses"])
    assert cv2.imread(str(keep / "00007.jpg")) is not None
    assert open_set(keep).kind == "synthetic"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [([], "nothing to read"), ([".", "--formats", "br_old,moon"], "--formats: 'moon' is none of br_old"),
     ([".", "--formats", ","], "--formats: none is named"), (["--write", "x", "."], "--write needs --synthetic"),
     (["--synthetic", "1", "--html", "no/such/page.html"], "--html: there is no folder"),
     ([".", "--against", "no/such"], "--against: there is no folder")],
)  # fmt: skip
def test_a_wrong_command_line_is_named(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, Exception)
    assert says in str(result.exception)


def test_without_the_generator_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "_plate_synthesis", raising=False)
    with pytest.raises(Misconfigured, match="there is no generator"):
        load_generator(tmp_path)
