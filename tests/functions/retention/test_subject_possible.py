"""Passages that were read as another plate and never corrected: reported as possible, erased only where asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from functions.retention import subject_possible
from functions.shared.contracts import now
from functions.shared.tables import Detection
from tests.functions.retention.conftest import PICTURE, alert, both, correction, passage, pictures
from tests.functions.retention.test_subject import ERASE, REPORT, WHY
from tests.functions.serving import Served

PLATE, OTHER = "ABC1D23", "ABC1O28"


def maybe(plate: str, confidence: float) -> dict[str, Any]:
    return {"candidates": [{"text": OTHER, "confidence": 0.5}, {"text": plate, "confidence": confidence}]}


async def rows(served: Served) -> set[str]:
    async with served.context.db.read() as session:
        return set(await session.scalars(select(Detection.id)))


async def asked(served: Served, url: str, status: int = 200, **body: Any) -> Any:
    answer = await served.client.post(url, json={"plate": PLATE, **WHY, **body})
    assert answer.status_code == status, answer.text
    return answer.json()


async def seen(served: Served) -> list[Detection]:
    """One surely of the plate, two that may be of it and of its twin, and three that are not."""
    return [
        await passage(served.context, PLATE, 5), await passage(served.context, OTHER, 4, **maybe(PLATE, 0.3)),
        await passage(served.context, None, 3, **maybe("ABC1323", 0.2)),
        await passage(served.context, OTHER, 2, **maybe(PLATE, subject_possible.LEAST_LIKELY / 2)),
        await passage(served.context, OTHER, 2, **maybe(PLATE, 0.3), corrected=True),
        await passage(served.context, OTHER, 1),
    ]  # fmt: skip


@both
async def test_the_report_lists_them_apart(served: Served) -> None:
    sure, first, second, *_ = await seen(served)
    found = await asked(served, REPORT)
    assert [row["id"] for row in found["detections"]] == [sure.id]
    assert [row["id"] for row in found["possible"]] == [first.id, second.id]
    one, two = found["possible"]
    assert (one["plate"], one["probability"], one["read"]) == (PLATE, 0.3, "AB*****")
    assert (two["plate"], two["read"]) == ("ABC1323", None)
    assert OTHER not in str(found["possible"]), "it may be somebody else's"
    urls = [picture["url"] for picture in one["pictures"]]
    assert urls == [f"/api/detections/{first.id}/snapshot.jpg", f"/api/detections/{first.id}/snapshot.jpg?kind=plate"]
    assert (await served.client.get(urls[0])).content == PICTURE
    assert {picture["of"] for picture in found["pictures"]} == {sure.id}, "none of them is handed on unseen"


@both
async def test_an_erasure_leaves_them_unless_it_is_asked_for_them(served: Served) -> None:
    sure, first, second, *others = await seen(served)
    await alert(served.context, first)
    await correction(served.context, second, None, "XYZ9K88", 2)
    every = {row.id for row in (sure, first, second, *others)}
    counted = await asked(served, ERASE, dry_run=True)
    assert (counted["counts"]["detections"], counted["possible"]) == (1, 2)
    done = await asked(served, ERASE)
    assert (done["counts"]["detections"], done["possible"]) == (1, 2)
    assert "possible" not in done["counts"]
    assert await rows(served) == every - {sure.id}
    kept = pictures(served.context)

    counted = await asked(served, ERASE, dry_run=True, possible=True)
    assert (counted["counts"]["detections"], counted["counts"]["possible"], counted["possible"]) == (2, 2, 0)
    done = await asked(served, ERASE, possible=True)
    assert (done["counts"]["detections"], done["counts"]["possible"], done["possible"]) == (2, 2, 0)
    assert (done["counts"]["alerts"], done["counts"]["corrections"]) == (1, 1)
    assert await rows(served) == {row.id for row in others}
    # Four frames' pictures of each passage, and the correction's.
    assert len(kept) - len(pictures(served.context)) == 9
    proofs = {item["id"]: item["sha256"] for item in done["proof"]}
    assert {first.id, second.id} <= proofs.keys()
    assert "not read" not in proofs.values()


@both
async def test_a_hold_on_what_was_read_keeps_them(served: Served) -> None:
    """The other plate's case: whoever asks for the possible ones would take its evidence away."""
    await seen(served)
    hold = {
        "case_number": "IP 9",
        "reason": "robbery",
        "plate": OTHER,
        "until": (now() + timedelta(days=9)).isoformat(),
    }
    assert (await served.client.post("/api/retention/holds", json=hold)).status_code == 201
    assert "IP 9" in (await asked(served, ERASE, 409, possible=True))["error"]["message"]
    assert (await asked(served, ERASE))["counts"]["detections"] == 1
