"""A person's data: the report names everything stored on a plate, the erasure leaves none of it, and proves it."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from functions.retention import subject
from functions.shared import audit
from functions.shared.audit import Act
from functions.shared.contracts import DetectionRecorded, new_id, now
from functions.shared.outbox import enqueue
from functions.shared.store import FolderStore
from functions.shared.tables import (
    Alert,
    AuditRow,
    Correction,
    Detection,
    IdempotencyKey,
    OutboxMessage,
    PassageObservation,
    ProcessedFrame,
    ReceivedRead,
    User,
    Webhook,
    WebhookDelivery,
)
from tests.functions.retention.conftest import PICTURE, add, alert, both, camera, correction, passage, pictures
from tests.functions.serving import Served

REPORT, ERASE = "/api/privacy/report", "/api/privacy/erase"
WHY = {"reason": "request 15/2026 of the owner"}


async def everything_on(served: Served, plate: str, twin: str) -> tuple[Detection, Detection]:
    """Rows and pictures on a plate in each place that may hold one."""
    one = await passage(served.context, plate, 3)
    other = await passage(served.context, twin, 200)
    await correction(served.context, one, plate[:-1] + "0", plate, 3)
    await alert(served.context, one)
    await hand_on(served, {"detection_id": one.id, "plate": plate, "candidates": [{"text": plate}]})
    at = now()
    await add(
        served.context,
        ReceivedRead(camera_id="gate", external_id="their-7", detection_id=one.id, received_at=at),
    )
    event = DetectionRecorded(
        camera_id="gate", detection_id=one.id, started_at=at, ended_at=at, final=True, plate=plate, plate_read=plate
    )
    async with served.context.db.transaction() as session:
        enqueue(session, event)
        session.add(
            IdempotencyKey(
                key="k", owner="o", route="POST /x", body_sha256="0", status=201, created_at=at,
                response={"items": [{"plate": plate}], "note": "keep"},
            )
        )  # fmt: skip
        session.add(
            ProcessedFrame(
                id="gate:1", camera_id="gate", captured_at=at, processed_at=at, seen={"rest": [{"plate": plate}]}
            )
        )
        admin = Act("detections.search", plate, "case 1", {"plates": 1})
        await audit.record(served.context.vault, session, "maria", admin)
        show = Act("detections.show", other.id, "case 2", {"plates": 1, "plate": twin})
        await audit.record(served.context.vault, session, "joao", show)
    return one, other


async def hand_on(served: Served, event: dict[str, Any]) -> str:
    """A delivery of an event that waits for its receiver; its id."""
    at, name = now(), new_id()
    async with served.context.db.read() as session:
        owner = (await session.scalars(select(User.id))).first()
    hook = Webhook(
        id=new_id(), owner_id=owner, name="desk", url_encrypted="x", event_types=[], camera_ids=[], group_ids=[],
        secret_encrypted="x", created_at=at, updated_at=at,
    )  # fmt: skip
    await add(served.context, hook)
    delivery = WebhookDelivery(
        id=name, webhook_id=hook.id, event_id=new_id(), type="gtv.alert.withdrawn.v1", source="gt-vision/alerts",
        camera_id="gate", occurred_at=at, event=event, state="pending", next_at=at, created_at=at,
    )  # fmt: skip
    await add(served.context, delivery)
    return name


@both
async def test_the_report_names_everything_that_is_stored(served: Served) -> None:
    one, other = await everything_on(served, "ABC1234", "ABC1C34")
    await passage(served.context, "XYZ1C34", 1)
    answer = await served.client.post(REPORT, json={"plate": "abc-1234", **WHY})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["plates"] == ["ABC1234", "ABC1C34"]
    assert [item["id"] for item in found["detections"]] == [other.id, one.id]
    assert [len(item["observations"]) for item in found["detections"]] == [2, 2]
    assert [item["plate_after"] for item in found["corrections"]] == ["ABC1234"]
    assert [item["detection_id"] for item in found["alerts"]] == [one.id]
    assert len(found["pictures"]) == 5
    assert [(item["actor"], item["action"]) for item in found["lookups"]] == [
        ("maria", "detections.search"), ("joao", "detections.show"),
    ]  # fmt: skip
    assert found["complete"] is True
    # Each picture can be had where the report says.
    for item in found["pictures"]:
        picture = await served.client.get(item["url"])
        assert picture.status_code == 200, item
    assert "_key" not in answer.text
    async with served.context.db.read() as session:
        row = (await session.scalars(select(AuditRow).where(AuditRow.action == "privacy.report"))).one()
    assert (row.actor, row.subject, row.reason) == ("admin", "ABC1234", WHY["reason"])


async def places_that_say(served: Served, *plates: str) -> list[str]:
    """Every table but the log that has one of the plates anywhere in a row."""
    from functions.shared.tables import Table

    found = []
    async with served.context.db.read() as session:
        for table in Table.metadata.sorted_tables:
            for row in await session.execute(select(table)):
                if table.name != "audit" and any(plate in str(value) for value in row for plate in plates):
                    found.append(table.name)
    return found


@both
async def test_an_erasure_leaves_nothing_and_proves_it(served: Served) -> None:
    await everything_on(served, "ABC1234", "ABC1C34")
    kept = await passage(served.context, "XYZ1C34", 1)
    assert await places_that_say(served, "ABC1234", "ABC1C34")
    answer = await served.client.post(ERASE, json={"plate": "ABC-1C34", **WHY})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["counts"] == {
        "detections": 2, "observations": 4, "corrections": 1, "alerts": 1, "misread": 0, "outbox": 1,
        "idempotency_keys": 1, "processed_frames": 1, "legal_holds": 0, "webhook_deliveries": 1, "pictures": 9,
    }  # fmt: skip
    assert set(found["remaining"].values()) == {0}
    assert await places_that_say(served, "ABC1234", "ABC1C34") == []
    assert len(pictures(served.context)) == 4
    assert kept.snapshot_key in pictures(served.context)
    # The proof: of each picture the hash that it had, and of the whole list the one that is in the log.
    shas = {item["sha256"] for item in found["proof"] if item["of"] == "picture"}
    assert shas == {hashlib.sha256(PICTURE).hexdigest()}
    text = json.dumps(found["proof"], sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == found["proof_sha256"]
    async with served.context.db.read() as session:
        row = (await session.scalars(select(AuditRow).where(AuditRow.action == "privacy.erase"))).one()
        answers = (await session.scalars(select(IdempotencyKey))).one()
        assert (await session.scalars(select(ReceivedRead))).all() == []
    assert row.details["proof_sha256"] == found["proof_sha256"]
    # The act does not write the plate down once more, but who knows it can find the row.
    assert row.subject == subject.audit_name(served.context, "ABC1C34")
    assert "ABC1" not in json.dumps(row.details)
    assert answers.response == {"items": [{"plate": "*******"}], "note": "keep"}
    run = (await served.client.get(f"/api/retention/runs/{found['run_id']}")).json()
    assert (run["kind"], run["state"]) == ("erase", "done")
    assert "ABC1" not in json.dumps(run)


async def test_a_dry_run_counts_and_changes_nothing(served: Served) -> None:
    await everything_on(served, "ABC1234", "ABC1C34")
    before = len(pictures(served.context))
    answer = await served.client.post(ERASE, json={"plate": "ABC1234", "dry_run": True, **WHY})
    found = answer.json()
    assert (found["counts"]["detections"], found["counts"]["pictures"]) == (2, 9)
    assert len(pictures(served.context)) == before
    assert (await served.client.get("/api/detections", params={"plate": "ABC1234"})).json()["items"]
    assert (await served.client.get("/api/retention/runs", params={"kind": "erase"})).json()["items"] == []


@both
async def test_a_legal_hold_refuses_and_says_which(served: Served) -> None:
    await everything_on(served, "ABC1234", "ABC1C34")
    at = now() - timedelta(days=3)
    for body in (
        {"plate": "ABC1C34"},
        {"seen_from": (at - timedelta(hours=1)).isoformat(), "seen_to": (at + timedelta(hours=1)).isoformat()},
    ):
        made = await served.client.post(
            "/api/retention/holds", json={"case_number": "IP 9/2026", "reason": "inquiry", **body}
        )
        answer = await served.client.post(ERASE, json={"plate": "ABC1234", **WHY})
        assert answer.status_code == 409, answer.text
        assert "IP 9/2026" in answer.json()["error"]["message"]
        release = f"/api/retention/holds/{made.json()['id']}/release"
        assert (await served.client.post(release, json={"reason": "closed"})).status_code == 200
    assert len((await served.client.get("/api/detections", params={"plate": "ABC1234"})).json()["items"]) == 1
    answer = await served.client.post(ERASE, json={"plate": "ABC1234", **WHY})
    assert answer.status_code == 200
    # Of the released hold the plate goes as well.
    assert answer.json()["counts"]["legal_holds"] == 1
    assert await places_that_say(served, "ABC1234", "ABC1C34") == []


@both
async def test_alerts_that_name_the_plate_in_another_way_go_too(served: Served) -> None:
    """Of a list that asked for it, of a passage that is erased, or withdrawn because the plate was this one after all;
    the delivery that would tell of that goes, and one of another plate stays."""
    one = await passage(served.context, "ABC1D23", 1)
    other = await passage(served.context, "XYZ9A99", 1)
    entry = {"id": "e", "pattern": "ABC1D23", "match": "fuzzy", "tolerance": 0.6, "distance": 0.3, "twins": True}
    await alert(served.context, other, plate="ABC1O23", entry=entry)
    await alert(served.context, other, plate="ABC1Q28", withdrawn_reason="the plate is ABC1D23 by now")
    await alert(served.context, one, plate="A8C1028")
    kept = await alert(served.context, other)
    await hand_on(served, {"plate": "ABC1Q28", "withdrawn_reason": "the plate is ABC1D23 by now"})
    stays = await hand_on(served, {"plate": "XYZ9A99"})
    report = (await served.client.post(REPORT, json={"plate": "ABC1D23", **WHY})).json()
    assert len(report["alerts"]) == 2
    answer = await served.client.post(ERASE, json={"plate": "ABC1D23", **WHY})
    assert answer.status_code == 200, answer.text
    counts = answer.json()["counts"]
    assert (counts["alerts"], counts["webhook_deliveries"]) == (3, 1)
    async with served.context.db.read() as session:
        assert list(await session.scalars(select(Alert.id))) == [kept.id]
        assert list(await session.scalars(select(WebhookDelivery.id))) == [stays]
    assert await places_that_say(served, "ABC1D23") == []


@both
async def test_a_hold_on_an_alert_refuses(served: Served) -> None:
    """By its camera, once its passage is gone; or by the plate of the vehicle that the alert is about."""
    await camera(served.context, "port")
    gone = await passage(served.context, "XYZ9A99", 1)
    entry = {"id": "e", "pattern": "ABC1D23", "match": "fuzzy", "tolerance": 0.6, "distance": 0.3, "twins": True}
    await alert(served.context, gone, plate="ABC1O23", entry=entry, camera_id="port", detection_id=new_id())
    for body in ({"camera_id": "port"}, {"plate": "ABC1O23"}):
        made = await served.client.post(
            "/api/retention/holds", json={"case_number": "IP 9/2026", "reason": "inquiry", **body}
        )
        assert made.status_code == 201, made.text
        answer = await served.client.post(ERASE, json={"plate": "ABC1D23", **WHY})
        assert answer.status_code == 409, answer.text
        assert answer.json()["error"]["details"]["holds"] == [made.json()["id"]]
        release = f"/api/retention/holds/{made.json()['id']}/release"
        assert (await served.client.post(release, json={"reason": "closed"})).status_code == 200
    assert (await served.client.post(ERASE, json={"plate": "ABC1D23", **WHY})).json()["counts"]["alerts"] == 1


@both
async def test_another_vehicle_that_was_taken_for_the_plate_only_forgets_it(served: Served) -> None:
    row = await passage(
        served.context, "XYZ9A99", 1, plate_read="ABC1D23", corrected=True,
        candidates=[{"text": "ABC1D23", "confidence": 0.7}, {"text": "XYZ9A99", "confidence": 0.3}],
    )  # fmt: skip
    async with served.context.db.transaction() as session:
        seen = (await session.scalars(select(PassageObservation))).first()
        assert seen is not None
        seen.plate = "ABC1D23"
    answer = await served.client.post(ERASE, json={"plate": "ABC1D23", **WHY})
    assert answer.json()["counts"]["misread"] == 1
    shown = (await served.client.get(f"/api/detections/{row.id}")).json()
    assert (shown["plate"], [item["text"] for item in shown["candidates"]]) == ("XYZ9A99", ["XYZ9A99"])
    assert await places_that_say(served, "ABC1D23") == []
    assert len(pictures(served.context)) == 4


async def test_what_a_store_did_not_delete_is_said(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    row = await passage(served.context, "ABC1D23", 1)

    def stubborn(self: FolderStore, keys: Any) -> Any:
        from functions.shared.store import Deleted

        return Deleted(0, 0, dict.fromkeys(keys, "Operation not permitted"))

    with monkeypatch.context() as broken:
        broken.setattr(FolderStore, "_delete_many", stubborn)
        found = (await served.client.post(ERASE, json={"plate": "ABC1D23", **WHY})).json()
    assert found["remaining"]["pictures"] == 4
    assert row.snapshot_key in pictures(served.context)
    await served.client.post("/api/retention/runs", json={})
    assert pictures(served.context) == set()


async def test_a_plate_and_a_reason_are_asked_for(served: Served) -> None:
    for path in (REPORT, ERASE):
        for body in (
            {"plate": "ABC*", **WHY},
            {"plate": "", **WHY},
            {"plate": "ABC1D23", "reason": " "},
            {"plate": "ABC1D23"},
        ):
            assert (await served.client.post(path, json=body)).status_code == 422, body
    async with served.context.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(OutboxMessage)) == 0


async def test_other_rooms_tables_that_name_the_plate_are_counted(served: Served) -> None:
    """Columns named after plates in tables that this room does not know: hotlists, alerts."""
    from sqlalchemy import Column, MetaData, String
    from sqlalchemy import Table as Plain

    from functions.retention import subject_rows
    from functions.shared.tables import Table

    stranger = Plain("a_hotlist", MetaData(), Column("id", String(32), primary_key=True), Column("plate", String(16)))
    async with served.context.db.engine.begin() as connection:
        await connection.run_sync(stranger.create)
        await connection.execute(stranger.insert().values(id=new_id(), plate="ABC1D23"))
    sorted_tables = [*Table.metadata.sorted_tables, stranger]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            subject_rows, "Table", type("Known", (), {"metadata": type("M", (), {"sorted_tables": sorted_tables})})
        )
        answer = await served.client.post(REPORT, json={"plate": "ABC1D23", **WHY})
    assert answer.json()["elsewhere"] == {"a_hotlist.plate": 1}


async def test_corrections_alone_are_reported_and_erased(served: Served) -> None:
    row = await passage(served.context, "XYZ9A99", 1)
    await add(served.context, Correction(
        id=new_id(), detection_id=new_id(), camera_id="gate", created_at=now(), created_by="maria", source="person",
        plate_before="ABC1D23", plate_after=None,
    ))  # fmt: skip
    answer = await served.client.post(ERASE, json={"plate": "ABC1D23", **WHY})
    assert answer.json()["counts"]["corrections"] == 1
    async with served.context.db.read() as session:
        assert await session.get(Detection, row.id) is not None
        assert (await session.scalars(select(Correction))).all() == []
