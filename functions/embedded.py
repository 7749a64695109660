"""All functions in one ASGI app: the embedded default of `gtvision up` and `make demo`, on one port.

    python -m functions.embedded --port 8080        # exit codes of functions.shared.exits
    uvicorn functions.embedded:app

Importing this module reads no setting and connects nowhere.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.alerts import handler as alerts
from functions.auth import handler as auth
from functions.cameras import handler as cameras
from functions.console import handler as console
from functions.ingest import handler as ingest
from functions.post_processing import handler as post_processing
from functions.retention import handler as retention
from functions.search import handler as search
from functions.shared import logs
from functions.shared.config import ReaderSettings, load
from functions.shared.context import Context
from functions.shared.errors import GTVisionError
from functions.shared.exits import BUG, OK, exit_code
from functions.shared.web import Startup, Worker, create_app
from functions.webhooks import handler as webhooks

log = logs.get("embedded")


def open_context() -> Context:
    """The one Context of all rooms; tables are brought up to date unless GTV_MIGRATE_ON_START says otherwise."""
    settings = load(ReaderSettings)
    if "migrate_on_start" not in settings.model_fields_set:
        settings = settings.model_copy(update={"migrate_on_start": True})
    logs.configure(settings.log_level, settings.log_format)
    return Context(settings, "embedded")


# Auth comes first: it makes the keys and the first admin before anybody asks.
STARTUP: list[Startup] = [*auth.startup, *cameras.startup, *alerts.startup, *webhooks.startup, *retention.startup]
WORKERS: list[Worker] = [
    *cameras.workers, *post_processing.workers, *search.workers, *alerts.workers, *webhooks.workers,
    *retention.workers, *console.workers,
]  # fmt: skip
ROUTERS = [
    room.router for room in (auth, cameras, ingest, post_processing, search, alerts, webhooks, retention, console)
]
app = create_app("embedded", ROUTERS, open_context=open_context, startup=STARTUP, workers=WORKERS)


class _Start:
    """Around the app: turns a failed start into one log line and an exit code, where uvicorn would show a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.failure: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, _without_traceback(send))
        except GTVisionError as error:
            self.failure = error
            mend = str(error.details.get("mend", ""))
            log.error("start_failed", code=error.code, reason=error.message, mend=mend)
        except Exception as error:
            self.failure = error
            log.exception("start_failed", code="bug", reason=f"{type(error).__name__}: {error}")


def _without_traceback(send: Send) -> Send:
    async def shortened(message: Message) -> None:
        if message["type"] in ("lifespan.startup.failed", "lifespan.shutdown.failed"):
            message = {"type": message["type"], "message": ""}
        await send(message)

    return shortened


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal comes; the exit code says why a start failed."""
    import uvicorn

    parser = argparse.ArgumentParser(prog="functions.embedded", description="All functions of GT-Vision on one port.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    chosen = parser.parse_args(argv)
    logs.configure()
    started = _Start(app)
    config = uvicorn.Config(
        started, host=chosen.host, port=chosen.port, access_log=False, log_config=None, lifespan="on",
        timeout_graceful_shutdown=3, server_header=False, proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    # uvicorn leaves by SystemExit where a start failed; which failure it was is ours to say.
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        server.run()
    if started.failure is not None:
        return exit_code(started.failure)
    return OK if server.started else BUG


if __name__ == "__main__":
    sys.exit(main())
