"""When a list counts: hours of the week in the city's time zone, and who may change it."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from functions.alerts.rules import Rule, Seen, Span, may_change, spans_of

ZONE = ZoneInfo("America/Sao_Paulo")
NIGHT = {"days": ["mon", "tue"], "start": "22:00", "end": "06:00"}
DAY = {"days": ["mon"], "start": "08:00", "end": "18:00"}
WHOLE = {"days": ["sun"], "start": "00:00", "end": "00:00"}


@pytest.mark.parametrize(
    ("span", "local", "holds"),
    [
        (DAY, "2026-05-04T08:00", True), (DAY, "2026-05-04T17:59", True), (DAY, "2026-05-04T18:00", False),
        (DAY, "2026-05-05T12:00", False), (NIGHT, "2026-05-04T21:59", False), (NIGHT, "2026-05-04T22:00", True),
        (NIGHT, "2026-05-05T05:59", True), (NIGHT, "2026-05-05T06:00", False), (NIGHT, "2026-05-06T05:59", True),
        (NIGHT, "2026-05-04T05:00", False), (WHOLE, "2026-05-03T00:00", True), (WHOLE, "2026-05-03T23:59", True),
        (WHOLE, "2026-05-04T00:00", False),
    ],
)  # fmt: skip
def test_hours_of_the_week(span: dict[str, object], local: str, holds: bool) -> None:
    """2026-05-04 is a Monday; the passage's time is UTC, three hours ahead of São Paulo."""
    at = datetime.fromisoformat(local).replace(tzinfo=ZONE).astimezone(UTC)
    rule = Rule("1", "x", "watch", 50, "", hours=spans_of([span]))
    assert rule.counts(Seen("gate", None, at, "ABC1D23"), ZONE) is holds


def test_stored_hours_are_read() -> None:
    assert spans_of([NIGHT]) == (Span(frozenset({0, 1}), time(22), time(6)),)


@pytest.mark.parametrize(
    ("groups", "scope", "may"),
    [
        (None, None, True), (["a"], None, True), ([], None, True), (None, {"a"}, False), (["a"], {"a"}, True),
        (["a", "b"], {"a"}, False), (["a"], set(), False),
    ],
)  # fmt: skip
def test_who_may_change_a_list(groups: list[str] | None, scope: set[str] | None, may: bool) -> None:
    assert may_change(groups, scope) is may


def test_tolerances_by_length() -> None:
    rule = Rule("1", "x", "watch", 50, "", tolerances={7: 1.0})
    assert [rule.tolerance(length) for length in (4, 6, 7, 8)] == [0.0, 0.3, 1.0, 0.6]
