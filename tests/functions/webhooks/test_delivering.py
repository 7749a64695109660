"""Events on their way to endpoints that listen for real: what is sent, to whom, and how it is signed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update
from standardwebhooks.webhooks import Webhook as Verifier

from functions.search.schemas import DetectionView
from functions.shared.config import FunctionSettings
from functions.shared.contracts import CameraState, CameraStatus, CameraStatusChanged, WebhookDisabled, now
from functions.shared.tables import Camera, User, UserGroup, Webhook
from functions.webhooks import payload
from tests.functions.webhooks.conftest import PLATE, Desk, eventually, passage, working
from tests.support.hooks import HookServer, Received


def read(request: Received, secret: str) -> dict[str, Any]:
    """The body, once the norm's own library has verified it."""
    body: dict[str, Any] = Verifier(secret).verify(request.body, request.headers)
    return body


async def test_a_detection_arrives_signed_as_a_cloud_event(desk: Desk) -> None:
    async with HookServer() as hooks, working(desk):
        made = await desk.add("ana", hooks.url)
        event = passage()
        await (await desk.context.bus()).publish(event)
        await eventually(lambda: len(hooks.received) == 1)
        (got,) = hooks.received
        sent = read(got, made["secret"])
        assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
        assert got.headers["webhook-id"] == sent["id"] == event.id
        assert (sent["specversion"], sent["type"], sent["subject"]) == ("1.0", "gtv.detection.recorded.v1", "cam-n")
        assert (sent["source"], sent["datacontenttype"]) == ("gt-vision/detections", "application/json")
        data = sent["data"]
        assert (data["id"], data["plate"], data["camera_name"]) == (event.detection_id, PLATE, "CAM-N")
        assert data["snapshot_url"].startswith(
            "https://gtv.example/api/images/vehicles/2026/11/22/cam-n/a.jpg?expires="
        )
        assert "snapshot_key" not in json.dumps(data)

        async def told() -> bool:
            shown = (await desk.ask("ana", "GET", f"/{made['id']}/deliveries")).json()["items"]
            return bool(shown) and shown[0]["state"] == "delivered"

        await eventually(told)
        (item,) = (await desk.ask("ana", "GET", f"/{made['id']}/deliveries")).json()["items"]
        assert (item["event_id"], item["tries"], item["last"]["status"]) == (event.id, 1, 200)
        assert item["last"]["duration_ms"] >= 0
        found = (await desk.ask("ana", "GET", f"/{made['id']}")).json()
        assert (found["state"], found["last_outcome"], found["waiting"]) == ("ok", "200", 0)


async def test_the_data_is_that_of_the_list_of_detections(desk: Desk) -> None:
    """What an integrator reads from GET /api/detections is read from a webhook by the same code."""
    async with HookServer() as hooks:
        made = await desk.add("ana", hooks.url)
        await desk.tell(passage())
        await desk.send()
        data = read(hooks.received[0], made["secret"])["data"]
    assert set(DetectionView.model_fields) <= set(data), "GET /api/detections has fields that webhooks lack"
    DetectionView.model_validate(data)


async def test_filters(desk: Desk) -> None:
    async with HookServer() as hooks:
        wanted: dict[str, dict[str, Any]] = {
            "all": {}, "camera": {"camera_ids": ["cam-s"]}, "group": {"group_ids": ["north"]},
            "both": {"group_ids": ["north"], "camera_ids": ["cam-x"]}, "previews": {"previews": True},
            "states": {"event_types": ["gtv.camera.status_changed.v1"]},
        }  # fmt: skip
        made = {name: (await desk.add("bia", hooks.url, name=name, **more))["id"] for name, more in wanted.items()}
        disabled = await desk.add("bia", hooks.url)
        await desk.ask("bia", "PATCH", f"/{disabled['id']}", json={"enabled": False})
        north, south, nowhere, early = passage(), passage("cam-s"), passage("cam-x"), passage(final=False)
        for event in (north, south, nowhere, early):
            await desk.tell(event)
        rows = await desk.rows()
        got = {name: {row.event_id for row in rows if row.webhook_id == made[name]} for name in made}
    assert got["all"] == {north.id, south.id, nowhere.id}
    assert got["camera"] == {south.id}
    assert got["group"] == {north.id}
    assert got["both"] == {north.id, nowhere.id}
    assert got["previews"] == {north.id, south.id, nowhere.id, early.id}
    assert got["states"] == set()
    assert len(rows) == sum(map(len, got.values())), "the disabled one got something"


