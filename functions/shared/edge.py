"""What wraps every request: correlation id, limits of size, time and number, security headers, CORS, metrics.

Plain ASGI, so streams stream.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.shared import limits, logs
from functions.shared.bodies import DEADLINE, Body, Deadline, too_large
from functions.shared.context import Context
from functions.shared.errors import GTVisionError, TimedOut

REQUESTS = Counter("gtv_http_requests_total", "Requests answered", ["function", "method", "route", "status"])
SECONDS = Histogram("gtv_http_request_seconds", "Time to the end of the answer", ["function", "route"])
THROTTLED = Counter("gtv_http_throttled_total", "Requests refused by a quota", ["function", "policy"])
_CORRELATION = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
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
    (b"content-security-policy", CSP.encode()),
)
# For a year, and for this host alone: whether its subdomains have TLS is not ours to say.
HSTS = (b"strict-transport-security", b"max-age=31536000")
_EXPOSED = (
    "X-Correlation-ID", "ETag", "Location", "Retry-After", "Idempotent-Replayed", "X-Captured-At",
    "RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
)  # fmt: skip
_ASKED = ("Authorization", "Content-Type", "If-Match", "Idempotency-Key", "Last-Event-ID", "X-Correlation-ID")

# Turns what the app let through (a bug, or a body over the limit) into the one envelope.
Explain = Callable[[Request, Exception], Awaitable[Response]]


class Edge:
    """The outermost layer of every function."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        function: str,
        max_body: Callable[[str], int],
        explain: Explain,
        context: Callable[[Scope], Context],
    ) -> None:
        """`max_body` says for a path how many bytes a body may have; `context` opens the process's at need."""
        self.app, self._function, self._max_body, self._explain = app, function, max_body, explain
        self._context = context
        self._crossing: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method, headers = scope["method"], dict(scope["headers"])
        verdicts: list[Any] = []
        scope = {**scope, "method": "GET" if method == "HEAD" else method, limits.VERDICTS: verdicts}
        given = headers.get(b"x-correlation-id", b"").decode("latin-1")
        structlog.contextvars.clear_contextvars()
        correlation = logs.bind_correlation(given if _CORRELATION.match(given) else None)
        answer = _Answer(send, correlation, scope, with_body=method != "HEAD")
        started = time.perf_counter()
        try:
            await self._answer(scope, receive, headers, answer)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            known = method if method in _METHODS else "OTHER"
            REQUESTS.labels(self._function, known, route, str(answer.status)).inc()
            SECONDS.labels(self._function, route).observe(time.perf_counter() - started)
            for verdict in verdicts:
                if not verdict.allowed:
                    THROTTLED.labels(self._function, verdict.policy.name).inc()

    async def _answer(self, scope: Scope, receive: Receive, headers: dict[bytes, bytes], answer: _Answer) -> None:
        failure: Exception | None = None
        body = None
        try:
            context = self._context(scope)
            answer.secure = context.settings.cookie_secure
            if b"authorization" not in headers and b"cookie" not in headers:
                # Before anything of it is read; who brings credentials is counted once they are known to hold.
                await limits.count_address(context, scope)
            body = self._bounded(scope, headers, receive, context)
            await self._in_time(scope, body, answer, context)
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

    def _bounded(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, context: Context) -> Body:
        limit, announced = self._max_body(scope["path"]), headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limit:
            raise too_large(limit)
        return Body(receive, limit, context.settings.body_timeout_s)

    async def _in_time(self, scope: Scope, body: Body, answer: _Answer, context: Context) -> None:
        async with Deadline(context.settings.request_timeout_s) as deadline:
            scope[DEADLINE] = deadline
            answer.on_start = deadline.lift
            body.watch(deadline, answer.refuse)
            await self._crossed(context)(scope, body.receive, answer.send)
        if deadline.expired and not answer.started and answer.refused is None:
            seconds = deadline.seconds
            raise TimedOut(f"this took longer than {seconds:g} s and was given up", seconds=seconds)

    def _crossed(self, context: Context) -> ASGIApp:
        """The app behind CORS, where the settings name origins; cookies never cross, so that no other site's page
        acts as whoever looks at it."""
        if self._crossing is None:
            origins = context.settings.cors_origins
            self._crossing = self.app if not origins else CORSMiddleware(
                self.app, allow_origins=origins, allow_credentials=False, expose_headers=_EXPOSED, allow_headers=_ASKED,
                allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            )  # fmt: skip
        return self._crossing


class _Answer:
    """Passes the answer on with our headers, unless the body's reading refused the request before it began."""

    def __init__(self, send: Send, correlation: str, scope: Scope, *, with_body: bool) -> None:
        self._send, self._correlation, self._scope, self._with_body = send, correlation, scope, with_body
        self.status, self.started, self.secure = 500, False, False
        self.refused: GTVisionError | None = None
        self.on_start: Callable[[], None] = lambda: None

    def refuse(self, error: GTVisionError) -> None:
        self.refused = error

    async def send(self, message: Message) -> None:
        if self.refused is not None and not self.started:
            return
        if message["type"] == "http.response.start":
            self.started, self.status = True, int(message["status"])
            self.on_start()
            message = {**message, "headers": self._headers(message)}
        elif message["type"] == "http.response.body" and not self._with_body:
            message = {**message, "body": b""}
        await self._send(message)

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        present: list[tuple[bytes, Any]] = list(message.get("headers", ()))
        names = {name.lower() for name, _ in present}
        extra = [*HEADERS, (b"x-correlation-id", self._correlation.encode())]
        extra += limits.headers(self._scope[limits.VERDICTS])
        if self.secure:
            extra.append(HSTS)
        if self._scope["path"].startswith("/api/") and b"cache-control" not in names:
            extra.append((b"cache-control", b"no-store"))
        return present + [(name, value) for name, value in extra if name not in names]
