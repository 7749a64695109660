"""A function's real ASGI app with its lifespan run, and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx
from argon2 import PasswordHasher
from fastapi import APIRouter, FastAPI

from functions.auth import passwords
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.web import Startup, Worker, create_app

STRONG_HASHER = passwords._HASHER


@contextmanager
def quick_hashes() -> Iterator[None]:
    """Argon2 with its least work instead of 64 MiB and three passes: most tests sign in for another purpose."""
    passwords._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    passwords._dummy.cache_clear()
    yield
    passwords._HASHER = STRONG_HASHER
    passwords._dummy.cache_clear()


@dataclass
class Served:
    app: FastAPI
    context: Context
    client: httpx.AsyncClient

    def another_client(self, address: str = "127.0.0.1") -> httpx.AsyncClient:
        """A client with cookies of its own, as seen from `address`."""
        return client_of(self.app, address)

    async def login(self, username: str, password: str) -> dict[str, str]:
        """The Authorization header of a user, signed in through the real route."""
        answer = await self.client.post("/api/auth/login", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def client_of(app: FastAPI, address: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 40_000))
    return httpx.AsyncClient(transport=transport, base_url="http://gtv.test")


@asynccontextmanager
async def serve(
    name: str,
    routers: APIRouter | Sequence[APIRouter],
    settings: FunctionSettings,
    *,
    startup: Sequence[Startup] = (),
    workers: Sequence[Worker] = (),
) -> AsyncIterator[Served]:
    several = [routers] if isinstance(routers, APIRouter) else list(routers)
    context = Context(settings, name)
    app = create_app(name, several, open_context=lambda: context, startup=startup, workers=workers)
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield Served(app, context, client)
