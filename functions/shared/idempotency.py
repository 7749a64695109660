"""`Idempotency-Key`: a POST sent twice is done once, and both get the same answer.

The key's row is written in the transaction of the work itself, so that neither is there without the other. A second
request with the same key waits for the first (SQLite has one writer; PostgreSQL holds the insert until the first
commits) and then gets its answer. Work that fails leaves no row: the same key may try again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.contracts import now
from functions.shared.errors import Conflict, InvalidInput
from functions.shared.tables import IdempotencyKey

if TYPE_CHECKING:
    from starlette.requests import Request

    from functions.shared.context import Context
    from functions.shared.tokens import Principal

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT = timedelta(hours=24)
MAX_KEY = 128
MAX_ROUTE = 100
# For `openapi_extra` of a route that takes keys.
OPENAPI: dict[str, Any] = {
    "parameters": [
        {
            "name": HEADER, "in": "header", "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
            "description": "the same key with the same body gets the same answer for 24 hours, and is done once",
        }
    ]
}  # fmt: skip


@dataclass(frozen=True)
class Attempt:
    """One POST: who sends it (`owner`, the id of a user or an API key), where to, what, and under which key (None: no
    promise)."""

    key: str | None
    owner: str
    route: str
    body: bytes


@dataclass(frozen=True)
class Answer:
    """Status and JSON body; `replayed` when an earlier request of the same key got it first."""

    status: int
    body: dict[str, Any]
    replayed: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return {REPLAYED: "true"} if self.replayed else {}


Work = Callable[[AsyncSession], Awaitable[Answer]]


class _Taken(Exception):
    """The key has a row already."""


async def attempt_of(request: Request, who: Principal) -> Attempt:
    """The attempt that an HTTP request is. Raises InvalidInput when its key is none."""
    key = request.headers.get(HEADER)
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise InvalidInput(f"an {HEADER} has 1 to {MAX_KEY} printable ASCII characters", field=HEADER)
    # The address itself, not the route's pattern: the same entry may be added to two lists.
    route = _short(f"{request.method} {request.url.path}?{request.url.query}")
    # An API key may see less than its account: it gets no answer that others of the account got.
    return Attempt(key, who.key_id or who.user_id, route, await request.body())


def _short(route: str) -> str:
    """A route that fits into its column; of a longer one the rest by its hash."""
    return (
        route
        if len(route) <= MAX_ROUTE
        else f"{route[: MAX_ROUTE - 33]}#{hashlib.sha256(route.encode()).hexdigest()[:32]}"
    )


async def once(context: Context, attempt: Attempt, work: Work) -> Answer:
    """Do `work` in one transaction, unless this key did it before: then give the answer it got.

    Raises Conflict when the key was used with another body, and whatever `work` raises.
    """
    if attempt.key is None:
        async with context.db.transaction() as session:
            return await work(session)
    # A keyed hash: the body may hold a password, which a plain hash in the database would let one guess.
    fingerprint = context.vault.sign(_text(attempt))
    row = IdempotencyKey(
        key=attempt.key, owner=attempt.owner, route=attempt.route, body_sha256=fingerprint, status=0, response={},
        created_at=now(),
    )  # fmt: skip
    try:
        async with context.db.transaction() as session:
            await session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < now() - KEPT))
            await _claim(session, row)
            answer = await work(session)
            row.status, row.response = answer.status, answer.body
            return answer
    except _Taken:
        return await _replay(context, attempt)


async def _claim(session: AsyncSession, row: IdempotencyKey) -> None:
    session.add(row)
    try:
        await session.flush()
    except IntegrityError:
        raise _Taken from None


async def _replay(context: Context, attempt: Attempt) -> Answer:
    async with context.db.read() as session:
        row = await session.get(IdempotencyKey, (attempt.key, attempt.owner, attempt.route))
    if row is None:
        raise Conflict(f"a request with this {HEADER} has just failed or expired; send it again", field=HEADER)
    if not context.vault.signed(_text(attempt), row.body_sha256):
        raise Conflict(f"this {HEADER} was used with another body; take a new key", field=HEADER)
    return Answer(row.status, row.response, replayed=True)


def _text(attempt: Attempt) -> str:
    return f"idempotency:{attempt.route}:{attempt.body.decode('latin-1')}"
