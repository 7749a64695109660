"""The database in both dialects: transactions, conflicts, outages, migrations."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import ForeignKeyConstraint, event, func, inspect, select, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.schema import SchemaItem

from functions.shared.config import FunctionSettings
from functions.shared.contracts import new_id, now
from functions.shared.db import MIGRATIONS, Database
from functions.shared.errors import DatabaseUnavailable, InvalidInput, Misconfigured, NotFound, StorageFull
from functions.shared.plates import fold
from functions.shared.tables import Detection, Table, User
from functions.shared.tables.detections import TRIGRAM_INDEX
from tests.support.ports import free_port
from tests.support.postgres import Postgres


def user(name: str) -> User:
    return User(id=new_id(), username=name, password_hash="x", role="viewer", created_at=now())


def detection(plate: str | None) -> Detection:
    return Detection(
        id=new_id(), camera_id="gate", started_at=now(), ended_at=now(), plate=plate, candidates=[],
        correlation_id="c", created_at=now(), updated_at=now(),
    )  # fmt: skip


async def names(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(select(User.username).order_by(User.username)))


async def test_a_transaction_commits_at_its_end(database: Database) -> None:
    async with database.transaction() as session:
        session.add(user("ana"))
    assert await names(database) == ["ana"]


async def test_errors_quote_no_values(database: Database) -> None:
    """An error that nobody expected goes into the log as it is, and rows hold hashes, addresses and plates."""
    one, other = user("ana"), user("eva")
    other.id, other.password_hash = one.id, "HASH-MARK"
    async with database.transaction() as session:
        session.add(one)
    with pytest.raises(IntegrityError) as caught:
        async with database.transaction() as session:
            session.add(other)
    assert "HASH-MARK" not in str(caught.value)


async def test_what_no_database_can_hold_is_the_askers_fault(database: Database) -> None:
    """It would be told as an outage, or as a bug. SQLite holds NUL; PostgreSQL refuses it by an error of its own."""
    names: list[str] = ["\ud800", "an\x00a"] if database.dialect == "postgresql" else ["\ud800"]
    for name in names:
        with pytest.raises(InvalidInput):
            async with database.read() as session:
                await session.scalar(select(User.id).where(User.username == name))
    with pytest.raises(InvalidInput):
        async with database.read() as session:
            await session.scalar(select(User.id).where(User.revision == 1 << 70))
    await database.check()


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    async def work() -> None:
        async with database.transaction() as session:
            session.add(user("ana"))
            await session.flush()
            raise NotFound("no such group")

    with pytest.raises(NotFound):
        await work()
    assert await names(database) == []


async def test_a_cancelled_transaction_leaves_nothing_and_blocks_nobody(database: Database) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with database.transaction() as session:
            session.add(user("ana"))
            await session.flush()
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.transaction() as session:
        session.add(user("bia"))
    assert await names(database) == ["bia"]


async def test_a_read_changes_nothing(database: Database) -> None:
    async with database.read() as session:
        session.add(user("ana"))
        await session.flush()
    assert await names(database) == []


async def test_integrity_errors_pass_for_the_repository_to_name(database: Database) -> None:
    async with database.transaction() as session:
        session.add(user("ana"))
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            session.add(user("ana"))
    assert await names(database) == ["ana"]


async def test_many_writers_at_once(database: Database) -> None:
    async def write(number: int) -> None:
        async with database.transaction() as session:
            count = await session.scalar(select(func.count()).select_from(User))
            session.add(user(f"u{number:03}-{count}"))

    await asyncio.gather(*(write(number) for number in range(40)))
    assert len(await names(database)) == 40


async def test_writers_of_two_processes(database_url: str) -> None:
    """Two Databases share no lock in memory, as two processes would not."""
    pair = [Database(database_url), Database(database_url)]

    async def write(number: int) -> None:
        async with pair[number % 2].transaction() as session:
            await session.scalar(select(func.count()).select_from(User))
            session.add(user(f"u{number}"))
            await session.flush()
            await asyncio.sleep(0.005)

    await asyncio.gather(*(write(number) for number in range(20)))
    assert len(await names(pair[0])) == 20
    for database in pair:
        await database.close()


async def test_a_reader_is_not_held_up_by_a_writer(database: Database) -> None:
    async with database.transaction() as session:
        session.add(user("ana"))
        await session.flush()
        assert await asyncio.wait_for(names(database), 10) == []


async def test_times_come_back_in_utc(database: Database) -> None:
    brasilia = datetime(2026, 11, 22, 21, 30, 0, 123456, tzinfo=timezone(timedelta(hours=-3)))
    async with database.transaction() as session:
        row = user("ana")
        row.created_at = brasilia
        session.add(row)
    async with database.read() as session:
        stored = await session.scalar(select(User.created_at))
    assert stored == brasilia
    assert stored is not None
    assert stored.utcoffset() == timedelta(0)


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    row = user("ana")
    row.created_at = datetime(2026, 11, 22)
    with pytest.raises(DatabaseUnavailable, match="without a zone"):
        async with database.transaction() as session:
            session.add(row)


# Migrations


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.fresh_database()


async def test_the_tables_are_missing(empty_url: str) -> None:
    database = Database(empty_url)
    with pytest.raises(Misconfigured, match="tables") as caught:
        await names(database)
    assert "gtvision db migrate" in str(caught.value.details["mend"])
    await database.close()


async def test_migrations_make_what_the_models_say(empty_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def wanted(thing: SchemaItem, name: str | None, kind: str, reflected: bool, _: object) -> bool:
        """Leaves out what only PostgreSQL has: the partitions, keys that name one of them, trigrams."""
        if kind == "foreign_key_constraint" and isinstance(thing, ForeignKeyConstraint):
            return not thing.referred_table.name.startswith("detections_")
        partition = kind == "table" and (name or "").startswith("detections_")
        return not (reflected and (partition or name == TRIGRAM_INDEX))

    def differences(connection: Connection) -> list[object]:
        options = {"compare_type": True, "compare_server_default": True, "include_object": wanted}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, Table.metadata))

    database = Database(empty_url)
    await database.migrate()
    await database.migrate()
    async with database.engine.connect() as connection:
        with warnings.catch_warnings():
            # PostgreSQL writes the expression anew, with casts; that it folds as we do is proven by rows.
            warnings.filterwarnings("ignore", "Computed default on detections.plate_folded")
            assert await connection.run_sync(differences) == []
    await database.close()


async def test_the_database_folds_plates_as_the_kernel_does(database: Database) -> None:
    texts = ("0ODQ1IL8B", "5S2Z6G4A7T", "ABC1D23", None)
    async with database.transaction() as session:
        session.add_all(detection(text) for text in texts)
    async with database.read() as session:
        found = await session.execute(select(Detection.plate, Detection.plate_folded))
        folded = {plate: kept for plate, kept in found}
    assert folded == {text: text and fold(text) for text in texts}
    assert folded["0ODQ1IL8B"] == "000011188"


def down(connection: Connection, revision: str) -> list[str]:
    """The tables that are left."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.downgrade(config, revision)
    return sorted(inspect(connection).get_table_names())


