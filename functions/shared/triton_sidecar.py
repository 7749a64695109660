"""The guard as a process: beside a server in its pod, or beside one that `gtvision triton` has become."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from functions.shared import logs
from functions.shared.errors import Misconfigured
from functions.shared.exits import exit_code
from functions.shared.triton_asking import Asker
from functions.shared.triton_guard import Guard
from functions.shared.triton_view import View

log = logs.get("triton_guard")
SHARED_MEMORY = Path("/dev/shm")


class Page:
    """/_/health, /_/ready and /metrics of a guard, in threads of their own."""

    def __init__(self, guard: Guard, host: str, port: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, generate_latest(guard.metrics.registry), CONTENT_TYPE_LATEST)
                elif self.path in ("/_/health", "/_/ready"):
                    well = not guard.hopeless if self.path == "/_/health" else guard.ready
                    down = ", ".join(f"{name} for {spent:.0f} s" for name, spent in guard.down.items())
                    text = f"does not answer: {down}\n" if down else "every model answers\n" if well else "not ready\n"
                    self._answer(200 if well else 503, text.encode(), "text/plain; charset=utf-8")
                else:
                    self._answer(404, b"not found\n", "text/plain; charset=utf-8")

            def _answer(self, code: int, body: bytes, kind: str) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise Misconfigured(
                f"--listen: {host}:{port} cannot be bound ({error.strerror})", mend="choose another port"
            ) from None
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="guard-page", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def main(argv: Sequence[str]) -> int:
    options = options_of(argv)
    logs.configure("INFO", "json")
    view = View(options.view) if options.view else None
    if options.lay:
        names = View(options.view).lay(options.lay)
        log.info("view_is_laid", models=names)
        return 0
    guard = Guard(Asker(options.url.split("://", 1)[-1]), view)
    for number in (signal.SIGINT, signal.SIGTERM):
        # Beside its parent it ends when that has ended, and not before: both hear a terminal's Ctrl-C.
        signal.signal(number, signal.SIG_IGN if options.parent else lambda *_: guard.stop())
    try:
        page = Page(guard, *_address(options.listen)) if options.listen else None
    except Misconfigured as error:
        log.error("guard_cannot_start", reason=error.message)
        return exit_code(error)
    if options.parent:
        threading.Thread(target=_end_with, args=(options.parent, guard), daemon=True).start()
    guard.run()
    if page is not None:
        page.close()
    if options.parent:
        _clear_up(options.parent, view, options.region)
    return 0


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    """What the arguments say. Ends the process for wrong ones, as argparse does."""
    parser = argparse.ArgumentParser(prog="triton_sidecar", description=__doc__)
    parser.add_argument("--url", default="grpc://127.0.0.1:8001", help="grpc://HOST:PORT of the server")
    parser.add_argument("--view", type=Path, help="folder that the server polls the models in; without it: only watch")
    parser.add_argument("--lay", type=Path, help="fill the view with the models of this repository, and end")
    parser.add_argument("--listen", help="HOST:PORT of /_/health, /_/ready and /metrics")
    parser.add_argument("--parent", type=int, help="end with this process, our parent, and clear up behind it")
    parser.add_argument("--region", default="", help="what its shared memory files begin with")
    return parser.parse_args(argv)


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host, int(port)


def _end_with(parent: int, guard: Guard) -> None:
    """A process whose parent is gone gets another."""
    while os.getppid() == parent and not guard.stopping.wait(0.5):
        pass
    guard.stop()


def _clear_up(parent: int, view: View | None, region: str) -> None:
    """When the server has ended: the folder made for it, and the memory that its dead processes left."""
    if os.getppid() == parent:
        return
    for left in SHARED_MEMORY.glob(f"{region}*") if region else ():
        left.unlink(missing_ok=True)
    if view is not None:
        view.remove()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
