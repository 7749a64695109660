"""The HTTP API as the CLI uses it: tokens fresh, error envelopes turned into errors of ours."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from cli.session import Session, Sessions
from functions.shared import errors
from functions.shared.errors import GTVisionError, Misconfigured, NotAuthenticated, Unavailable
from functions.shared.logs import redact

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
# A probe waits for a camera, an import for a thousand rows.
SLOW = httpx.Timeout(120.0, connect=5.0)

# What an answer without a readable envelope means, by status; a test proves the kinds of `web.STATUS` are here.
STATUS_KIND: Mapping[int, type[GTVisionError]] = {
    400: errors.Rejected, 401: errors.NotAuthenticated, 403: errors.Forbidden, 404: errors.NotFound,
    405: errors.Rejected, 409: errors.Conflict, 413: errors.TooLarge, 415: errors.Rejected, 422: errors.InvalidInput,
    429: errors.Throttled, 502: errors.Unavailable, 503: errors.Unavailable, 504: errors.Unavailable,
    507: errors.StorageFull,
}  # fmt: skip


def tree(kind: type[GTVisionError] = GTVisionError) -> list[type[GTVisionError]]:
    """The error tree, each parent before its children."""
    return [kind, *(found for child in kind.__subclasses__() for found in tree(child))]


def error_of(answer: httpx.Response) -> GTVisionError:
    """The error that an answer of 400 and above stands for."""
    try:
        body = answer.json()["error"]
        code, message, details = str(body["code"]), str(body["message"]), dict(body.get("details") or {})
        correlation = body.get("correlation_id")
    except (ValueError, KeyError, TypeError):
        code, message, details, correlation = "", f"{answer.request.url.path} answered {answer.status_code}", {}, None
    by_code = {kind.code: kind for kind in tree()}
    fallback = Unavailable if answer.status_code in (502, 503, 504) else GTVisionError
    kind = by_code.get(code) or STATUS_KIND.get(answer.status_code, fallback)
    if correlation:
        details["correlation_id"] = correlation
    if kind is NotAuthenticated:
        details.setdefault("mend", "run `gtvision login`")
    error = kind(message)
    error.details = details
    return error


def normal_url(url: str) -> str:
    """The address without what varies. Raises InvalidInput for what is no HTTP address."""
    try:
        parsed = httpx.URL(url if "://" in url else f"http://{url}")
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
        raise errors.InvalidInput("the address must read http://HOST[:PORT] or https://HOST[:PORT]", field="url")
    return str(parsed.copy_with(query=None, fragment=None)).rstrip("/")


class Client:
    """The API at one address. `token` (GTV_TOKEN) wins over the stored session."""

    def __init__(self, url: str, *, token: str | None = None, sessions: Sessions | None = None) -> None:
        self.url = normal_url(url)
        self._token = token if token is not None else os.environ.get("GTV_TOKEN")
        self._sessions = sessions or Sessions()
        self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT, headers={"User-Agent": "gtvision"})

    @property
    def session(self) -> Session | None:
        """The stored session of this address."""
        return self._sessions.get(self.url)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def login(self, username: str, password: str) -> Session:
        """Sign in and keep the session."""
        answer = self._send("POST", "/api/auth/login", {}, json={"username": username, "password": password})
        session = Session.of(answer.json())
        self._sessions.put(self.url, session)
        return session

    def logout(self) -> bool:
        """End the session here and there; False when there was none."""
        session = self._sessions.get(self.url)
        if session is None:
            return False
        try:
            self._send("POST", "/api/auth/logout", {}, json={"refresh_token": session.refresh_token})
        finally:
            self._sessions.remove(self.url)
        return True

    def get(self, path: str, **params: Any) -> Any:
        given = {name: value for name, value in params.items() if value is not None}
        return self.call("GET", path, params=given)

    def call(
        self, method: str, path: str, *, slow: bool = False, content_type: str | None = None, **arguments: Any
    ) -> Any:
        """The JSON of an answer, None for an empty one. Raises the error that the answer stands for."""
        headers = arguments["headers"] = dict(arguments.pop("headers", {}))
        if content_type is not None:
            headers["Content-Type"] = content_type
        if method == "POST":
            # One key for the call: a repeat of it, after a refreshed token or by a proxy, cannot create twice.
            headers["Idempotency-Key"] = uuid.uuid4().hex
        if slow:
            arguments["timeout"] = SLOW
        answer = self._authorized(method, path, arguments)
        return answer.json() if answer.content else None

    def content(self, path: str, **params: Any) -> bytes:
        """The bytes of an answer, a picture's as a rule. Raises the error that the answer stands for."""
        return self._authorized("GET", path, {"params": params}).content

    def download(self, path: str, *, language: str = "", **params: Any) -> tuple[bytes, Mapping[str, str]]:
        """The bytes of an answer that may take a while, and its headers."""
        given = {name: value for name, value in params.items() if value is not None}
        arguments: dict[str, Any] = {"params": given, "timeout": SLOW, "headers": {"Accept-Language": language}}
        answer = self._authorized("GET", path, arguments)
        return answer.content, answer.headers

    def picture(self, path: str, **params: Any) -> bytes | None:
        """A picture's bytes; None where there is none (any more)."""
        try:
            return self._authorized("GET", path, {"params": params}).content
        except errors.NotFound:
            return None

    def pages(
        self, path: str, limit: int | None, first: dict[str, Any] | None = None, /, **params: Any
    ) -> Iterator[Any]:
        """The items of a list with keyset cursors, at the most `limit` (None: all of them).

        `first` is filled with the whole of the first page, for what it says besides.
        """
        cursor, left = None, limit
        while left is None or left > 0:
            page = self.get(path, cursor=cursor, limit=min(left or 200, 200), **params)
            if first is not None and not first:
                first.update(page)
            yield from page["items"][:left]
            cursor = page.get("next_cursor")
            left = None if left is None else left - len(page["items"])
            if cursor is None:
                return

    def follow(self, path: str, after: str | None) -> Iterator[tuple[str, str, Any]]:
        """Server-sent events of one connection: (id, event, data). Returns when the server ends it."""
        headers = {"Accept": "text/event-stream", **self._bearer(), **({"Last-Event-ID": after} if after else {})}
        timeout = httpx.Timeout(60.0, connect=5.0)
        with self._translated(), self._http.stream("GET", path, headers=headers, timeout=timeout) as answer:
            if answer.status_code >= 400:
                answer.read()
                raise error_of(answer)
            yield from parse_events(answer.iter_lines())

    def _authorized(self, method: str, path: str, arguments: dict[str, Any]) -> httpx.Response:
        headers = {**arguments.pop("headers", {}), **self._bearer()}
        try:
            return self._send(method, path, headers, **arguments)
        except NotAuthenticated:
            # The server's clock or keys may differ from what the session's file expects.
            if self._token or self._sessions.get(self.url) is None:
                raise
            return self._send(method, path, {**headers, **self._bearer(renew=True)}, **arguments)

    def _bearer(self, *, renew: bool = False) -> dict[str, str]:
        if self._token:
            return {"Authorization": f"Bearer {self._token}"}
        session = self._sessions.get(self.url)
        if session is None:
            raise NotAuthenticated(
                f"you are not signed in to {self.url}", mend="run `gtvision login`, or set GTV_TOKEN"
            )
        if renew or session.stale:
            session = self._refresh(session)
        return {"Authorization": f"Bearer {session.access_token}"}

    def _refresh(self, seen: Session) -> Session:
        """A new pair of tokens, unless another process got one meanwhile."""
        with self._sessions.locked():
            session = self._sessions.get(self.url) or seen
            if session.refresh_token != seen.refresh_token:
                return session
            answer = self._send("POST", "/api/auth/refresh", {}, json={"refresh_token": session.refresh_token})
            session = Session.of(answer.json())
            self._sessions.replace(self.url, session)
        return session

    def _send(self, method: str, path: str, headers: Mapping[str, str], **arguments: Any) -> httpx.Response:
        with self._translated():
            answer = self._http.request(method, path, headers=dict(headers), **arguments)
        if answer.status_code >= 400:
            raise error_of(answer)
        content = answer.headers.get("content-type", "")
        ours = not answer.content or content.startswith(("application/json", "image/", "text/csv", "application/pdf"))
        if answer.is_redirect or not ours:
            raise Misconfigured(f"{self.url} is not GT-Vision's API", mend="correct --url or GTV_URL")
        return answer

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise Unavailable(f"{self.url} did not answer in time", mend="run `gtvision status`") from error
        except httpx.TransportError as error:
            raise Unavailable(
                f"{self.url} cannot be reached: {redact(str(error)) or type(error).__name__}",
                mend="start it with `gtvision up`, or correct --url or GTV_URL",
            ) from error


def parse_events(lines: Iterator[str]) -> Iterator[tuple[str, str, Any]]:
    """(id, event, data) of a stream of server-sent events (WHATWG HTML, section 9.2); data as JSON."""
    identity, event, data = "", "message", list[str]()
    for line in lines:
        if not line:
            if data:
                yield identity, event, json.loads("\n".join(data))
            event, data = "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            identity = value
        elif name == "event":
            event = value
        elif name == "data":
            data.append(value)