async def test_migrations_go_down_and_up_again(empty_url: str) -> None:
    database = Database(empty_url)
    await database.migrate()
    async with database.engine.begin() as connection:
        assert await connection.run_sync(down, "base") == ["alembic_version"]
    await database.migrate()
    assert await names(database) == []
    await database.close()


async def test_names_of_hotlists_are_freed_and_nothing_is_lost(empty_url: str) -> None:
    """SQLite makes the table anew, to which entries and groups refer."""

    async def run(*statements: str) -> list[tuple[object, ...]]:
        async with database.engine.begin() as connection:
            for statement in statements:
                found = await connection.exec_driver_sql(statement)
            return [tuple(row) for row in found.fetchall()] if found.returns_rows else []

    kept = "id, kind, owner, reason, priority, enabled, hours, all_groups, directions, twins, tolerances, emails, "
    kept += "escalation_emails, entries, entries_version, revision, created_by, created_at, updated_at"
    copied = f"INSERT INTO hotlists (name, {kept}) SELECT 'Stolen', '%s', {kept[4:]} FROM hotlists WHERE id = 'cloned'"
    at = "CURRENT_TIMESTAMP"
    database = Database(empty_url)
    await database.migrate("0012")
    await run(
        copied % "l1",
        f"INSERT INTO groups (id, name, plate_formats, created_at, updated_at) VALUES ('g', 'G', '[]', {at}, {at})",
        "INSERT INTO hotlist_groups (hotlist_id, group_id) VALUES ('l1', 'g')",
        "INSERT INTO hotlist_entries (id, hotlist_id, pattern, match, version, removed, created_by, created_at, "
        f"updated_at) VALUES ('e1', 'l1', 'ABC1D23', 'exact', 1, false, 'a', {at}, {at})",
    )
    everything = (
        "SELECT l.name, g.group_id, e.pattern FROM hotlists l JOIN hotlist_groups g ON g.hotlist_id = l.id "
        "JOIN hotlist_entries e ON e.hotlist_id = l.id"
    )
    await database.migrate()
    assert await run(everything) == [("Stolen", "g", "ABC1D23")]
    await run(copied % "l2")
    async with database.engine.begin() as connection:
        await connection.run_sync(down, "0012")
    assert await run(everything) == [("Stolen", "g", "ABC1D23")]
    assert await run("SELECT name FROM hotlists WHERE id = 'l2'") == [("Stolen (l2)",)]
    with pytest.raises(IntegrityError):
        await run(copied % "l3")
    await database.migrate()
    # What refers to a list still goes with it.
    await run("DELETE FROM hotlists WHERE id = 'l1'")
    assert await run("SELECT count(*) FROM hotlist_entries") == [(0,)]
    await database.close()


