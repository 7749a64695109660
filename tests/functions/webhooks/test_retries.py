"""Endpoints that fail: tried again, held, given up, disabled, replayed; and none of them slows another."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select, update

from functions.shared.contracts import now
from functions.shared.tables import AuditRow, OutboxMessage, Webhook
from functions.webhooks.policy import SCHEDULE_S
from functions.webhooks.worker import FAILING_AT, LANE, lane
from tests.functions.webhooks.conftest import Desk, eventually, passage, working
from tests.support.hooks import HookServer, Received, Reply
from tests.support.ports import free_port


def answering(*replies: Reply) -> HookServer:
    """Gives one answer after the other, the last one for ever."""
    left = list(replies)

    async def respond(_: Received) -> Reply:
        return left.pop(0) if len(left) > 1 else left[0]

    return HookServer(respond)


async def test_what_fails_is_tried_again_under_the_same_id(desk: Desk) -> None:
    async with answering(Reply(500, b"oops" * 2000), Reply(302, b""), Reply(200, b"fine")) as hooks:
        made = await desk.add("ana", hooks.url)
        event = passage()
        await desk.tell(event)
        assert await desk.send() == 1
        assert await desk.send() == 0, "the next try has its time"
        (row,) = await desk.rows()
        assert (row.state, row.tries) == ("pending", 1)
        assert row.next_at is not None
        assert timedelta(seconds=4) < row.next_at - now() < timedelta(seconds=6)
        failing = (await desk.ask("ana", "GET", f"/{made['id']}")).json()
        assert (failing["state"], failing["failures"], failing["last_outcome"]) == ("failing", 1, "500")
        for _ in range(2):
            await desk.later()
            assert await desk.send() == 1
    assert {got.headers["webhook-id"] for got in hooks.received} == {event.id}
    shown = (await desk.ask("ana", "GET", f"/{made['id']}/deliveries/{row.id}")).json()
    assert [attempt["status"] for attempt in shown["attempts"]] == [500, 302, 200]
    assert [len(attempt["answer"]) for attempt in shown["attempts"]] == [2048, 0, 4]
    assert (shown["state"], shown["tries"]) == ("delivered", 3)
    well = (await desk.ask("ana", "GET", f"/{made['id']}")).json()
    assert (well["state"], well["failures"]) == ("ok", 0)


async def test_after_ten_tries_it_is_dead_and_can_be_replayed(desk: Desk) -> None:
    made = await desk.add("ana", f"http://127.0.0.1:{(port := free_port())}/hook")
    event = passage()
    await desk.tell(event)
    for _ in SCHEDULE_S:
        await desk.later()
        assert await desk.send() == 1
    (row,) = await desk.rows()
    assert (row.state, row.tries, row.next_at) == ("dead", 10, None)
    assert len(await desk.attempts()) == 10
    found = (await desk.ask("ana", "GET", f"/{made['id']}")).json()
    assert (found["dead"], found["waiting"]) == (1, 0)
    async with HookServer(port=port) as hooks:
        replayed = await desk.ask("ana", "POST", f"/{made['id']}/replay", json={"delivery_ids": [row.id]})
        assert (replayed.status_code, replayed.json()) == (202, {"replayed": 1})
        await desk.send()
        assert [got.headers["webhook-id"] for got in hooks.received] == [event.id]
    assert (await desk.rows())[0].state == "delivered"


async def test_replay_by_a_span_of_time(desk: Desk) -> None:
    async with HookServer() as hooks:
        made = await desk.add("ana", hooks.url)
        start = now()
        for _ in range(3):
            await desk.tell(passage())
        await desk.send()
        span = {"from": start.isoformat(), "to": (now() + timedelta(minutes=1)).isoformat()}
        path = f"/{made['id']}/replay"
        assert (await desk.ask("ana", "POST", path, json=span)).json() == {"replayed": 0}, "none is dead"
        every = span | {"states": ["dead", "delivered"]}
        assert (await desk.ask("ana", "POST", path, json=every)).json() == {"replayed": 3}
        await desk.send()
        ids = [got.headers["webhook-id"] for got in hooks.received]
        assert (len(ids), len(set(ids))) == (6, 3)
        early = {"from": (start - timedelta(days=1)).isoformat(), "to": start.isoformat(), "states": ["delivered"]}
        assert (await desk.ask("ana", "POST", path, json=early)).json() == {"replayed": 0}
        for wrong in ({}, {"from": span["from"]}, span | {"delivery_ids": ["0" * 32]},
                      {"from": span["to"], "to": span["from"]}):  # fmt: skip
            assert (await desk.ask("ana", "POST", path, json=wrong)).status_code == 422
        await desk.ask("ana", "PATCH", f"/{made['id']}", json={"enabled": False})
        assert (await desk.ask("ana", "POST", path, json=every)).status_code == 409


async def test_retry_after_holds_back_all_that_waits_for_the_endpoint(desk: Desk) -> None:
    async with answering(Reply(429, headers={"retry-after": "60"}), Reply(200)) as hooks:
        made = await desk.add("ana", hooks.url)
        await desk.tell(passage())
        await desk.send()
        await desk.tell(passage())
        assert await desk.send() == 0
        found = (await desk.ask("ana", "GET", f"/{made['id']}")).json()
        assert found["hold_until"] > (now() + timedelta(seconds=55)).isoformat()
        async with desk.context.db.transaction() as session:
            await session.execute(update(Webhook).values(hold_until=now() - timedelta(seconds=1)))
        assert await desk.send() == 1


async def test_gone_disables_and_tells(desk: Desk) -> None:
    async with answering(Reply(410)) as hooks:
        made = await desk.add("ana", hooks.url)
        await desk.tell(passage())
        await desk.tell(passage())
        async with desk.sender() as sender:
            async with desk.context.db.transaction() as session:
                await session.execute(update(Webhook).values(failures=FAILING_AT))
            assert await sender.send_due() == 1
            await asyncio.wait(set(sender._tasks))
        assert await desk.send() == 0, "a disabled endpoint gets nothing"
    found = (await desk.ask("ana", "GET", f"/{made['id']}")).json()
    assert (found["state"], found["disabled_reason"], found["enabled"]) == ("disabled", "gone", False)
    assert await desk.tell(passage()) == 0
    async with desk.context.db.read() as session:
        (message,) = await session.scalars(select(OutboxMessage))
        acts = [row.action for row in await session.scalars(select(AuditRow).order_by(AuditRow.seq))]
    assert message.subject == f"gtv.v1.webhooks.disabled.{made['id']}"
    assert '"reason":"gone"' in message.body
    assert acts[-1] == "webhooks.disable"
    # What waited goes out once somebody has mended it.
    async with HookServer() as mended:
        await desk.ask("ana", "PATCH", f"/{made['id']}", json={"enabled": True, "url": mended.url})
        assert await desk.send() == 1


async def test_long_failure_disables_and_a_success_in_between_does_not(desk: Desk) -> None:
    async with answering(Reply(500), Reply(200), Reply(500), Reply(500)) as hooks:
        made = await desk.add("ana", hooks.url)
        for number in range(4):
            await desk.tell(passage())
            async with desk.context.db.transaction() as session:
                past = now() - timedelta(hours=121)
                await session.execute(
                    update(Webhook).where(Webhook.failing_since.is_not(None)).values(failing_since=past)
                )
            await desk.send()
            found = (await desk.ask("ana", "GET", f"/{made['id']}")).json()
            assert found["enabled"] is (number < 3), number
    assert (found["disabled_reason"], found["state"]) == ("failing", "disabled")


async def test_the_address_is_checked_at_each_delivery(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that led to a permitted address when it was given leads elsewhere now."""
    async with HookServer() as hooks:
        await desk.add("ana", hooks.url.replace("127.0.0.1", "localhost"))
        async with desk.sender() as sender:

            async def elsewhere(host: str, port: int) -> list[str]:
                return ["10.0.0.7"]

            monkeypatch.setattr(sender._outbound, "_resolve", elsewhere)
            await desk.tell(passage())
            await sender.send_due()
            await asyncio.wait(set(sender._tasks))
    (attempt,) = await desk.attempts()
    assert (attempt.failure, hooks.connections) == ("address_refused", 0)
    assert "10.0.0.7" not in (attempt.reason or "")


