"""The facts of a camera that people look it up by: place, maker, tags, hours, how long it is kept; and undoing."""

from __future__ import annotations

from typing import Any

import httpx

from functions.shared.contracts import CameraSpec
from functions.shared.topology import CAMERAS_KV
from tests.functions.cameras.conftest import URL, Register
from tests.functions.cameras.test_feed import eventually

HOURS = [{"days": ["mon", "fri"], "start": "22:00", "end": "06:00"}]


async def make(register: Register, **changed: Any) -> httpx.Response:
    return await register.client.post("/api/cameras", json={"name": "Ponte", "rtsp_url": URL, **changed})


async def test_every_fact_is_kept_and_can_be_emptied(register: Register) -> None:
    facts = {
        "location": "Av. Brasil, 100", "latitude": -23.5, "longitude": -46.6, "heading": 359.5, "vendor": "Olho Vivo",
        "model": "OV-2M", "tags": ["Ponte", "norte"], "schedule": HOURS, "retention_days": 30, "notes": "poste 7",
    }  # fmt: skip
    made = (await make(register, **facts)).json()
    assert {name: made[name] for name in facts} == facts
    shown = (await register.client.get("/api/cameras/ponte")).json()
    assert {name: shown[name] for name in facts} == facts
    same = await register.client.patch("/api/cameras/ponte", json=facts)
    assert same.json()["revision"] == 1
    emptied = await register.client.patch("/api/cameras/ponte", json=dict.fromkeys(facts))
    assert {name: emptied.json()[name] for name in facts} == dict.fromkeys(facts)
    assert (await register.client.patch("/api/cameras/ponte", json={"tags": [], "schedule": []})).json()[
        "revision"
    ] == 2


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"heading": 360}, "heading"),
    ({"heading": -1}, "heading"),
    ({"vendor": "x" * 81}, "vendor"),
    ({"model": "a\nb"}, "model"),
    ({"name": "a\u2028b"}, "name"),
    ({"vendor": "a\x85b"}, "vendor"),
    ({"location": "a\u2029b"}, "location"),
    ({"tags": ["a\u2028b"]}, "tags"),
    ({"tags": ["a,b"]}, "tags"),
    ({"tags": [""]}, "tags"),
    ({"tags": ["x" * 41]}, "tags"),
    ({"tags": [str(n) for n in range(21)]}, "tags"),
    ({"tags": "ponte"}, "tags"),
    ({"schedule": [{"days": [], "start": "06:00", "end": "22:00"}]}, "schedule"),
    ({"schedule": [{"days": ["mon", "mon"], "start": "06:00", "end": "22:00"}]}, "schedule"),
    ({"schedule": [{"days": ["seg"], "start": "06:00", "end": "22:00"}]}, "schedule"),
    ({"schedule": [{"days": ["mon"], "start": "6:00", "end": "22:00"}]}, "schedule"),
    ({"schedule": [{"days": ["mon"], "start": "24:00", "end": "22:00"}]}, "schedule"),
    ({"schedule": [{"days": ["mon"], "start": "06:00", "end": "06:00"}]}, "schedule"),
    ({"schedule": [{"days": ["mon"], "start": "06:00", "end": "07:00", "x": 1}]}, "schedule"),
    ({"schedule": HOURS * 33}, "schedule"),
    ({"retention_days": 0}, "retention_days"),
    ({"retention_days": 3651}, "retention_days"),
    ({"retention_days": 1.5}, "retention_days"),
]


async def test_a_wrong_fact_is_named(sqlite_register: Register) -> None:
    await make(sqlite_register, id="there")
    for changed, field in WRONG:
        for answer in (
            await make(sqlite_register, **changed),
            await sqlite_register.client.patch("/api/cameras/there", json=changed),
        ):
            assert answer.status_code == 422, (changed, answer.text)
            assert answer.json()["error"]["details"]["fields"][0]["field"].split(".")[0] == field


async def test_tags_are_kept_once_and_found_whatever_their_case(register: Register) -> None:
    assert (await make(register, id="a", tags=["Ponte", "ponte", "Norte"])).json()["tags"] == ["Ponte", "Norte"]
    await make(register, id="b", tags=["Praça"], vendor="Olho Vivo", model="OV-2M")
    await make(register, id="c", tags=["ponte"], vendor="Outro")
    for params, found in (
        ({"tag": "PONTE"}, ["a", "c"]),
        ({"tag": ["ponte", "norte"]}, ["a"]),
        ({"tag": "praca"}, ["b"]),
        ({"tag": "pont"}, []),
        ({"vendor": "olho vivo"}, ["b"]),
        ({"vendor": "olho"}, []),
        ({"q": "ov-2"}, ["b"]),
        ({"q": "praca"}, ["b"]),
        ({"q": "outro", "tag": "ponte"}, ["c"]),
    ):
        page = (await register.client.get("/api/cameras", params=params)).json()
        assert [item["id"] for item in page["items"]] == found, params


