"""Groups of cameras through their routes, on both databases: their rules, and who may change them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from functions.shared.formats import DEFAULT, NAMES
from functions.shared.tables import Group
from tests.functions.cameras.conftest import PASSWORD, URL, Register


async def make(register: Register, **changed: Any) -> httpx.Response:
    return await register.client.post("/api/groups", json={"name": "Região Norte", **changed})


async def camera(register: Register, camera_id: str, group_id: str | None) -> httpx.Response:
    body = {"id": camera_id, "name": camera_id, "rtsp_url": URL, "group_id": group_id}
    return await register.client.post("/api/cameras", json=body)


async def test_a_group_is_made_shown_changed_and_deleted(register: Register) -> None:
    client, path = register.client, "/api/groups/regiao-norte"
    made = await make(register)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == path
    facts = made.json()
    assert (facts["id"], facts["name"], facts["cameras"]) == ("regiao-norte", "Região Norte", 0)
    assert facts["plate_formats"] == list(DEFAULT)
    assert (await client.get(path)).json() == facts
    wanted = ["ar_mercosul", "br_mercosul", "any"]
    changed = (await client.patch(path, json={"plate_formats": wanted})).json()
    assert (changed["plate_formats"], changed["name"]) == (wanted, "Região Norte")
    assert changed["updated_at"] > facts["updated_at"]
    # A change of nothing is none.
    again = (await client.patch(path, json={"plate_formats": wanted, "name": "Região Norte"})).json()
    assert again == changed == (await client.get(path)).json()
    assert (await client.get("/api/groups")).json() == {"items": [changed], "next_cursor": None}
    assert (await client.delete(path)).status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        assert (await client.request(method, path, json={} if method == "PATCH" else None)).status_code == 404
    # Nothing names the group any more: its id may be given again.
    assert (await make(register)).json()["id"] == "regiao-norte"


async def test_the_id_is_made_from_the_name_and_is_new(register: Register) -> None:
    answers = await asyncio.gather(*(make(register) for _ in range(4)))
    ids = sorted(answer.json()["id"] for answer in answers)
    assert ids == ["regiao-norte", "regiao-norte-2", "regiao-norte-3", "regiao-norte-4"]
    assert (await make(register, name="日本")).json()["id"] == "group"
    assert (await make(register, id="a1")).json()["id"] == "a1"
    assert (await make(register, id="a1")).status_code == 409


async def test_the_same_idempotency_key_makes_one_group(register: Register) -> None:
    async def send(name: str = "Sul") -> httpx.Response:
        return await register.client.post("/api/groups", json={"name": name}, headers={"Idempotency-Key": "k"})

    answers = await asyncio.gather(*(send() for _ in range(4)))
    assert {(answer.status_code, answer.json()["id"]) for answer in answers} == {(201, "sul")}
    assert sum(answer.headers.get("idempotent-replayed") == "true" for answer in answers) == 3
    assert (await send("Norte")).status_code == 409
    assert len((await register.client.get("/api/groups")).json()["items"]) == 1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": "x" * 121}, "name"),
    ({"id": "Norte"}, "id"),
    ({"id": "a/b"}, "id"),
    ({"plate_formats": []}, "plate_formats"),
    ({"plate_formats": ["br_old", "br_old"]}, "plate_formats"),
    ({"plate_formats": ["br_new"]}, "plate_formats"),
    ({"plate_formats": [*NAMES, "x"]}, "plate_formats"),
    ({"plate_formats": "br_old"}, "plate_formats"),
    ({"plate_formats": None}, "plate_formats"),
    ({"cameras": 3}, "cameras"),
]


async def test_a_wrong_field_is_named(sqlite_register: Register) -> None:
    await make(sqlite_register, id="there", name="There")
    for changed, field in WRONG:
        answers = [await make(sqlite_register, **changed)]
        if "id" not in changed:
            answers.append(await sqlite_register.client.patch("/api/groups/there", json=changed))
        for answer in answers:
            assert answer.status_code == 422, answer.text
            assert field in answer.text
    (found,) = (await sqlite_register.client.get("/api/groups")).json()["items"]
    assert (found["name"], found["plate_formats"]) == ("There", list(DEFAULT))
    for group_id in ["nobody", "Group", "..", "%00", "a" * 300]:
        assert (await sqlite_register.client.get(f"/api/groups/{group_id}")).status_code == 404


async def test_a_camera_is_in_a_group_that_is_there(register: Register) -> None:
    client = register.client
    refused = await camera(register, "cam-1", "norte")
    assert refused.status_code == 422
    assert refused.json()["error"]["details"]["field"] == "group_id"
    assert "no group norte" in refused.json()["error"]["message"]
    await make(register, id="norte")
    assert (await camera(register, "cam-1", "norte")).json()["group_id"] == "norte"
    assert (await client.patch("/api/cameras/cam-1", json={"group_id": "sul"})).status_code == 422
    assert (await client.get("/api/cameras/cam-1")).json()["group_id"] == "norte"
    assert (await client.get("/api/groups/norte")).json()["cameras"] == 1
    assert (await client.patch("/api/cameras/cam-1", json={"group_id": None})).json()["group_id"] is None


async def test_a_group_with_cameras_stays(register: Register) -> None:
    client = register.client
    await make(register, id="norte")
    for camera_id in ("cam-1", "cam-2"):
        await camera(register, camera_id, "norte")
    refused = await client.delete("/api/groups/norte")
    assert refused.status_code == 409
    assert refused.json()["error"]["details"] == {"cameras": 2}
    assert "2 cameras are in the group norte" in refused.json()["error"]["message"]
    await client.patch("/api/cameras/cam-1", json={"group_id": None})
    assert "1 camera is in" in (await client.delete("/api/groups/norte")).json()["error"]["message"]
    # A camera that was deleted holds nothing back.
    await client.delete("/api/cameras/cam-2")
    assert (await client.get("/api/groups/norte")).json()["cameras"] == 0
    assert (await client.delete("/api/groups/norte")).status_code == 204


async def test_no_camera_is_left_in_a_group_that_is_gone(register: Register) -> None:
    """Whoever is first wins: a camera that comes in keeps the group, a group that goes refuses the camera."""
    for number in range(8):
        group_id = f"g-{number}"
        await make(register, id=group_id)
        came, went = await asyncio.gather(
            camera(register, f"cam-{number}", group_id), register.client.delete(f"/api/groups/{group_id}")
        )
        assert (came.status_code, went.status_code) in ((201, 409), (422, 204))
        async with register.context.db.read() as session:
            there = await session.get(Group, group_id) is not None
        assert there == (came.status_code == 201)


async def test_pages_hold_every_group_once(register: Register) -> None:
    for number in range(7):
        await make(register, id=f"g-{number}")
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params: dict[str, Any] = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = (await register.client.get("/api/groups", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [f"g-{number}" for number in range(7)]
    for question in ("cursor=!!", "limit=0", "limit=201", "q=x"):
        assert (await register.client.get(f"/api/groups?{question}")).status_code == 422


@pytest.mark.parametrize(("role", "may_change"), [("viewer", False), ("operator", True)])
async def test_viewers_read_and_operators_write(sqlite_register: Register, role: str, may_change: bool) -> None:
    client = sqlite_register.client
    await make(sqlite_register, id="norte")
    await client.post("/api/auth/users", json={"username": role, "password": PASSWORD, "role": role})
    client.headers.update(await sqlite_register.login(role, PASSWORD))
    assert (await client.get("/api/groups")).json()["items"][0]["id"] == "norte"
    assert (await client.get("/api/groups/norte")).status_code == 200
    made = await make(sqlite_register, id="sul")
    changed = await client.patch("/api/groups/norte", json={"name": "N"})
    gone = await client.delete("/api/groups/norte")
    assert [answer.status_code for answer in (made, changed, gone)] == ([201, 200, 204] if may_change else [403] * 3)


async def test_openapi_names_the_formats(sqlite_register: Register) -> None:
    api = (await sqlite_register.client.get("/api/openapi.json")).json()
    shown = api["components"]["schemas"]["GroupCreate"]["properties"]["plate_formats"]
    assert shown["items"]["enum"] == list(NAMES)
    assert (shown["minItems"], shown["uniqueItems"], shown["default"]) == (1, True, list(DEFAULT))
    assert all(name in NAMES for example in shown["examples"] for name in example)
    assert "Idempotency-Key" in [one["name"] for one in api["paths"]["/api/groups"]["post"]["parameters"]]
