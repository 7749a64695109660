from __future__ import annotations

from tests.functions.cameras.conftest import URL, Register


async def test_a_camera_is_made_shown_changed_and_deleted(register: Register) -> None:
    client = register.client
    made = await client.post("/api/cameras", json={"name": "Praça da Sé", "rtsp_url": URL, "sample_fps": 2})
    assert made.status_code == 201, made.text
    assert made.json()["id"] == "praca-da-se"
    assert made.json()["has_credentials"] is True
    assert made.headers["etag"] == '"1"'
    changed = await client.patch("/api/cameras/praca-da-se", json={"enabled": False})
    assert changed.json()["revision"] == 2
    shown = await client.get("/api/cameras/praca-da-se")
    assert shown.json()["status"]["state"] == "disabled"
    page = (await client.get("/api/cameras", params={"q": "PRACA"})).json()
    assert [item["id"] for item in page["items"]] == ["praca-da-se"]
    assert (await client.delete("/api/cameras/praca-da-se")).status_code == 204
    assert (await client.get("/api/cameras/praca-da-se")).status_code == 404
