"""A brake on guessing: failed sign-ins by account and address, counted in the process's memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from functions.shared.addresses import network_of
from functions.shared.errors import Rejected, Throttled

WINDOW_S = 300.0
PER_ACCOUNT = 8
PER_ADDRESS = 60
_KEPT = 10_000


@dataclass
class _Count:
    since: float
    failures: int = 0


class Throttle:
    """Counts an attempt before its password is checked, so that many at once cannot slip through; a success is
    given back. The account alone is no key: a stranger must not be able to lock somebody out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()

    @contextmanager
    def attempt(self, username: str, address: str) -> Iterator[None]:
        """One try, made by the block. It counts as failed when the block raises Rejected, and not at all when a part
        of ours fails. Raises Throttled, with the seconds to wait, when too many failed within the window."""
        address = network_of(address)
        # The address first: one that is put off gets no rows for other names, by which it could push its own out.
        rows = [self._room((key, address), limit) for key, limit in (("", PER_ADDRESS), (username, PER_ACCOUNT))]
        for count in rows:
            count.failures += 1
        try:
            yield
        except Rejected:
            raise
        except BaseException:
            self._give_back(rows)
            raise
        else:
            self._give_back(rows)
            self._counts.pop((username, address), None)

    def _room(self, key: tuple[str, str], limit: int) -> _Count:
        """The count of a key that has not failed too often. Raises Throttled."""
        count = self._count(key)
        if count.failures >= limit:
            wait = max(1, int(count.since + WINDOW_S - self._clock()) + 1)
            raise Throttled(f"too many failed sign-ins; try again in {wait} s", retry_after=wait)
        return count

    @staticmethod
    def _give_back(rows: list[_Count]) -> None:
        for count in rows:
            count.failures = max(0, count.failures - 1)

    def _count(self, key: tuple[str, str]) -> _Count:
        at = self._clock()
        count = self._counts.get(key)
        if count is None or at - count.since > WINDOW_S:
            count = self._counts[key] = _Count(at)
            while len(self._counts) > _KEPT:
                self._counts.popitem(last=False)
        self._counts.move_to_end(key)
        return count
