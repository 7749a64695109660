from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from functions.shared import hours
from functions.shared.contracts import DAYS, Hours

CITY = "America/Sao_Paulo"


def at(text: str, zone: str = CITY) -> datetime:
    """A moment by the city's clock; 2026-11-23 is a Monday."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("text", "moment", "read"),
    [
        ("mon-fri 06:00-22:00", "2026-11-23T06:00", True),
        ("mon-fri 06:00-22:00", "2026-11-23T05:59:59", False),
        ("mon-fri 06:00-22:00", "2026-11-23T21:59:59", True),
        ("mon-fri 06:00-22:00", "2026-11-23T22:00", False),
        ("mon-fri 06:00-22:00", "2026-11-28T12:00", False),
        ("fri 22:00-06:00", "2026-11-27T22:00", True),
        ("fri 22:00-06:00", "2026-11-28T05:59", True),
        ("fri 22:00-06:00", "2026-11-28T06:00", False),
        ("fri 22:00-06:00", "2026-11-27T05:00", False),
        ("sun 22:00-06:00", "2026-11-23T05:00", True),  # the night from Sunday to Monday
        ("sat-mon 00:00-24:00", "2026-11-22T23:59:59", True),
        ("sat-mon 00:00-24:00", "2026-11-24T00:00", False),
        ("mon 08:00-10:00; mon 14:00-16:00", "2026-11-23T12:00", False),
        ("mon 08:00-10:00; mon 14:00-16:00", "2026-11-23T15:00", True),
        ("always", "2026-11-23T03:00", True),
    ],
)
def test_hours_are_by_the_citys_clock(text: str, moment: str, read: bool) -> None:
    assert hours.cover(hours.parse(text), CITY, at(moment)) is read


def test_they_stay_where_they_are_when_clocks_change() -> None:
    """Berlin goes from 02:00 to 03:00 on 2026-03-29: 06:00 is 05:00 UTC before and 04:00 UTC after."""
    found = hours.parse("sat,sun 06:00-07:00")
    for day in ("28", "29"):
        assert hours.cover(found, "Europe/Berlin", at(f"2026-03-{day}T06:30", "Europe/Berlin"))
        assert not hours.cover(found, "Europe/Berlin", at(f"2026-03-{day}T07:30", "Europe/Berlin"))
    assert at("2026-03-29T06:30", "Europe/Berlin").hour != at("2026-03-28T06:30", "Europe/Berlin").hour


@pytest.mark.parametrize("text", ["mon-fri 06:00-22:00", "sat,sun 22:00-06:00; mon 00:00-24:00", "fri-mon 7:30-9:00"])
def test_what_is_written_is_read_again(text: str) -> None:
    found = hours.parse(text)
    assert hours.parse(hours.written(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "mon", "mon 6-22", "seg 06:00-22:00", "mon 25:00-26:00", "mon 06:00-06:00", "mon 06:60-07:00",
        "mon-xyz 06:00-07:00", "06:00-22:00", "mon 24:00-06:00", "mon 06:00-24:01",
    ],
)  # fmt: skip
def test_what_is_no_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  some are pydantic's, which says which field
        hours.parse(text)


def test_a_day_stands_once() -> None:
    assert hours.parse("mon,mon-tue 06:00-07:00")[0].days == ("mon", "tue")
    with pytest.raises(ValidationError, match="twice"):
        Hours(days=("mon", "mon"), start="06:00", end="07:00")
    assert hours.parse("tue-mon 06:00-07:00")[0].days == (*DAYS[1:], "mon")


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "/etc/passwd", "America"])
def test_what_is_no_time_zone_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        hours.cover(hours.parse("mon 06:00-07:00"), name, at("2026-11-23T06:30"))
