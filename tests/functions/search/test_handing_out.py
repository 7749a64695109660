"""Exports and the document of a sighting."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader
from sqlalchemy import update

from functions.search import export
from functions.search.document import draw
from functions.search.evidence import Evidence, Picture, document
from functions.shared.access import Role
from functions.shared.contracts import new_id
from functions.shared.db import Database
from functions.shared.tables import Camera, Detection, Group, Hotlist, PassageObservation
from tests.functions.search.conftest import NOON, URL, add, detection
from tests.functions.search.test_finding import acts, camera
from tests.functions.search.test_lists import hotlist
from tests.functions.serving import Served
from tests.functions.signing import add_user, sign_in


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_an_export_is_the_list(served: Served, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_PAGE", 4)
    await add(database, Camera(id="gate", name="=HYPERLINK(1)", url_encrypted="-", created_at=NOON, updated_at=NOON))
    plates = [f"ABC1D{number:02}" for number in range(23, 33)]
    await add(database, *(detection(plate, minutes) for minutes, plate in enumerate(plates)), detection(None, 99))
    answer = await served.client.get(f"{URL}/export.csv", params={"reason": "case 7"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="detections.csv"'
    assert (answer.headers["x-gtv-rows"], answer.headers["x-gtv-more"]) == ("11", "false")
    found = rows_of(answer.text)
    assert [row["plate"] for row in found] == ["", *plates[::-1]]
    assert found[1]["camera_name"] == "'=HYPERLINK(1)", "no spreadsheet runs it"
    assert (found[1]["started_at"], found[1]["corrected"], found[1]["score"]) == ("2026-05-04T12:09:00Z", "false", "")
    part = await served.client.get(f"{URL}/export.csv", params={"limit": 6, "plate": "ABC", "match": "prefix"})
    assert (part.headers["x-gtv-rows"], part.headers["x-gtv-more"]) == ("6", "true")
    assert [row["plate"] for row in rows_of(part.text)] == plates[:3:-1]
    near = await served.client.get(f"{URL}/export.csv", params={"plate": "ABC1D23", "match": "fuzzy", "limit": 5})
    assert [row["score"] for row in rows_of(near.text)] == ["1.0", "0.929", "0.857", "0.857", "0.857"]
    written = await acts(database, "detections.export")
    assert (written[0].subject, written[0].reason) == ("", "case 7")
    assert (written[0].details["count"], written[0].details["plates"]) == (11, 10)
    told = {name: written[1].details[name] for name in ("plate", "match", "count", "plates")}
    assert told == {"plate": "ABC", "match": "prefix", "count": 6, "plates": 6}
    assert (await served.client.get(f"{URL}/export.csv", params={"limit": 50_001})).status_code == 422


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(begin: str) -> None:
    assert export.cell(f"{begin}cmd") == f"'{begin}cmd"
    assert export.cell(-1.5) == "-1.5"


def jpeg(color: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 48), color).save(made, "JPEG")
    return made.getvalue()


async def sighting(served: Served, database: Database) -> Detection:
    await add(
        database,
        Camera(
            id="gate", name="Portão São João", url_encrypted="-", location="Av. Brasil, 1", latitude=-23.5,
            longitude=-46.6, created_at=NOON, updated_at=NOON,
        ),
    )  # fmt: skip
    row = detection(
        "ABC1D23", snapshot_key="vehicles/a.jpg", plate_snapshot_key="plates/a.jpg", color="red",
        candidates=[{"text": "ABC1D23", "confidence": 0.8}, {"text": "ABC1O23", "confidence": 0.1}],
    )  # fmt: skip
    await add(database, row)
    await add(
        database,
        PassageObservation(
            id=new_id(), detection_id=row.id, frame_id="gate:1", captured_at=NOON + timedelta(seconds=1),
            plate="ABC1D23", plate_confidence=0.61, candidates=[],
        ),
    )  # fmt: skip
    await served.context.store.put("vehicles/a.jpg", jpeg("navy"))
    await served.context.store.put("plates/a.jpg", jpeg("white"))
    return row


def text_of(pdf: bytes) -> str:
    """As one line: where the lines break is the page's affair."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


