"""The register through its routes, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.functions.cameras.conftest import URL, Register


async def make(register: Register, **changed: Any) -> httpx.Response:
    body = {"name": "Praça da Sé", "rtsp_url": URL, **changed}
    return await register.client.post("/api/cameras", json={k: v for k, v in body.items() if v is not ...})


async def make_group(register: Register, group_id: str) -> None:
    answer = await register.client.post("/api/groups", json={"id": group_id, "name": group_id})
    assert answer.status_code == 201, answer.text


async def test_a_camera_is_made_shown_changed_and_deleted(register: Register) -> None:
    client = register.client
    made = await make(register, sample_fps=2, latitude=-23.55, longitude=-46.63, notes="dois\nolhos")
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "/api/cameras/praca-da-se"
    assert made.headers["etag"] == '"1"'
    facts = made.json()
    assert (facts["id"], facts["has_credentials"], facts["sample_fps"]) == ("praca-da-se", True, 2)
    assert "rtsp_url" not in facts
    changed = await client.patch("/api/cameras/praca-da-se", json={"enabled": False, "notes": None})
    assert (changed.json()["revision"], changed.json()["notes"]) == (2, None)
    shown = await client.get("/api/cameras/praca-da-se")
    assert shown.headers["etag"] == '"2"'
    assert shown.json()["status"]["state"] == "disabled"
    assert (await client.delete("/api/cameras/praca-da-se")).status_code == 204
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/status"), ("POST", "/probe")):
        answer = await client.request(method, f"/api/cameras/praca-da-se{path}", json={} if method == "PATCH" else None)
        assert answer.status_code == 404, f"{method} {path}"
    assert (await client.get("/api/cameras")).json()["items"] == []


async def test_the_id_is_made_from_the_name_and_is_new(register: Register) -> None:
    answers = await asyncio.gather(*(make(register) for _ in range(4)))
    ids = sorted(answer.json()["id"] for answer in answers)
    assert ids == ["praca-da-se", "praca-da-se-2", "praca-da-se-3", "praca-da-se-4"]
    assert (await make(register, name="日本")).json()["id"] == "camera"
    assert (await make(register, name="Probe")).json()["id"] == "probe-1"
    assert len((await make(register, name="x" * 120)).json()["id"]) <= 63


async def test_an_id_is_given_once_and_not_again_after_its_camera_is_gone(register: Register) -> None:
    answers = await asyncio.gather(*(make(register, id="cam-1") for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    await register.client.delete("/api/cameras/cam-1")
    again = await make(register, id="cam-1")
    assert again.status_code == 409
    assert "detections keep it" in again.json()["error"]["message"]


async def test_a_deleted_camera_keeps_no_address(register: Register) -> None:
    from functions.shared.tables import Camera

    await make(register, id="cam-1")
    await register.client.delete("/api/cameras/cam-1")
    async with register.context.db.read() as session:
        row = await session.get(Camera, "cam-1")
    assert row is not None
    assert row.url_encrypted == ""
    assert row.deleted_at is not None


async def test_a_change_needs_the_revision_that_was_seen(register: Register) -> None:
    await make(register, id="cam-1")
    client, path = register.client, "/api/cameras/cam-1"
    first = await client.patch(path, json={"name": "A"}, headers={"If-Match": '"1"'})
    assert first.status_code == 200
    stale = await client.patch(path, json={"name": "B"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 409
    assert stale.json()["error"]["details"]["revision"] == 2
    assert (await client.delete(path, headers={"If-Match": '"1"'})).status_code == 409
    assert (await client.patch(path, json={"name": "C"}, headers={"If-Match": "x"})).status_code == 422
    assert (await client.patch(path, json={"name": "C"}, headers={"If-Match": "*"})).json()["name"] == "C"
    assert (await client.delete(path, headers={"If-Match": 'W/"3"'})).status_code == 204


async def test_of_changes_at_once_none_is_lost(register: Register) -> None:
    await make(register, id="cam-1")
    await make_group(register, "g")
    changes: list[dict[str, Any]] = [
        {"name": "N"},
        {"location": "L"},
        {"notes": "T"},
        {"sample_fps": 5},
        {"group_id": "g"},
    ]
    await asyncio.gather(*(register.client.patch("/api/cameras/cam-1", json=change) for change in changes))
    found = (await register.client.get("/api/cameras/cam-1")).json()
    assert {name: found[name] for change in changes for name in change} == {k: v for c in changes for k, v in c.items()}
    assert found["revision"] == 6


async def test_a_change_of_nothing_is_none(register: Register) -> None:
    await make(register, id="cam-1")
    same = {"name": "Praça da Sé", "rtsp_url": URL, "enabled": True}
    assert (await register.client.patch("/api/cameras/cam-1", json=same)).json()["revision"] == 1
    other = {"rtsp_url": URL + "/other"}
    assert (await register.client.patch("/api/cameras/cam-1", json=other)).json()["revision"] == 2


async def test_the_same_idempotency_key_makes_one_camera(register: Register) -> None:
    async def send(**changed: Any) -> httpx.Response:
        body = {"name": "Cam", "rtsp_url": URL, **changed}
        return await register.client.post("/api/cameras", json=body, headers={"Idempotency-Key": "k1"})

    answers = await asyncio.gather(*(send() for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["id"] for answer in answers} == {"cam"}
    assert sum(answer.headers.get("idempotent-replayed") == "true" for answer in answers) == 4
    assert (await send(name="Another")).status_code == 409
    assert len((await register.client.get("/api/cameras")).json()["items"]) == 1


@pytest.mark.parametrize("key", ["", "x" * 129, "ção".encode()])
async def test_an_idempotency_key_that_is_none_is_refused(register: Register, key: str | bytes) -> None:
    value = key.encode() if isinstance(key, str) else key
    answer = await register.client.post(
        "/api/cameras", json={"name": "Cam", "rtsp_url": URL}, headers=[(b"idempotency-key", value)]
    )
    assert answer.status_code == 422


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ...}, "name"),
    ({"name": ""}, "name"),
    ({"name": " \t "}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": "a\x00b"}, "name"),
    ({"name": "a\x7fb"}, "name"),
    ({"name": "x" * 121}, "name"),
    ({"rtsp_url": ...}, "rtsp_url"),
    ({"rtsp_url": "http://10.0.0.1/S3CRET-MARK"}, "rtsp_url"),
    ({"rtsp_url": "rtsp://op:S3CRET-MARK@169.254.169.254/"}, "rtsp_url"),
    ({"rtsp_url": {"S3CRET-MARK": 1}}, "rtsp_url"),
    ({"id": "Cam 1"}, "id"),
    ({"id": "x" * 64}, "id"),
    ({"id": "a/b"}, "id"),
    ({"id": "probe"}, "id"),
    ({"sample_fps": 0.05}, "sample_fps"),
    ({"sample_fps": 61}, "sample_fps"),
    ({"sample_fps": "fast"}, "sample_fps"),
    ({"motion_threshold": 1.5}, "motion_threshold"),
    ({"jpeg_quality": 39}, "jpeg_quality"),
    ({"max_side": 100}, "max_side"),
    ({"min_confidence": -0.1}, "min_confidence"),
    ({"latitude": 91}, "latitude"),
    ({"longitude": -181}, "longitude"),
    ({"group_id": "../x"}, "group_id"),
    ({"group_id": "no-such-group"}, "group_id"),
    ({"min_plate_height": 7}, "min_plate_height"),
    ({"min_plate_height": 201}, "min_plate_height"),
    ({"min_plate_height": 12.5}, "min_plate_height"),
    ({"unknown": 1}, "unknown"),
]


async def test_a_wrong_field_is_named(sqlite_register: Register) -> None:
    for changed, field in WRONG:
        answer = await make(sqlite_register, **changed)
        assert answer.status_code == 422, answer.text
        details = answer.json()["error"]["details"]
        assert field in (details.get("field"), *(row["field"].split(".")[0] for row in details.get("fields", [])))
        assert "S3CRET-MARK" not in answer.text
        assert (await sqlite_register.client.get("/api/cameras")).json()["items"] == []


async def test_numbers_that_are_none_are_refused(sqlite_register: Register) -> None:
    for number in ["NaN", "Infinity", "-Infinity", "1e999"]:
        body = f'{{"name": "Cam", "rtsp_url": "{URL}", "latitude": {number}}}'
        answer = await sqlite_register.client.post(
            "/api/cameras", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 422


async def test_what_must_be_there_cannot_be_emptied(sqlite_register: Register) -> None:
    await make(sqlite_register, id="cam-1")
    for name in ["name", "rtsp_url", "enabled", "sample_fps", "motion_gate", "motion_threshold"]:
        answer = await sqlite_register.client.patch("/api/cameras/cam-1", json={name: None})
        assert answer.status_code == 422
        assert name in answer.text


async def test_an_unknown_camera_is_not_found(sqlite_register: Register) -> None:
    for camera_id in ["nobody", "Cam", "..", "%00", "a" * 300, "%F0%9F%93%B7"]:
        for path in ("", "/status", "/snapshot.jpg"):
            assert (await sqlite_register.client.get(f"/api/cameras/{camera_id}{path}")).status_code == 404


async def test_pages_hold_every_camera_once(register: Register) -> None:
    ids = [f"cam-{number:02}" for number in range(7)]
    for camera_id in ids:
        await make(register, id=camera_id)
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        params: dict[str, Any] = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = (await register.client.get("/api/cameras", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        # A camera made meanwhile behind the cursor does not shift the pages.
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await make(register, id=f"aaa-{len(seen)}")
    assert seen == ids


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({"q": "praca"}, ["se"]),
    ({"q": "MERCADO"}, ["centro"]),
    ({"q": "cent"}, ["centro"]),
    ({"q": "%"}, []),
    ({"group_id": "norte"}, ["centro", "ponte"]),
    ({"enabled": "false"}, ["ponte"]),
    ({"state": "disabled"}, ["ponte"]),
    ({"state": "provisioning"}, ["centro", "se"]),
    ({"state": "online"}, []),
    ({"group_id": "norte", "q": "ponte"}, ["ponte"]),
]


async def test_filters(register: Register) -> None:
    await make_group(register, "norte")
    await make(register, id="se", name="Praça da Sé")
    await make(register, id="centro", name="Rua A", location="Mercado Público", group_id="norte")
    await make(register, id="ponte", name="Ponte", group_id="norte", enabled=False)
    for params, expected in FILTERS:
        page = (await register.client.get("/api/cameras", params=params)).json()
        assert [item["id"] for item in page["items"]] == expected, params


QUESTIONS: list[dict[str, Any]] = [
    {"cursor": "!!"}, {"cursor": "Li4v"}, {"limit": 0}, {"limit": 201}, {"state": "asleep"}, {"enabled": "perhaps"},
]  # fmt: skip


async def test_a_wrong_question_is_refused(sqlite_register: Register) -> None:
    for params in QUESTIONS:
        answer = await sqlite_register.client.get("/api/cameras", params=params)
        assert answer.status_code == 422, answer.text


async def test_openapi_tells_of_keys_files_and_no_address_going_out(sqlite_register: Register) -> None:
    api = (await sqlite_register.client.get("/api/openapi.json")).json()
    for path in ("/api/cameras", "/api/cameras/import", "/api/auth/users"):
        names = [parameter["name"] for parameter in api["paths"][path]["post"]["parameters"]]
        assert "Idempotency-Key" in names, path
    body = api["paths"]["/api/cameras/import"]["post"]["requestBody"]["content"]
    assert set(body) == {"text/csv", "multipart/form-data"}
    holders = {
        name for name, schema in api["components"]["schemas"].items() if "rtsp_url" in schema.get("properties", {})
    }
    assert holders == {"CameraCreate", "CameraRestore", "CameraUpdate", "ProbeRequest"}
