"""Large changes of a list are read beside the judging: nobody waits for them, and nothing is missed by them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from functions.alerts import memory as held
from functions.alerts import repository
from functions.alerts.memory import Memory
from functions.alerts.watching import Watch
from functions.shared.context import Context
from functions.shared.contracts import DetectionRecorded, new_id, now
from functions.shared.errors import DatabaseUnavailable
from functions.shared.tables import Detection, Hotlist
from tests.functions.alerts.conftest import Always, add, alerts, detection, make_list, told
from tests.functions.serving import Served

PLATES = [f"ABC1D{number:02}" for number in range(9)]


class Gate:
    """Holds the reading of entries up behind the first page of each change, and may fail it once."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.fails = 0
        self._original = repository.entries_since

    async def __call__(self, session: Any, hotlist_id: str, version: int, behind: str, limit: int) -> Any:
        if behind:
            await self.open.wait()
            if self.fails:
                self.fails -= 1
                raise DatabaseUnavailable("away")
        return await self._original(session, hotlist_id, version, behind, limit)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate()
    monkeypatch.setattr(repository, "entries_since", made)
    for name, value in (("_PAGE", 3), ("_PART", 1), ("_AGAIN_S", 0.01)):
        monkeypatch.setattr(held, name, value)
    yield made
    made.open.set()


async def put(served: Served, hotlist_id: str, *plates: str, replace: bool = False) -> None:
    """One change of a list by a file."""
    how = {"hotlist_id": hotlist_id, "replace": str(replace).lower()}
    data = "plate\n" + "\n".join(plates)
    headers = {"Content-Type": "text/csv"}
    answer = await served.client.post("/api/hotlists/import", content=data, params=how, headers=headers)
    assert answer.status_code == 200, answer.text


async def seen(watch: Watch, context: Context, plate: str) -> Detection:
    row = detection(plate, final=False)
    await add(context.db, row)
    await asyncio.wait_for(watch.observe(told(row)), 5.0)
    return row


async def lists(context: Context) -> list[str]:
    return [alert.hotlist_id for alert in await alerts(context.db)]


@pytest.mark.parametrize("known", [True, False], ids=["a list that was held", "a new list"])
async def test_a_large_import_holds_up_no_alert_of_another_list(
    served: Served, watch: Watch, context: Context, gate: Gate, known: bool
) -> None:
    other = await make_list(served, "XYZ9K88", PLATES[-1])
    large = await make_list(served) if known else {}
    await seen(watch, context, "QQQ1A11")
    large = large or await make_list(served)
    await put(served, large["id"], *PLATES)
    await seen(watch, context, "XYZ9K88")
    missed = await seen(watch, context, PLATES[-1])
    assert await lists(context) == [other["id"]] * 2, "by the other list at once"
    gate.open.set()
    await watch.caught_up()
    assert await lists(context) == [other["id"]] * 2 + [large["id"]], "and by the large one once it is read"
    assert (await alerts(context.db))[-1].detection_id == missed.id
    await seen(watch, context, PLATES[3])
    assert (await lists(context))[3:] == [large["id"]]


async def test_a_process_that_holds_nothing_waits_for_its_lists(served: Served, context: Context, gate: Gate) -> None:
    large = await make_list(served)
    await put(served, large["id"], *PLATES)
    watch, row = Watch(context, Always(context)), detection(PLATES[-1])
    await add(context.db, row)
    judging = asyncio.create_task(watch.observe(told(row)))
    await asyncio.sleep(0.1)
    assert not judging.done()
    gate.open.set()
    assert await judging
    assert await lists(context) == [large["id"]]


async def test_who_may_pass_is_not_told_of_while_the_list_is_read(
    served: Served, watch: Watch, context: Context, gate: Gate
) -> None:
    allow = await make_list(served, PLATES[0], kind="allow")
    await seen(watch, context, PLATES[0])
    await put(served, allow["id"], *PLATES)
    for plate in (PLATES[-1], "QQQ1A11"):
        await seen(watch, context, plate)
    assert await lists(context) == []
    gate.open.set()
    await watch.caught_up()
    (alert,) = await alerts(context.db)
    assert (alert.plate, alert.kind) == ("QQQ1A11", "not_listed")


