"""Whoever sees some groups only: nothing of other cameras is shown, changed, asked, counted, imported or exported."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from functions.shared.contracts import CameraState, CameraStatus, now
from functions.shared.tables import AuditRow, User, UserGroup
from functions.shared.topology import STATUS_KV
from tests.functions.cameras.conftest import PASSWORD, URL, Register

MINE, THEIRS, NONE = "mine", "theirs", "of-none"


async def scoped(register: Register, username: str, role: str, groups: list[str]) -> httpx.AsyncClient:
    """A client signed in as somebody who sees these groups only."""
    body = {"username": username, "password": PASSWORD, "role": role}
    made = await register.client.post("/api/auth/users", json=body, headers=register.headers)
    user_id = made.json()["id"]
    async with register.context.db.transaction() as session:
        await session.execute(update(User).where(User.id == user_id).values(all_groups=False))
        session.add_all(UserGroup(user_id=user_id, group_id=group_id) for group_id in groups)
    client = register.another_client()
    client.headers.update(await register.login(username, PASSWORD))
    return client


@pytest.fixture
async def operator(register: Register) -> AsyncIterator[httpx.AsyncClient]:
    """An operator of the group norte, beside cameras of norte, of sul and of no group."""
    for group_id in ("norte", "norte2", "sul"):
        await register.client.post("/api/groups", json={"id": group_id, "name": group_id})
    places: list[tuple[str, str | None]] = [(MINE, "norte"), (THEIRS, "sul"), (NONE, None)]
    for camera_id, group in places:
        body = {"id": camera_id, "name": camera_id, "rtsp_url": f"{URL}/{camera_id}", "group_id": group}
        assert (await register.client.post("/api/cameras", json=body)).status_code == 201
    async with await scoped(register, "norte-op", "operator", ["norte", "norte2"]) as client:
        yield client


async def make(client: httpx.AsyncClient, **changed: Any) -> httpx.Response:
    return await client.post("/api/cameras", json={"name": "New", "rtsp_url": f"{URL}/new", **changed})


ROUTES: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "", None),
    ("PATCH", "", {"name": "Other"}),
    ("DELETE", "", None),
    ("POST", "/probe", None),
    ("POST", "/restore", {"rtsp_url": URL}),
    ("GET", "/status", None),
    ("GET", "/history", None),
    ("GET", "/snapshot.jpg", None),
]


async def test_a_camera_of_others_is_not_there(register: Register, operator: httpx.AsyncClient) -> None:
    before = (await register.client.get(f"/api/cameras/{THEIRS}")).json()
    for camera_id in (THEIRS, NONE):
        for method, path, body in ROUTES:
            answer = await operator.request(method, f"/api/cameras/{camera_id}{path}", json=body)
            nobody = await operator.request(method, f"/api/cameras/nobody{path}", json=body)
            assert (answer.status_code, answer.json()["error"]["message"]) == (
                404, nobody.json()["error"]["message"],
            ), f"{method} {path}"  # fmt: skip
    after = (await register.client.get(f"/api/cameras/{THEIRS}")).json()
    assert after == {**before, "status": after["status"]}
    assert (await operator.get(f"/api/cameras/{MINE}")).status_code == 200
    assert (await operator.patch(f"/api/cameras/{MINE}", json={"name": "Other"})).status_code == 200


async def test_lists_and_states_hold_the_own_cameras_only(register: Register, operator: httpx.AsyncClient) -> None:
    bus, at = await register.context.bus(), now()
    for camera_id in (MINE, THEIRS, NONE):
        said = CameraStatus(camera_id=camera_id, state=CameraState.ONLINE, since=at, updated_at=at)
        await bus.kv_put(STATUS_KV, camera_id, said.model_dump_json().encode())
    for params in ({}, {"state": "online"}, {"q": "e"}, {"limit": 1}):
        page = (await operator.get("/api/cameras", params=params)).json()
        assert [item["id"] for item in page["items"]] == [MINE], params
        assert page["next_cursor"] is None
    for params in ({"group_id": "sul"}, {"q": THEIRS}, {"deleted": "true"}):
        assert (await operator.get("/api/cameras", params=params)).json()["items"] == []
    await register.client.delete(f"/api/cameras/{THEIRS}")
    assert (await operator.get("/api/cameras", params={"deleted": "true"})).json()["items"] == []
    assert (await operator.post(f"/api/cameras/{THEIRS}/restore", json={"rtsp_url": URL})).status_code == 404
    for camera_id in (MINE, THEIRS, NONE):
        await bus.kv_delete(STATUS_KV, camera_id)


async def test_cameras_come_into_own_groups_and_do_not_leave_them(
    register: Register, operator: httpx.AsyncClient
) -> None:
    for group_id in ("sul", "no-such", None):
        for answer in (
            await make(operator, group_id=group_id),
            await operator.patch(f"/api/cameras/{MINE}", json={"group_id": group_id}),
        ):
            assert answer.status_code == 422, answer.text
            assert answer.json()["error"]["details"]["field"] == "group_id"
    # Of a group that is another's nobody learns more than of one that is not there.
    texts = {
        (await make(operator, group_id=group_id)).json()["error"]["message"].replace(group_id, "*")
        for group_id in ("sul", "no-such")
    }
    assert len(texts) == 1
    assert (await make(operator, id="new", group_id="norte")).status_code == 201
    assert (await operator.patch("/api/cameras/new", json={"group_id": "norte2"})).status_code == 200
    assert (await operator.patch("/api/cameras/new", json={"name": "Still"})).status_code == 200
    assert (await register.client.get("/api/cameras/new")).json()["group_id"] == "norte2"


async def test_groups_of_others_are_not_there(operator: httpx.AsyncClient) -> None:
    page = (await operator.get("/api/groups")).json()
    assert [item["id"] for item in page["items"]] == ["norte", "norte2"]
    for method in ("GET", "PATCH", "DELETE"):
        answer = await operator.request(method, "/api/groups/sul", json={} if method == "PATCH" else None)
        assert answer.status_code == 404
    assert (await operator.get("/api/groups/norte")).json()["cameras"] == 1
    assert (await operator.patch("/api/groups/norte", json={"name": "N"})).status_code == 200
    assert (await operator.delete("/api/groups/norte")).status_code == 409
    # A group that they would not see themselves.
    refused = await operator.post("/api/groups", json={"name": "Leste"})
    assert refused.status_code == 403
    assert "some groups only" in refused.json()["error"]["message"]


async def test_import_reaches_no_further(register: Register, operator: httpx.AsyncClient) -> None:
    text = (
        "id,name,rtsp_url,group_id\n"
        f"a,A,{URL}/a,norte\n"
        f"b,B,{URL}/b,sul\n"
        f"c,C,{URL}/c,\n"
        f"{THEIRS},D,{URL}/d,norte\n"  # its id is in use; of what, nobody learns
        f"e,E,{URL}/{THEIRS},norte\n"  # its address is another's: nobody learns that either
        f"{MINE},F,{URL}/{MINE},sul\n"
    )
    params = {"mode": "valid", "upsert": "true"}
    answer = await operator.post("/api/cameras/import", content=text.encode(), params=params)
    report = answer.json()
    assert answer.status_code == 201, answer.text
    assert [(row["line"], row["action"]) for row in report["cameras"]] == [(2, "create"), (6, "create")]
    assert [(fault["line"], fault["field"]) for fault in report["errors"]] == [
        (3, "group_id"), (4, "group_id"), (5, "id"), (7, "group_id"),
    ]  # fmt: skip
    assert THEIRS not in "".join(fault["reason"] for fault in report["errors"])
    theirs = (await register.client.get(f"/api/cameras/{THEIRS}")).json()
    assert (theirs["name"], theirs["revision"]) == (THEIRS, 1)
    refused = await operator.post(
        "/api/cameras/import", content=text.encode(), params={**params, "create_groups": "true"}
    )
    assert refused.status_code == 403


async def test_export_holds_the_own_cameras_only(operator: httpx.AsyncClient) -> None:
    answer = await operator.get("/api/cameras/export.csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["id"] for row in rows] == [MINE]
    assert (await operator.get("/api/cameras/export.csv", params={"group_id": "sul"})).text.count("\n") == 1


async def test_a_search_marks_the_own_cameras_only(operator: httpx.AsyncClient) -> None:
    body = {"multicast": False, "ranges": ["127.0.0.1"], "ports": [], "rtsp_ports": []}
    # Nothing answers on no port: what matters is that the question is allowed, and that nothing is told besides.
    assert (await operator.post("/api/cameras/discover", json=body)).json()["items"] == []


async def test_of_a_viewer_with_a_scope_nothing_is_taken(register: Register, operator: httpx.AsyncClient) -> None:
    async with await scoped(register, "sul-viewer", "viewer", ["sul"]) as viewer:
        page = (await viewer.get("/api/cameras")).json()
        assert [item["id"] for item in page["items"]] == [THEIRS]
        assert (await viewer.patch(f"/api/cameras/{THEIRS}", json={"name": "x"})).status_code == 403
        assert (await viewer.get("/api/cameras/export.csv")).status_code == 403
    async with await scoped(register, "nothing", "viewer", []) as viewer:
        assert (await viewer.get("/api/cameras")).json()["items"] == []
        assert (await viewer.get("/api/groups")).json()["items"] == []


async def test_each_change_is_in_the_audit_log_without_an_address(
    register: Register, operator: httpx.AsyncClient
) -> None:
    client = operator
    await make(client, id="new", group_id="norte")
    await client.patch("/api/cameras/new", json={"name": "Newer", "rtsp_url": f"{URL}/other"})
    await client.patch("/api/cameras/new", json={"name": "Newer"})  # changes nothing
    await client.delete("/api/cameras/new")
    await client.post("/api/cameras/new/restore", json={"rtsp_url": f"{URL}/other"})
    await client.patch("/api/groups/norte", json={"name": "N", "plate_formats": ["br_old"]})
    await client.post("/api/cameras/import", params={"upsert": "true"}, content=b"id,vendor\nnew,Olho\n")
    await client.get("/api/cameras/export.csv")
    await client.delete("/api/groups/norte2")
    async with register.context.db.read() as session:
        rows = list(await session.scalars(select(AuditRow).where(AuditRow.actor == "norte-op").order_by(AuditRow.seq)))
    # They signed in before.
    assert rows.pop(0).action == "login"
    assert [(row.action, row.subject) for row in rows] == [
        ("cameras.create", "new"), ("cameras.update", "new"), ("cameras.delete", "new"), ("cameras.restore", "new"),
        ("groups.update", "norte"), ("cameras.import", ""), ("cameras.export", ""), ("groups.delete", "norte2"),
    ]  # fmt: skip
    assert rows[1].details == {"fields": ["name", "rtsp_url"]}
    assert rows[5].details == {"created": [], "groups": [], "updated": {"new": ["vendor"]}}
    assert all("rtsp:" not in str(row.details) and "MARK" not in str(row.details) for row in rows)
