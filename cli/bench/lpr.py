"""`gtvision bench lpr DIR`: how well plates are read, on a folder of labelled pictures.

The folder holds pictures and `labels.csv` with the columns image, x, y, width, height (pixels of the
plate's box) and plate.
"""

from __future__ import annotations

import asyncio
import csv
import io
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.progress import track
from rich.table import Table

from functions.shared.errors import BrokenImage, InvalidInput, NotFound
from functions.shared.inference import Box, Effort, FrameReading, Inference, PlateReading, open_inference

COLUMNS = ("image", "x", "y", "width", "height", "plate")
DEFAULT_REPOSITORY = Path(__file__).resolve().parents[2] / "triton_models"


@dataclass(frozen=True)
class Label:
    """One line of labels.csv. `line` is its number in the file, for messages."""

    line: int
    image: Path
    box: Box
    plate: str


class Miss(BaseModel):
    """A picture whose plate was not read exactly. `read` is None when no plate was found at all."""

    model_config = ConfigDict(frozen=True)

    image: str
    expected: str
    read: str | None
    confidence: float | None
    iou: float


class Report(BaseModel):
    """What the benchmark says. `recall` is by the overlap (IoU) that a found box must have with the label."""

    model_config = ConfigDict(frozen=True)

    images: int
    exact: int
    exact_ratio: float
    char_accuracy: float
    recall: dict[str, float]
    ms_per_image: float
    ms_median: float
    steps_ms: dict[str, float]
    engine: str
    views: int
    misses: tuple[Miss, ...]


def lpr(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with pictures and labels.csv.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
    triton_url: Annotated[
        str | None, typer.Option("--triton-url", help="grpc://HOST:PORT instead of the embedded engine.")
    ] = None,
    views: Annotated[int, typer.Option(min=1, max=6, help="How many cuts of a plate may be read.")] = 6,
    threads: Annotated[int, typer.Option(min=0, help="Threads of the embedded engine (0: all cores).")] = 0,
    repository: Annotated[Path, typer.Option(help="Folder of the model repository.")] = DEFAULT_REPOSITORY,
) -> None:
    """Read every picture and compare with its label: exact plates, characters, boxes, milliseconds, every miss."""
    labels = read_labels(folder)
    effort = Effort(views=views)

    def show(step: Callable[[Label], None]) -> None:
        for label in track(labels, "reading", console=Console(stderr=True), transient=True, disable=as_json):
            step(label)

    readings, spent = read_all(triton_url, repository, threads, effort, show)
    result = make_report(labels, readings, spent, engine=triton_url or "embedded", views=views)
    if as_json:
        print(result.model_dump_json())
    else:
        _print(result)


