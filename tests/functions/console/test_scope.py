"""What the live feed and the status tell somebody who sees some groups of cameras, and when their right ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from functions.console import feed, reader
from functions.shared.access import PERMISSIONS, Role
from functions.shared.contracts import (
    AlertRaised,
    CameraChanged,
    CameraState,
    CameraStatus,
    CameraStatusChanged,
    new_id,
    now,
)
from functions.shared.tables import Camera, Group
from tests.functions.console.sse import Reader, following
from tests.functions.console.stack import PASSWORD, Stack, running
from tests.functions.signing import add_user, api_key


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "RECHECK_S", 0.2)
    monkeypatch.setattr(feed, "CHECK_S", 0.1)


async def two_groups(stack: Stack) -> None:
    """A camera in each of two groups, one in none, and nora, who sees the north."""
    async with stack.context.db.transaction() as session:
        for one in ("north", "south"):
            session.add(Group(id=one, name=one, plate_formats=["br_old"], created_at=now(), updated_at=now()))
    await stack.add_camera("north-1", "North One", group_id="north")
    await stack.add_camera("south-1", "South One", group_id="south")
    await stack.add_camera("alone-1", "Alone")
    async with await stack.client() as admin:
        body = {"username": "nora", "password": PASSWORD, "role": "viewer", "groups": ["north"]}
        assert (await admin.post("/api/auth/users", json=body)).status_code == 201


async def everything_happens(stack: Stack, mark: str) -> None:
    for camera_id in ("south-1", "alone-1", "north-1"):
        await stack.passage(camera_id, f"{camera_id[:3].upper()}{mark}")
        status = await stack.report(camera_id, CameraState.ONLINE)
        await stack.publish(CameraStatusChanged(camera_id=camera_id, previous=None, status=status))


def cameras_in(found: Reader) -> set[str]:
    return {event.data["camera_id"] for event in found.events}


async def test_the_feed_holds_what_its_reader_sees_live_and_missed(stack: Stack) -> None:
    await two_groups(stack)
    cookies = await stack.cookies("nora")
    async with following(stack.url, cookies) as nora, following(stack.url, await stack.cookies()) as admin:
        await everything_happens(stack, "1A11")
        await admin.until(6)
        await nora.until(2)
    assert cameras_in(admin) == {"north-1", "south-1", "alone-1"}
    for text in ("south-1", "alone-1", "SOU", "ALO"):
        assert text not in nora.text
    # What was missed is asked for by its place in the whole stream: no less is kept back.
    async with following(stack.url, cookies, last_event_id="0") as again:
        await again.until(3)
    assert cameras_in(again) == {"north-1"}
    for text in ("south-1", "alone-1", "SOU", "South One"):
        assert text not in again.text
    assert [event.data["snapshot_url"] is not None for event in again.events if event.name == "detection"] == [True]


async def test_a_change_of_groups_counts_in_an_open_feed(stack: Stack) -> None:
    await two_groups(stack)
    async with await stack.client() as admin, following(stack.url, await stack.cookies("nora")) as nora:
        await everything_happens(stack, "1A11")
        await nora.until(2)
        await patch(admin, "nora", {"groups": ["south"]})
        await asyncio.sleep(0.6)
        await everything_happens(stack, "2B22")
        events = await nora.until(4)
        assert {event.data["camera_id"] for event in events[2:]} == {"south-1"}
        # A camera that changes its group goes with it at once.
        async with stack.context.db.transaction() as session:
            row = await session.get(Camera, "alone-1")
            assert row is not None
            row.group_id = "south"
        await stack.publish(CameraChanged(camera_id="alone-1", change="updated", name="Alone", revision=2))
        await nora.until(5)
        await stack.passage("alone-1", "CCC3C33")
        assert (await nora.until(6))[5].data["plate"] == "CCC3C33"


async def patch(admin: httpx.AsyncClient, username: str, body: dict[str, Any]) -> None:
    users = (await admin.get("/api/auth/users")).json()["items"]
    user_id = next(row["id"] for row in users if row["username"] == username)
    assert (await admin.patch(f"/api/auth/users/{user_id}", json=body)).status_code == 200


@pytest.mark.parametrize("how", ["logout", "disabled"])
async def test_an_open_feed_ends_with_the_right_to_it(stack: Stack, how: str) -> None:
    await stack.add_user("otto", "viewer")
    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as otto:
        body = {"username": "otto", "password": PASSWORD}
        pair = (await otto.post("/api/auth/login", json=body)).json()
        async with following(stack.url, {"gtv_access": pair["access_token"]}) as found:
            if how == "logout":
                await otto.post("/api/auth/logout", json={"refresh_token": pair["refresh_token"]})
            else:
                async with await stack.client() as admin:
                    await patch(admin, "otto", {"disabled": True})
            async with asyncio.timeout(10):
                await found.ended.wait()


@pytest.mark.parametrize(
    ("permissions", "names"),
    [
        (["detections:read"], {"detection"}),
        (["detections:read", "alerts:read"], {"detection", "alert"}),
        (["detections:read", "cameras:read"], {"detection", "camera-status", "camera-changed"}),
        (PERMISSIONS, {"detection", "alert", "camera-status", "camera-changed"}),
    ],
)
async def test_the_feed_of_a_key_holds_what_it_may_read(
    stack: Stack, permissions: Sequence[str], names: set[str]
) -> None:
    """Live, and what it missed."""
    user = await add_user(stack.context, "radares", Role.ADMIN)
    key = await api_key(stack.context, user, permissions)

    async def happen(mark: str) -> None:
        await stack.publish(CameraChanged(camera_id="gate-1", change="updated", name="Gate", revision=2))
        status = CameraStatus(camera_id="gate-1", state=CameraState.ONLINE, since=now(), updated_at=now())
        await stack.publish(CameraStatusChanged(camera_id="gate-1", previous=None, status=status))
        told = {"alert_id": new_id(), "hotlist_id": "0" * 32, "list_name": "Stolen", "detection_id": new_id()}
        await stack.publish(
            AlertRaised(
                camera_id="gate-1", kind="watch", priority=1, plate="ABC1D23", seen_at=now(), raised_at=now(), **told
            )
        )  # fmt: skip
        await stack.passage("gate-1", f"END{mark}")

    async with following(stack.url, {}, key=key) as found, following(stack.url, await stack.cookies()) as person:
        await happen("1A11")
        await person.until(4)
        await found.until(len(names))
        assert found.events[-1].data["plate"] == "END1A11"
    assert {event.name for event in found.events} == names
    assert {event.name for event in person.events} == {"detection", "alert", "camera-status", "camera-changed"}
    async with following(stack.url, {}, key=key, last_event_id="0") as again:
        await again.until(len(names))
        await happen("2B22")
        await again.until(2 * len(names))
    assert {event.name for event in again.events} == names


async def test_the_status_counts_the_cameras_that_its_reader_sees(stack: Stack) -> None:
    await two_groups(stack)
    await stack.passage("south-1", "SOU1A11")

    async def status(username: str) -> dict[str, Any]:
        cookies = await stack.cookies(username)
        async with httpx.AsyncClient(base_url=stack.url, cookies=cookies, timeout=30) as client:
            answer = await client.get("/api/status")
            assert answer.status_code == 200
            found: dict[str, Any] = answer.json()
            return found

    of_nora, of_admin = await status("nora"), await status("admin")
    assert (of_nora["cameras"]["total"], of_admin["cameras"]["total"]) == (1, 3)
    assert of_nora["last_detection_at"] is None
    assert of_admin["last_detection_at"] is not None


async def test_plates_are_masked_in_the_feed_of_a_role_that_sees_them_so(tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("masked")
    async with running(folder, mask_plates_for=("viewer",)) as stack:
        await stack.add_user("vera", "viewer")
        async with (
            following(stack.url, await stack.cookies("vera")) as vera,
            following(stack.url, await stack.cookies()) as admin,
        ):
            await stack.passage("gate-1", "ABC1D23", plate_read="ABC1023")
            (hidden,), (shown,) = await vera.until(1), await admin.until(1)
    assert (shown.data["plate"], len(shown.data["candidates"])) == ("ABC1D23", 1)
    assert (hidden.data["plate"], hidden.data["plate_read"]) == ("AB*****", "AB*****")
    assert hidden.data["candidates"] == []
    # Where search shows the vehicle with its plate painted over.
    picture = f"/api/detections/{hidden.data['id']}/snapshot.jpg"
    assert (hidden.data["snapshot_url"], hidden.data["plate_snapshot_url"]) == (picture, None)
    assert "C1D23" not in vera.text
