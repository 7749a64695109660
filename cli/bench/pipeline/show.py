"""The report for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from cli.bench.pipeline.report import Against, Report, Spread


def show(report: Report, console: Console) -> None:
    head = f"{report.frames} frames, {report.rounds} rounds, {report.engine}, {report.variant}, {report.cores} cores"
    rates = Table("frames/s", "median", "least", "most", title=head)
    rates.add_row("bus, models, votes, database", *_numbers(report.platform_per_second))
    rates.add_row("bare models", *_numbers(report.models_per_second))
    rates.add_row("plate reader alone", *_numbers(report.reader_per_second))
    if report.server_per_second and report.ratio_server:
        rates.add_row("Triton alone, asked directly", *_numbers(report.server_per_second))
        rates.add_row("ratio to Triton alone", *_numbers(report.ratio_server))
    rates.add_row("ratio to the bare models", *_numbers(report.ratio), style="bold")
    rates.add_row("ratio to the plate reader", *_numbers(report.ratio_reader))
    rates.add_row("CPU of the bare models, of the platform's", *_numbers(report.ratio_cpu))
    console.print(rates)
    cost = Table("CPU", "ms a frame", "share")
    for name, spent in report.cpu_ms.items():
        cost.add_row(name, f"{spent:.1f}", f"{spent / report.cpu_ms_total:.0%}")
    cost.add_row("platform in all", f"{report.cpu_ms_total:.1f}", "100%", style="bold")
    cost.add_row("afterwards, until all is final", f"{report.cpu_ms_settling:.1f}", "")
    cost.add_row("plate reader alone", f"{report.cpu_ms_reader:.1f}", "")
    cost.add_row("bare models", f"{report.cpu_ms_models:.1f}", "")
    for name, spent in report.cpu_ms_by_model.items():
        pictures = report.pictures_by_model[name] / report.frames
        cost.add_row(f"  {name}", f"{spent:.1f}", f"{pictures:.1f} pictures a frame")
    console.print(cost)
    if report.steps_ms:
        steps = Table("step of the reader", "ms a frame, on the clock, frames overlapping")
        for name, spent in report.steps_ms.items():
            steps.add_row(name, f"{spent:.1f}")
        console.print(steps)
    console.print(
        f"Every frame read exactly once: {'yes' if report.every_frame_once else 'NO'}; passages by round: "
        f"{report.passages}, stored: {report.stored}; load of the machine before: {report.load_before}."
    )

    if report.against is not None:
        show(report.against.report, console)
        _show_against(report, report.against, console)


def _show_against(report: Report, against: Against, console: Console) -> None:
    second = against.report
    title = f"{second.variant} ({second.repository}) over {report.variant} ({report.repository}), round by round"
    table = Table("ratio", "median", "least", "most", title=title)
    for name, found in (
        ("frames/s, bus, models, votes, database", against.speed),
        ("frames/s, bare models", against.speed_models),
        ("frames/s, plate reader alone", against.speed_reader),
        ("CPU, bus, models, votes, database", against.cpu),
        ("CPU, bare models", against.cpu_models),
        ("CPU, plate reader alone", against.cpu_reader),
    ):
        table.add_row(name, *_numbers(found))
    console.print(table)
    lost, won = (", ".join(plates) or "none" for plates in (against.plates_only_first, against.plates_only_second))
    console.print(f"Plates in the last round by the first alone: {lost}; by the second alone: {won}.")


def _numbers(spread: Spread) -> tuple[str, str, str]:
    return f"{spread.median:.2f}", f"{spread.least:.2f}", f"{spread.most:.2f}"
