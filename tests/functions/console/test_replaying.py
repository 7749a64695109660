"""A live feed that is resumed from long ago is a look-up; over a real uvicorn, nats-server and database."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from functions.console import replaying
from functions.shared.tables import AuditRow, LookupCount
from functions.shared.topology import EVENTS
from tests.functions.console.sse import following
from tests.functions.console.stack import Stack, running
from tests.functions.console.test_feed import publish


async def replays(stack: Stack) -> list[AuditRow]:
    async with stack.context.db.read() as session:
        return list(await session.scalars(select(AuditRow).where(AuditRow.action == replaying.ACTION)))


async def test_who_reads_the_past_again_is_recorded(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The feed keeps a week; a page that comes back within minutes is not meant."""
    await stack.add_camera("gate-1", "Gate")
    _, before = await (await stack.context.bus()).stream_span(EVENTS)
    await publish(stack, "AAA1A11", "BBB2B22", "CCC3C33")
    cookies = await stack.cookies()
    async with following(stack.url, cookies, last_event_id=str(before)) as reader:
        await reader.until(3)
    assert await replays(stack) == []
    monkeypatch.setattr(replaying, "BREAK", timedelta(0))
    async with following(stack.url, cookies, query=f"?after={before}") as reader:
        await reader.until(3)
    (row,) = await replays(stack)
    assert (row.actor, row.details["plates"], row.details["after"]) == ("admin", 3, before)
    async with stack.context.db.read() as session:
        assert await session.scalar(select(func.sum(LookupCount.lookups))) == 1
    async with following(stack.url, cookies) as reader:
        await reader.until(1, of=reader.clocks)
    assert len(await replays(stack)) == 1, "who has seen nothing yet sees nothing of the past"


async def test_who_looked_up_too_much_does_not_read_the_past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "BREAK", timedelta(0))
    async with running(tmp_path, bulk_lookups_hour=1, bulk_lookups_stop=True) as stack:
        _, before = await (await stack.context.bus()).stream_span(EVENTS)
        await publish(stack, *(f"AAA1A{number:02}" for number in range(30)))
        cookies = await stack.cookies()
        async with following(stack.url, cookies, query=f"?after={before}") as reader:
            await reader.until(30)
        async with await stack.client() as client:
            refused = await client.get(f"/api/events?after={before}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "throttled")
        async with following(stack.url, cookies) as reader:
            await reader.until(1, of=reader.clocks)
