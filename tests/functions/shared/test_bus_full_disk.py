"""A disk that fills under a real nats-server: what it had stays, and what it could not take is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.shared.bus import connect, ensure_topology
from functions.shared.config import Settings
from functions.shared.errors import BusUnavailable
from functions.shared.topology import STATUS_KV
from tests.support.disk import fill, small_disk
from tests.support.nats import NatsServer

LARGE = b"x" * 20_000  # more than what is left of any block on the disk


async def test_what_was_stored_stays_and_a_restart_with_room_goes_on(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk, NatsServer(disk / "nats") as server:
        bus = await connect(Settings(nats_url=server.url), "test")
        await ensure_topology(bus)
        await bus.kv_put(STATUS_KV, "before", b"kept")
        filler = fill(disk)
        with pytest.raises(BusUnavailable, match=STATUS_KV):
            await bus.kv_put(STATUS_KV, "meanwhile", LARGE)
        assert await bus.kv_get(STATUS_KV, "before") == b"kept"
        await bus.close()
        filler.unlink()
        server.kill()
        server.start()
        again = await connect(Settings(nats_url=server.url), "test")
        assert await again.kv_get(STATUS_KV, "before") == b"kept"
        await again.kv_put(STATUS_KV, "after", LARGE)
        assert await again.kv_get(STATUS_KV, "after") == LARGE
        await again.close()
