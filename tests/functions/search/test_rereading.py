"""POST /api/detections/reread: what another model read, applied item by item, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from functions.shared.contracts import now
from functions.shared.db import Database
from functions.shared.tables import Camera, Correction, Detection, Group
from tests.functions.search.conftest import URL, add, detection
from tests.functions.search.test_corrections import events_of, patch, rows_of
from tests.functions.serving import Served

MODEL = "triton_models@0123456789ab"


def item(row: Detection, plate: str, confidence: float = 0.93, **other: Any) -> dict[str, Any]:
    return {"detection_id": row.id, "expected_plate": row.plate, "plate": plate, "confidence": confidence, **other}


async def reread(served: Served, *items: dict[str, Any]) -> list[tuple[str, str | None]]:
    answer = await served.client.post(f"{URL}/reread", json={"model": MODEL, "items": list(items)})
    assert answer.status_code == 200, answer.text
    found = answer.json()["items"]
    assert [one["detection_id"] for one in found] == [one["detection_id"] for one in items]
    return [(one["outcome"], one["plate"]) for one in found]


async def test_each_item_by_itself(served: Served, database: Database) -> None:
    misread, none, same, moved = (
        detection(text, number) for number, text in enumerate(["AAA0A00", None, "CCC0C00", "DDD0D00"])
    )
    likely = [{"text": "AAA0A08", "confidence": 0.93}, {"text": "AAA0A00", "confidence": 0.05}]
    corrected, in_sight = detection("EEE0E00", 5), detection("FFF0F00", 6, final=False)
    await add(database, misread, none, same, moved, corrected, in_sight)
    await patch(served, corrected.id, plate="EEE0E01")
    gone = detection("GGG0G00")
    assert await reread(
        served,
        item(misread, "AAA0A08", rows=2, candidates=likely),
        item(none, "BBB0B00"), item(same, "CCC0C00"), {**item(moved, "DDD0D01"), "expected_plate": "DDD0D09"},
        {**item(corrected, "EEE0E02"), "expected_plate": "EEE0E01"}, item(in_sight, "FFF0F01"), item(gone, "GGG0G01"),
    ) == [
        ("applied", "AAA0A08"), ("applied", "BBB0B00"), ("unchanged", "CCC0C00"), ("conflict", "DDD0D00"),
        ("corrected_by_person", "EEE0E01"), ("in_sight", "FFF0F00"), ("not_found", None),
    ]  # fmt: skip
    shown = (await served.client.get(f"{URL}/{misread.id}")).json()
    expected = {
        "plate": "AAA0A08", "plate_read": "AAA0A08", "plate_confidence": 0.93, "plate_format": "br_mercosul",
        "rows": 2, "corrected": False, "uncertain": False,
    }  # fmt: skip
    assert {name: shown[name] for name in expected} == expected
    assert [one["text"] for one in shown["candidates"]] == ["AAA0A08", "AAA0A00"]
    [note] = shown["corrections"]
    assert [note[name] for name in ("source", "model", "plate_before", "plate_after", "created_by")] == [
        "reread", MODEL, "AAA0A00", "AAA0A08", "admin",
    ]  # fmt: skip
    found = await served.client.get(URL, params={"plate": "*A08", "match": "wildcard"})
    assert [one["id"] for one in found.json()["items"]] == [misread.id]
    assert sorted(event.plate or "" for event in await events_of(database)) == ["AAA0A08", "BBB0B00", "EEE0E01"]
    # Once more is no change.
    assert await reread(served, item(misread, "AAA0A08")) == [("unchanged", "AAA0A08")]
    assert len(await rows_of(database, Correction)) == 3


async def test_marks_and_formats_follow_the_camera(served: Served, database: Database) -> None:
    at = now()
    group = Group(id="ring", name="R", plate_formats=["uy_mercosul"], created_at=at, updated_at=at)
    camera = Camera(
        id="gate", name="G", url_encrypted="-", group_id="ring", min_confidence=0.95, created_at=at, updated_at=at
    )
    await add(database, group, camera)
    rows = [detection("AAA0A00", number) for number in range(4)]
    await add(database, *rows)
    await reread(
        served, item(rows[0], "SBC1234", 0.94), item(rows[1], "SBC1235", 0.96),
        item(rows[2], "SBC1236", plate_format="br_old"), item(rows[3], "QX9", plate_format="br_old"),
    )  # fmt: skip
    found = {row.plate: (row.plate_format, row.uncertain) for row in await rows_of(database, Detection)}
    assert found == {
        "SBC1234": ("uy_mercosul", True), "SBC1235": ("uy_mercosul", False), "SBC1236": ("br_old", True),
        "QX9": (None, True),
    }  # fmt: skip


async def test_a_person_and_a_rereading_at_once(served: Served, database: Database) -> None:
    rows = [detection(f"AAA0A{number:02}") for number in range(12)]
    await add(database, *rows)
    outcomes, *_ = await asyncio.gather(
        reread(served, *(item(row, f"BBB0B{number:02}") for number, row in enumerate(rows))),
        *(patch(served, row.id, plate=f"CCC0C{number:02}") for number, row in enumerate(rows)),
    )
    # Whatever the order was, the person's word stands.
    assert sorted(row.plate for row in await rows_of(database, Detection)) == [
        f"CCC0C{number:02}" for number in range(12)
    ]
    assert {outcome for outcome, _ in outcomes} <= {"applied", "corrected_by_person"}


@pytest.mark.parametrize(
    "change",
    [
        {"plate": "abc1d23"}, {"plate": ""}, {"plate": "ABC-1D23"}, {"plate": "ABCDEFGHIJK"}, {"plate": None},
        {"confidence": 1.1}, {"detection_id": "x"}, {"plate_format": "us"}, {"rows": 3}, {"more": 1},
        {"candidates": [{"text": "A", "confidence": 0.5}] * 9},
    ],
)  # fmt: skip
async def test_a_wrong_item_is_refused(served: Served, database: Database, change: dict[str, Any]) -> None:
    row = detection("AAA0A00")
    await add(database, row)
    body = {"model": MODEL, "items": [{**item(row, "ABC1D23"), **change}]}
    assert (await served.client.post(f"{URL}/reread", json=body)).status_code == 422
    assert await rows_of(database, Correction) == []


async def test_a_wrong_list_is_refused(served: Served) -> None:
    one = item(detection("AAA0A00"), "ABC1D23")
    many = [{**one, "detection_id": f"{number:032x}"} for number in range(201)]
    for body in (
        {"model": MODEL, "items": []},
        {"model": "", "items": [one]},
        {"model": MODEL, "items": [one, one]},
        {"model": MODEL, "items": many},
    ):
        assert (await served.client.post(f"{URL}/reread", json=body)).status_code == 422
    likely = {"text": "ABCDEFGHIJ", "confidence": 0.123456}
    full = [{**one, "candidates": [likely] * 8} for one in many[:200]]
    answer = await served.client.post(f"{URL}/reread", json={"model": MODEL, "items": full})
    assert {one["outcome"] for one in answer.json()["items"]} == {"not_found"}
