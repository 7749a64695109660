"""One run of retention and a check of the audit log: `python -m functions.retention.once`, for a CronJob.

Ends with the exit codes of `functions.shared.exits`.
"""

from __future__ import annotations

import asyncio
import sys

from functions.retention import audit_log, deleting
from functions.shared import logs
from functions.shared.config import FunctionSettings, load
from functions.shared.context import Context
from functions.shared.errors import Conflict, GTVisionError
from functions.shared.exits import OK, exit_code

log = logs.get("retention")


async def run(settings: FunctionSettings) -> int:
    context = Context(settings, "retention")
    try:
        await context.db.wait(settings.database_wait_s)
        try:
            await deleting.run(context, "retention")
        except Conflict:
            log.info("retention_elsewhere")
        verdict = await audit_log.verify(context, "retention")
        return OK if verdict.whole else exit_code(Conflict(verdict.reason))
    finally:
        await context.close()


def main() -> int:
    logs.configure()
    try:
        settings = load(FunctionSettings)
        logs.configure(settings.log_level, settings.log_format)
        return asyncio.run(run(settings))
    except GTVisionError as error:
        log.error("retention_failed", code=error.code, reason=error.message, mend=error.details.get("mend", ""))
        return exit_code(error)


if __name__ == "__main__":
    sys.exit(main())
