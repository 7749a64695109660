"""Reading a whole bucket, again and again while it changes: never less than what is there, nothing left behind."""

from __future__ import annotations

import asyncio

from functions.shared.bus import Bus
from functions.shared.topology import CAMERAS_KV


async def test_no_reading_misses_a_key_and_no_consumer_stays(bus: Bus) -> None:
    keys = {f"camera-{number}" for number in range(300)}
    await asyncio.gather(*(bus.kv_put(CAMERAS_KV, key, key.encode()) for key in keys))
    changing = True

    async def change() -> None:
        while changing:
            await bus.kv_put(CAMERAS_KV, "camera-7", b"changed")

    writer = asyncio.create_task(change())
    try:
        for _ in range(60):
            values = await bus.kv_all(CAMERAS_KV)
            assert set(values) == keys
            assert all(values[key] == key.encode() for key in keys - {"camera-7"})
    finally:
        changing = False
        await writer
    info = await bus.js.stream_info(f"KV_{CAMERAS_KV}")
    assert info.state.consumer_count == 0


async def test_deleted_keys_are_absent_and_an_empty_bucket_is_empty(bus: Bus) -> None:
    for key in await bus.kv_all(CAMERAS_KV):
        await bus.kv_delete(CAMERAS_KV, key)
    assert await bus.kv_all(CAMERAS_KV) == {}
    await bus.kv_put(CAMERAS_KV, "a.b", b"dotted")
    await bus.kv_put(CAMERAS_KV, "gone", b"x")
    await bus.kv_delete(CAMERAS_KV, "gone")
    assert await bus.kv_all(CAMERAS_KV) == {"a.b": b"dotted"}
    await bus.kv_delete(CAMERAS_KV, "a.b")
