"""The outside of `webhooks`."""

from __future__ import annotations

from fastapi import APIRouter

from functions.shared.web import Startup, Worker, create_app

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])
startup: list[Startup] = []
workers: list[Worker] = []

app = create_app("webhooks", [router], startup=startup, workers=workers)
