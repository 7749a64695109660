"""A brake on guessing passwords, counted in the database so that all replicas count together.

Three budgets, each by a keyed hash, and one that replaces them:

- `network`: failures of one network over all names, so that it cannot try one password on everybody;
- `pair`: failures of one name from one network. Used up, it is refused for a window, which doubles each time it is
  used up again, to an hour at the most;
- `name`: failures of one name over all networks. It never refuses for long: beyond a number of failures one try each
  ten seconds is let through. A network that the user signed in from lately is not counted here. So a crowd of
  strangers makes guessing slow, and can keep nobody out for ever;
- `device`: a browser that has signed in before as this name keeps a signed cookie, and is counted by that alone.
  Neither strangers nor a neighbour behind the same address can use up its budget.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from functions.auth import repository, tries
from functions.auth.schemas import USERNAME
from functions.shared.addresses import network_of
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import Rejected, Throttled

WINDOW = timedelta(minutes=5)
LONGEST = timedelta(hours=1)
_STRIKES = 4  # from which the window is as long as it gets
PER_PAIR = 8
PER_NETWORK = 60
# Failures of one name over all networks after which tries are let through at this distance.
SLOW_AFTER, SLOW = 20, timedelta(seconds=10)
# How long a network is known after a sign-in, and a browser by its cookie.
KNOWN = timedelta(days=30)
DEVICE_S = 180 * 86_400
_DEVICES = 8
_DEVICE = re.compile(r"([A-Za-z0-9_-]{22})\.(\d{10})\.([0-9a-f]{32})")


@dataclass(frozen=True)
class Origin:
    """Where a sign-in comes from: address and browser, and what its cookie of known devices holds."""

    address: str = ""
    agent: str = ""
    devices: str = ""

    @property
    def network(self) -> str:
        return network_of(self.address)


@dataclass(frozen=True)
class _Budget:
    """One count: `limit` failures a window; `spacing` instead of a refusal, where it is set."""

    key: str
    limit: int
    spacing: timedelta | None = None
    clears: bool = field(default=True, kw_only=True)


@contextlib.asynccontextmanager
async def attempt(context: Context, username: str, origin: Origin) -> AsyncIterator[None]:
    """One try, made by the block. It is counted before the password is checked, so that many at once cannot slip
    through; it stays counted when the block raises Rejected, and is given back when it succeeds or a part of ours
    fails.

    Raises Throttled, with the seconds to wait.
    """
    at = now()
    async with context.db.transaction() as session:
        await tries.drop_before(session, at - timedelta(days=1))
        budgets = await _budgets(context, session, username, origin, at)
        for budget in budgets:
            await _take(session, budget, at)
    try:
        yield
    except Rejected:
        raise
    except BaseException:
        await _give_back(context, budgets, cleared=False)
        raise
    else:
        await _give_back(context, budgets, cleared=True)


async def _budgets(
    context: Context, session: AsyncSession, username: str, origin: Origin, at: datetime
) -> tuple[_Budget, ...]:
    """The counts of a try, in the one order in which they are locked."""
    device = known_device(context, username, origin.devices)
    if device is not None:
        return (_Budget(_key(context, "device", username, device), PER_PAIR),)
    network = _Budget(_key(context, "network", origin.network), PER_NETWORK, clears=False)
    pair = _Budget(_key(context, "pair", username, origin.network), PER_PAIR)
    named = re.fullmatch(USERNAME, username) is not None
    if named and await repository.knows_network(session, username, origin.network, at - KNOWN):
        return network, pair
    return network, _Budget(_key(context, "name", username), SLOW_AFTER, SLOW, clears=False), pair


async def _take(session: AsyncSession, budget: _Budget, at: datetime) -> None:
    """Count one more. Raises Throttled, which undoes what was counted: a try that is put off costs nothing."""
    row = await tries.locked(session, budget.key, at)
    window = min(WINDOW * 2**row.strikes, LONGEST)
    if at - row.since >= window:
        used_up = row.failures >= budget.limit and budget.spacing is None
        row.strikes = min(row.strikes + 1, _STRIKES) if used_up else 0
        row.since, row.failures = at, 0
    ready = at
    if row.failures >= budget.limit:
        ready = row.last_at + budget.spacing if budget.spacing else row.since + window
    if ready > at:
        wait = max(1, int((ready - at).total_seconds()) + 1)
        raise Throttled(f"too many failed sign-ins; try again in {wait} s", retry_after=wait)
    row.failures, row.last_at = row.failures + 1, at


async def _give_back(context: Context, budgets: tuple[_Budget, ...], *, cleared: bool) -> None:
    """Of a success, the counts of this name and origin are forgotten; those that others share get one back."""
    async with context.db.transaction() as session:
        for budget in budgets:
            if cleared and budget.clears:
                await tries.forget(session, budget.key)
            else:
                await tries.give_back(session, budget.key)


def _key(context: Context, kind: str, *parts: str) -> str:
    return context.vault.sign("\n".join(("sign-in", kind, *parts)))


def known_device(context: Context, username: str, cookie: str) -> str | None:
    """The id of the device that a cookie proves to have signed in as this user before."""
    for token in cookie.split("~")[:_DEVICES]:
        found = _DEVICE.fullmatch(token)
        if found is None or int(found[2]) + DEVICE_S < time.time():
            continue
        if context.vault.signed(_device_text(username, found[1], found[2]), found[3]):
            return found[1]
    return None


def with_device(context: Context, username: str, cookie: str) -> str:
    """The cookie with a new proof for this user first; those of the others who use this browser stay."""
    nonce, at = secrets.token_urlsafe(16), str(int(time.time()))
    fresh = f"{nonce}.{at}.{context.vault.sign(_device_text(username, nonce, at))}"
    others = [
        token for token in cookie.split("~")
        if _DEVICE.fullmatch(token) and known_device(context, username, token) is None
    ]  # fmt: skip
    return "~".join([fresh, *others[: _DEVICES - 1]])


def _device_text(username: str, nonce: str, at: str) -> str:
    return f"device\n{username}\n{nonce}\n{at}"
