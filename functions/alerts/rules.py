"""When a list counts, and what it says of a passage. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from functions.alerts.patterns import Book, Hit
from functions.shared import hotlists

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Span(NamedTuple):
    """A part of certain days; one that ends before it starts goes on into the next day."""

    days: frozenset[int]
    start: time
    end: time

    def holds(self, at: datetime) -> bool:
        """`at` in the time zone of the span."""
        clock = at.time()
        if self.start < self.end:
            return at.weekday() in self.days and self.start <= clock < self.end
        today = at.weekday() in self.days and clock >= self.start
        return today or ((at - timedelta(days=1)).weekday() in self.days and clock < self.end)


@dataclass(frozen=True)
class Rule:
    """A list without its entries. `groups` None: every camera. `hours` and `directions` empty: any."""

    id: str
    name: str
    kind: str
    priority: int
    reason: str
    enabled: bool = True
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    hours: tuple[Span, ...] = ()
    groups: frozenset[str] | None = None
    directions: frozenset[str] = frozenset()
    twins: bool = True
    tolerances: Mapping[int, float] = field(default_factory=dict)
    escalate_after_min: int | None = None
    emails: tuple[str, ...] = ()
    hook: str | None = None

    def counts_at(self, group_id: str | None) -> bool:
        return self.groups is None or (group_id is not None and group_id in self.groups)

    def tolerance(self, length: int) -> float:
        """Of a fuzzy entry that has none of its own."""
        return hotlists.tolerance(self.tolerances, length)

    def counts(self, seen: Seen, zone: ZoneInfo) -> bool:
        """Whether the list counts for this passage, whatever its plate."""
        if not self.enabled or not self.counts_at(seen.group_id):
            return False
        if (self.valid_from and seen.at < self.valid_from) or (self.valid_until and seen.at >= self.valid_until):
            return False
        if self.directions and seen.direction not in self.directions:
            return False
        local = seen.at.astimezone(zone)
        return not self.hours or any(span.holds(local) for span in self.hours)


class Seen(NamedTuple):
    """A passage as it stands. `direction` is mostly not known before it is over."""

    camera_id: str
    group_id: str | None
    at: datetime
    plate: str | None
    direction: str | None = None
    uncertain: bool = False
    final: bool = True


class Finding(NamedTuple):
    """What a list says: `hit` None where the plate is not among those that may pass."""

    rule: Rule
    hit: Hit | None

    @property
    def kind(self) -> str:
        return "watch" if self.rule.kind == "watch" else "not_listed"


def judge(rule: Rule, book: Book, seen: Seen, zone: ZoneInfo) -> Finding | None:
    """What a list has to say of a passage; None for nothing."""
    if seen.plate is None or rule.kind not in ("watch", "allow") or not rule.counts(seen, zone):
        return None
    hit = book.find(seen.plate, seen.at.timestamp(), with_twins=rule.twins)
    if rule.kind == "watch":
        return Finding(rule, hit) if hit else None
    # A guess of a vehicle in sight is seldom on a list: who may pass would raise an alert by every far first reading.
    if hit is not None or (seen.uncertain and not seen.final):
        return None
    return Finding(rule, None)


def spans_of(stored: Sequence[Mapping[str, Any]]) -> tuple[Span, ...]:
    """From the JSON of `Hotlist.hours`."""
    return tuple(
        Span(
            frozenset(DAYS.index(day) for day in item["days"]),
            time.fromisoformat(item["start"]), time.fromisoformat(item["end"]),
        )
        for item in stored
    )  # fmt: skip


def may_change(groups: Collection[str] | None, scope: Collection[str] | None) -> bool:
    """Whether somebody with a scope (None: all) may change a list of these groups (None: all)."""
    return scope is None or (groups is not None and set(groups) <= set(scope))