async def test_the_document_of_a_sighting(served: Served, database: Database) -> None:
    row = await sighting(served, database)
    assert (await served.client.get(f"{URL}/{row.id}")).status_code == 200
    await served.client.patch(f"{URL}/{row.id}", json={"plate": "ABC1D28", "reason": "dirt"})
    for params in ({}, {"plate": "ABC1D28"}, {"plate": "XYZ9K88"}):
        assert (await served.client.get(f"{URL}/export.csv", params=params)).status_code == 200
    answer = await served.client.get(f"{URL}/{row.id}/evidence.pdf", params={"reason": "case 7", "lang": "en"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    text = text_of(answer.content)
    (act,) = await acts(database, "detections.evidence")
    name = f"{act.seq}-{act.hash[:16]}"
    assert f'filename="gt-vision-{name}.pdf"' in answer.headers["content-disposition"]
    wanted = [
        "Record of a vehicle's passage", "ABC1D28", name, "Issued to", "admin", "case 7", "Portão São João (gate)",
        "Av. Brasil, 1", "-23.500000, -46.600000", "2026-05-04 09:00:00.000 (America/Sao_Paulo, -03:00)",
        "2026-05-04 12:00:00.000 UTC", "car (90.0 %)", "red", "ABC1O23", "10.0 %", "61.0 %", "opened, by admin",
        "corrected or confirmed, by admin; Reason: dirt", "ABC1D23 > ABC1D28, by admin (person): dirt",
    ]  # fmt: skip
    for part in wanted:
        assert part in text, part
    assert text.count("in an exported list, by admin") == 2, "the third export asked for another plate"
    reader = PdfReader(io.BytesIO(answer.content))
    attached = {file: content[0] for file, content in reader.attachments.items()}
    assert attached["vehicle.jpg"] == jpeg("navy")
    record = json.loads(attached["record.json"])
    assert (record["id"], record["plate"], record["plate_read"]) == (row.id, "ABC1D28", "ABC1D23")
    for file in ("vehicle.jpg", "plate.jpg", "record.json"):
        digest = hashlib.sha256(attached[file]).hexdigest()
        assert digest in text, file
    assert act.details["record"] == hashlib.sha256(attached["record.json"]).hexdigest()
    assert act.details["pictures"]["plate"] == hashlib.sha256(jpeg("white")).hexdigest()
    assert (act.subject, act.details["plates"]) == (row.id, 1)


async def test_the_document_says_whether_the_pictures_are_those_that_were_stored(
    served: Served, database: Database
) -> None:
    row = await sighting(served, database)
    told = {"snapshot_sha256": hashlib.sha256(jpeg("navy")).hexdigest(), "plate_snapshot_sha256": 64 * "0"}
    async with database.transaction() as session:
        await session.execute(update(Detection).values(**told))
    shown = (await served.client.get(f"{URL}/{row.id}")).json()
    assert {name: shown[name] for name in told} == told
    answer = await served.client.get(f"{URL}/{row.id}/evidence.pdf", params={"lang": "en"})
    text = text_of(answer.content)
    assert text.count("is the one that was stored") == text.count("is NOT the one that was stored") == 1
    assert all(value in text for value in told.values())
    attached = {file: content[0] for file, content in PdfReader(io.BytesIO(answer.content)).attachments.items()}
    assert {name: json.loads(attached["record.json"])[name] for name in told} == told


async def test_where_no_hash_was_noted_the_document_says_so(served: Served, database: Database) -> None:
    row = await sighting(served, database)
    answer = await served.client.get(f"{URL}/{row.id}/evidence.pdf", params={"lang": "en"})
    assert text_of(answer.content).count("when stored was not noted") == 2


@pytest.mark.parametrize(
    ("headers", "params", "title"),
    [
        ({"Accept-Language": "en-GB,en;q=0.9"}, {}, "Record of a vehicle's passage"),
        ({"Accept-Language": "pt-BR"}, {}, "Registro de passagem de veículo"),
        ({"Accept-Language": "en"}, {"lang": "pt-BR"}, "Registro de passagem de veículo"),
        ({"Accept-Language": ""}, {}, "Registro de passagem de veículo"),
    ],
)
async def test_in_the_readers_language(
    served: Served, database: Database, headers: dict[str, str], params: dict[str, str], title: str
) -> None:
    row = await sighting(served, database)
    answer = await served.client.get(f"{URL}/{row.id}/evidence.pdf", params=params, headers=headers)
    assert title in text_of(answer.content)


def evidence(**other: Any) -> Evidence:
    record: dict[str, Any] = {
        "plate": "ABC1D23", "plate_read": "ABC1D23", "started_at": "2026-05-04T12:00:00.000000Z",
        "ended_at": "2026-05-04T12:00:03.000000Z", "camera_id": "gate", "vehicle_type": None,
        "vehicle_confidence": None, "color": "red", "color_confidence": 0.5, "direction": "away",
        "plate_confidence": None, "plate_format": None, "corrected": False, "uncertain": True, "candidates": [],
        "readings": [], "corrections": [],
    }  # fmt: skip
    values: dict[str, Any] = {
        "document": "7-abc", "made_at": NOON, "asked_by": "ana", "reason": None, "zone": "America/Sao_Paulo",
        "record": record, "camera": None, "pictures": (Picture("vehicle", jpeg("navy")),), "missing": ("plate",),
        "custody": (),
    }  # fmt: skip
    return Evidence(**{**values, **other})


def test_the_same_evidence_is_the_same_document() -> None:
    assert draw(evidence(), "en") == draw(evidence(), "en")
    assert draw(evidence(), "en") != draw(evidence(reason="x"), "en")


def test_what_is_missing_or_strange_is_said_and_not_fatal() -> None:
    odd = evidence(asked_by="Łukasz 🚗", pictures=(Picture("vehicle", b"no picture"),), reason="x" * 500)
    text = text_of(draw(odd, "en"))
    assert "The picture has been deleted since." in text
    assert "?ukasz ?" in text
    assert "no earlier access" in text
    bare = replace(odd, record={**odd.record, "plate": None, "plate_read": None})
    assert "sem placa" in text_of(draw(bare, "pt-BR"))


async def test_an_export_that_did_not_hold_the_sighting_is_not_in_its_custody(
    served: Served, database: Database
) -> None:
    row = await sighting(served, database)
    at = {"created_at": NOON, "updated_at": NOON}
    await add(database, *(Group(id=name, name=name, plate_formats=[], **at) for name in ("north", "south")))
    async with database.transaction() as session:
        await session.execute(update(Camera).values(group_id="north"))
    for name in ("north", "south"):
        user = await add_user(served.context, f"{name}-person", Role.OPERATOR, [name])
        headers = {"Authorization": f"Bearer {await sign_in(served.context, user)}"}
        answer = await served.client.get(f"{URL}/export.csv", params={"reason": "case 7"}, headers=headers)
        assert (row.id in answer.text) is (name == "north")
    answer = await served.client.get(f"{URL}/{row.id}/evidence.pdf", params={"reason": "case 7", "lang": "en"})
    shown = "".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages)
    assert "north-person" in shown
    assert "south-person" not in shown


async def test_an_export_by_a_list_is_in_the_custody_of_what_is_on_it(served: Served, database: Database) -> None:
    row = await sighting(served, database)
    await add(database, detection("XYZ9K88", 1))
    with_it, without = await hotlist(database, "ABC1D23"), await hotlist(database, "XYZ9K88")
    gone = await hotlist(database, "ABC1D23")
    for name in (with_it, without, gone):
        answer = await served.client.get(f"{URL}/export.csv", params={"hotlist_id": name})
        assert (row.id in answer.text) is (name != without)
    async with database.transaction() as session:
        await session.delete(await session.get_one(Hotlist, gone))
    answer = await served.client.get(f"{URL}/{row.id}/evidence.pdf", params={"lang": "en"})
    assert text_of(answer.content).count("in an exported list, by admin") == 1


async def test_an_export_says_its_hash_and_when_nobody_saw(served: Served, database: Database) -> None:
    await add(database, camera("gate"), detection("ABC1D23"))
    window = {"from": NOON.isoformat(), "to": (NOON + timedelta(hours=1)).isoformat()}
    answer = await served.client.get(f"{URL}/export.csv", params=window)
    (act,) = await acts(database, "detections.export")
    assert answer.headers["x-gtv-sha256"] == hashlib.sha256(answer.content).hexdigest() == act.details["sha256"]
    assert (answer.headers["x-gtv-blind"], answer.headers["x-gtv-blind-more"]) == ("1", "false")
    assert act.details["blind"] == [
        {"camera_id": "gate", "from": "2026-05-04T12:00:00Z", "to": "2026-05-04T13:00:00Z", "reason": "no_record"}
    ]
    assert "x-gtv-hotlists-whole" not in answer.headers
    far = await hotlist(database, {"pattern": "ABC1D23", "match": "fuzzy", "tolerance": 2.0})
    answer = await served.client.get(f"{URL}/export.csv", params={"hotlist_id": far})
    assert answer.headers["x-gtv-hotlists-whole"] == "false"
    assert (await acts(database, "detections.export"))[-1].details["hotlists_whole"] is False


async def test_there_is_no_document_of_nothing(served: Served) -> None:
    assert document.__doc__
    assert (await served.client.get(f"{URL}/{'0' * 32}/evidence.pdf")).status_code == 404