async def test_an_event_told_twice_is_queued_once(desk: Desk) -> None:
    await desk.add("bia", "https://hooks.example.org/")
    event = passage()
    assert [await desk.tell(event), await desk.tell(event)] == [1, 0]
    assert len(await desk.rows()) == 1


async def test_an_owner_gets_events_of_their_cameras_alone(desk: Desk) -> None:
    """`ana` sees the group north: nothing of the south, of no group, or of a camera that nobody knows."""
    await desk.add("ana", "https://hooks.example.org/")
    told = [await desk.tell(passage(camera)) for camera in ("cam-n", "cam-s", "cam-x", "never-was")]
    assert told == [1, 0, 0, 0]
    # An alert may tell of two cameras: one that she may not see keeps all of it from her.
    for two, queued in (({"other_camera_id": "cam-s"}, 0), ({"seen": [{"camera_id": "cam-s"}]}, 0),
                        ({"camera_ids": ["cam-n"], "other_camera_id": "cam-n"}, 1)):  # fmt: skip
        assert await desk.tell(passage(), **two) == queued
    ended = WebhookDisabled(webhook_id="0" * 32, name="n", owner_id="0" * 32, reason="gone")
    assert await desk.tell(ended) == 0
    await desk.add("root", "https://hooks.example.org/")
    assert await desk.tell(ended) == 1


@pytest.mark.parametrize("loss", ["group taken away", "camera moved", "account disabled"])
async def test_scope_is_looked_up_when_it_is_sent(desk: Desk, loss: str) -> None:
    async with HookServer() as hooks:
        made = await desk.add("ana", hooks.url)
        assert await desk.tell(passage()) == 1
        async with desk.context.db.transaction() as session:
            if loss == "group taken away":
                await session.execute(delete(UserGroup))
            elif loss == "camera moved":
                await session.execute(update(Camera).where(Camera.id == "cam-n").values(group_id="south"))
            else:
                await session.execute(update(User).where(User.username == "ana").values(disabled=True))
        assert await desk.send() == 1
    assert hooks.connections == 0
    (row,) = await desk.rows()
    assert (row.state, row.event) == ("skipped", None)
    (item,) = (await desk.ask("root", "GET", f"/{made['id']}/deliveries")).json()["items"]
    assert (item["state"], item["camera_id"]) == ("skipped", None)
    # What was skipped holds nothing any more, so that a replay brings nothing back.
    replayed = await desk.ask("root", "POST", f"/{made['id']}/replay", json={"delivery_ids": [row.id]})
    assert replayed.json() == {"replayed": 0}


async def test_a_thin_payload_says_where_to_ask(desk: Desk) -> None:
    async with HookServer() as hooks:
        await desk.add("ana", hooks.url, payload="thin")
        event = passage()
        await desk.tell(event)
        await desk.send()
    assert PLATE not in hooks.received[0].body.decode()
    assert json.loads(hooks.received[0].body)["data"] == {
        "detection_id": event.detection_id, "camera_id": "cam-n", "final": True,
        "url": f"https://gtv.example/api/detections/{event.detection_id}",
    }  # fmt: skip


async def test_both_secrets_sign_for_a_day(desk: Desk) -> None:
    async with HookServer() as hooks:
        made = await desk.add("ana", hooks.url)
        rotated = (await desk.ask("ana", "POST", f"/{made['id']}/rotate-secret")).json()
        await desk.tell(passage())
        await desk.send()
        for secret in (made["secret"], rotated["secret"]):
            read(hooks.received[0], secret)
        async with desk.context.db.transaction() as session:
            await session.execute(update(Webhook).values(previous_until=now() - timedelta(seconds=1)))
        await desk.tell(passage())
        await desk.send()
    read(hooks.received[1], rotated["secret"])
    assert len(hooks.received[1].headers["webhook-signature"].split(" ")) == 1


