"""The console on the web: its page and files, the live feed, the platform's state."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import FrameType
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from functions.console.assets import asset, unchanged
from functions.console.feed import Feed
from functions.console.reader import Reader
from functions.console.schemas import PlatformStatus
from functions.console.service import StatusBoard
from functions.shared.access import ACCESS, Rule
from functions.shared.context import Context
from functions.shared.errors import InvalidInput
from functions.shared.tokens import Principal
from functions.shared.web import Ctx, Who, create_app, identify, require

router = APIRouter(tags=["console"])
_FEEDS: WeakKeyDictionary[Context, Feed] = WeakKeyDictionary()
_BOARDS: WeakKeyDictionary[Context, StatusBoard] = WeakKeyDictionary()
_RULE = ACCESS["GET /api/events"]
EVENTS_RULE = _RULE if _RULE is not None else Rule(frozenset())
# An event of the stream, as its fields are named (WHATWG HTML, section 9.2); `data` is JSON.
_EVENT = {"type": "object", "properties": {name: {"type": "string"} for name in ("id", "event", "data")}}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": _EVENT}}, "description": "events without an end"}
}
IfNoneMatch = Annotated[str | None, Header()]


@router.get("/", include_in_schema=False)
async def page(if_none_match: IfNoneMatch = None) -> Response:
    return _answer("index.html", if_none_match)


@router.get("/assets/{path:path}", include_in_schema=False)
async def file(path: str, if_none_match: IfNoneMatch = None) -> Response:
    return _answer(path, if_none_match)


def _answer(path: str, if_none_match: str | None) -> Response:
    # The files change together at an upgrade: a reader asks each time, and mostly hears 304.
    found = asset(path)
    headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
    if unchanged(found, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(found.body, headers=headers, media_type=found.content_type)


@router.get("/api/events", response_class=StreamingResponse, responses=_STREAM)
async def events(
    request: Request,
    context: Ctx,
    who: Who,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="resume behind this event's id")
    ] = None,
    after: Annotated[int | None, Query(ge=0, description="the same, where no header can be set")] = None,
) -> StreamingResponse:
    """Server-sent events: detection, alert, camera-status, camera-changed, clock (a heartbeat), reset; of the cameras
    that the reader sees. An API key gets alerts with alerts:read, and what cameras tell with cameras:read."""

    async def again() -> Principal:
        found = await identify(request, context)
        require(EVENTS_RULE, found)
        return found

    blocks = await feed_of(context).open(_sequence(last_event_id, after), Reader(context, who, again))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(blocks, media_type="text/event-stream", headers=headers)


def _sequence(last_event_id: str | None, after: int | None) -> int | None:
    """A browser that reconnects by itself sends the header, which is then newer than its address."""
    if last_event_id is None or not last_event_id.strip():
        return after
    if not last_event_id.isascii() or not last_event_id.isdigit() or len(last_event_id) > 18:
        raise InvalidInput("Last-Event-ID is no id of this feed; leave it out", field="Last-Event-ID")
    return int(last_event_id)


@router.get("/api/status")
async def status(context: Ctx, who: Who) -> PlatformStatus:
    """The reader's cameras by state, their last detection, and how the parts fare. Answers 200 whatever fails."""
    board = _BOARDS.get(context)
    if board is None:
        board = _BOARDS[context] = StatusBoard(context)
    return await board.status(who.scope)


def feed_of(context: Context) -> Feed:
    feed = _FEEDS.get(context)
    if feed is None:
        feed = _FEEDS[context] = Feed(context)
    return feed


@contextlib.asynccontextmanager
async def feed_worker(context: Context) -> AsyncIterator[None]:
    """Ends the feeds when the process is told to end: a server waits for open answers, and these have no end."""
    feed, loop = feed_of(context), asyncio.get_running_loop()
    with on_termination(lambda: loop.call_soon_threadsafe(feed.stop)):
        try:
            yield
        finally:
            feed.stop()


@contextlib.contextmanager
def on_termination(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` at SIGTERM or SIGINT, and then whatever was set for it before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def ended(number: int, frame: FrameType | None) -> None:
        act()
        before = former[signal.Signals(number)]
        if callable(before):
            before(number, frame)
        elif before is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in former:
        signal.signal(number, ended)
    try:
        yield
    finally:
        for number, before in former.items():
            if signal.getsignal(number) is ended:
                signal.signal(number, before)


workers = [feed_worker]
app = create_app("console", [router], workers=workers)
