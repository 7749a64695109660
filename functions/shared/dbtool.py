"""The database's tables by hand: `python -m functions.shared.dbtool migrate|check`.

Prints one line of JSON: `{"database", "revision", "head", "current"}` or `{"error": {...}}`; exit codes of
`exits.EXITS`. The CLI runs it as a process of its own, since it never loads the database itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection, make_url

from functions.shared import logs
from functions.shared.config import FunctionSettings, load
from functions.shared.db import MIGRATIONS, Database
from functions.shared.errors import GTVisionError, InvalidInput
from functions.shared.exits import OK, exit_code

ACTIONS = ("migrate", "check")


def head() -> str:
    """The newest revision of infra/migrations."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config).get_current_head() or ""


def _revision(connection: Connection) -> str:
    return MigrationContext.configure(connection).get_current_revision() or ""


async def run(action: str) -> dict[str, Any]:
    """Do `action` on the database of the settings. Raises GTVisionError."""
    if action not in ACTIONS:
        raise InvalidInput(f"{action} is none of {', '.join(ACTIONS)}", field="action")
    settings = load(FunctionSettings)
    logs.configure("WARNING", settings.log_format)
    database = Database.open(settings)
    try:
        await database.wait(settings.database_wait_s if action == "migrate" else 0)
        if action == "migrate":
            await database.migrate()
        async with database.read() as session:
            revision = await (await session.connection()).run_sync(_revision)
    finally:
        await database.close()
    shown = make_url(database.url).render_as_string(hide_password=True)
    return {"database": shown, "revision": revision, "head": head(), "current": revision == head()}


def main(argv: Sequence[str]) -> int:
    try:
        answer, code = asyncio.run(run(argv[0] if argv else "")), OK
    except GTVisionError as error:
        found = {"code": error.code, "message": error.message, "details": dict(error.details)}
        answer, code = {"error": found}, exit_code(error)
    sys.stdout.write(json.dumps(answer) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
