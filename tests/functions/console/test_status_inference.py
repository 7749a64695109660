"""What GET /api/status says of inference: as the readers report it by the bus."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import pytest

from functions.console import service
from functions.console.service import REPORT_STALE, inference_part, live_reports
from functions.shared.bus import Load
from functions.shared.contracts import now
from functions.shared.inference_health import InferenceReport
from functions.shared.topology import READERS_KV
from tests.functions.console.stack import Stack
from tests.functions.console.test_status import status

BUSY = Load(3, 2, 0, 1)


def report(
    state: Literal["ok", "down"], *, since: datetime | None = None, age: timedelta = timedelta(0)
) -> InferenceReport:
    down = {"reason": "dead_process", "message": "plate_ocr is gone"} if state == "down" else {}
    return InferenceReport(engine="triton", state=state, since=since or now(), updated_at=now() - age, **down)


async def test_the_readers_word_reaches_the_page(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "KEEP_S", -1.0)
    bus = await stack.context.bus()
    since = now() - timedelta(seconds=9)
    await bus.kv_put(READERS_KV, "one", report("down", since=since).model_dump_json().encode())
    found = (await status(stack))["inference"]
    assert (found["state"], found["reason"], found["engine"]) == ("down", "dead_process", "triton")
    assert datetime.fromisoformat(found["since"]) == since
    assert "plate_ocr is gone" in found["message"]
    await bus.kv_put(READERS_KV, "two", report("ok").model_dump_json().encode())
    found = (await status(stack))["inference"]
    assert (found["state"], found["reason"]) == ("failing", "dead_process")
    assert "1 of 2 readers" in found["message"]
    await bus.kv_put(READERS_KV, "one", report("ok", since=since).model_dump_json().encode())
    found = (await status(stack))["inference"]
    assert (found["state"], found["reason"], found["engine"]) == ("idle", None, "triton")
    assert datetime.fromisoformat(found["since"]) == since


def test_without_a_report_the_queue_is_told() -> None:
    part = inference_part(BUSY, [])
    assert (part.state, part.engine, part.since) == ("ready", None, None)


def test_a_reader_that_is_gone_and_one_that_makes_no_sense_count_for_nothing() -> None:
    old = report("down", age=REPORT_STALE + timedelta(seconds=1))
    found = {"old": old.model_dump_json().encode(), "odd": b"{", "new": report("ok").model_dump_json().encode()}
    assert [kept.state for kept in live_reports(found)] == ["ok"]


def test_the_longest_outage_is_told() -> None:
    early, late = now() - timedelta(minutes=5), now() - timedelta(minutes=1)
    part = inference_part(BUSY, [report("down", since=late), report("down", since=early)])
    assert (part.state, part.since) == ("down", early)