def read_labels(folder: Path) -> list[Label]:
    """The lines of labels.csv. Raises NotFound without the file, InvalidInput naming the line and the field."""
    path = folder / "labels.csv"
    if not path.is_file():
        raise NotFound(f"there is no {path}: the benchmark needs a folder with pictures and labels.csv")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InvalidInput(f"{path} line {line}: no CSV: not UTF-8", field="labels.csv") from None
    rows = csv.DictReader(io.StringIO(text, newline=""))
    absent = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    if absent:
        raise InvalidInput(f"{path} line 1: the column {absent[0]} is missing", field=absent[0])
    try:
        labels = [_label(folder, path, rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise InvalidInput(f"{path} line {rows.line_num}: no CSV: {error}", field="labels.csv") from None
    if not labels:
        raise InvalidInput(f"{path} names no picture", field="labels.csv")
    return labels


def _label(folder: Path, path: Path, line: int, row: dict[str, str | None]) -> Label:
    def wrong(column: str, why: str) -> InvalidInput:
        return InvalidInput(f"{path} line {line}, field {column}: {row.get(column)!r} {why}", field=column, line=line)

    numbers = []
    for column in ("x", "y", "width", "height"):
        try:
            number = float(row[column] or "")
        except ValueError:
            raise wrong(column, "is not a number") from None
        if not 0 <= number < 1e6 or (column in ("width", "height") and number == 0):
            raise wrong(column, "is out of range")
        numbers.append(number)
    plate = (row["plate"] or "").strip().upper().replace("-", "")
    if not plate.isalnum():
        raise wrong("plate", "is not a plate")
    image = folder / (row["image"] or "")
    if not row["image"] or not image.is_file():
        raise wrong("image", "is not a file in the folder")
    x, y, width, height = numbers
    return Label(line, image, Box(x1=x, y1=y, x2=x + width, y2=y + height), plate)


def read_all(
    triton_url: str | None,
    repository: Path,
    threads: int,
    effort: Effort,
    show: Callable[[Callable[[Label], None]], None],
) -> tuple[list[FrameReading], list[float]]:
    """Each picture's reading and the seconds that it took, one after another, the first read once before."""
    readings: list[FrameReading] = []
    spent: list[float] = []
    with asyncio.Runner() as runner:
        engine = runner.run(_open(triton_url, repository, threads, effort))

        def step(label: Label) -> None:
            try:
                data = label.image.read_bytes()
                started = time.perf_counter()
                readings.append(runner.run(engine.read(data)))
                spent.append(time.perf_counter() - started)
            except BrokenImage as error:
                raise InvalidInput(
                    f"labels.csv line {label.line}, field image: {label.image.name}: {error.message}", field="image"
                ) from None

        try:
            show(step)
        finally:
            runner.run(engine.close())
    return readings, spent


async def _open(triton_url: str | None, repository: Path, threads: int, effort: Effort) -> Inference:
    engine = open_inference(triton_url, repository, timeout_s=60, threads=threads, effort=effort)
    await engine.check()
    return engine


def make_report(
    labels: Sequence[Label], readings: Sequence[FrameReading], spent: Sequence[float], *, engine: str, views: int
) -> Report:
    """Compare readings with labels. Of several plates in a picture the one that overlaps the label best counts.

    Character accuracy is 1 - (edit distances in all) / (characters in all).
    """
    found = [best_plate(label, reading) for label, reading in zip(labels, readings, strict=True)]
    misses = [
        Miss(
            image=label.image.name,
            expected=label.plate,
            read=plate.text if plate else None,
            confidence=plate.confidence if plate else None,
            iou=round(iou, 3),
        )
        for label, (plate, iou) in zip(labels, found, strict=True)
        if plate is None or plate.text != label.plate
    ]
    apart = sum(
        edit_distance(label.plate, plate.text if plate else "") for label, (plate, _) in zip(labels, found, strict=True)
    )
    count = len(labels)
    steps = sorted({name for reading in readings for name in reading.timings_ms})
    return Report(
        images=count,
        exact=count - len(misses),
        exact_ratio=round((count - len(misses)) / count, 4),
        char_accuracy=round(max(0.0, 1 - apart / sum(len(label.plate) for label in labels)), 4),
        recall={str(least): round(sum(iou >= least for _, iou in found) / count, 4) for least in (0.5, 0.3)},
        ms_per_image=round(1000 * statistics.fmean(spent), 1),
        ms_median=round(1000 * statistics.median(spent), 1),
        steps_ms={name: round(statistics.fmean(r.timings_ms.get(name, 0.0) for r in readings), 1) for name in steps},
        engine=engine,
        views=views,
        misses=tuple(misses),
    )


def best_plate(label: Label, reading: FrameReading) -> tuple[PlateReading | None, float]:
    """The plate that overlaps the label best, with the overlap; the surest when none overlaps, with 0."""
    plates = [observation.plate for observation in reading.observations if observation.plate]
    if not plates:
        return None, 0.0
    best = max(plates, key=lambda plate: (plate.box.iou(label.box), plate.confidence))
    return best, best.box.iou(label.box)


def edit_distance(expected: str, read: str) -> int:
    """Levenshtein's: the fewest insertions, deletions and substitutions between the two."""
    row = list(range(len(read) + 1))
    for index, wanted in enumerate(expected, start=1):
        before, row[0] = row[0], index
        for place, got in enumerate(read, start=1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (wanted != got))
    return row[-1]


def _print(report: Report) -> None:
    console = Console()
    table = Table("Measure", "Value", title=f"{report.images} pictures, {report.engine}, up to {report.views} views")
    table.add_row("exact plates", f"{report.exact} of {report.images} ({report.exact_ratio:.2%})")
    table.add_row("characters", f"{report.char_accuracy:.2%}")
    for least, ratio in report.recall.items():
        table.add_row(f"plates found, IoU at least {least}", f"{ratio:.2%}")
    table.add_row("ms per picture", f"{report.ms_per_image} (median {report.ms_median})")
    table.add_row("of it, by step", ", ".join(f"{name} {spent}" for name, spent in report.steps_ms.items()))
    console.print(table)
    if report.misses:
        misses = Table("Picture", "Expected", "Read", "Confidence", "IoU", title="Not exact")
        for miss in report.misses:
            sure = "" if miss.confidence is None else f"{miss.confidence:.3f}"
            misses.add_row(miss.image, miss.expected, miss.read or "nothing", sure, f"{miss.iou:.2f}")
        console.print(misses)