async def hang(_: Received) -> Reply:
    await asyncio.sleep(30)
    return Reply()


async def test_an_endpoint_that_hangs_does_not_slow_the_others(desk: Desk) -> None:
    """30 events for each of three endpoints; one never answers, one is dead. The third has all of its own while the
    first has not even been asked for all of them."""
    async with HookServer(hang) as silent, HookServer() as healthy:
        urls = (silent.url, f"http://127.0.0.1:{free_port()}/", healthy.url)
        hung, _, _ = [(await desk.add("bia", url))["id"] for url in urls]
        events = [passage() for _ in range(30)]
        for event in events:
            await desk.tell(event)
        async with working(desk):
            await eventually(lambda: len(healthy.received) == 30, 30.0)
            waiting = [row for row in await desk.rows(webhook_id=hung) if row.tries == 0 and row.claim is None]
    assert waiting
    assert {got.headers["webhook-id"] for got in healthy.received} == {event.id for event in events}


async def test_a_full_lane_takes_no_more_and_leaves_the_others_theirs(desk: Desk) -> None:
    async with HookServer(hang) as silent, HookServer(hang) as other, desk.sender() as sender:
        hung = (await desk.add("bia", silent.url))["id"]
        for _ in range(LANE + 5):
            await desk.tell(passage())
        assert await sender.send_due() == LANE
        assert await sender.send_due() == 0
        await desk.add("bia", other.url)
        await desk.tell(passage())
        assert await sender.send_due() == 1
        assert len([row for row in await desk.rows(webhook_id=hung) if row.claim]) == LANE
        for task in list(sender._tasks):
            task.cancel()


