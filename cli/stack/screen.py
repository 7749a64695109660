"""What a local run shows: each part as it becomes ready, or what it waits for; JSON lines for machines."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.markup import escape

from cli.output import print_line

TITLES = {"nats": "NATS with JetStream", "functions": "Functions", "triton": "Triton", "cameras": "Demo cameras"}


def title(part: str) -> str:
    return TITLES.get(part) or part.replace("-", " pod ").capitalize()


class Screen:
    """Hears what the parts do (`tell`) and shows it: people see lines and a spinner, machines one object a line."""

    def __init__(self, as_json: bool = False) -> None:
        self.json = as_json
        self.console = Console(highlight=False, soft_wrap=True)
        self._spinner = self.console.status("")
        self._began: dict[str, float] = {}
        self._awaited: dict[str, str] = {}
        self._up: set[str] = set()
        self.closing = False

    def line(self, text: str) -> None:
        """A line for people alone."""
        if not self.json:
            self.console.print(text)

    def event(self, name: str, **facts: Any) -> None:
        """An object for machines alone."""
        if self.json:
            print_line({"event": name, **facts})

    def tell(self, part: str, event: str, detail: str) -> None:
        self.event(event, part=part, detail=detail)
        if self.json or self.closing:
            return
        name = title(part)
        if event == "started":
            self._began[part] = time.monotonic()
            self._awaited[part] = ""
        elif event == "waiting":
            self._awaited[part] = detail
            if not self.console.is_terminal:
                self.console.print(f"  [dim]{name}: {escape(detail)}[/]")
        elif event == "ready":
            self._awaited.pop(part, None)
            word = "ready again" if part in self._up else "ready"
            self._up.add(part)
            self.console.print(f"[green]✓[/] {name} {word} [dim]{self._since(part)}[/]")
        elif event in ("died", "gave_up"):
            self._awaited.pop(part, None)
            self.console.print(f"[{'red' if event == 'gave_up' else 'yellow'}]![/] {name}: {escape(detail)}")
        self._spin()

    def working(self, text: str) -> None:
        """Show `text` beside the spinner until `rest`."""
        if not self.json and self.console.is_terminal:
            self._spinner.update(text)
            self._spinner.start()

    def rest(self) -> None:
        self._spinner.stop()

    def _since(self, part: str) -> str:
        return f"{time.monotonic() - self._began.get(part, time.monotonic()):.1f} s"

    def _spin(self) -> None:
        if not self._awaited:
            self.rest()
            return
        waits = [f"{title(part)}{': ' + escape(why) if why else ''}" for part, why in self._awaited.items()]
        self.working("Starting " + "; ".join(waits))
