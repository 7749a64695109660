from __future__ import annotations

import asyncio

from functions.shared.tasks import end


async def test_a_task_that_drops_a_cancellation_is_ended() -> None:
    dropped = asyncio.Event()

    async def work() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if dropped.is_set():
                    raise
                dropped.set()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await asyncio.wait_for(end(task), 10)
    assert dropped.is_set()
    assert task.cancelled()


async def test_what_ended_or_failed_before_is_no_hindrance() -> None:
    async def fail() -> None:
        raise ValueError("before")

    async def pass_by() -> None:
        return None

    tasks = [asyncio.create_task(fail()), asyncio.create_task(pass_by())]
    await asyncio.sleep(0)
    await end(*tasks)
    assert all(task.done() for task in tasks)
