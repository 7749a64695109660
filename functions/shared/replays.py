"""What a stream would give again to somebody who reads on from an earlier place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import nats.errors
import nats.js.errors
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from functions.shared.bus import Bus
from functions.shared.errors import BusUnavailable

_AWAY = (nats.errors.Error, nats.js.errors.Error, OSError, asyncio.TimeoutError)
# The server forgets the consumer by itself should we not come to delete it.
_LIFE_S = 5.0


@dataclass(frozen=True)
class Replay:
    """`messages` that come again, the first of which was stored at `since` (UTC); None where there are none."""

    messages: int = 0
    since: datetime | None = None


async def stored_at(bus: Bus, stream: str, sequence: int) -> datetime | None:
    """When the first message at or behind a sequence was stored, in UTC; None where there is none. Raises
    BusUnavailable."""
    try:
        return (await bus.js.get_msg(stream, sequence, subject=">", next=True)).time
    except nats.js.errors.NotFoundError:
        return None
    except _AWAY as error:
        raise BusUnavailable(f"{stream} gave no message: {error or type(error).__name__}") from error


async def replay(bus: Bus, stream: str, after: int, subjects: Sequence[str]) -> Replay:
    """The messages of these subjects behind a sequence, counted by the server. Raises BusUnavailable."""
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=after + 1, ack_policy=AckPolicy.NONE,
        inactive_threshold=_LIFE_S, filter_subjects=list(subjects), mem_storage=True,
    )  # fmt: skip
    since = await stored_at(bus, stream, after + 1)
    if since is None or not subjects:
        return Replay()
    try:
        made = await bus.js.add_consumer(stream, config)
        await bus.js.delete_consumer(stream, made.name)
    except _AWAY as error:
        raise BusUnavailable(f"{stream} was not counted: {error or type(error).__name__}") from error
    return Replay(made.num_pending or 0, since)
