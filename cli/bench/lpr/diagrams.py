"""The page's diagrams, as SVG of our own; colours come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Sequence

from cli.bench.lpr.reliability import Answer, Bin

SIDE, LEFT, BOTTOM, TOP, RIGHT = 290, 62, 40, 14, 20


class _Plot:
    """A square of SIDE pixels with axes; x and y in 0..1 of `x_range` and `y_range`."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float], name: str) -> None:
        self.x_range, self.y_range = x_range, y_range
        self.parts: list[str] = []
        self.name = name

    def x(self, value: float) -> float:
        low, high = self.x_range
        return round(LEFT + (value - low) / (high - low) * SIDE, 1)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return round(TOP + SIDE - (value - low) / (high - low) * SIDE, 1)

    def line(self, start: tuple[float, float], end: tuple[float, float], kind: str) -> None:
        (x1, y1), (x2, y2) = start, end
        self.parts.append(
            f'<line class="{kind}" x1="{self.x(x1)}" y1="{self.y(y1)}" x2="{self.x(x2)}" y2="{self.y(y2)}"/>'
        )

    def axes(self, x_title: str, y_title: str, steps: int = 5) -> None:
        (left, right), (low, high) = self.x_range, self.y_range
        for step in range(steps + 1):
            x, y = left + (right - left) * step / steps, low + (high - low) * step / steps
            self.line((left, y), (right, y), "grid")
            self.line((x, low), (x, high), "grid")
            self.parts.append(f'<text x="{LEFT - 6}" y="{self.y(y) + 4}" text-anchor="end">{_percent(y, high)}</text>')
            self.parts.append(
                f'<text x="{self.x(x)}" y="{TOP + SIDE + 16}" text-anchor="middle">{_percent(x, right)}</text>'
            )
        middle = TOP + SIDE / 2
        self.parts.append(
            f'<text class="title" x="{LEFT + SIDE / 2}" y="{TOP + SIDE + 34}" text-anchor="middle">{x_title}</text>'
            f'<text class="title" transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{y_title}</text>'
        )

    def svg(self) -> str:
        width, height = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
        return (
            f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
            f'aria-label="{self.name}">{"".join(self.parts)}</svg>'
        )


def _percent(value: float, most: float) -> str:
    return f"{100 * value:.0f} %" if most >= 0.2 else f"{100 * value:.1f} %"


def reliability_diagram(groups: Sequence[Bin]) -> str:
    """Confidence against the share that is right: a point a group, with its 95 % interval, and the ideal diagonal."""
    low = min((min(part.confidence, part.interval[0]) for part in groups), default=0.0)
    start = min(0.8, int(low * 5) / 5)  # so that four steps of the axis are of 5, 10, 15, 20 or 25 %
    plot = _Plot((start, 1.0), (start, 1.0), "reliability diagram")
    plot.axes("confidence", "right", 4)
    plot.line((start, start), (1, 1), "ideal")
    for part in groups:
        at = part.confidence
        plot.line((at, part.interval[0]), (at, part.interval[1]), "spread")
        plot.parts.append(
            f'<circle class="dot" cx="{plot.x(at)}" cy="{plot.y(part.right_ratio)}" r="4.5"><title>'
            f"{part.n} answers: confidence {part.confidence:.3f}, right {part.right_ratio:.3f}</title></circle>"
        )
    return plot.svg()


def risk_diagram(answers: Sequence[Answer]) -> str:
    """The share of wrong ones among the kept answers, against the share that is kept, the surest first."""
    ordered = sorted(answers, reverse=True)
    points, wrong = [], 0
    for kept, (_, right) in enumerate(ordered, start=1):
        wrong += not right
        points.append((kept / len(ordered), wrong / kept))
    most = next(
        step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if step >= max((y for _, y in points), default=0.0)
    )
    plot = _Plot((0.0, 1.0), (0.0, most), "wrong answers against answers kept")
    plot.axes("answers kept", "wrong among them")
    path = " ".join(f"{plot.x(x)},{plot.y(y)}" for x, y in points)
    plot.parts.append(f'<polyline class="curve" points="{path}"/>')
    return plot.svg()