async def test_several_processes_migrate_at_once(empty_url: str) -> None:
    code = "import asyncio, sys\nfrom functions.shared.db import Database\nasyncio.run(Database(sys.argv[1]).migrate())"
    processes = [await asyncio.create_subprocess_exec(sys.executable, "-c", code, empty_url) for _ in range(3)]
    assert await asyncio.gather(*(process.wait() for process in processes)) == [0, 0, 0]
    database = Database(empty_url)
    assert await names(database) == []
    await database.close()


# Outages


async def test_an_unreachable_database_names_no_password() -> None:
    database = Database(f"postgresql+asyncpg://gtv:s3cret@127.0.0.1:{free_port()}/gtv")
    with pytest.raises(DatabaseUnavailable) as caught:
        await database.check()
    assert "s3cret" not in str(caught.value)
    assert "GTV_DATABASE_URL" in str(caught.value.details["mend"])
    await database.close()


async def test_a_wrong_password_is_an_outage_without_the_password(postgres: Postgres) -> None:
    database = Database(postgres.url().replace(postgres.password, "s3cret"))
    with pytest.raises(DatabaseUnavailable, match="authentication") as caught:
        await database.check()
    assert "s3cret" not in str(caught.value)
    await database.close()


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


async def test_a_database_that_is_away_and_comes(own_postgres: Postgres) -> None:
    url = own_postgres.fresh_database(migrated=True)
    own_postgres.kill()
    database = Database(url)
    with pytest.raises(DatabaseUnavailable):
        await database.wait(0.0)
    waiting = asyncio.create_task(database.wait(30.0))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(own_postgres.start)
    await waiting
    async with database.transaction() as session:
        session.add(user("ana"))
    own_postgres.kill()
    with pytest.raises(DatabaseUnavailable):
        await names(database)
    await asyncio.to_thread(own_postgres.start)
    await database.wait(30.0)
    assert await names(database) == ["ana"], "and what was committed is there"
    await database.close()


async def test_a_full_disk(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with database.transaction() as session:
        session.add(user("before"))

    def cap(connection: object, _: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]  # a DBAPI connection
        cursor.execute("PRAGMA max_page_count=1")
        cursor.close()

    await database.engine.dispose()
    # SQLite never shrinks the limit below the present size: from here on it answers as on a full disk.
    event.listen(database.engine.sync_engine, "connect", cap)
    with pytest.raises(StorageFull, match="full") as caught:
        async with database.transaction() as session:
            session.add_all(user(f"u{number}" + "x" * 40) for number in range(2000))
    assert "free space" in str(caught.value.details["mend"])
    assert await names(database) == ["before"]
    await database.close()


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database at all, but long enough to be read as one" * 40)
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        await database.check()
    await database.close()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y", "postgresql+psycopg9://x/y"])
def test_no_address_of_a_database(url: str) -> None:
    with pytest.raises(Misconfigured, match="GTV_DATABASE_URL"):
        Database(url)


async def test_the_default_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    database = Database.open(FunctionSettings(data_dir=tmp_path / "new"))
    await database.migrate()
    async with database.read() as session:
        assert await session.scalar(text("pragma journal_mode")) == "wal"
    await database.close()
    assert (tmp_path / "new" / "gtvision.db").exists()
