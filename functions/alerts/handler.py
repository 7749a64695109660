"""The outside of `alerts`."""

from __future__ import annotations

from fastapi import APIRouter

from functions.shared.web import Startup, Worker, create_app

router = APIRouter(prefix="/api", tags=["alerts"])
startup: list[Startup] = []
workers: list[Worker] = []

app = create_app("alerts", [router], startup=startup, workers=workers)
