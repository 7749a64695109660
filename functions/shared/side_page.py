"""/metrics, /_/health and /_/ready of a process that is no web application, answered in threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from functions.shared.errors import Misconfigured

State = Callable[[], tuple[bool, str]]
"""Whether all is well, and one line that says so."""


class SidePage:
    """Serves until `close`. `states`: what is said at each path, 200 when it is well, else 503.

    `port` 0 takes a free one, which `port` then names. Raises Misconfigured, naming `setting`, when the address
    cannot be bound.
    """

    def __init__(
        self, registry: CollectorRegistry, states: Mapping[str, State], address: tuple[str, int], setting: str
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.split("?")[0]
                if path == "/metrics":
                    self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
                elif path in states:
                    well, text = states[path]()
                    self._answer(200 if well else 503, f"{text}\n".encode())
                else:
                    self._answer(404, b"not found\n")

            def _answer(self, code: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        host, port = address
        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise Misconfigured(
                f"{setting}: {host}:{port} cannot be bound ({error.strerror})", mend=f"give {setting} a free port"
            ) from None
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="side-page", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
