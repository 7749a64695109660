"""What wraps every request: correlation id, body limit, security headers, metrics. Plain ASGI, so streams stream."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.shared import logs
from functions.shared.errors import TooLarge

REQUESTS = Counter("gtv_http_requests_total", "Requests answered", ["function", "method", "route", "status"])
SECONDS = Histogram("gtv_http_request_seconds", "Time to the end of the answer", ["function", "route"])
_CORRELATION = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_DOCS = "/api/docs"
CSP = (
    "default-src 'self'; img-src 'self' data: blob: https:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# The page of /api/docs takes its scripts from elsewhere: they may run and ask our API, and send nothing anywhere else.
DOCS_CSP = (
    "default-src 'none'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net; img-src 'self' data: https://fastapi.tiangolo.com; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


# Turns what the app let through (a bug, or a body over the limit) into the one envelope.
Explain = Callable[[Request, Exception], Awaitable[Response]]


class Edge:
    """The outermost layer of every function."""

    def __init__(self, app: ASGIApp, function: str, max_body: Callable[[str], int], explain: Explain) -> None:
        """`max_body` says for a path how many bytes a body may have."""
        self.app, self._function, self._max_body, self._explain = app, function, max_body, explain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method, headers = scope["method"], dict(scope["headers"])
        if method == "HEAD":
            scope = {**scope, "method": "GET"}
        given = headers.get(b"x-correlation-id", b"").decode("latin-1")
        structlog.contextvars.clear_contextvars()
        correlation = logs.bind_correlation(given if _CORRELATION.match(given) else None)
        answer = _Answer(send, correlation, scope["path"], with_body=method != "HEAD")
        started = time.perf_counter()
        try:
            await self._answer(scope, receive, headers, answer)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            known = method if method in _METHODS else "OTHER"
            REQUESTS.labels(self._function, known, route, str(answer.status)).inc()
            SECONDS.labels(self._function, route).observe(time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, headers: dict[bytes, bytes], answer: _Answer) -> None:
        limit = self._max_body(scope["path"])
        announced = headers.get(b"content-length", b"0")
        failure: Exception | None = None
        if announced.isdigit() and int(announced) > limit:
            failure = _too_large(limit)
        else:
            try:
                await self.app(scope, _bounded(receive, answer, limit), answer.send)
            except Exception as error:
                if answer.started:
                    raise
                failure = error
        # The framework turns what the body's reading raises into an error of its own, which `answer` held back.
        failure = answer.refused or failure
        if failure is not None and not answer.started:
            answer.refused = None
            response = await self._explain(Request(scope), failure)
            await response(scope, receive, answer.send)


def _bounded(receive: Receive, answer: _Answer, limit: int) -> Receive:
    """Counts the body as it arrives, since a Content-Length may be absent or lie."""
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            answer.refused = _too_large(limit)
            raise answer.refused
        return message

    return bounded


def _too_large(limit: int) -> TooLarge:
    size = f"{limit >> 20} MB" if limit >= 1 << 20 else f"{limit >> 10} kB"
    return TooLarge(f"the body is over {size}", field="body", limit=limit)


class _Answer:
    def __init__(self, send: Send, correlation: str, path: str, *, with_body: bool) -> None:
        self._send, self._correlation, self._path, self._with_body = send, correlation, path, with_body
        self.status, self.started = 500, False
        self.refused: TooLarge | None = None

    async def send(self, message: Message) -> None:
        if self.refused is not None and not self.started:
            return
        if message["type"] == "http.response.start":
            self.started, self.status = True, int(message["status"])
            message = {**message, "headers": self._headers(message)}
        elif message["type"] == "http.response.body" and not self._with_body:
            message = {**message, "body": b""}
        await self._send(message)

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        present: list[tuple[bytes, Any]] = list(message.get("headers", ()))
        names = {name.lower() for name, _ in present}
        policy = DOCS_CSP if self._path == _DOCS else CSP
        extra = [*HEADERS, (b"x-correlation-id", self._correlation.encode())]
        extra.append((b"content-security-policy", policy.encode()))
        if self._path.startswith("/api/") and b"cache-control" not in names:
            extra.append((b"cache-control", b"no-store"))
        return present + [(name, value) for name, value in extra if name not in names]
