"""A live feed that is resumed from long ago shows the past: a look-up, recorded and counted as any other."""

from __future__ import annotations

from datetime import timedelta

from functions.console.reader import Reader
from functions.shared import audit, chain
from functions.shared.audit import Act
from functions.shared.bus import Bus
from functions.shared.context import Context
from functions.shared.contracts import DetectionRecorded, now
from functions.shared.replays import replay, stored_at
from functions.shared.topology import EVENTS

# A page that comes back after a break of the network, or of the platform, goes on where it was.
BREAK = timedelta(minutes=5)
ACTION = "detections.replay"


async def recorded(context: Context, bus: Bus, reader: Reader, after: int) -> None:
    """Write down that passages of before the last minutes are shown once more, if they are.

    Raises Throttled where the reader looked up too much, BusUnavailable, DatabaseUnavailable.
    """
    since = await stored_at(bus, EVENTS, after + 1)
    if since is None or now() - since <= BREAK:
        return
    subjects = [f"{DetectionRecorded.subject_root}.{camera}" for camera in reader.cameras]
    missed = await replay(bus, EVENTS, after, subjects)
    if missed.messages == 0:
        return
    details = {"plates": missed.messages, "from": chain.moment(since), "after": after}
    async with context.db.transaction() as session:
        await audit.record(context.vault, session, reader.who, Act(ACTION, "", None, details))
