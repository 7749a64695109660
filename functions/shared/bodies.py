"""A request's body and time, bounded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType

from starlette.types import Message, Receive

from functions.shared.errors import GTVisionError, TooLarge, TooSlow

# In the ASGI scope: the request's Deadline.
DEADLINE = "gtv.deadline"


class Deadline:
    """Cancels the block when its time is up, and swallows that cancellation; `expired` says that it happened.

    The clock stands while a body is waited for, and is stopped for good when the answer begins: a stream or a long
    download may take as long as its reader likes.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self._timeout, self._lifted = seconds, asyncio.timeout(seconds), False

    async def __aenter__(self) -> Deadline:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        with contextlib.suppress(TimeoutError):
            await self._timeout.__aexit__(kind, error, trace)
        self._lifted = True
        # Whatever the cancelled work made of its cancellation, the time was up.
        return self.expired

    @property
    def expired(self) -> bool:
        return self._timeout.expired()

    def wait_until(self, when: float | None) -> None:
        """Another end, by the loop's clock; None: the work's full time from now."""
        if not self._lifted and not self.expired:
            self._timeout.reschedule(asyncio.get_running_loop().time() + self.seconds if when is None else when)

    def allow(self, seconds: float) -> None:
        """More time than most requests get, from now on."""
        if seconds > self.seconds:
            self.seconds = seconds
            self.wait_until(None)

    def lift(self) -> None:
        if not self._lifted and not self.expired:
            self._timeout.reschedule(None)
        self._lifted = True


class Body:
    """Counts the body's bytes and time as it arrives, since a Content-Length may be absent or lie."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self._receive, self._limit, self._seconds = receive, limit, seconds
        self._read, self._whole, self._until = 0, False, 0.0
        self._deadline: Deadline | None = None
        self._refuse: Callable[[GTVisionError], None] = lambda _: None

    def watch(self, deadline: Deadline, refuse: Callable[[GTVisionError], None]) -> None:
        """`refuse` is told why a body is not taken, since a framework may turn what `receive` raises into its own."""
        self._deadline, self._refuse = deadline, refuse
        self._until = asyncio.get_running_loop().time() + self._seconds

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        message = await self._next()
        self._read += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._read > self._limit:
            raise self._refused(too_large(self._limit))
        return message

    async def _next(self) -> Message:
        """The clock of the work stands meanwhile. When the body's own time is up, the work is over as well."""
        try:
            async with asyncio.timeout_at(self._until):
                if self._deadline is not None:
                    self._deadline.wait_until(self._until + 1.0)
                message = await self._receive()
        except TimeoutError:
            raise self._refused(TooSlow(f"the body did not arrive within {self._seconds:g} s", field="body")) from None
        if self._deadline is not None:
            self._deadline.wait_until(None)
        return message

    def _refused(self, error: GTVisionError) -> GTVisionError:
        self._refuse(error)
        return error


def too_large(limit: int) -> TooLarge:
    size = f"{limit >> 20} MB" if limit >= 1 << 20 else f"{limit >> 10} kB"
    return TooLarge(f"the body is over {size}", field="body", limit=limit)
