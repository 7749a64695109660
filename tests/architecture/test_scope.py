"""Who sees one group of cameras sees nothing of another: a walk over every route, as every role and as an API key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from functions.shared.access import ACCESS, Role
from functions.shared.config import ReaderSettings
from functions.shared.context import Context
from functions.shared.contracts import CameraChanged, FrameMeta, frame_id, now
from tests.architecture import scopes, seeds
from tests.architecture.scopes import SCOPES, Apart, Counts, Kind, Lists, Names, Streams, Whole
from tests.architecture.seeds import MINE, THEIRS, Owner
from tests.architecture.test_access import ROOMS, VALUES, app_of, routes_of
from tests.functions.serving import client_of
from tests.functions.signing import add_user, api_key, sign_in
from tests.support.nats import NatsServer

KEY, WHOLE = "an API key", "an admin who sees all"


def jpeg() -> bytes:
    done, data = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))
    assert done
    return bytes(data)


@dataclass(frozen=True)
class City:
    """Two groups with one of everything, and a token for each role, and a key, that see the first alone."""

    tokens: Mapping[str, str]

    def askers(self, route: str) -> list[str]:
        """Those who see one group and whom the access table lets in."""
        rule = ACCESS[route]
        assert rule is not None
        return [role.value for role in Role if role in rule.roles] + ([KEY] if rule.permission else [])


@pytest.fixture
async def city(tmp_path: Path, sqlite_url: str, nats_server: NatsServer) -> AsyncIterator[City]:
    settings = ReaderSettings(
        data_dir=tmp_path / "data", database_url=sqlite_url, nats_url=nats_server.url, camera_networks=["127.0.0.0/8"]
    )  # fmt: skip
    context = Context(settings, "scope")
    for room in ROOMS:
        app_of(room).state.context = context
    for name in (THEIRS, MINE):
        async with context.db.transaction() as session:
            await seeds.seed(session, context.vault, name)
        for key in seeds.pictures(name):
            await context.store.put(key, jpeg())
        await happen(context, name)
    users = {role: await add_user(context, role.value, role, [MINE]) for role in Role}
    tokens = {role.value: await sign_in(context, user) for role, user in users.items()}
    whole = await add_user(context, "whole", Role.ADMIN)
    hooks = [Owner(user.id, MINE) for role, user in users.items() if role is not Role.INTEGRATOR]
    # The first of those who are let in is asked for what is their own.
    hooks += [Owner(users[Role.INTEGRATOR].id, MINE, seeds.ids(MINE)["webhook_id"])]
    hooks += [Owner(whole.id, THEIRS, seeds.ids(THEIRS)["webhook_id"]), Owner(whole.id, MINE, bound=True)]
    async with context.db.transaction() as session:
        await seeds.seed_hooks(session, context.vault, hooks)
    tokens |= {WHOLE: await sign_in(context, whole), KEY: await api_key(context, whole, groups=[MINE])}
    yield City(tokens)
    for room in ROOMS:
        app_of(room).state.context = None
    await context.close()


async def happen(context: Context, name: str) -> None:
    """A frame and an event of the group's camera on the bus."""
    bus, at, camera_id = await context.bus(), now(), seeds.ids(name)["camera_id"]
    meta = FrameMeta(id=frame_id(camera_id, at), camera_id=camera_id, captured_at=at, sequence=0, width=64, height=48)
    await bus.publish_frame(meta, jpeg())
    await bus.publish(CameraChanged(camera_id=camera_id, change="created", name=name.capitalize(), revision=1))


def filled(text: str, name: str) -> str:
    for parameter, value in {"mine": name, "plate_of": seeds.plate_of(name), **seeds.ids(name)}.items():
        text = text.replace(f"{{{parameter}}}", value).replace(f"{{{parameter}:path}}", value)
    return text


async def ask(app: FastAPI, route: str, token: str, kind: Names | Lists | Counts | Whole, name: str) -> httpx.Response:
    """The answer to a route that asks for what is of the group `name`."""
    method, path = route.split(" ")
    path = filled(path, name)
    if isinstance(kind, Whole):
        path = path.replace("{user_id}", VALUES["user_id"])
    assert "{" not in path, f"seeds.ids lacks a value for {route}"
    arguments: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}}
    if not isinstance(kind, Counts) and kind.body is not None:
        arguments["json"] = json.loads(filled(json.dumps(kind.body), name))
    if isinstance(kind, Names) and kind.content is not None:
        content_type, content = kind.content
        arguments["headers"]["Content-Type"] = content_type
        arguments["content"] = jpeg() if content == b"JPEG" else filled(content.decode(), name).encode()
    query = filled(kind.query, name)
    async with client_of(app) as client:
        return await client.request(method, path + (f"?{query}" if query else ""), timeout=30, **arguments)


def test_every_route_has_a_line_in_the_table_and_every_line_a_route() -> None:
    assert sorted(ACCESS.keys() - SCOPES.keys()) == [], "add the route to tests/architecture/scopes.py"
    assert sorted(SCOPES.keys() - ACCESS.keys()) == [], "lines of routes that are not there"
    assert SCOPES.keys() >= scopes.PENDING


def test_what_names_a_camera_or_a_detection_is_not_set_apart() -> None:
    """A line that says that a route is apart is not believed where the path itself says otherwise."""
    for route, kind in SCOPES.items():
        assert not (isinstance(kind, Apart) and any(f"{{{name}}}" in route for name in seeds.ids(MINE))), route


def order(route: str) -> tuple[int, str]:
    """What takes things away comes last, parts before the whole, so that the guards of the other probes find them."""
    return 100 - route.count("/") if route.startswith("DELETE") else 0, route


