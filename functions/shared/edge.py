"""What wraps every request: correlation id, body limit, security headers, metrics. Plain ASGI, so streams stream."""

from __future__ import annotations

import re
import time
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.shared import logs
from functions.shared.errors import TooLarge

REQUESTS = Counter("gtv_http_requests_total", "Requests answered", ["function", "method", "route", "status"])
SECONDS = Histogram("gtv_http_request_seconds", "Time to the end of the answer", ["function", "route"])
_CORRELATION = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_DOCS = "/api/docs"
CSP = (
    "default-src 'self'; img-src 'self' data: blob: https:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class Edge:
    """The outermost layer of every function."""

    def __init__(self, app: ASGIApp, function: str, max_body: int) -> None:
        self.app, self._function, self._max_body = app, function, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name: value for name, value in scope["headers"]}
        given = headers.get(b"x-correlation-id", b"").decode("latin-1")
        structlog.contextvars.clear_contextvars()
        correlation = logs.bind_correlation(given if _CORRELATION.match(given) else None)
        answer = _Answer(send, correlation, scope["path"])
        started = time.perf_counter()
        try:
            await self.app(scope, self._bounded(receive, headers), answer.send)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            REQUESTS.labels(self._function, scope["method"], route, str(answer.status)).inc()
            SECONDS.labels(self._function, route).observe(time.perf_counter() - started)

    def _bounded(self, receive: Receive, headers: dict[bytes, bytes]) -> Receive:
        """Counts the body as it arrives, since a Content-Length may be absent or lie."""
        announced = headers.get(b"content-length", b"0")
        read = 0

        async def bounded() -> Message:
            nonlocal read
            if announced.isdigit() and int(announced) > self._max_body:
                raise self._too_large()
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_body:
                raise self._too_large()
            return message

        return bounded

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is over {self._max_body // 1024 // 1024} MB", field="body", limit=self._max_body)


class _Answer:
    def __init__(self, send: Send, correlation: str, path: str) -> None:
        self._send, self._correlation, self._path = send, correlation, path
        self.status = 500

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            message = {**message, "headers": self._headers(message)}
        await self._send(message)

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        present: list[tuple[bytes, Any]] = list(message.get("headers", ()))
        names = {name.lower() for name, _ in present}
        extra = [*HEADERS, (b"x-correlation-id", self._correlation.encode())]
        if self._path != _DOCS:
            extra.append((b"content-security-policy", CSP.encode()))
        if self._path.startswith("/api/") and b"cache-control" not in names:
            extra.append((b"cache-control", b"no-store"))
        return present + [(name, value) for name, value in extra if name not in names]
