"""Locks that transactions of several rooms take, so that what one has read is still so when it writes."""

from __future__ import annotations

import hashlib

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def lock_camera(session: AsyncSession, camera_id: str) -> None:
    """Wait for every other transaction about this camera's passages: frames that join them, people who correct them.

    PostgreSQL holds an advisory lock until the transaction ends; SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(f"gtv-passages:{camera_id}".encode()).digest()[:8], "big", signed=True)
        await session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": key})