async def test_other_tolerances_are_read_beside_the_old_ones(
    served: Served, watch: Watch, context: Context, gate: Gate
) -> None:
    entries = [{"pattern": plate, "match": "fuzzy"} for plate in ("ABC1D23", "XYZ9K88", "QQQ1A11", "RRR1A11")]
    gate.open.set()
    made = await make_list(served, *entries, tolerances={"7": 0.0})
    await seen(watch, context, "ABC1D23")
    gate.open.clear()
    await served.client.patch(f"/api/hotlists/{made['id']}", json={"tolerances": {"7": 0.6}})
    await seen(watch, context, "ABC1D23")
    await seen(watch, context, "XYZ9KB8")
    assert [alert.plate for alert in await alerts(context.db)] == ["ABC1D23", "ABC1D23"]
    gate.open.set()
    await watch.caught_up()
    assert [alert.plate for alert in await alerts(context.db)] == ["ABC1D23", "ABC1D23", "XYZ9KB8"]


async def test_a_reading_that_fails_is_begun_again_and_nothing_is_lost(
    served: Served, watch: Watch, context: Context, gate: Gate
) -> None:
    large = await make_list(served)
    await seen(watch, context, "QQQ1A11")
    await put(served, large["id"], *PLATES)
    await seen(watch, context, PLATES[-1])
    gate.fails = 2
    gate.open.set()
    await asyncio.wait_for(watch.caught_up(), 10.0)
    assert await lists(context) == [large["id"]]


async def test_what_changes_while_it_is_read_is_read_too(
    served: Served, watch: Watch, context: Context, gate: Gate
) -> None:
    large = await make_list(served)
    await seen(watch, context, "QQQ1A11")
    await put(served, large["id"], *PLATES)
    await seen(watch, context, "QQQ1A11")
    await put(served, large["id"], "AAA0A00", *PLATES[:2], replace=True)
    gate.open.set()
    await watch.caught_up()
    for plate in ("AAA0A00", PLATES[1], PLATES[5]):
        await seen(watch, context, plate)
        await watch.caught_up()
    assert [alert.plate for alert in await alerts(context.db)] == ["AAA0A00", PLATES[1]]


async def test_a_list_that_goes_while_it_is_read_is_gone(
    served: Served, watch: Watch, context: Context, gate: Gate
) -> None:
    large = await make_list(served)
    await seen(watch, context, "QQQ1A11")
    await put(served, large["id"], *PLATES)
    await seen(watch, context, PLATES[-1])
    await served.client.delete(f"/api/hotlists/{large['id']}")
    await seen(watch, context, PLATES[-1])
    await asyncio.wait_for(watch.caught_up(), 10.0)
    assert await lists(context) == []


async def test_while_50_000_entries_are_read_others_are_judged(served: Served, context: Context) -> None:
    """Without a gate and with the memory that processes have: some alerts come before the large list is read, none
    takes longer than a moment, and none is missed."""
    other, large = await make_list(served, "XYZ9K88"), await make_list(served)
    memory = Memory(context)
    watch = Watch(context, memory)
    await memory.refresh()
    plates = [f"A{chr(65 + number // 10_000)}C{number % 10_000:04}" for number in range(50_000)]
    at = now()
    common = {
        "hotlist_id": large["id"], "match": "exact", "tolerance": None, "note": None, "valid_until": None, "version": 1,
        "removed": False, "created_by": "a", "created_at": at, "updated_at": at,
    }  # fmt: skip
    async with context.db.transaction() as session:
        await repository.put_entries(session, [{"id": new_id(), "pattern": plate, **common} for plate in plates])
        (await session.get_one(Hotlist, large["id"])).entries_version = 1
    await memory.refresh(0.0)
    assert memory.reading
    letters: list[DetectionRecorded] = []
    before, took = 0, []
    while memory.reading or not letters:
        rows = [detection("XYZ9K88", final=False), detection(plates[-1], final=False)]
        await add(context.db, *rows)
        for row in rows:
            letters.append(told(row))
            started = asyncio.get_running_loop().time()
            await watch.observe(letters[-1])
            took.append(asyncio.get_running_loop().time() - started)
        before += memory.reading
    await watch.caught_up()
    found = await lists(context)
    assert before, "no passage was judged while the list was being read"
    assert found.count(other["id"]) == found.count(large["id"]) == len(letters) / 2
    assert sorted(took)[len(took) // 2] < 1.0
