"""An API key has sent to it what it may read and no more: what was queued before it came too, and not after its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from functions.shared.api_keys import hash_of
from functions.shared.contracts import CameraState, CameraStatus, CameraStatusChanged, WebhookDisabled, now
from functions.shared.tables import ApiKey, ApiKeyGroup, AuditRow, OutboxMessage, Webhook
from functions.webhooks import disabling, sending
from tests.functions.signing import api_key
from tests.functions.webhooks.conftest import PLATE, Desk, eventually, passage, working
from tests.support.hooks import HookServer, Received, Reply

URL = "https://hooks.example.org/in"
ENDS, DETECTION = "gtv.webhook.disabled.v1", "gtv.detection.recorded.v1"
WEBHOOKS = ["webhooks:read", "webhooks:write"]
SPAN = {"from": "2026-01-01T00:00:00Z", "to": "2027-12-31T00:00:00Z"}
ALL_STATES = {**SPAN, "states": ["dead", "delivered"]}


async def keyed(
    desk: Desk, name: str, owner: str, more: Sequence[str] = (), groups: Sequence[str] | None = None
) -> str:  # fmt: skip
    """Sign a key of `owner` in as `name`; its id."""
    desk.tokens[name] = await api_key(desk.context, desk.users[owner], [*WEBHOOKS, *more], groups)
    async with desk.context.db.read() as session:
        asked = select(ApiKey.id).where(ApiKey.key_hash == hash_of(desk.tokens[name]))
        return (await session.scalars(asked)).one()


def state_of(camera_id: str = "cam-n") -> CameraStatusChanged:
    status = CameraStatus(camera_id=camera_id, state=CameraState.ONLINE, since=now(), updated_at=now())
    return CameraStatusChanged(camera_id=camera_id, status=status, previous=CameraState.OFFLINE)


async def test_a_key_has_nothing_of_what_is_stored_sent_to_its_own_address(desk: Desk) -> None:
    """The way by which a key for webhooks alone once had every stored detection: PATCH, then replay."""
    await keyed(desk, "writer", "root")
    async with HookServer() as hooks, HookServer() as evil:
        whole = await desk.add("root", hooks.url)
        await desk.tell(passage())
        await desk.send()
        await desk.tell(waits := passage("cam-s"))
        path = f"/{whole['id']}"
        for body in ({"url": evil.url, "event_types": [ENDS]}, {"event_types": [ENDS]}, {"url": evil.url}):
            answer = await desk.ask("writer", "PATCH", path, json=body)
            assert answer.status_code == 403, (body, answer.text)
        replayed = await desk.ask("writer", "POST", f"{path}/replay", json=ALL_STATES)
        assert (replayed.status_code, replayed.json()) == (202, {"replayed": 0})
        ids = [row.id for row in await desk.rows()]
        replayed = await desk.ask("writer", "POST", f"{path}/replay", json={"delivery_ids": ids})
        assert replayed.json() == {"replayed": 0}
        # What a person has narrowed a key may change; what is stored, or waits, of other types does not come with it.
        assert (await desk.ask("root", "PATCH", path, json={"event_types": [ENDS]})).status_code == 200
        assert (await desk.ask("writer", "PATCH", path, json={"url": evil.url})).status_code == 200
        (waiting,) = await desk.rows(event_id=waits.id)
        assert (waiting.state, waiting.reason, waiting.event) == ("skipped", "not_readable", None)
        for body in (ALL_STATES, {"delivery_ids": ids}):
            assert (await desk.ask("writer", "POST", f"{path}/replay", json=body)).json() == {"replayed": 0}
        await desk.send()
        assert (len(hooks.received), evil.received) == (1, [])


async def test_what_is_asked_for_no_more_is_not_sent(desk: Desk) -> None:
    async with HookServer() as hooks:
        made = await desk.add("root", hooks.url)
        await desk.tell(passage())
        await desk.send()
        await desk.tell(late := passage())
        await desk.tell(state := state_of())
        types = [state.type]
        assert (await desk.ask("root", "PATCH", f"/{made['id']}", json={"event_types": types})).status_code == 200
        assert (await desk.ask("root", "POST", f"/{made['id']}/replay", json=ALL_STATES)).json() == {"replayed": 0}
        await desk.send()
        assert [got.headers["webhook-id"] for got in hooks.received][1:] == [state.id]
    (row,) = await desk.rows(event_id=late.id)
    assert (row.state, row.reason) == ("skipped", sending.NOT_WANTED)
    # A test goes out whatever is asked for.
    assert (await desk.ask("root", "POST", f"/{made['id']}/test")).json()["state"] in ("dead", "delivered")


async def test_a_key_replays_what_it_may_read(desk: Desk) -> None:
    await keyed(desk, "reader", "root", ["detections:read"])
    async with HookServer() as hooks:
        made = await desk.add("root", hooks.url)
        await desk.tell(event := passage())
        await desk.tell(state_of())
        await desk.send()
        answer = await desk.ask("reader", "POST", f"/{made['id']}/replay", json=ALL_STATES)
        assert answer.json() == {"replayed": 1}
        await desk.send()
        assert [got.headers["webhook-id"] for got in hooks.received[2:]] == [event.id]


async def test_a_delivery_shows_its_body_to_who_may_read_the_event(desk: Desk) -> None:
    await keyed(desk, "writer", "root")
    await keyed(desk, "reader", "root", ["detections:read"])

    async def echo(got: Received) -> Reply:
        return Reply(200, got.body)

    async with HookServer(echo) as hooks:
        made = await desk.add("root", hooks.url)
        await desk.tell(passage())
        await desk.send()
        (row,) = await desk.rows()
        path = f"/{made['id']}/deliveries/{row.id}"
        for who in ("root", "reader"):
            shown = (await desk.ask(who, "GET", path)).json()
            assert PLATE in shown["body"]
            assert PLATE in shown["attempts"][0]["answer"]
        shown = await desk.ask("writer", "GET", path)
        assert (shown.status_code, shown.json()["body"]) == (200, None)
        assert PLATE not in shown.text
        assert PLATE not in (await desk.ask("writer", "GET", f"/{made['id']}/deliveries")).text
        tested = (await desk.ask("writer", "POST", f"/{made['id']}/test")).json()
        assert json.loads(tested["body"])["data"]["webhook_id"] == made["id"]


async def test_a_key_is_bound_to_its_groups_also_where_its_account_has_no_others(desk: Desk) -> None:
    """`ana` sees the group north alone; later she sees the south too, and her key does not."""
    await keyed(desk, "key", "ana", ["detections:read"], groups=["north"])
    bound = await desk.add("key", URL)
    assert bound["bound_to"] == ["north"]
    await keyed(desk, "whole", "ana", ["detections:read"])
    assert (await desk.add("whole", URL))["bound_to"] is None


async def _revoke(desk: Desk, key_id: str) -> None:
    async with desk.context.db.transaction() as session:
        await session.execute(update(ApiKey).where(ApiKey.id == key_id).values(revoked_at=now()))


async def _expire(desk: Desk, key_id: str) -> None:
    async with desk.context.db.transaction() as session:
        past = now() - timedelta(seconds=1)
        await session.execute(update(ApiKey).where(ApiKey.id == key_id).values(expires_at=past))


async def _delete(desk: Desk, key_id: str) -> None:
    async with desk.context.db.transaction() as session:
        await session.execute(delete(ApiKey).where(ApiKey.id == key_id))


async def _take_permission(desk: Desk, key_id: str) -> None:
    async with desk.context.db.transaction() as session:
        await session.execute(update(ApiKey).where(ApiKey.id == key_id).values(permissions=WEBHOOKS))


async def _take_group(desk: Desk, key_id: str) -> None:
    async with desk.context.db.transaction() as session:
        await session.execute(delete(ApiKeyGroup).where(ApiKeyGroup.key_id == key_id))


@pytest.mark.parametrize(
    ("loss", "reason"),
    [(_revoke, "key_over"), (_expire, "key_over"), (_delete, "key_over"), (_take_permission, "key_narrowed"),
     (_take_group, "key_narrowed")],
)  # fmt: skip
async def test_what_a_key_made_ends_with_it(desk: Desk, loss: Callable[[Desk, str], Any], reason: str) -> None:
    key_id = await keyed(desk, "key", "op", ["detections:read"], groups=["north"])
    async with HookServer() as hooks:
        made = await desk.add("key", hooks.url)
        kept = await desk.add("op", hooks.url, event_types=[ENDS])
        assert (made["key_id"], kept["key_id"]) == (key_id, None)
        assert await desk.tell(passage()) == 1
        assert await desk.tell(passage()) == 1
        await loss(desk, key_id)
        # At once nothing is queued any more, and what was due already is not sent.
        assert await desk.tell(passage()) == 0
        async with desk.sender() as sender:
            rows = await desk.rows()
            assert {(await sending.build(desk.context, row))[0] for row in rows} == {sending.Skip(reason)}
            assert await disabling.with_their_keys(desk.context) == 1
            assert await disabling.with_their_keys(desk.context) == 0
            await sender.send_due()
        assert hooks.received == []
    assert [(row.state, row.reason, row.event) for row in await desk.rows()] == [("skipped", reason, None)] * 2
    shown = (await desk.ask("op", "GET", f"/{made['id']}")).json()
    assert (shown["state"], shown["disabled_reason"], shown["waiting"]) == ("disabled", reason, 0)
    assert (await desk.ask("op", "GET", f"/{kept['id']}")).json()["state"] == "ok"
    async with desk.context.db.read() as session:
        (told,) = await session.scalars(select(OutboxMessage).where(OutboxMessage.subject.contains("webhooks")))
        (act,) = await session.scalars(select(AuditRow).where(AuditRow.action == "webhooks.disable"))
    message = WebhookDisabled.model_validate_json(told.body)
    assert (message.webhook_id, message.reason) == (made["id"], reason)
    assert (act.subject, act.details["reason"], act.details["key_id"]) == (made["id"], reason, key_id)


async def test_the_worker_disables_what_outlived_its_key(desk: Desk) -> None:
    key_id = await keyed(desk, "key", "op", ["detections:read"])
    made = await desk.add("key", URL)
    await _revoke(desk, key_id)
    async with working(desk):

        async def over() -> bool:
            return bool((await desk.ask("op", "GET", f"/{made['id']}")).json()["disabled_reason"] == "key_over")

        await eventually(over)


async def test_who_enables_it_again_answers_for_it(desk: Desk) -> None:
    first = await keyed(desk, "first", "op", ["detections:read"])
    second = await keyed(desk, "second", "op", ["detections:read"])
    await keyed(desk, "writer", "op")
    made, other = [await desk.add("first", URL, event_types=[DETECTION]) for _ in range(2)]
    await _revoke(desk, first)
    assert await disabling.with_their_keys(desk.context) == 2
    assert (await desk.ask("writer", "PATCH", f"/{made['id']}", json={"enabled": True})).status_code == 403
    # A name is no such matter.
    renamed = await desk.ask("op", "PATCH", f"/{made['id']}", json={"name": "Renamed"})
    assert renamed.json()["key_id"] == first
    assert (await desk.ask("second", "PATCH", f"/{made['id']}", json={"enabled": True})).json()["key_id"] == second
    assert (await desk.ask("op", "PATCH", f"/{other['id']}", json={"enabled": True})).json()["key_id"] is None
    assert await disabling.with_their_keys(desk.context) == 0
    assert await desk.tell(passage()) == 2
    await _revoke(desk, second)
    assert await disabling.with_their_keys(desk.context) == 1


async def test_who_gives_it_another_address_answers_for_it(desk: Desk) -> None:
    key_id = await keyed(desk, "key", "op", ["detections:read"])
    made = await desk.add("op", URL, event_types=[DETECTION])
    path = f"/{made['id']}"
    assert (await desk.ask("key", "PATCH", path, json={"url": URL, "name": "x"})).json()["key_id"] is None
    assert (await desk.ask("key", "PATCH", path, json={"url": f"{URL}2"})).json()["key_id"] == key_id
    assert (await desk.ask("op", "PATCH", path, json={"url": f"{URL}2", "name": "y"})).json()["key_id"] == key_id
    assert (await desk.ask("op", "PATCH", path, json={"url": URL})).json()["key_id"] is None
    async with desk.context.db.read() as session:
        assert (await session.scalars(select(Webhook.key_id))).all() == [None]
