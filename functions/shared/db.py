"""The database: SQLite (WAL) or PostgreSQL by asyncpg, one transaction a request or message, migrations by Alembic."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from functions.shared import logs, lookups, sqlite
from functions.shared.config import FunctionSettings
from functions.shared.errors import DatabaseUnavailable, InvalidInput, Misconfigured, StorageFull

log = logs.get("db")
MIGRATIONS = Path(__file__).resolve().parents[2] / "infra" / "migrations"
_MIGRATION_LOCK = 0x677476  # "gtv"


class Database:
    """Engine and sessions of one process; connects at first use."""

    def __init__(self, url: str, *, pool: int = 5, info: Mapping[str, Any] | None = None) -> None:
        """`info`: what `session.info` of every session holds, e.g. limits that the settings say."""
        self.url, self._info = url, dict(info or {})
        try:
            self.dialect = make_url(url).get_backend_name()
            self.engine = _engine(url, self.dialect, pool)
        except (ArgumentError, ModuleNotFoundError) as error:
            raise Misconfigured(
                "GTV_DATABASE_URL is no address of a database",
                mend="sqlite+aiosqlite:///FILE or postgresql+asyncpg://...",
            ) from error
        self._writer = self.engine.execution_options(gtv_write=True)
        # SQLite has one writer: waiting here in line is fair and never ends in "database is locked".
        self._turn: asyncio.Lock | contextlib.nullcontext[None] = (
            asyncio.Lock() if self.dialect == "sqlite" else contextlib.nullcontext()
        )

    @classmethod
    def open(cls, settings: FunctionSettings) -> Database:
        url = settings.database_url
        if not url:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            url = f"sqlite+aiosqlite:///{settings.data_dir.resolve() / 'gtvision.db'}"
        return cls(url, pool=settings.database_pool, info={lookups.INFO: lookups.Limits.of(settings)})

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed at the end of the block, or rolled back when the block raises.

        IntegrityError passes, for the repository to name the conflict; every other failure of the
        database becomes DatabaseUnavailable or StorageFull.
        """
        async with self._turn, self._session(self._writer) as session, session.begin():
            yield session

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for questions; what it would change is rolled back."""
        async with self._session(self.engine) as session:
            yield session

    @contextlib.asynccontextmanager
    async def _session(self, engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
        try:
            async with AsyncSession(engine, expire_on_commit=False, autoflush=False, info=self._info) as session:
                yield session
        except IntegrityError:
            raise
        except (UnicodeEncodeError, OverflowError) as error:
            raise _not_storable(error) from error
        except (TimeoutError, SQLAlchemyError, OSError) as error:
            raise (_not_storable(error) if _of_the_asker(error) else translate(error)) from error

    async def check(self) -> None:
        """Raises DatabaseUnavailable when the database does not answer."""
        async with self.read() as session:
            await session.execute(text("select 1"))

    async def wait(self, seconds: float) -> None:
        """Wait for a database that is away, at the most `seconds`; then raises DatabaseUnavailable."""
        until = time.monotonic() + seconds
        while True:
            try:
                await self.check()
            except DatabaseUnavailable as error:
                if time.monotonic() >= until:
                    raise
                log.warning("database_away", reason=error.message)
                await asyncio.sleep(1.0)
            else:
                return

    async def migrate(self, revision: str = "head") -> None:
        """Bring the tables to a revision of infra/migrations."""
        try:
            async with self._turn, self._writer.begin() as connection:
                await connection.run_sync(_upgrade, revision)
        except (DBAPIError, OSError) as error:
            raise translate(error) from error

    async def close(self) -> None:
        await self.engine.dispose()


def _of_the_asker(error: BaseException) -> bool:
    """Whether a value was wrong and not the database: PostgreSQL's class 22, or what its driver could not encode."""
    cause = getattr(error, "orig", None)
    state = str(getattr(cause, "sqlstate", None) or "")
    return (
        isinstance(error, DataError)
        or state.startswith("22")
        or isinstance(getattr(cause, "__cause__", None), ValueError)
    )


def _not_storable(error: BaseException) -> InvalidInput:
    """The last net, since rooms name the field: PostgreSQL takes no NUL, no database half of a surrogate pair or a
    number of more than 64 bits. Drivers quote the value, which must reach no log."""
    log.warning("not_storable", kind=type(error).__name__)
    return InvalidInput("a text or number is none that can be stored or looked for")


def translate(error: BaseException) -> DatabaseUnavailable | StorageFull | Misconfigured:
    """A foreign error of the database in our words; the statement and its parameters stay out of it."""
    cause = str(getattr(error, "orig", None) or error).splitlines()[0] if str(error) else type(error).__name__
    cause = logs.redact(cause)
    lowered = cause.lower()
    if "disk is full" in lowered or "no space left" in lowered:
        return StorageFull(f"the database's disk is full: {cause}", mend="free space; nothing stored is lost")
    if (
        "no such table" in lowered
        or "undefinedtable" in lowered
        or ("relation" in lowered and "does not exist" in lowered)
    ):
        return Misconfigured("the database lacks its tables", mend="run `gtvision db migrate`")
    if isinstance(error, PoolTimeout):
        return DatabaseUnavailable("all connections to the database are busy", mend="raise GTV_DATABASE_POOL")
    return DatabaseUnavailable(f"the database does not answer: {cause}", mend="check GTV_DATABASE_URL and the server")


def _engine(url: str, dialect: str, pool: int) -> AsyncEngine:
    """`hide_parameters`: an error that reaches a log must not quote hashes, addresses and plates."""
    if dialect == "sqlite":
        arguments = {"timeout": 30, "async_creator_fn": sqlite.connect}
        engine = create_async_engine(url, connect_args=arguments, hide_parameters=True)
        event.listen(engine.sync_engine, "connect", _sqlite_connect)
        event.listen(engine.sync_engine, "begin", _sqlite_begin)
        return engine
    return create_async_engine(
        url,
        pool_size=pool,
        max_overflow=pool,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={"timeout": 5},
        hide_parameters=True,
    )


def _sqlite_connect(connection: Any, _: Any) -> None:
    # The driver's own BEGIN comes too late for a consistent read: we begin ourselves (`_sqlite_begin`).
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("gtv_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":
        # Several processes may start at once: one migrates, the others find it done. Freed by the commit.
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({_MIGRATION_LOCK})")
    command.upgrade(config, revision)
