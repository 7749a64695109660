"""SQLite's driver: the same answers, with one hop to the connection's thread a statement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from functions.shared import sqlite
from functions.shared.db import Database


@pytest.fixture
async def numbers(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")
    async with database.transaction() as session:
        await session.execute(text("create table numbers (id integer primary key, n integer unique)"))
        await session.execute(text("insert into numbers (n) values (:n)"), [{"n": n} for n in range(5)])
    yield database
    await database.close()


async def test_rows_counts_and_keys_are_told(numbers: Database) -> None:
    async with numbers.transaction() as session:
        found = (await session.execute(text("select n, n * 2 as twice from numbers order by n"))).mappings().all()
        assert [dict(row) for row in found][-1] == {"n": 4, "twice": 8}
        changed = await session.execute(text("update numbers set n = n + 10 where n > 2"))
        assert getattr(changed, "rowcount", None) == 2
        given = await session.execute(text("delete from numbers where n >= 13 returning n"))
        assert sorted(row.n for row in given) == [13, 14]
        made = await session.execute(text("insert into numbers (n) values (77)"))
        assert getattr(made, "lastrowid", None) == 4
    async with numbers.read() as session:
        assert list(await session.scalars(text("select n from numbers order by n"))) == [0, 1, 2, 77]


async def test_a_statement_is_one_hop(numbers: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    hops: list[object] = []
    hop = sqlite.Connection.hop

    async def counted(self: sqlite.Connection, work: partial[None]) -> None:
        hops.append(work)
        await hop(self, work)

    monkeypatch.setattr(sqlite.Connection, "hop", counted)
    async with numbers.read() as session:
        assert len(list(await session.scalars(text("select n from numbers")))) == 5
    assert len(hops) == 2, "begin and select; the rollback is the connection's own"


async def test_a_statement_that_fails_leaves_the_connection_whole(numbers: Database) -> None:
    with pytest.raises(IntegrityError):
        async with numbers.transaction() as session:
            await session.execute(text("insert into numbers (n) values (4)"))
    async with numbers.transaction() as session:
        await session.execute(text("insert into numbers (n) values (5)"))
        assert await session.scalar(text("select count(*) from numbers")) == 6
