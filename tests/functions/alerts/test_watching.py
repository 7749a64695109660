"""Passages and lists to alerts: once a passage, withdrawn when it does not hold, whatever the order of messages."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from functions.alerts.rules import Seen
from functions.alerts.watching import Watch
from functions.shared.context import Context
from functions.shared.contracts import DetectionRecorded, now
from functions.shared.db import Database
from functions.shared.tables import Detection, OutboxMessage
from tests.functions.alerts.conftest import Always, add, alerts, change, detection, make_list, told
from tests.functions.serving import Served


async def messages(database: Database, kind: str) -> list[str]:
    async with database.read() as session:
        asked = select(OutboxMessage.subject).where(OutboxMessage.subject.contains(f"alerts.{kind}."))
        return list(await session.scalars(asked.order_by(OutboxMessage.id)))


async def seen(watch: Watch, context: Context, plate: str | None, **other: Any) -> Detection:
    """A passage that is written and told of."""
    row = detection(plate, **other)
    await add(context.db, row)
    await watch.observe(told(row))
    return row


async def test_a_preview_raises_an_alert(served: Served, watch: Watch, context: Context) -> None:
    made = await make_list(served, "ABC1D23", name="Stolen", reason="BO 1/2026", priority="critical")
    row = await seen(watch, context, "ABC1D23", final=False)
    (alert,) = await alerts(context.db)
    assert (alert.hotlist_id, alert.kind, alert.state, alert.detection_id) == (made["id"], "watch", "open", row.id)
    assert (alert.list_name, alert.reason, alert.priority, alert.plate) == ("Stolen", "BO 1/2026", 90, "ABC1D23")
    assert await messages(context.db, "raised") == ["gtv.v1.alerts.raised.gate"]


async def test_what_is_on_no_list_raises_none(served: Served, watch: Watch, context: Context) -> None:
    await make_list(served, "ABC1D23")
    await seen(watch, context, "ABC1D24")
    await seen(watch, context, None)
    assert await alerts(context.db) == []


@pytest.mark.parametrize(("twins", "count"), [(True, 1), (False, 0)])
async def test_the_twin_counts_by_default(
    served: Served, watch: Watch, context: Context, twins: bool, count: int
) -> None:
    await make_list(served, "ABC1334", twins=twins)
    await seen(watch, context, "ABC1D34")
    assert len(await alerts(context.db)) == count


async def test_once_a_passage_and_list_however_often_it_is_told(served: Served, watch: Watch, context: Context) -> None:
    await make_list(served, "ABC1D23")
    await make_list(served, "ABC*")
    row = await seen(watch, context, "ABC1D23", final=False)
    await change(context.db, row.id, final=True)
    for _ in range(3):
        await watch.observe(told(row))
    assert len(await alerts(context.db)) == 2
    assert len(await messages(context.db, "raised")) == 2


async def test_replicas_that_get_the_same_messages_at_once_raise_one(served: Served, context: Context) -> None:
    await make_list(served, "ABC1D23")
    row = detection("ABC1D23")
    await add(context.db, row)
    replicas = [Watch(context, Always(context)) for _ in range(4)]
    await asyncio.gather(*(replica.observe(told(row)) for replica in replicas for _ in range(3)))
    assert len(await alerts(context.db)) == 1
    assert len(await messages(context.db, "raised")) == 1


STORY = (
    {"plate": "ABC1D28", "final": False},
    {"plate": "ABC1D23", "final": False},
    {"plate": "XYZ9K88", "final": True},
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_last_word_is_what_the_passage_is_now(
    served: Served, watch: Watch, context: Context, order: tuple[int, ...]
) -> None:
    """Three states of a passage, all of them told of late, twice and in any order: the alert is as if only the last
    had been told of."""
    await make_list(served, "XYZ9K88")
    await make_list(served, "ABC1D23")
    row = detection("ABC1D28", final=False)
    await add(context.db, row)
    letters: list[DetectionRecorded] = []
    for state in STORY:
        await change(context.db, row.id, **state)
        letters.append(told(row, **state))
    for index in (*order, *reversed(order)):
        await watch.observe(letters[index])
    (alert,) = [each for each in await alerts(context.db) if each.withdrawn_at is None]
    assert (alert.plate, alert.state) == ("XYZ9K88", "open")
    assert all(each.plate == "ABC1D23" for each in await alerts(context.db) if each.withdrawn_at is not None)


async def test_a_preview_that_was_wrong_is_withdrawn_with_the_reason(
    served: Served, watch: Watch, context: Context
) -> None:
    await make_list(served, "ABC1D23", escalate_after_min=5)
    row = await seen(watch, context, "ABC1D23", final=False)
    await change(context.db, row.id, plate="ABC1D28", final=True)
    await watch.observe(told(row, plate="ABC1D28", final=True))
    (alert,) = await alerts(context.db)
    assert (alert.state, alert.withdrawn_reason) == ("withdrawn", "the plate is ABC1D28 by now")
    assert alert.escalate_at is None
    assert await messages(context.db, "withdrawn") == ["gtv.v1.alerts.withdrawn.gate"]


async def test_one_that_holds_after_all_comes_back(served: Served, watch: Watch, context: Context) -> None:
    await make_list(served, "ABC1D23", escalate_after_min=5)
    row = await seen(watch, context, "ABC1D23", final=False)
    for plate in (None, "ABC1D23"):
        await change(context.db, row.id, plate=plate)
        await watch.observe(told(row, plate=plate))
    (alert,) = await alerts(context.db)
    assert (alert.state, alert.withdrawn_at, alert.withdrawn_reason) == ("open", None, None)
    assert alert.escalate_at is not None
    assert len(await messages(context.db, "raised")) == 2


async def test_a_passage_that_became_part_of_another_moves_its_alert_there(
    served: Served, watch: Watch, context: Context
) -> None:
    await make_list(served, "ABC1D23")
    row = await seen(watch, context, "ABC1D23", final=False)
    heir = detection("ABC1D23")
    await add(context.db, heir)
    async with context.db.transaction() as session:
        await session.execute(delete(Detection).where(Detection.id == row.id))
    letter = told(row, replaced_by=heir.id, final=False)
    await watch.observe(letter)
    # Late and twice: the passage is gone, what is told of it raises nothing.
    await watch.observe(told(row))
    await watch.observe(letter)
    gone, left = await alerts(context.db)
    assert (gone.detection_id, gone.state) == (row.id, "withdrawn")
    assert heir.id in str(gone.withdrawn_reason)
    assert (left.detection_id, left.state) == (heir.id, "open")


async def test_a_list_that_changed_since_makes_no_alert_wrong(served: Served, watch: Watch, context: Context) -> None:
    made = await make_list(served, "ABC1D23")
    row = await seen(watch, context, "ABC1D23", final=False)
    page = (await served.client.get(f"/api/hotlists/{made['id']}/entries")).json()
    gone = await served.client.delete(f"/api/hotlists/{made['id']}/entries/{page['items'][0]['id']}")
    assert gone.status_code == 204
    await change(context.db, row.id, final=True)
    await watch.observe(told(row, final=True))
    (alert,) = await alerts(context.db)
    assert alert.state == "open"
    await seen(watch, context, "ABC1D23")
    assert len(await alerts(context.db)) == 1


async def test_an_old_passage_raises_none(served: Served, watch: Watch, context: Context) -> None:
    await make_list(served, "ABC1D23")
    await seen(watch, context, "ABC1D23", at=now() - timedelta(days=2))
    assert await alerts(context.db) == []


async def test_groups_and_directions(served: Served, watch: Watch, context: Context) -> None:
    await make_list(served, "ABC1D23", group_ids=["north"], directions=["away"])
    for camera_id, direction in (("port", "away"), ("yard", "away"), ("gate", "towards"), ("gate", None)):
        await seen(watch, context, "ABC1D23", camera_id=camera_id, direction=direction)
    assert await alerts(context.db) == []
    row = await seen(watch, context, "ABC1D23", final=False)
    await change(context.db, row.id, direction="away", final=True)
    await watch.observe(told(row, direction="away", final=True))
    (alert,) = await alerts(context.db)
    assert alert.camera_id == "gate"


async def test_an_allow_list_tells_of_what_is_not_on_it(served: Served, watch: Watch, context: Context) -> None:
    await make_list(served, "ABC1334", {"pattern": "XYZ9K88", "match": "fuzzy"}, kind="allow", group_ids=["north"])
    for plate in ("ABC1334", "ABC1D34", "XYZ9K88", "XYZ9KB8"):
        await seen(watch, context, plate)
    await seen(watch, context, "QQQ1A11", camera_id="port")
    await seen(watch, context, "QQQ1A11", uncertain=True, final=False)
    assert await alerts(context.db) == []
    row = await seen(watch, context, "QQQ1A11", final=False)
    (alert,) = await alerts(context.db)
    assert (alert.kind, alert.entry) == ("not_listed", None)
    await change(context.db, row.id, plate="ABC1334", final=True)
    await watch.observe(told(row, plate="ABC1334", final=True))
    (alert,) = await alerts(context.db)
    assert alert.withdrawn_reason == "the plate is ABC1334 by now, which is on the list"


async def test_a_list_that_is_off_or_not_valid_says_nothing(served: Served, watch: Watch, context: Context) -> None:
    await make_list(served, "ABC1D23", enabled=False)
    await make_list(served, "ABC1D23", valid_until=(now() - timedelta(hours=1)).isoformat())
    await make_list(served, "ABC1D23", valid_from=(now() + timedelta(hours=1)).isoformat())
    await make_list(served, {"pattern": "ABC1D23", "valid_until": (now() - timedelta(minutes=1)).isoformat()})
    await seen(watch, context, "ABC1D23")
    assert await alerts(context.db) == []


async def test_a_new_entry_counts_without_reading_the_others_again(
    served: Served, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    made = await make_list(served, "ABC1D23", "ABC1D24", "ABC1D25")
    memory = Always(context)
    await memory.refresh()
    read: list[tuple[int, int]] = []
    from functions.alerts import repository

    original = repository.entries_since

    async def counted(*arguments: Any) -> Any:
        found = await original(*arguments)
        read.append((arguments[2], len(found)))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repository, "entries_since", counted)
        await served.client.post(f"/api/hotlists/{made['id']}/entries", json={"pattern": "NEW1A11"})
        await memory.refresh()
        await memory.refresh()
    assert read == [(3, 1)]


async def test_a_long_list_is_read_page_by_page_and_whole(
    served: Served, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.alerts import memory as held

    monkeypatch.setattr(held, "_PAGE", 2)
    plates = [f"ABC1D{number:02}" for number in range(7)]
    made = await make_list(served, *reversed(plates))
    memory = Always(context)
    await memory.refresh()
    seen = [Seen("gate", None, now(), plate, None, uncertain=False, final=True) for plate in (*plates, "ABC1D07")]
    assert [memory.listed(made["id"], each) for each in seen] == [True] * 7 + [False]
