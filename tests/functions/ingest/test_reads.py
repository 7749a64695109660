"""POST /api/ingest/reads: what other systems send, through the real app and both databases, into search and the bus.

The payloads are written after the makers' public pages: the same fields, other values.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from sqlalchemy import select

from functions.ingest import handler
from functions.ingest.reads_shapes import parse, shape_of
from functions.search import handler as search
from functions.shared.access import Role
from functions.shared.config import FunctionSettings
from functions.shared.contracts import DetectionRecorded, new_id, now
from functions.shared.db import Database
from functions.shared.errors import InvalidInput
from functions.shared.tables import Camera, Detection, Group, OutboxMessage, User, UserGroup
from tests.functions.serving import Served, serve
from tests.functions.signing import sign_in
from tests.support.nats import NatsServer

URL = "/api/ingest/reads"
AT = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
EPOCH = int(AT.timestamp() * 1000)


def jpeg(width: int = 320, height: int = 180) -> bytes:
    image = np.random.default_rng(width).integers(0, 255, (height, width, 3), dtype=np.uint8)
    done, data = cv2.imencode(".jpg", image)
    assert done
    return bytes(data.tobytes())


def plate_recognizer(**changed: Any) -> dict[str, Any]:
    """Stream, event recognition."""
    result = {
        "box": {"xmin": 100, "ymin": 60, "xmax": 180, "ymax": 84}, "plate": "bra2e19", "score": 0.91,
        "region": {"code": "br", "score": 0.8}, "dscore": 0.77, "direction": 271,
        "candidates": [{"plate": "bra2e19", "score": 0.91}, {"plate": "bra2e1s", "score": 0.55}, {"plate": "??"}],
        "vehicle": {"type": "Pickup Truck", "score": 0.83, "box": {"xmin": 40, "ymin": 10, "xmax": 300, "ymax": 170}},
        "color": [{"color": "gray", "score": 0.3}, {"color": "white", "score": 0.6}],
        "model_make": [{"make": "Fiat", "model": "Strada", "score": 0.4}], "position_sec": 4, "source_url": "rtsp",
    }  # fmt: skip
    data = {
        "camera_id": "gate", "filename": "gate_screenshots/a.jpg", "timestamp": AT.isoformat().replace("+00:00", "Z"),
        "timestamp_local": "2026-11-22 15:30:00-03:00", "results": [result],
    }  # fmt: skip
    return {"hook": {"event": "recognition", "id": "gate", "target": "http://x", "filename": "a.jpg"},
            "data": data | changed}  # fmt: skip


def form(body: dict[str, Any], picture: bytes) -> dict[str, Any]:
    """As Plate Recognizer sends it: the document in a field, the picture as a file."""
    return {"data": {"json": json.dumps(body)}, "files": {"upload": ("a.jpg", picture, "image/jpeg")}}


def rekor_group(**changed: Any) -> dict[str, Any]:
    picture = base64.b64encode(jpeg()).decode()
    group = {
        "data_type": "alpr_group", "version": 2, "epoch_start": EPOCH, "epoch_end": EPOCH + 3200, "agent_uid": "AGENT7",
        "camera_id": 1000, "country": "br", "best_plate_number": "QWE1A23", "best_confidence": 93.5,
        "best_uuid": f"AGENT7-1000-{EPOCH}", "uuids": [f"AGENT7-1000-{EPOCH}"], "best_region": "br",
        "best_plate": {"plate": "QWE1A23", "confidence": 93.5, "plate_crop_jpeg": picture,
                       "vehicle_region": {"x": 10, "y": 20, "width": 200, "height": 150},
                       "coordinates": [{"x": 50, "y": 60}, {"x": 90, "y": 61}, {"x": 91, "y": 75}, {"x": 50, "y": 74}]},
        "candidates": [{"plate": "QWE1A23", "confidence": 93.5, "matches_template": 1},
                       {"plate": "OWE1A23", "confidence": 71.0, "matches_template": 1}],
        "vehicle_crop_jpeg": picture, "travel_direction": 59.2, "is_parked": False, "is_preview": False,
        "vehicle": {"color": [{"name": "silver-gray", "confidence": 20.0}, {"name": "black", "confidence": 70.5}],
                    "body_type": [{"name": "motorcycle", "confidence": 88.0}]},
    }  # fmt: skip
    return group | changed


def rekor_results(uuid: str, at: int, plate: str = "QWE1A23", confidence: float = 90.0) -> dict[str, Any]:
    result = {"plate": plate, "confidence": confidence, "candidates": [], "plate_index": 0}
    return {"data_type": "alpr_results", "version": 2, "uuid": uuid, "camera_id": 1000, "epoch_time": at,
            "img_width": 320, "img_height": 180, "results": [result]}  # fmt: skip


def event(number: int = 1, **changed: Any) -> dict[str, Any]:
    data = {"camera_id": "gate", "plate": "abc-1234", "confidence": 0.8, "started_at": AT.isoformat(), "type": "bus",
            "color": "Blue", "direction": "left", "box": [1, 2, 30, 40]}  # fmt: skip
    return {"specversion": "1.0", "id": f"e{number}", "source": "//other.example/anpr", "type": "anpr.read",
            "time": AT.isoformat(), "data": data | changed}  # fmt: skip


@pytest.fixture
async def served(
    tmp_path: Path, database_url: str, database: Database, nats_server: NatsServer
) -> AsyncIterator[Served]:
    """Cameras gate (group br) and lane (none); an operator is signed in."""
    settings = FunctionSettings(data_dir=tmp_path / "data", database_url=database_url, nats_url=nats_server.url)
    at = now()
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(serve("ingest", [handler.router, search.router], settings))
        operator = User(id=new_id(), username="op", password_hash="-", role=Role.OPERATOR.value, created_at=at)
        limited = User(id=new_id(), username="ana", password_hash="-", role=Role.INTEGRATOR.value, created_at=at)
        limited.all_groups = False
        async with database.transaction() as session:
            session.add(Group(id="br", name="br", plate_formats=["br_mercosul"], created_at=at, updated_at=at))
            await session.flush()
            for name, group_id, enabled in (("gate", "br", True), ("lane", None, False)):
                row = Camera(id=name, name=name, url_encrypted="-", enabled=enabled, created_at=at, updated_at=at)
                row.group_id = group_id
                session.add(row)
            session.add_all([operator, limited])
            await session.flush()
            session.add(UserGroup(user_id=limited.id, group_id="br"))
        made.client.headers["Authorization"] = f"Bearer {await sign_in(made.context, operator)}"
        made.app.state.ana = f"Bearer {await sign_in(made.context, limited)}"
        yield made


async def detections(served: Served) -> list[Detection]:
    async with served.context.db.read() as session:
        return list(await session.scalars(select(Detection).order_by(Detection.created_at, Detection.id)))


async def alias(served: Served, name: str, camera_id: str) -> httpx.Response:
    return await served.client.post("/api/ingest/aliases", json={"alias": name, "camera_id": camera_id})


async def test_plate_recognizer_with_its_picture(served: Served) -> None:
    answer = await served.client.post(URL, **form(plate_recognizer(), jpeg()))
    assert answer.status_code == 202, answer.text
    (item,) = answer.json()["items"]
    assert (item["camera_id"], item["outcome"], item["picture_refused"]) == ("gate", "recorded", False)
    (row,) = await detections(served)
    assert (row.source, row.final, row.started_at, row.plate) == ("plate_recognizer", True, AT, "BRA2E19")
    assert (row.plate_confidence, row.plate_format, row.uncertain) == (0.91, "br_mercosul", False)
    assert (row.vehicle_type, row.vehicle_confidence, row.color, row.color_confidence) == ("truck", 0.83, "white", 0.6)
    assert (row.direction, row.box) == ("towards", [40.0, 10.0, 300.0, 170.0])
    assert [one["text"] for one in row.candidates] == ["BRA2E19", "BRA2E1S"]
    # It is found as ours are, with the picture and the plate cut out of it.
    (found,) = (await served.client.get("/api/detections", params={"plate": "BRA2E19"})).json()["items"]
    assert found["id"] == item["detection_id"]
    whole = (await served.client.get(found["snapshot_url"])).content
    plate = cv2.imdecode(np.frombuffer((await served.client.get(found["plate_snapshot_url"])).content, np.uint8), 1)
    assert whole == jpeg()
    assert plate is not None
    assert 24 <= plate.shape[0] <= 34
    # And told of, in the same transaction.
    async with served.context.db.read() as session:
        (message,) = await session.scalars(select(OutboxMessage))
    told = DetectionRecorded.model_validate_json(message.body)
    assert (told.detection_id, told.final, told.plate, told.source) == (row.id, True, "BRA2E19", "plate_recognizer")
    assert told.snapshot_key == row.snapshot_key
    assert message.subject == "gtv.v1.detections.gate"


async def test_the_same_read_again_changes_nothing(served: Served) -> None:
    first = (await served.client.post(URL, json=rekor_group(camera_id="gate"))).json()["items"][0]
    again = (await served.client.post(URL, json=rekor_group(camera_id="gate"))).json()["items"][0]
    assert (again["outcome"], again["detection_id"]) == ("repeated", first["detection_id"])
    four = await asyncio.gather(*(served.client.post(URL, json=event(7)) for _ in range(4)))
    assert {answer.status_code for answer in four} == {202}
    outcomes = sorted(answer.json()["items"][0]["outcome"] for answer in four)
    assert outcomes == ["recorded", "repeated", "repeated", "repeated"]
    assert len(await detections(served)) == 2
    async with served.context.db.read() as session:
        assert len(list(await session.scalars(select(OutboxMessage)))) == 2


async def test_rekor_groups_come_by_an_alias(served: Served) -> None:
    unknown = await served.client.post(URL, json=rekor_group())
    assert unknown.status_code == 422
    assert "there is no camera 1000" in unknown.json()["error"]["message"]
    assert unknown.json()["error"]["details"] == {"field": "camera_id", "camera": "1000"}
    assert (await alias(served, "1000", "lane")).status_code == 201
    assert (await alias(served, "AGENT7:1000", "gate")).status_code == 201
    (item,) = (await served.client.post(URL, json=rekor_group())).json()["items"]
    assert item["camera_id"] == "gate", "the agent's own camera 1000 is told from another agent's"
    (other,) = (await served.client.post(URL, json=rekor_group(agent_uid="B", best_uuid="u2"))).json()["items"]
    assert other["camera_id"] == "lane", "a camera whose stream is not read takes reads"
    row = (await detections(served))[0]
    assert (row.plate, row.plate_confidence, row.vehicle_type, row.color) == ("QWE1A23", 0.935, "motorcycle", "black")
    assert (row.ended_at - row.started_at, row.direction) == (timedelta(seconds=3.2), None)
    assert row.box == [10.0, 20.0, 210.0, 170.0]
    assert row.snapshot_key is not None
    assert row.plate_snapshot_key is not None
    for key, noted in ((row.snapshot_key, row.snapshot_sha256), (row.plate_snapshot_key, row.plate_snapshot_sha256)):
        assert hashlib.sha256(await served.context.store.get(key)).hexdigest() == noted


async def test_rekor_frames_of_one_passage_are_one_detection(served: Served) -> None:
    await alias(served, "1000", "gate")
    outcomes = []
    for number, (offset, plate) in enumerate(
        [(0, "QWE1A23"), (900, "QWE1A23"), (1500, "XYZ9B87"), (60_000, "QWE1A23")]
    ):
        answer = await served.client.post(URL, json=rekor_results(f"u{number}", EPOCH + offset, plate, 80.0 + number))
        outcomes.append(answer.json()["items"][0]["outcome"])
    assert outcomes == ["recorded", "joined", "recorded", "recorded"]
    rows = await detections(served)
    assert [row.plate for row in rows] == ["QWE1A23", "XYZ9B87", "QWE1A23"]
    assert (rows[0].observation_count, rows[0].plate_confidence) == (2, 0.81)
    assert rows[0].ended_at == AT + timedelta(milliseconds=900)


async def test_cloudevents_structured_binary_and_in_a_batch(served: Served) -> None:
    structured = await served.client.post(
        URL, content=json.dumps(event(1)), headers={"Content-Type": "application/cloudevents+json"}
    )
    batch = await served.client.post(
        URL, content=json.dumps([event(2), event(3, plate="qqq1a11"), event(1)]),
        headers={"Content-Type": "application/cloudevents-batch+json"},
    )  # fmt: skip
    attributes = {f"ce-{name}": str(event(4)[name]) for name in ("specversion", "id", "source", "type", "time")}
    binary = await served.client.post(URL, json=event(4)["data"], headers=attributes)
    outcomes = [[item["outcome"] for item in answer.json()["items"]] for answer in (structured, batch, binary)]
    assert outcomes == [["recorded"], ["recorded", "recorded", "repeated"], ["recorded"]]
    row = (await detections(served))[0]
    assert (row.plate, row.plate_confidence, row.vehicle_type, row.color) == ("ABC1234", 0.8, "bus", "blue")
    assert (row.direction, row.box, row.source) == ("left", [1.0, 2.0, 30.0, 40.0], "cloudevents")
    # The group of the camera knows the Mercosul format alone.
    assert row.plate_format is None
    assert (await detections(served))[2].plate_format == "br_mercosul"


async def test_a_batch_is_taken_whole_or_not_at_all(served: Served) -> None:
    answer = await served.client.post(URL, json=[event(1), event(2, camera_id="nowhere")])
    assert answer.status_code == 422
    assert "nowhere" in answer.text
    assert await detections(served) == []


async def test_scope_holds(served: Served) -> None:
    ana = {"Authorization": served.app.state.ana}
    assert (await served.client.post(URL, json=event(1), headers=ana)).status_code == 202
    hidden = await served.client.post(URL, json=event(2, camera_id="lane"), headers=ana)
    absent = await served.client.post(URL, json=event(2, camera_id="lame"), headers=ana)
    assert (hidden.status_code, absent.status_code) == (422, 422)
    assert hidden.json()["error"]["message"].replace("lane", "lame") == absent.json()["error"]["message"]
    await alias(served, "x1", "lane")
    assert (await served.client.get("/api/ingest/aliases", headers=ana)).json()["items"] == []
    assert (await served.client.post(URL, json=event(2, camera_id="x1"), headers=ana)).status_code == 422
    assert (await alias(served, "y1", "gate")).status_code == 201
    assert (await served.client.post("/api/ingest/aliases", json={}, headers=ana)).status_code == 403


async def test_nobody_takes_the_reads_of_a_camera_that_they_do_not_see(served: Served) -> None:
    """`AGENT7:1000` goes before `1000`: to give it to a camera of one's own is to take what others' camera reads."""
    async with served.context.db.transaction() as session:
        bea = User(id=new_id(), username="bea", password_hash="-", role=Role.OPERATOR.value, created_at=now())
        bea.all_groups = False
        session.add(bea)
        await session.flush()
        session.add(UserGroup(user_id=bea.id, group_id="br"))
    headers = {"Authorization": f"Bearer {await sign_in(served.context, bea)}"}

    async def add(name: str) -> httpx.Response:
        body = {"alias": name, "camera_id": "gate"}
        return await served.client.post("/api/ingest/aliases", json=body, headers=headers)

    assert (await alias(served, "1000", "lane")).status_code == 201
    for name in ("AGENT7:1000", "AGENT:7:1000", ":1000", "AGENT7:lane"):
        refused = await add(name)
        assert (refused.status_code, refused.json()["error"]["details"]["field"]) == (409, "alias"), refused.text
    await alias(served, "2000", "gate")
    for name in ("AGENT7:2000", "AGENT7:gate", "AGENT7:3000", "AGENT7"):
        assert (await add(name)).status_code == 201
    # Who is for all groups says what goes where.
    assert (await alias(served, "AGENT7:1000", "gate")).status_code == 201


async def test_aliases_are_kept(served: Served) -> None:
    made = await alias(served, " cam/7 ", "gate")
    assert (made.status_code, made.json()["alias"]) == (201, "cam/7")
    assert (await alias(served, "cam/7", "lane")).status_code == 409
    assert (await alias(served, "z", "nowhere")).status_code == 422
    assert [item["alias"] for item in (await served.client.get("/api/ingest/aliases")).json()["items"]] == ["cam/7"]
    assert (await served.client.delete("/api/ingest/aliases/cam/7")).status_code == 204
    for gone in ("cam/7", "%00", "%ED%A0%80"):
        assert (await served.client.delete(f"/api/ingest/aliases/{gone}")).status_code == 404
    assert (await served.client.get("/api/ingest/aliases", params={"cursor": "\0"})).status_code == 422


async def test_a_broken_picture_costs_the_picture_and_not_the_read(served: Served) -> None:
    (item,) = (await served.client.post(URL, **form(plate_recognizer(), b"no picture"))).json()["items"]
    assert item["picture_refused"] is True
    (group,) = (await served.client.post(URL, json=rekor_group(camera_id="gate", vehicle_crop_jpeg="*"))).json()[
        "items"
    ]
    assert group["picture_refused"] is True
    first, second = await detections(served)
    assert (first.snapshot_key, second.snapshot_key) == (None, None)
    assert second.plate_snapshot_key is not None


async def test_what_is_no_read_is_passed_over(served: Served) -> None:
    beats: list[Any] = [
        {"data_type": "heartbeat", "agent_uid": "A", "timestamp": EPOCH}, rekor_group(is_preview=True),
        {"hook": {"event": "status"}, "data": {"camera_id": "gate"}},
    ]  # fmt: skip
    for beat in beats:
        answer = await served.client.post(URL, json=beat)
        assert (answer.status_code, answer.json()) == (202, {"items": [], "ignored": 1})


WRONG: list[tuple[Any, str]] = [
    ([], "body"), ({}, "body"), ("text", "body"),
    ({"data_type": "alpr_results", "uuid": "u", "camera_id": 1}, "results"),
    (rekor_group(epoch_start="soon"), "epoch_start"), (rekor_group(epoch_start=EPOCH + 10**12), "epoch_start"),
    (rekor_group(epoch_start=10**400), "epoch_start"), (rekor_group(best_uuid=None), "uuid"),
    (rekor_group(camera_id=None), "camera_id"), (rekor_group(camera_id=True), "camera_id"),
    (rekor_group(best_plate_number="ABCDEFGHIJK"), "plate"), (plate_recognizer(timestamp="yesterday"), "timestamp"),
    (plate_recognizer(timestamp="2099-01-01T00:00:00Z"), "timestamp"), (event(plate="ção"), "plate"),
    (event(started_at="1999-12-31T00:00:00Z"), "started_at"), (event(camera_id={"a": 1}), "camera_id"),
    ({**event(), "specversion": "0.3"}, "specversion"), ({**event(), "id": ""}, "id"), ({**event(), "data": 1}, "data"),
]  # fmt: skip


async def test_what_is_wrong_is_named(served: Served) -> None:
    for body, field in WRONG:
        answer = await served.client.post(URL, content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, (field, answer.text)
        assert answer.json()["error"]["details"]["field"] == field, answer.text
    for content in (b"", b"{", b"\xff", b"[" * 100_000):
        answer = await served.client.post(URL, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, answer.text
    form = await served.client.post(URL, data={"data": "{}"})
    assert form.json()["error"]["details"]["field"] == "json"
    assert (await served.client.post(f"{URL}?format=rekor", json=event())).json() == {"items": [], "ignored": 1}
    assert (await served.client.post(f"{URL}?format=onvif", json=event())).status_code == 422
    assert await detections(served) == []


def test_results_of_vehicles_have_objects() -> None:
    """Plate Recognizer with detection_mode=vehicle: the plate is an object, or null where none was read."""
    box = {"xmin": 1, "ymin": 2, "xmax": 30, "ymax": 40}
    plate = {"type": "Plate", "score": 0.9, "box": box,
             "props": {"plate": [{"value": "bra2e19", "score": 0.88}], "region": []}}  # fmt: skip
    vehicle = {"type": "SUV", "score": 0.7, "box": box, "props": {"color": [{"value": "red", "score": 0.5}]}}
    body = plate_recognizer(results=[{"plate": plate, "vehicle": vehicle}, {"plate": None, "vehicle": vehicle}])
    first, second = parse(body, shape_of(body)).reads
    assert (first.plate, first.confidence, first.vehicle_type, first.color) == ("BRA2E19", 0.88, "car", "red")
    assert (second.plate, second.confidence, second.vehicle_type) == (None, None, "car")
    assert first.external_id != second.external_id


@pytest.mark.parametrize("field", ["direction", "score", "box", "candidates", "vehicle", "color"])
@pytest.mark.parametrize("value", [None, "x", -1, 10**400, float("inf"), float("nan"), [], {}, [[]], [{}], True])
def test_odd_values_are_passed_over(field: str, value: Any) -> None:
    body = plate_recognizer()
    body["data"]["results"][0][field] = value
    (read,) = parse(json.loads(json.dumps(body)), "plate_recognizer").reads
    assert read.plate == "BRA2E19"


def test_angles_are_directions() -> None:
    found = []
    for angle in (0, 44, 46, 90, 134, 136, 180, 226, 270, 314, 316, 359):
        body = plate_recognizer()
        body["data"]["results"][0]["direction"] = angle
        found.append(parse(body, "plate_recognizer").reads[0].direction)
    assert found == ["right"] * 2 + ["away"] * 3 + ["left"] * 2 + ["towards"] * 3 + ["right"] * 2


def test_our_own_events_are_understood() -> None:
    """Those that a webhook of another GT-Vision sends: `confidence` is the vehicle's there."""
    body = event(plate_confidence=0.97, confidence=0.5)
    (read,) = parse(body, shape_of(body)).reads
    assert (read.confidence, read.vehicle_confidence) == (0.97, 0.5)


def test_another_shape_inside_an_event() -> None:
    body = {**event(), "data": rekor_group()}
    assert parse(body, shape_of(body)).reads[0].source == "rekor"
    nested: Any = event()
    for _ in range(3):
        nested = {**event(), "data": nested}
    with pytest.raises(InvalidInput):
        parse(nested, "cloudevents")