@pytest.mark.parametrize("room", ROOMS)
async def test_who_sees_one_group_sees_nothing_of_another(city: City, room: str) -> None:
    app, leaks = app_of(room), {}
    routes = sorted((route for route in routes_of(app) if not isinstance(SCOPES[route], Apart)), key=order)
    for route in routes:
        found = await leaks_of(city, app, route, SCOPES[route])
        if found:
            leaks[route] = found
    assert {route: found for route, found in leaks.items() if route not in scopes.PENDING} == {}
    mended = sorted(route for route in scopes.PENDING & set(routes) if route not in leaks)
    assert mended == [], "these leak no more: take them out of scopes.PENDING"


async def leaks_of(city: City, app: FastAPI, route: str, kind: Kind) -> list[str]:
    if isinstance(kind, Names):
        return await _named(city, app, route, kind)
    if isinstance(kind, Lists):
        return await _listed(city, app, route, kind)
    if isinstance(kind, Counts):
        return await _counted(city, app, route, kind)
    if isinstance(kind, Whole):
        return await _refused(city, app, route, kind)
    assert isinstance(kind, Streams)
    return await _streamed(city, app, route, kind)


async def _named(city: City, app: FastAPI, route: str, kind: Names) -> list[str]:
    wrong = []
    for who in city.askers(route):
        answer = await ask(app, route, city.tokens[who], kind, THEIRS)
        if answer.status_code not in kind.answers or shows(answer.text, THEIRS, but=route):
            wrong.append(f"as {who}: {answer.status_code} {answer.text[:200]}")
    own = await ask(app, route, city.tokens[city.askers(route)[0]], kind, MINE)
    if shows(own.text, THEIRS):
        wrong.append(f"beside one's own: {own.text[:300]}")
    assert own.status_code not in (401, 403, 404, 422), f"the probe of {route} shows nothing: {own.text[:300]}"
    return wrong


async def _listed(city: City, app: FastAPI, route: str, kind: Lists) -> list[str]:
    wrong = []
    for who in city.askers(route):
        answer = await ask(app, route, city.tokens[who], kind, MINE)
        assert answer.status_code == 200, f"{route} as {who}: {answer.text[:300]}"
        assert shows(answer.text, MINE), f"{route} as {who} shows nothing: {answer.text[:300]}"
        if shows(answer.text, THEIRS):
            wrong.append(f"as {who}: {answer.text[:300]}")
    whole = await ask(app, route, city.tokens[WHOLE], kind, MINE)
    assert shows(whole.text, THEIRS), f"the probe of {route} finds nothing: {whole.text[:300]}"
    return wrong + (await _counted(city, app, route, Counts(kind.counts), kind) if kind.counts else [])


async def _counted(city: City, app: FastAPI, route: str, kind: Counts, asked: Lists | None = None) -> list[str]:
    async def number(who: str) -> int:
        return int((await ask(app, route, city.tokens[who], asked or kind, MINE)).json()[kind.field])

    numbers = {who: await number(who) for who in city.askers(route)}
    whole = await number(WHOLE)
    assert whole, f"the probe of {route} counts nothing"
    return [f"as {who}: {found} of {whole}" for who, found in numbers.items() if 2 * found != whole]


async def _refused(city: City, app: FastAPI, route: str, kind: Whole) -> list[str]:
    wrong = []
    for who in city.askers(route):
        answer = await ask(app, route, city.tokens[who], kind, THEIRS)
        if answer.status_code != 403 or shows(answer.text, THEIRS, but=route):
            wrong.append(f"as {who}: {answer.status_code} {answer.text[:200]}")
    whole = await ask(app, route, city.tokens[WHOLE], kind, THEIRS)
    assert whole.status_code not in (401, 403, 422, 500), f"the probe of {route} shows nothing: {whole.text[:300]}"
    return wrong


def shows(text: str, name: str, but: str = "") -> bool:
    """Whether an answer shows something of a group. `but`: an error may say again what was asked for."""
    if but:
        return f"{name.capitalize()} Camera" in text or seeds.plate_of(name) in text
    return any(mark in text for mark in seeds.marks(name))


async def _streamed(city: City, app: FastAPI, route: str, kind: Streams) -> list[str]:
    wrong = []
    for who in city.askers(route):
        text = await heard(app, route, kind, city.tokens[who], MINE)
        if shows(text, THEIRS):
            wrong.append(f"as {who}: {text[:300]}")
    # What is of bravo came first: whoever hears of alpha would have heard of it.
    assert shows(await heard(app, route, kind, city.tokens[WHOLE], MINE), THEIRS)
    return wrong


async def heard(app: FastAPI, route: str, kind: Streams, token: str, name: str) -> str:
    """What a stream says until it speaks of the group `name`."""
    method, path = route.split(" ")
    headers = [(b"host", b"gtv.test"), (b"authorization", f"Bearer {token}".encode())]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": kind.query.encode(), "root_path": "", "scheme": "http",
        "headers": headers, "client": ("127.0.0.1", 40_000), "server": ("gtv.test", 80), "state": {},
    }  # fmt: skip
    said, enough, asked = bytearray(), asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if asked.is_set():
            await enough.wait()
            return {"type": "http.disconnect"}
        asked.set()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        said.extend(message.get("body", b""))
        if shows(said.decode(errors="replace"), name):
            enough.set()

    running = asyncio.create_task(app(scope, receive, send))
    try:
        async with asyncio.timeout(20):
            await enough.wait()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return said.decode(errors="replace")
