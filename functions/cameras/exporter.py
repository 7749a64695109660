"""Cameras as a CSV file that `importer` takes back unchanged."""

from __future__ import annotations

import asyncio

from functions.cameras import repository, service
from functions.cameras.schemas import ExportQuery
from functions.cameras.sheet import written
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.tokens import Principal


async def export_cameras(context: Context, query: ExportQuery, who: Principal) -> bytes:
    """Every camera of the caller's scope, without its address; who took it away is kept in the audit log."""
    async with context.db.read() as session:
        rows = await repository.living(session, who.scope)
    if query.group_id is not None:
        rows = [row for row in rows if row.group_id == query.group_id]
    data = await asyncio.to_thread(written, rows, semicolons=query.separator == "semicolon")
    await service.note(context, who, Act("cameras.export", details={"cameras": len(rows)}))
    return data
