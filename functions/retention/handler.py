"""The outside of `retention`."""

from __future__ import annotations

from fastapi import APIRouter

from functions.shared.web import Startup, Worker, create_app

router = APIRouter(prefix="/api/retention", tags=["retention"])
startup: list[Startup] = []
workers: list[Worker] = []

app = create_app("retention", [router], startup=startup, workers=workers)
