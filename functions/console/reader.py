"""Whose live feed it is, and what of it they may see: asked anew every few seconds, since a feed lasts for minutes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from functions.console import repository
from functions.shared import event_permissions, masking
from functions.shared.context import Context
from functions.shared.contracts import CameraChanged
from functions.shared.errors import GTVisionError, Unavailable
from functions.shared.tokens import Principal

# Within this a feed ends whose session, account or key has ended, and follows a change of groups.
RECHECK_S = 5.0


class Reader:
    """One reader of a feed. `again` says who they are now, and raises when they may read no more."""

    def __init__(self, context: Context, who: Principal, again: Callable[[], Awaitable[Principal]]) -> None:
        self._context, self._again = context, again
        self.who = who
        self._cameras: frozenset[str] = frozenset()
        self._checked = float("-inf")

    @property
    def user_id(self) -> str:
        return self.who.user_id

    @property
    def masked(self) -> bool:
        """Whether plates are hidden from them."""
        return masking.hides(self._context.settings, self.who)

    @property
    def cameras(self) -> list[str]:
        """The cameras that they see, as parts of subjects: `*` for all."""
        return ["*"] if self.who.scope.everything else sorted(self._cameras)

    async def begin(self) -> None:
        """Ask which cameras they see. Raises DatabaseUnavailable."""
        await self._look()

    async def holds(self) -> bool:
        """Whether they may read on. A database that is away changes nothing: the feed's own end is near enough."""
        if time.monotonic() - self._checked < RECHECK_S:
            return True
        try:
            self.who = await self._again()
            await self._look()
        except Unavailable:
            self._checked = time.monotonic()
        except GTVisionError:
            return False
        return True

    def may_read(self, event_type: str) -> bool:
        """Whether they may have events of a type: people all that the feed has, an API key what it might ask for."""
        return event_permissions.may_read(self.who.permissions, event_type)

    async def sees(self, subject: str) -> bool:
        """Whether an event of a subject is about a camera of theirs."""
        if self.who.scope.everything:
            return True
        if subject.startswith(f"{CameraChanged.subject_root}."):
            # A camera that was added, or has changed its group.
            try:
                await self._look()
            except Unavailable:
                return False
        return camera_of(subject) in self._cameras

    async def _look(self) -> None:
        if not self.who.scope.everything:
            async with self._context.db.read() as session:
                self._cameras = await repository.cameras_of(session, self.who.scope)
        self._checked = time.monotonic()


def camera_of(subject: str) -> str:
    """The camera that an event is about: the last part of its subject."""
    return subject.rpartition(".")[2]
