"""A plain reader of server-sent events (WHATWG HTML, section 9.2.6), to see what is on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Event:
    name: str
    id: str | None
    data: Any


@dataclass
class Reader:
    """What one feed has sent: `events` but for the clock's, `text` as it came; `ended` when the server ended it."""

    events: list[Event] = field(default_factory=list)
    clocks: list[Event] = field(default_factory=list)
    text: str = ""
    last_id: str | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, count: int, of: list[Event] | None = None) -> list[Event]:
        """Wait for `count` events (or clocks, when `of` is `clocks`)."""
        heard = self.events if of is None else of
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(lambda: len(heard) >= count)
        return heard

    async def read(self, answer: httpx.Response) -> None:
        lines: list[str] = []
        async for line in answer.aiter_lines():
            self.text += line + "\n"
            if line:
                lines.append(line)
                continue
            await self._block(lines)
            lines = []
        self.ended.set()

    async def _block(self, lines: list[str]) -> None:
        pairs = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
        self.last_id = pairs.get("id", self.last_id)
        if "data" not in pairs:
            return
        event = Event(pairs.get("event", "message"), pairs.get("id"), json.loads(pairs["data"]))
        async with self.arrived:
            (self.clocks if event.name == "clock" else self.events).append(event)
            self.arrived.notify_all()


@asynccontextmanager
async def following(
    url: str, cookies: dict[str, str], *, last_event_id: str | None = None, query: str = "", key: str | None = None
) -> AsyncIterator[Reader]:
    """Follow the feed until the block ends, by cookies or an API key."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id is not None else {}
    headers |= {"Authorization": f"Bearer {key}"} if key is not None else {}
    reader = Reader()
    async with (
        httpx.AsyncClient(base_url=url, cookies=cookies, timeout=None) as client,
        client.stream("GET", f"/api/events{query}", headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        task = asyncio.create_task(reader.read(answer))
        try:
            await reader.until(1, of=reader.clocks)
            yield reader
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
