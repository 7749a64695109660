"""The report as one HTML page that opens offline: every miss with its pictures, the least sure hits, all tables.

It has no script and loads nothing. All text of labels and answers is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from cli.bench.lpr import pictures
from cli.bench.lpr.diagrams import reliability_diagram, risk_diagram
from cli.bench.lpr.labels import NOT_TOLD
from cli.bench.lpr.reliability import Reliability
from cli.bench.lpr.report import Comparison, Judged, Report, SetReport
from cli.bench.lpr.scoring import Case, Score

LEAST_SURE = 12
_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Limits:
    """How many misses, and how many of the least sure hits, a set may show."""

    misses: int = 300
    hits: int = LEAST_SURE


def build_page(report: Report, judged: Sequence[Judged], limits: Limits | None = None) -> str:
    """The whole document. `judged` is what the report was made of."""
    limits = limits or Limits()
    sections = [
        _section(number, figures, each.cases(), limits)
        for number, (figures, each) in enumerate(zip(report.sets, judged, strict=True), start=1)
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Plates read and missed</title><style>{_STYLE}</style></head><body><main>"
        f"{_head(report)}{''.join(sections)}</main></body></html>\n"
    )


def _head(report: Report) -> str:
    rows = [
        (
            f'<a href="#set-{number}">{escape(each.name)}</a> {_tag(each)}',
            f"{each.exact} of {each.images}",
            _ratio(each.exact_ratio),
            _interval(each.interval),
            _ratio(each.char_accuracy),
            _ratio(each.recall["0.5"]),
            _ratio(each.reliability.ece),
            f"{each.ms_per_image:.0f}",
        )
        for number, each in enumerate(report.sets, start=1)
    ]
    mean = report.mean_of_real_sets
    note = "Real and synthetic pictures are never added up."
    if mean and mean.sets > 1:
        note += f" Mean of the {mean.sets} real sets: {_ratio(mean.exact_ratio)} exact."
    heads = ("Set", "Exact", "Ratio", "95 % interval", "Characters", "Found, IoU 0.5", "ECE", "ms a picture")
    return (
        f"<h1>Plates read and missed</h1><p class=lead>Engine {escape(report.engine)}, up to {report.views} views of a "
        f"plate. {note}</p>{_table(heads, rows)}"
    )


def _section(number: int, figures: SetReport, cases: Sequence[Case], limits: Limits) -> str:
    misses = sorted((case for case in cases if not case.right), key=_hardest)
    hits = sorted((case for case in cases if case.right), key=_sureness)[: limits.hits]
    shown = misses[: limits.misses]
    left = f" (the first {len(shown)} of {len(misses)})" if len(shown) < len(misses) else ""
    return "".join(
        (
            f'<section id="set-{number}"><h2>{escape(figures.name)} {_tag(figures)}</h2>',
            _figures(figures),
            "<h3>By format, rows, light, size and source</h3>",
            _splits(figures),
            "<h3>Are the confidences probabilities?</h3>",
            _reliability(figures.reliability, figures.candidates_reliability, cases),
            _comparison(figures.against) if figures.against else "",
            f"<h3>Not exact: {len(misses)}{left}</h3>",
            _legend(),
            _cards(shown, f"miss-{number}") if shown else "<p>None.</p>",
            f"<h3>The least sure hits: {len(hits)}</h3>" if hits else "",
            _cards(hits, f"hit-{number}"),
            "</section>",
        )
    )


def _hardest(case: Case) -> tuple[int, float]:
    """What was read wrong with most confidence first; what was not found at all last."""
    return (0, -case.plate.confidence) if case.plate else (1, 0.0)


def _sureness(case: Case) -> float:
    return case.plate.confidence if case.plate else 0.0


def _tag(figures: SetReport) -> str:
    return f'<span class="tag {figures.kind}">{figures.kind}</span>'


def _figures(figures: SetReport) -> str:
    steps = ", ".join(f"{escape(name)} {spent}" for name, spent in figures.steps_ms.items())
    origin = ", ".join(f"{name} {value}" for name, value in figures.origin.items())
    items = [
        (
            "exact",
            f"{figures.exact} of {figures.images}",
            f"{_ratio(figures.exact_ratio)}, {_interval(figures.interval)}",
        ),
        ("characters", _ratio(figures.char_accuracy), "1 - edit distance / length"),
        (
            "found",
            _ratio(figures.recall["0.5"]),
            f"IoU 0.5; {figures.found_exact} of {figures.found} found at 0.3 are exact"
            if figures.found
            else "no boxes",
        ),
        ("among the candidates", f"{figures.candidates} of {figures.images}", f"{figures.answered} have an answer"),
        ("ms a picture", f"{figures.ms_per_image:.0f}", f"median {figures.ms_median:.0f}; {steps}"),
    ]
    cells = "".join(
        f"<div class=figure><span>{name}</span><b>{value}</b><small>{small}</small></div>"
        for name, value, small in items
    )
    return f"<div class=figures>{cells}</div>" + (f"<p class=origin>{escape(origin)}</p>" if origin else "")


def _splits(figures: SetReport) -> str:
    rows = []
    for name, scores in figures.splits.items():
        if set(scores) != {NOT_TOLD}:
            names = [name] + [""] * (len(scores) - 1)
            rows += [(first, *_score_cells(*pair)) for first, pair in zip(names, scores.items(), strict=True)]
    heads = ("By", "", "n", "Exact", "Ratio", "95 % interval", "Characters", "Found, IoU 0.5")
    return _table(heads, rows, "split")


def _score_cells(value: str, score: Score) -> tuple[str, ...]:
    bar = f'<span class=bar><i style="width:{100 * score.exact_ratio:.1f}%"></i></span>'
    return (
        escape(value),
        str(score.n),
        str(score.exact),
        bar + _ratio(score.exact_ratio),
        _interval(score.interval),
        _ratio(score.char_accuracy),
        _ratio(score.recall["0.5"]),
    )


def _reliability(found: Reliability, pooled: Reliability, cases: Sequence[Case]) -> str:
    if not found.answers:
        return "<p>No answer, so nothing to say.</p>"
    answers = [(case.plate.confidence, case.right) for case in cases if case.plate]
    summary = (
        f"<p>{found.answers} answers: mean confidence {_ratio(found.confidence)}, right {_ratio(found.right_ratio)}. "
        f"Expected calibration error {_ratio(found.ece)} (ten ranges of equal width), {_ratio(found.ece_equal_mass)} "
        f"(groups of equal count). Brier score {found.brier:.4f}.</p>"
        f"<p>All {pooled.answers} candidates, pooled: mean confidence {_ratio(pooled.confidence)}, right "
        f"{_ratio(pooled.right_ratio)}. Expected calibration error {_ratio(pooled.ece)} (equal width), "
        f"{_ratio(pooled.ece_equal_mass)} (equal count).</p>"
    )
    bins = [
        (f"{part.low:.1f} to {part.high:.1f}", str(part.n), _ratio(part.confidence), _ratio(part.right_ratio),
         _interval(part.interval))
        for part in found.bins
    ]  # fmt: skip
    refusals = [
        (f"{each.threshold:g}", str(each.kept_right), str(each.kept_wrong), str(each.refused_right),
         str(each.refused_wrong))
        for each in found.refusals
    ]  # fmt: skip
    return (
        f"{summary}<div class=diagrams>"
        f"<figure>{reliability_diagram(found.groups)}<figcaption>Groups of equal count with 95 % intervals; on the "
        "diagonal, confidence is probability.</figcaption></figure>"
        f"<figure>{risk_diagram(answers)}<figcaption>Refuse the least sure answers: how many wrong ones stay."
        "</figcaption></figure></div><div class=diagrams>"
        f"{_table(('Confidence', 'n', 'Mean', 'Right', '95 % interval'), bins)}"
        f"{_table(('Refused below', 'Kept, right', 'Kept, wrong', 'Refused, right', 'Refused, wrong'), refusals)}"
        "</div>"
    )


def _comparison(found: Comparison) -> str:
    rows = [(str(found.both), str(found.only_first), str(found.only_second), str(found.none), f"{found.mcnemar_p:.4f}")]
    differences = [
        (f"{escape(each.image)}, line {each.line}", *(_mono(text) for text in (each.expected, each.first, each.second)))
        for each in found.differences
    ]
    return (
        f"<h3>Against {escape(found.engine)}</h3><p>The second engine reads {found.score.exact} of {found.score.n} "
        f"({_ratio(found.score.exact_ratio)}) in {found.ms_per_image:.0f} ms a picture.</p>"
        f"{_table(('Both right', 'Only the first', 'Only the second', 'Neither', 'p (McNemar, exact)'), rows)}"
        + (_table(("Picture", "Expected", "First", "Second"), differences) if differences else "")
    )


def _legend() -> str:
    return (
        "<p class=legend>In the pictures: <span class=key-label>the label's box</span>, <span class=key-read>the plate "
        "as it was read</span>. In the texts: <mark>another character</mark>, <ins>too much</ins>, <del>left out</del>."
        "</p>"
    )


def _cards(cases: Iterable[Case], prefix: str) -> str:
    cards = "".join(_card(case, f"{prefix}-{case.label.line}") for case in cases)
    return f"<div class=cards>{cards}</div>" if cards else ""


def _card(case: Case, identity: str) -> str:
    label, plate = case.label, case.plate
    picture = pictures.load(str(label.image))
    cut = pictures.crop(picture, case)
    told = [label.format, *(f"{label.rows} row" + "s" * (label.rows == "2") for _ in "1" if label.rows != NOT_TOLD),
            *(word for word in (label.light, label.source) if word != NOT_TOLD)]  # fmt: skip
    found = f"{plate.confidence:.1%}" if plate else ""
    overlap = "" if case.iou is None else f", IoU {case.iou:.2f}"
    alt = "the plate as read" if plate else "nothing found: the labelled box"
    return (
        f'<article class="card" id="{identity}"><header><b>{escape(label.image.name)}</b> line {label.line}'
        f"<span>{escape(', '.join(told))}{overlap}</span></header>"
        f'<img class=whole alt="the picture, reduced" src="{pictures.whole(picture, case)}">'
        f"<div class=side>{f'<img class=crop alt={chr(34)}{alt}{chr(34)} src={chr(34)}{cut}{chr(34)}>' if cut else ''}"
        f"<dl><dt>expected</dt><dd class=mono>{marked(label.plate, plate.text if plate else '')[0]}</dd>"
        f"<dt>read</dt><dd class=mono>{marked(label.plate, plate.text)[1] if plate else '<em>nothing</em>'}"
        f" <small>{found}</small></dd></dl>{_candidates(case)}"
        + (f"<p class=note>{escape(label.note)}</p>" if label.note else "")
        + "</div></article>"
    )


def _candidates(case: Case) -> str:
    if case.plate is None or not case.plate.candidates:
        return ""
    rows = "".join(
        f"<li{' class=right' if each.text == case.label.plate else ''}><code>{escape(each.text)}</code>"
        f'<span class=bar><i style="width:{100 * min(1.0, each.confidence):.1f}%"></i></span>{each.confidence:.1%}</li>'
        for each in case.plate.candidates[:5]
    )
    return f"<ol class=candidates>{rows}</ol>"


def marked(expected: str, read: str) -> tuple[str, str]:
    """Both texts as HTML, with the places where they differ marked."""
    first, second = [], []
    for wanted, got in aligned(expected, read):
        if wanted == got:
            first.append(escape(wanted or ""))
            second.append(escape(got or ""))
        elif wanted is None:
            second.append(f"<ins>{escape(got or '')}</ins>")
        elif got is None:
            first.append(f"<del>{escape(wanted)}</del>")
        else:
            first.append(f"<mark>{escape(wanted)}</mark>")
            second.append(f"<mark>{escape(got)}</mark>")
    return "".join(first), "".join(second)


def aligned(expected: str, read: str) -> list[tuple[str | None, str | None]]:
    """The pairs of a cheapest edit from `expected` to `read`; None where one has nothing (Wagner and Fischer 1974)."""
    cost = [[row + column for column in range(len(read) + 1)] for row in range(len(expected) + 1)]
    for row in range(1, len(expected) + 1):
        for column in range(1, len(read) + 1):
            differs = expected[row - 1] != read[column - 1]
            cost[row][column] = min(
                cost[row - 1][column - 1] + differs, cost[row - 1][column] + 1, cost[row][column - 1] + 1
            )
    row, column = len(expected), len(read)
    pairs: list[tuple[str | None, str | None]] = []
    while row or column:
        here = cost[row][column]
        if row and column and here == cost[row - 1][column - 1] + (expected[row - 1] != read[column - 1]):
            row, column = row - 1, column - 1
            pairs.append((expected[row], read[column]))
        elif row and here == cost[row - 1][column] + 1:
            row -= 1
            pairs.append((expected[row], None))
        else:
            column -= 1
            pairs.append((None, read[column]))
    return pairs[::-1]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """`rows` are HTML."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class=scroll><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _mono(text: str | None) -> str:
    return f"<code>{escape(text)}</code>" if text else "<em>nothing</em>"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"
