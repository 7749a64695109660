"""The report for people at a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.bench.lpr.labels import NOT_TOLD
from cli.bench.lpr.report import Comparison, Miss, Report, SetReport

MOST_MISSES = 40
REFUSALS_SHOWN = (0.5, 0.8, 0.9, 0.95, 0.99)


def print_report(report: Report) -> None:
    console = Console(highlight=False)
    for each in report.sets:
        _print_set(console, report, each)
    mean = report.mean_of_real_sets
    if mean and mean.sets > 1:
        console.print(
            f"Mean of the {mean.sets} real sets: exact {mean.exact_ratio:.2%}, characters {mean.char_accuracy:.2%}"
        )


def _print_set(console: Console, report: Report, each: SetReport) -> None:
    title = (
        f"{escape(each.name)}: {each.images} {each.kind} pictures, {escape(report.engine)}, up to {report.views} views"
    )
    table = Table("Measure", "Value", title=title)
    table.add_row("exact plates", f"{each.exact} of {each.images} ({each.exact_ratio:.2%})")
    table.add_row("95 % interval (Wilson)", _interval(each.interval))
    table.add_row("characters", f"{each.char_accuracy:.2%}")
    for least, ratio in each.recall.items():
        table.add_row(f"plates found, IoU at least {least}", _ratio(ratio))
    if each.found is not None:
        table.add_row("exact of the plates found", f"{each.found_exact} of {each.found}")
    table.add_row("among the candidates", f"{each.candidates} of {each.images}")
    table.add_row("ms per picture", f"{each.ms_per_image} (median {each.ms_median})")
    table.add_row("of it, by step", ", ".join(f"{name} {spent}" for name, spent in each.steps_ms.items()))
    for name, value in each.origin.items():
        table.add_row(name, escape(str(value)))
    console.print(table)
    _print_splits(console, each)
    _print_reliability(console, each)
    if each.against:
        _print_comparison(console, each.against)
    if each.misses:
        _print_misses(console, each.misses)


def _print_splits(console: Console, each: SetReport) -> None:
    table = Table(
        "By", "", "n", "Exact", "Ratio", "95 % interval", "Characters", "IoU 0.5", title=f"{each.kind}, split"
    )
    for name, scores in each.splits.items():
        if set(scores) == {NOT_TOLD}:
            continue
        table.add_section()
        for place, (value, found) in enumerate(scores.items()):
            table.add_row(
                name if place == 0 else "",
                escape(value),
                str(found.n),
                str(found.exact),
                f"{found.exact_ratio:.2%}",
                _interval(found.interval),
                f"{found.char_accuracy:.2%}",
                _ratio(found.recall["0.5"]),
            )
    console.print(table)


def _print_reliability(console: Console, each: SetReport) -> None:
    found = each.reliability
    if not found.answers:
        return
    console.print(
        f"Confidences of {found.answers} answers: mean {_ratio(found.confidence)}, right {_ratio(found.right_ratio)}; "
        f"calibration error {_ratio(found.ece)} (equal width), {_ratio(found.ece_equal_mass)} (equal count); "
        f"Brier {found.brier:.4f}"
    )
    pooled = each.candidates_reliability
    console.print(
        f"All {pooled.answers} candidates, pooled: mean {_ratio(pooled.confidence)}, "
        f"right {_ratio(pooled.right_ratio)}; calibration error {_ratio(pooled.ece)} (equal width), "
        f"{_ratio(pooled.ece_equal_mass)} (equal count)"
    )
    bins = Table("Confidence", "n", "Mean", "Right", "95 % interval", title=f"{each.kind}, reliability")
    for part in found.bins:
        span = f"{part.low:.1f} to {part.high:.1f}"
        bins.add_row(span, str(part.n), _ratio(part.confidence), _ratio(part.right_ratio), _interval(part.interval))
    console.print(bins)
    refusals = Table("Refused below", "Kept, right", "Kept, wrong", "Refused, right", "Refused, wrong")
    for row in found.refusals:
        if row.threshold in REFUSALS_SHOWN:
            counts = (row.kept_right, row.kept_wrong, row.refused_right, row.refused_wrong)
            refusals.add_row(f"{row.threshold:g}", *(str(count) for count in counts))
    console.print(refusals)


def _print_comparison(console: Console, found: Comparison) -> None:
    table = Table("Both right", "Only the first", "Only the second", "Neither", "p (McNemar, exact)",
                  title=f"Against {escape(found.engine)}")  # fmt: skip
    table.add_row(*(str(count) for count in (found.both, found.only_first, found.only_second, found.none)),
                  f"{found.mcnemar_p:.4f}")  # fmt: skip
    console.print(table)
    console.print(
        f"The second: {found.score.exact} of {found.score.n} ({found.score.exact_ratio:.2%}), "
        f"{found.ms_per_image} ms a picture (median {found.ms_median})"
    )
    if found.differences:
        rows = Table("Picture", "Line", "Expected", "First", "Second", title="Read by one alone")
        for each in found.differences[:MOST_MISSES]:
            rows.add_row(
                escape(each.image), str(each.line), each.expected, each.first or "nothing", each.second or "nothing"
            )
        console.print(rows)


def _print_misses(console: Console, misses: tuple[Miss, ...]) -> None:
    title = (
        "Not exact" if len(misses) <= MOST_MISSES else f"Not exact: {MOST_MISSES} of {len(misses)} (all with --html)"
    )
    table = Table("Picture", "Line", "Expected", "Read", "Confidence", "IoU", title=title)
    for miss in misses[:MOST_MISSES]:
        sure = "" if miss.confidence is None else f"{miss.confidence:.3f}"
        overlap = "" if miss.iou is None else f"{miss.iou:.2f}"
        table.add_row(escape(miss.image), str(miss.line), miss.expected, miss.read or "nothing", sure, overlap)
    console.print(table)


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"
