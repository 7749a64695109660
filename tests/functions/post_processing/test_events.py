"""`POST /events`, and the function standing alone."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from pydantic import SecretStr

from functions.auth import handler as auth
from functions.post_processing.handler import Reader, make_router
from functions.shared.cloudevents import frame_headers
from functions.shared.config import ReaderSettings
from functions.shared.errors import BrokenImage, InferenceUnavailable
from tests.functions.post_processing.conftest import Memory
from tests.functions.post_processing.scenes import Film, ScriptedInference, car
from tests.functions.serving import Served, serve
from tests.support.nats import NatsServer

PASSWORD = "Quarto-Verde-77-Onibus"


@pytest.fixture
async def served(
    reader_settings: ReaderSettings, nats_server: NatsServer, inference: ScriptedInference
) -> AsyncIterator[Served]:
    settings = reader_settings.model_copy(update={"nats_url": nats_server.url, "admin_password": SecretStr(PASSWORD)})
    reader = Reader(engine=lambda _: inference)
    async with AsyncExitStack() as stack:
        routers = [auth.router, make_router(reader)]
        made = await stack.enter_async_context(serve("post-processing", routers, settings, startup=auth.startup))
        made.client.headers.update(await made.login("admin", PASSWORD))
        yield made


def structured(film: Film, *seen: object) -> dict[str, object]:
    meta, jpeg = film.frame(6, *seen)  # type: ignore[arg-type]  # observations
    attributes = {name[3:]: value for name, value in frame_headers(meta).items() if name.startswith("ce-")}
    return {**attributes, "datacontenttype": "image/jpeg", "data_base64": base64.b64encode(jpeg).decode()}


async def test_binary_mode(served: Served, film: Film, memory: Memory) -> None:
    meta, jpeg = film.frame(6, car(50, 50, "ABC1D23"))
    for _ in range(2):
        answer = await served.client.post("/events", content=jpeg, headers=frame_headers(meta))
        assert answer.status_code == 204, answer.text
    assert await memory.plates() == ["ABC1D23"]


async def test_structured_mode(served: Served, film: Film, memory: Memory) -> None:
    answer = await served.client.post(
        "/events", json=structured(film, car(50, 50, "ABC1D23")),
        headers={"content-type": "application/cloudevents+json; charset=utf-8"},
    )  # fmt: skip
    assert answer.status_code == 204, answer.text
    assert await memory.plates() == ["ABC1D23"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ce-specversion": "0.3"}, "ce-specversion"),
        ({"ce-type": "other"}, "ce-type"),
        ({"content-type": "text/plain"}, "content-type"),
    ],
)
async def test_a_wrong_event_is_refused_by_name(served: Served, film: Film, change: dict[str, str], field: str) -> None:
    meta, jpeg = film.frame(6)
    answer = await served.client.post("/events", content=jpeg, headers={**frame_headers(meta), **change})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["field"] == field


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"data_base64": "?"}', b'{"data_base64": 5}'])
async def test_a_structured_event_that_is_none_is_refused(served: Served, body: bytes) -> None:
    answer = await served.client.post("/events", content=body, headers={"content-type": "application/cloudevents+json"})
    assert answer.status_code == 422


async def test_a_frame_without_its_facts_is_refused(served: Served, film: Film) -> None:
    meta, jpeg = film.frame(6)
    headers = {name: value for name, value in frame_headers(meta).items() if name != "ce-cameraid"}
    answer = await served.client.post("/events", content=jpeg, headers=headers)
    assert answer.status_code == 422
    assert "camera_id" in answer.text


async def test_errors_become_statuses(served: Served, film: Film, inference: ScriptedInference) -> None:
    meta, jpeg = film.frame(6)
    inference.errors += [BrokenImage("no picture"), InferenceUnavailable("away")]
    assert (await served.client.post("/events", content=jpeg, headers=frame_headers(meta))).status_code == 400
    away = await served.client.post("/events", content=jpeg, headers=frame_headers(meta))
    assert (away.status_code, away.headers["retry-after"]) == (503, "2")
    assert (await served.client.post("/events", content=jpeg, headers=frame_headers(meta))).status_code == 204


async def test_only_an_admin_may(served: Served, film: Film) -> None:
    meta, jpeg = film.frame(6)
    client = served.another_client()
    async with client:
        answer = await client.post("/events", content=jpeg, headers=frame_headers(meta))
    assert answer.status_code == 401


async def test_health_and_metrics(served: Served, film: Film) -> None:
    meta, jpeg = film.frame(6, car(50, 50))
    await served.client.post("/events", content=jpeg, headers=frame_headers(meta))
    assert (await served.client.get("/_/health")).json() == {"status": "ok", "function": "post-processing"}
    text = (await served.client.get("/metrics")).text
    for name in ("frames_read_total", "inference_seconds_bucket", "capture_to_stored_seconds_count", "frames_waiting"):
        assert f"gtv_reader_{name}" in text
