"""SQLite for SQLAlchemy with one hop to the connection's thread a statement.

aiosqlite hops for the cursor, for the statement, for its rows and for the end of the cursor, and each hop wakes two
threads: with many small statements that is most of what they cost. Here the thread does all of it at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Self

import aiosqlite


class _Cursor:
    """What SQLAlchemy asks of a cursor. The rows are here when `execute` returns; nothing is left open."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Self:
        await self._connection.hop(partial(self._execute, statement, parameters))
        return self

    async def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> Self:
        await self._connection.hop(partial(self._execute_many, statement, parameters))
        return self

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []

    def _execute(self, statement: str, parameters: Sequence[Any]) -> None:
        self._take(self._connection.raw.execute(statement, parameters))

    def _execute_many(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        self._take(self._connection.raw.executemany(statement, parameters))

    def _take(self, done: sqlite3.Cursor) -> None:
        """In the connection's thread. What a statement changes is counted when its rows are fetched."""
        self._rows = done.fetchall() if done.description else []
        self.description, self.rowcount, self.lastrowid = done.description, done.rowcount, done.lastrowid
        done.close()


class Connection(aiosqlite.Connection):
    """A connection in a thread of its own, whose cursors hop to it once a statement."""

    @property
    def raw(self) -> sqlite3.Connection:
        return self._conn

    async def hop(self, work: partial[None]) -> None:
        """Run `work` in the connection's thread."""
        await self._execute(work)  # type: ignore[no-untyped-call]  # aiosqlite gives it no types

    def cursor(self) -> Any:
        return _Cursor(self)


def connect(database: str, **options: Any) -> Connection:
    """What SQLAlchemy's dialect takes as `async_creator_fn`; awaited, it is open."""
    connection = Connection(partial(sqlite3.connect, database, **options), iter_chunk_size=64)
    # A process that ends waits for no connection; before aiosqlite 0.22 the connection is the thread itself.
    thread: Any = getattr(connection, "_thread", connection)
    thread.daemon = True
    return connection