async def test_a_test_is_sent_at_once_and_once(desk: Desk) -> None:
    async with HookServer() as hooks:
        made = await desk.add("ana", hooks.url)
        await desk.ask("ana", "PATCH", f"/{made['id']}", json={"enabled": False})
        answer = (await desk.ask("ana", "POST", f"/{made['id']}/test")).json()
        assert (answer["state"], answer["type"], answer["last"]["status"]) == ("delivered", payload.TEST, 200)
        sent = read(hooks.received[0], made["secret"])
        assert (sent["data"]["webhook_id"], sent["id"]) == (made["id"], answer["event_id"])
    failed = (await desk.ask("ana", "POST", f"/{made['id']}/test")).json()
    assert (failed["state"], failed["last"]["failure"]) == ("dead", "no_connection")
    assert failed["reason"] == "a test is sent once"
    shown = (await desk.ask("ana", "GET", f"/{made['id']}")).json()
    assert (shown["failures"], shown["disabled_reason"], shown["dead"]) == (0, "user", 0)


async def test_states_of_cameras_are_told_without_what_is_no_ones_business(desk: Desk) -> None:
    async with HookServer() as hooks:
        await desk.add("ana", hooks.url)
        at = now()
        status = CameraStatus(
            camera_id="cam-n", state=CameraState.OFFLINE, reason="rtsp://op:S3CRET@10.0.0.7/ refused", since=at,
            updated_at=at, holder="pod-1",
        )  # fmt: skip
        await desk.tell(CameraStatusChanged(camera_id="cam-n", status=status))
        await desk.send()
    data = json.loads(hooks.received[0].body)["data"]
    assert (data["status"]["state"], data["camera_name"]) == ("offline", "CAM-N")
    assert "S3CRET" not in hooks.received[0].body.decode()
    assert "holder" not in data["status"]


class TestMasked:
    @pytest.fixture
    def more_settings(self) -> dict[str, Any]:
        return {"mask_plates_for": ("integrator",)}

    async def test_plates_are_masked_for_roles_that_see_them_masked(
        self, desk: Desk, settings: FunctionSettings
    ) -> None:
        async with HookServer() as hooks:
            made = await desk.add("ana", hooks.url)
            await desk.tell(passage())
            # As an alert might come: whatever else holds a plate is masked with it.
            extra = {"entry": {"pattern": PLATE}, "plates": [PLATE], "candidates": [{"text": PLATE, "confidence": 1}]}
            at = now()
            status = CameraStatus(camera_id="cam-n", state=CameraState.ONLINE, since=at, updated_at=at)
            message = CameraStatusChanged(camera_id="cam-n", status=status)
            words = {"withdrawn_reason": f"the plate is {PLATE} by now", "note": f"it was {PLATE}"}
            await desk.tell(message, plate=PLATE, snapshot_key="vehicles/a.jpg", **extra, **words)
            await desk.send()
            detection, other = sorted(hooks.received, key=lambda got: b"recorded" not in got.body)
        data = json.loads(detection.body)["data"]
        assert (data["plate"], data["plate_read"], data["candidates"]) == ("BR*****", "BR*****", [])
        # As search has it: the route that shows the vehicle with its plate painted over.
        picture = f"{settings.public_url.rstrip('/')}/api/detections/{data['id']}/snapshot.jpg"
        assert (data["masked"], data["snapshot_url"], data["plate_snapshot_url"]) == (True, picture, None)
        for got in (detection, other):
            assert PLATE not in got.body.decode()
            assert "BRA" not in got.body.decode()
        assert json.loads(other.body)["data"]["snapshot_url"] is None
        row = (await desk.rows())[0]
        shown = (await desk.ask("ana", "GET", f"/{made['id']}/deliveries/{row.id}")).json()
        assert shown["body"] is None
