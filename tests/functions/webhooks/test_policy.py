"""What follows from an answer: when a delivery is tried again, and when it is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from functions.shared.outbound import Answer, Failure
from functions.webhooks.policy import SCHEDULE_S, jittered, retry_after, verdict

AT = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
FAILED = Answer(status=500)


def test_the_schedule_is_that_of_the_norm() -> None:
    """Standard Webhooks, `Deliverability and reliability`: 0, 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 h."""
    assert [round(pause / 3600, 3) for pause in SCHEDULE_S[2:]] == [0.083, 0.5, 2, 5, 10, 14, 20, 24]
    assert SCHEDULE_S[:2] == (0, 5)
    pauses = []
    for tries in range(1, 10):
        found = verdict(FAILED, tries, AT, chance=0.5)
        assert found.state == "pending"
        assert found.next_at is not None
        pauses.append((found.next_at - AT).total_seconds())
    assert pauses == list(SCHEDULE_S[1:])
    assert verdict(FAILED, 10, AT).state == "dead"


def test_pauses_are_spread_by_a_tenth() -> None:
    assert (jittered(300, 0.0), jittered(300, 0.5), jittered(300, 1.0)) == (270, 300, 330)
    drawn = {jittered(300) for _ in range(50)}
    assert len(drawn) > 10
    assert all(270 <= pause <= 330 for pause in drawn)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_only_2xx_is_a_success(status: int) -> None:
    assert verdict(Answer(status=status), 1, AT).state == "delivered"


@pytest.mark.parametrize(
    "answer",
    [*(Answer(status=status) for status in (100, 301, 302, 400, 401, 404, 429, 500, 503)), Answer(failure=Failure.TLS)],
)
def test_all_else_is_tried_again(answer: Answer) -> None:
    found = verdict(answer, 1, AT)
    assert (found.state, found.gone) == ("pending", False)


def test_gone_is_for_good() -> None:
    found = verdict(Answer(status=410), 1, AT)
    assert (found.state, found.gone, found.next_at) == ("dead", True, None)


def test_retry_after_is_a_number_or_a_date_and_at_the_most_a_day() -> None:
    date = format_datetime(AT + timedelta(seconds=90), usegmt=True)
    for text, seconds in (("120", 120), (date, 90), ("999999999999", 86_400), ("0", 0), (" 7 ", 7)):
        assert retry_after({"retry-after": text}, AT) == seconds, text
    past = format_datetime(AT - timedelta(days=1), usegmt=True)
    assert retry_after({"retry-after": past}, AT) == 0
    for text in ("", "soon", "-5", "1.5", "²", "Mon, 99 Foo 2026 25:00:00 GMT"):
        assert retry_after({"retry-after": text}, AT) is None, text
    assert retry_after({}, AT) is None


def test_retry_after_lengthens_the_pause_and_holds_the_endpoint() -> None:
    asked = verdict(Answer(status=429, headers={"retry-after": "600"}), 1, AT)
    assert asked.next_at == asked.hold_until == AT + timedelta(seconds=600)
    # The schedule's own pause is longer: it stands.
    short = verdict(Answer(status=503, headers={"retry-after": "1"}), 2, AT, chance=0.5)
    assert short.next_at == AT + timedelta(seconds=300)
    # A fault of one message says nothing of the others.
    assert verdict(Answer(status=500, headers={"retry-after": "600"}), 1, AT).hold_until is None