def test_a_failing_endpoint_has_a_narrow_lane() -> None:
    assert [lane(failures) for failures in (0, FAILING_AT - 1, FAILING_AT, 1000)] == [LANE, LANE, 1, 1]


async def test_two_senders_do_not_take_the_same(desk: Desk) -> None:
    async with HookServer() as hooks:
        await desk.add("bia", hooks.url)
        for _ in range(20):
            await desk.tell(passage())
        async with desk.sender() as one, desk.sender() as other:
            while sum(await asyncio.gather(one.send_due(), other.send_due())):
                await asyncio.gather(*one._tasks, *other._tasks)
    assert len(hooks.received) == len({got.headers["webhook-id"] for got in hooks.received}) == 20


async def test_what_a_process_that_ends_had_in_hand_is_due_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.webhooks.worker.PATIENCE_S", 0.05)
    async with HookServer(hang) as hooks:
        await desk.add("bia", hooks.url)
        await desk.tell(passage())
        async with desk.sender() as sender:
            await sender.send_due()
            await eventually(lambda: len(hooks.received) == 1)
            (held,) = await desk.rows()
            assert held.next_at is not None
            assert held.next_at > now(), "nobody else takes it meanwhile"
    (row,) = await desk.rows()
    assert (row.state, row.claim) == ("pending", None)
    assert row.next_at is not None
    assert row.next_at <= now()


async def test_old_deliveries_are_forgotten_and_the_waiting_is_measured(desk: Desk) -> None:
    from functions.webhooks.worker import Worker

    await desk.add("bia", "https://hooks.example.org/")
    for _ in range(2):
        await desk.tell(passage())
    first, second = await desk.rows()
    async with desk.context.db.transaction() as session:
        table = type(first)
        for row, days in ((first, 31), (second, 29)):
            moved = update(table).where(table.id == row.id).values(created_at=now() - timedelta(days=days))
            await session.execute(moved)
    worker = Worker(desk.context)
    await worker._forget()
    await worker._count()
    assert [row.id for row in await desk.rows()] == [second.id]
    assert REGISTRY.get_sample_value("gtv_webhook_waiting") == 1
    oldest = REGISTRY.get_sample_value("gtv_webhook_oldest_waiting_seconds")
    assert oldest is not None
    assert abs(oldest - 29 * 86_400) < 60
    await worker._outbound.close()
