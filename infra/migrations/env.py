"""Alembic's entry: runs on the connection that `functions.shared.db` hands over, or on GTV_DATABASE_URL."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy.engine import Connection

from functions.shared.config import FunctionSettings, load
from functions.shared.db import Database
from functions.shared.tables import Table


def run(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=Table.metadata, render_as_batch=connection.dialect.name == "sqlite"
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_alone() -> None:
    database = Database.open(load(FunctionSettings))
    async with database.engine.begin() as connection:
        await connection.run_sync(run)
    await database.close()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_alone())