async def test_capture_is_told_of_hours_in_the_citys_time_zone(register: Register) -> None:
    await make(register, id="hours", schedule=HOURS)
    bus = await register.context.bus()

    async def told() -> bool:
        value = await bus.kv_get(CAMERAS_KV, "hours")
        spec = CameraSpec.model_validate_json(value) if value else None
        return bool(spec and spec.schedule and spec.timezone == "America/Sao_Paulo")

    await eventually(told)
    await register.client.patch("/api/cameras/hours", json={"schedule": None})

    async def free() -> bool:
        value = await bus.kv_get(CAMERAS_KV, "hours")
        return bool(value and CameraSpec.model_validate_json(value).schedule is None)

    await eventually(free)


async def test_a_camera_that_was_taken_out_comes_back_with_its_settings(register: Register) -> None:
    client = register.client
    await make(register, id="ponte", tags=["norte"], notes="poste 7")
    assert (await client.post("/api/cameras/ponte/restore", json={"rtsp_url": URL})).status_code == 409
    await client.delete("/api/cameras/ponte")
    gone = (await client.get("/api/cameras", params={"deleted": "true"})).json()["items"]
    assert [(item["id"], item["has_credentials"], item["status"]["state"]) for item in gone] == [
        ("ponte", None, "disabled")
    ]
    assert gone[0]["deleted_at"] is not None
    wrong = await client.post("/api/cameras/ponte/restore", json={"rtsp_url": "http://x"})
    assert wrong.status_code == 422
    back = await client.post("/api/cameras/ponte/restore", json={"rtsp_url": URL})
    assert back.status_code == 200, back.text
    facts = back.json()
    assert (facts["enabled"], facts["tags"], facts["notes"], facts["has_credentials"]) == (
        True,
        ["norte"],
        "poste 7",
        True,
    )
    assert back.headers["etag"] == f'"{facts["revision"]}"' == '"3"'
    assert (await client.get("/api/cameras/ponte")).json()["deleted_at"] is None
    assert (await client.get("/api/cameras", params={"deleted": "true"})).json()["items"] == []
    for camera_id in ("ponte", "nobody", "..%2f"):
        answer = await client.post(f"/api/cameras/{camera_id}/restore", json={"rtsp_url": URL})
        assert answer.status_code == (409 if camera_id == "ponte" else 404)


async def test_a_camera_comes_back_without_a_group_that_is_gone(register: Register) -> None:
    client = register.client
    await client.post("/api/groups", json={"id": "norte", "name": "Norte"})
    await make(register, id="ponte", group_id="norte")
    await client.delete("/api/cameras/ponte")
    assert (await client.delete("/api/groups/norte")).status_code == 204
    # The camera's detections are still of the group that is gone: another group must not inherit them by its id.
    assert (await client.post("/api/groups", json={"id": "norte", "name": "Norte"})).status_code == 409
    assert (await client.post("/api/groups", json={"name": "Norte"})).json()["id"] == "norte-2"
    back = await client.post("/api/cameras/ponte/restore", json={"rtsp_url": URL})
    assert back.json()["group_id"] is None


async def test_a_group_is_changed_at_the_revision_that_was_seen(register: Register) -> None:
    client, path = register.client, "/api/groups/norte"
    made = await client.post("/api/groups", json={"id": "norte", "name": "Norte"})
    assert (made.headers["etag"], made.json()["revision"]) == ('"1"', 1)
    changed = await client.patch(path, json={"name": "N"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert (await client.patch(path, json={"name": "N"})).json()["revision"] == 2
    for stale in (
        await client.patch(path, json={"name": "M"}, headers={"If-Match": '"1"'}),
        await client.delete(path, headers={"If-Match": '"1"'}),
    ):
        assert stale.status_code == 409
        assert stale.json()["error"]["details"]["revision"] == 2
    assert (await client.patch(path, json={"name": "M"}, headers={"If-Match": "2"})).status_code == 422
    assert (await client.get(path)).headers["etag"] == '"2"'
    assert (await client.delete(path, headers={"If-Match": '"2"'})).status_code == 204
