"""Quotas that all replicas count together, at a fraction of a bus message for each request.

Each process counts by itself and now and then adds what it counted to the shared number in a KV bucket (compare and
set), from which it learns what the others let through. It may hold back a sixteenth of what is left, so the nearer the
quota the oftener it asks: alone it writes some 90 times for 1200 requests, and N processes together let through at
the most the quota plus N times its sixteenth, mostly not one more. While the bus is away each counts alone, and
`gtv_quota_shared` says 0.

A window slides: of the window before, the part counts that the sliding one still covers.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import math
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from prometheus_client import Counter, Gauge

from functions.shared import logs
from functions.shared.bus import Bus
from functions.shared.errors import BusUnavailable
from functions.shared.tasks import end
from functions.shared.topology import LIMITS_KV

log = logs.get("quotas")
SHARED = Gauge("gtv_quota_shared", "0 while the bus does not answer and quotas are counted by this process alone")
SYNCS = Counter("gtv_quota_syncs_total", "Times that counted requests were added to the shared number", ["outcome"])
_HELD_BACK = 16
_KEPT = 20_000
_ANSWER_S = 0.5
_AGAIN_S = 5.0
_TRIES = 8


@dataclass(frozen=True)
class Policy:
    """At the most `quota` within any `window_s` seconds."""

    name: str
    quota: int
    window_s: int = 60


@dataclass(frozen=True)
class Verdict:
    """Whether one more may pass; how many are left then; seconds until the window ends, or where none is left, until
    one may pass again."""

    policy: Policy
    allowed: bool
    remaining: int
    reset_s: int


@dataclass
class _Count:
    """What one key did in a window: `before` in the window before, `known` as all said last, `own` not yet told."""

    window: int
    before: int = 0
    known: int = 0
    own: int = 0
    refused: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def total(self) -> int:
        return self.known + self.own

    def roll(self, window: int) -> None:
        if window != self.window:
            self.before = self.total if window == self.window + 1 else 0
            self.window, self.known, self.own, self.refused = window, 0, 0, False


class Quotas:
    """The counts of one process. `open_bus` connects to the bus, or gives the connection that there is."""

    def __init__(self, open_bus: Callable[[], Awaitable[Bus]], clock: Callable[[], float] = time.time) -> None:
        self._open_bus, self._clock = open_bus, clock
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()
        self._bus: Bus | None = None
        self._opening: asyncio.Task[None] | None = None
        self._alone_until = float("-inf")
        # Asked when somebody looks, so that an outage is over when it is over, though nobody came near a quota since.
        SHARED.set_function(self._shared)

    async def hit(self, policy: Policy, who: str) -> Verdict:
        """Count one of `who`, unless there is no room for it. Waits for the bus half a second at the most."""
        count = self._count(policy, who)
        if count.own + 1 < self._held_back(policy, count):
            return self._taken(policy, who, count)
        # One at a time: many at once must not all pass before the first has heard what the others let through.
        async with count.turn:
            count.roll(self._window(policy))
            verdict = self._taken(policy, who, count)
            if verdict.allowed and count.own >= self._held_back(policy, count):
                await self._tell(policy, who, count)
                return self._verdict(policy, count, allowed=self._used(policy, count) <= policy.quota)
            return verdict

    async def close(self) -> None:
        if self._opening is not None:
            await end(self._opening)

    def _count(self, policy: Policy, who: str) -> _Count:
        key, window = (policy.name, who), self._window(policy)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count(window)
            while len(self._counts) > _KEPT:
                self._counts.popitem(last=False)
        self._counts.move_to_end(key)
        count.roll(window)
        return count

    def _window(self, policy: Policy) -> int:
        return int(self._clock() // policy.window_s)

    def _used(self, policy: Policy, count: _Count) -> float:
        passed = self._clock() / policy.window_s % 1.0
        return count.before * (1.0 - passed) + count.total

    def _held_back(self, policy: Policy, count: _Count) -> int:
        left = policy.quota - self._used(policy, count) + count.own
        return max(1, int(left) // _HELD_BACK)

    def _taken(self, policy: Policy, who: str, count: _Count) -> Verdict:
        if self._used(policy, count) + 1 > policy.quota:
            if not count.refused:
                count.refused = True
                log.warning("quota_used_up", policy=policy.name, quota=policy.quota, window_s=policy.window_s, who=who)
            return self._verdict(policy, count, allowed=False)
        count.own += 1
        return self._verdict(policy, count, allowed=True)

    def _verdict(self, policy: Policy, count: _Count, *, allowed: bool) -> Verdict:
        remaining = max(0, math.floor(policy.quota - self._used(policy, count)))
        passed = self._clock() % policy.window_s
        left = policy.window_s - passed
        if allowed or remaining:
            return Verdict(policy, allowed, remaining, max(1, math.ceil(left)))
        share = (policy.quota - 1 - count.total) / count.before if count.before else -1.0
        if share >= 0:
            wait = (1.0 - share) * policy.window_s - passed
        else:
            wait = left + (1.0 - max(0.0, policy.quota - 1) / max(1, count.total)) * policy.window_s
        return Verdict(policy, allowed, 0, max(1, math.ceil(wait)))

    async def _tell(self, policy: Policy, who: str, count: _Count) -> None:
        """Add what was counted here to the number of all, and learn what that is."""
        bus = self._connected()
        if bus is None:
            SYNCS.labels("alone").inc()
            return
        window, taken = count.window, count.own
        try:
            async with asyncio.timeout(_ANSWER_S):
                before, total = await _add(bus, _key(policy, who), window, taken)
        except (BusUnavailable, TimeoutError) as error:
            self._alone(str(error) or "no answer in time")
            return
        SYNCS.labels("told").inc()
        if count.window == window:
            count.before, count.known, count.own = max(count.before, before), total, count.own - taken
        elif count.window == window + 1:
            count.before = max(count.before, total)

    def _alone(self, reason: str) -> None:
        if time.monotonic() >= self._alone_until:
            log.warning("quotas_counted_alone", reason=reason)
        SYNCS.labels("failed").inc()
        self._alone_until = time.monotonic() + _AGAIN_S

    def _shared(self) -> float:
        away = time.monotonic() < self._alone_until or (self._bus is not None and not self._bus.connected)
        return 0.0 if away else 1.0

    def _connected(self) -> Bus | None:
        """The bus, where it answers now. A request never waits for a connection: it is opened beside."""
        if not self._shared():
            return None
        if self._bus is None and (self._opening is None or self._opening.done()):
            self._opening = asyncio.create_task(self._open())
        return self._bus

    async def _open(self) -> None:
        try:
            self._bus = await self._open_bus()
        except BusUnavailable as error:
            self._alone(error.message)


def _key(policy: Policy, who: str) -> str:
    """A hash, since whose address it is need not lie on the bus, and not every character may stand in a key."""
    return f"{policy.name}.{hashlib.sha256(who.encode()).hexdigest()[:32]}"


async def _add(bus: Bus, key: str, window: int, taken: int) -> tuple[int, int]:
    """The numbers of the window before and of this one, with `taken` added to the latter."""
    for turn in range(_TRIES):
        found = await bus.kv_entry(LIMITS_KV, key)
        before, total = _numbers(found[0] if found else None, window)
        value = json.dumps([window, before, total + taken]).encode()
        if await bus.kv_swap(LIMITS_KV, key, value, found[1] if found else None):
            return before, total + taken
        await asyncio.sleep(random.uniform(0, 0.002 * (turn + 1)))
    raise BusUnavailable(f"{_TRIES} others were quicker each time")


def _numbers(value: bytes | None, window: int) -> tuple[int, int]:
    with contextlib.suppress(ValueError, TypeError):
        stored, before, total = json.loads(value or b"")
        if stored == window:
            return int(before), int(total)
        if stored == window - 1:
            return int(total), 0
    return 0, 0
