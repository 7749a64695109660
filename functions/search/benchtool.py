"""How long searches take among many detections: `python -m functions.search.benchtool --rows N`. JSON on stdout.

Fills a database of its own, then asks in interleaved rounds: one of each kind and one bare query, so that whatever else
the machine does falls upon all alike. What is timed is the search as the API does it, with its row in the audit log,
but without HTTP. The CLI runs this as a process of its own (`gtvision bench search`), since it loads no database.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from functions.search import service
from functions.search.schemas import DetectionQuery
from functions.shared import logs, partitions
from functions.shared.access import Role
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import least_id, now
from functions.shared.db import Database
from functions.shared.errors import GTVisionError, InvalidInput
from functions.shared.exits import OK, exit_code
from functions.shared.tokens import Principal

AIM_MS = 50.0
CAMERAS, BATCH = 100, 20_000
KINDS = ("exact", "prefix", "wildcard", "fuzzy", "newest")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_COLUMNS = (
    "id", "camera_id", "started_at", "ended_at", "final", "vehicle_type", "vehicle_confidence", "color", "direction",
    "plate", "plate_reversed", "plate_confidence", "plate_format", "plate_read", "corrected", "uncertain", "candidates",
    "stationary", "observation_count", "best_score", "correlation_id", "created_at", "updated_at",
)  # fmt: skip
_BARE = text("SELECT id FROM detections WHERE plate = :plate LIMIT 1")


def plate(pick: random.Random) -> str:
    head = "".join(pick.choices(_LETTERS, k=3))
    if pick.random() < 0.4:
        return f"{head}{pick.randrange(10_000):04}"
    return f"{head}{pick.randrange(10)}{pick.choice(_LETTERS)}{pick.randrange(100):02}"


def rows_of(count: int, days: float, end: datetime, plates: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Passages in order of time, ending at `end`: some vehicles pass often, most seldom."""
    pick = random.Random(2)
    for number in range(count):
        at = end - timedelta(days=days * (1 - number / count))
        seen = plates[int(len(plates) * pick.random() ** 2)]
        guesses = json.dumps([{"text": seen, "confidence": 0.9}])
        yield (
            least_id(at)[:12] + f"{pick.getrandbits(80):020x}", f"bench-{pick.randrange(CAMERAS):03}", at,
            at + timedelta(seconds=3), True, pick.choice(("car", "car", "car", "motorcycle", "truck", "bus")), 0.9,
            pick.choice(("white", "black", "silver", "red")), "towards", seen, seen[::-1], 0.9, "br_mercosul", seen,
            False, pick.random() < 0.1, guesses, False, 3, 0.5, "bench", at, at,
        )  # fmt: skip


async def fill(db: Database, count: int, days: float, plates: Sequence[str]) -> None:
    """Raises InvalidInput for a database that holds detections already."""
    await db.migrate()
    async with db.read() as session:
        if await session.scalar(text("SELECT 1 FROM detections LIMIT 1")):
            raise InvalidInput("the database holds detections already; name an empty one", field="postgres")
    end = now()
    # From the newest to the oldest: days that are still empty are dropped when a later one is asked for.
    for back in range(0, int(days) + 15, 14):
        await partitions.ensure(db, end - timedelta(days=back))
    async with db.transaction() as session:
        for number in range(CAMERAS):
            values = {"id": f"bench-{number:03}", "at": end if db.dialect == "postgresql" else str(end)[:26]}
            await session.execute(
                text(
                    "INSERT INTO cameras (id, name, url_encrypted, enabled, sample_fps, motion_gate, motion_threshold, "
                    "revision, created_at, updated_at) VALUES (:id, :id, '-', true, 1, true, 0, 1, :at, :at)"
                ),
                values,
            )
    rows = rows_of(count, days, end, plates)
    await (_fill_postgres(db, rows) if db.dialect == "postgresql" else _fill_sqlite(db, rows))


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    batch: list[tuple[Any, ...]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _fill_postgres(db: Database, rows: Iterator[tuple[Any, ...]]) -> None:
    async with db.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        for batch in _batches(rows):
            await driver.copy_records_to_table("detections", records=batch, columns=_COLUMNS)
        await driver.execute("VACUUM ANALYZE detections")


async def _fill_sqlite(db: Database, rows: Iterator[tuple[Any, ...]]) -> None:
    """Indexes are made when the rows are there: filling them row by row takes many times as long."""
    asked = text("SELECT name, sql FROM sqlite_master WHERE tbl_name = 'detections' AND type = 'index' AND sql > ''")
    async with db.transaction() as session:
        indexes = [(str(name), str(sql)) for name, sql in await session.execute(asked)]
        for name, _ in indexes:
            await session.execute(text(f"DROP INDEX {name}"))
    places = ", ".join("?" * len(_COLUMNS))
    insert = f"INSERT INTO detections ({', '.join(_COLUMNS)}) VALUES ({places})"
    for batch in _batches(rows):
        async with db.transaction() as session:
            connection = await session.connection()
            await connection.exec_driver_sql(insert, [tuple(map(_plain, row)) for row in batch])
    async with db.transaction() as session:
        for _, sql in indexes:
            await session.execute(text(sql))


def _plain(value: Any) -> Any:
    """A time as our tables keep it in SQLite."""
    return value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value


def query_of(kind: str, seen: str, pick: random.Random) -> DetectionQuery:
    """A question of a kind about a plate that is stored."""
    if kind == "newest":
        return DetectionQuery(camera_id=[f"bench-{pick.randrange(CAMERAS):03}"])
    if kind == "prefix":
        return DetectionQuery(plate=seen[: pick.choice((1, 2, 3, 4))], match="prefix")
    if kind == "wildcard":
        patterns = (
            f"{seen[:3]}*{seen[-1]}",
            f"*{seen[-4:]}",
            f"?{seen[1:4]}*",
            f"*{seen[2:5]}*",
            f"{seen[:2]}?{seen[3:]}",
        )
        return DetectionQuery(plate=pick.choice(patterns), match="wildcard")
    if kind == "fuzzy":
        place = pick.randrange(len(seen))
        wrong = seen[:place] + pick.choice("0OD1I8B5S" + _LETTERS) + seen[place + 1 :]
        return DetectionQuery(plate=wrong, match="fuzzy", twins=True)
    return DetectionQuery(plate=seen)


async def measure(context: Context, plates: Sequence[str], rounds: int) -> dict[str, Any]:
    """Milliseconds of each kind, and of the bare query."""
    pick, who = random.Random(3), Principal("0" * 32, "bench", Role.ADMIN)
    spent: dict[str, list[float]] = {kind: [] for kind in ("bare", *KINDS)}
    found = dict.fromkeys(KINDS, 0)
    for number in range(-3, rounds):
        for kind in pick.sample(("bare", *KINDS), k=1 + len(KINDS)):
            seen = plates[int(len(plates) * pick.random() ** 2)]
            query = None if kind == "bare" else query_of(kind, seen, pick).model_copy(update={"blind": False})
            started = time.perf_counter()
            if query is None:
                async with context.db.read() as session:
                    await session.scalar(_BARE, {"plate": seen})
            else:
                found[kind] += len((await service.find(context, query, who)).items)
            # The first rounds open connections and fill caches.
            if number >= 0:
                spent[kind].append(1000 * (time.perf_counter() - started))
    bare = statistics.median(spent["bare"])
    return {kind: _summary(times, bare, found.get(kind, 0) / (rounds + 3)) for kind, times in spent.items()}


def _summary(times: Sequence[float], bare: float, found: float) -> dict[str, float]:
    ranked = sorted(times)
    p50, p95 = statistics.median(ranked), ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))]
    return {"p50_ms": round(p50, 2), "p95_ms": round(p95, 2), "max_ms": round(ranked[-1], 2),
            "times_bare": round(p50 / bare, 1), "rows": round(found, 1)}  # fmt: skip


async def run(url: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    settings = FunctionSettings(data_dir=folder, database_url=url, nats_url="nats://127.0.0.1:9", log_level="WARNING")
    context = Context(settings, "bench")
    pick = random.Random(1)
    plates = sorted({plate(pick) for _ in range(max(100, options.rows // 5))}, key=lambda _: pick.random())
    try:
        started = time.perf_counter()
        await fill(context.db, options.rows, options.days, plates)
        filled = time.perf_counter() - started
        kinds = await measure(context, plates, options.rounds)
        parts = None
        if context.db.dialect == "postgresql":
            async with context.db.read() as session:
                parts = await session.scalar(
                    text("SELECT count(*) FROM pg_inherits WHERE inhparent = 'detections'::regclass")
                )
        slowest = max(kinds[kind]["p95_ms"] for kind in KINDS)
        return {"database": context.db.dialect, "rows": options.rows, "days": options.days, "rounds": options.rounds,
                "partitions": parts, "fill_s": round(filled, 1), "kinds": kinds, "aim_p95_ms": AIM_MS,
                "met": slowest <= AIM_MS}  # fmt: skip
    finally:
        await context.close()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="functions.search.benchtool")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--stdin-url", action="store_true", help="the address of an empty PostgreSQL comes on stdin")
    options = parser.parse_args(argv)
    logs.configure("WARNING", "json")
    # An address holds a password, which a command line would show to everybody on the machine.
    given = sys.stdin.readline().strip() if options.stdin_url else ""
    try:
        with tempfile.TemporaryDirectory(prefix="gtv-bench-", dir=options.folder) as folder:
            url = given or f"sqlite+aiosqlite:///{Path(folder) / 'bench.db'}"
            answer: dict[str, Any] = asyncio.run(run(url, Path(folder), options))
            code = OK
    except GTVisionError as error:
        answer = {"error": {"code": error.code, "message": error.message, "details": dict(error.details)}}
        code = exit_code(error)
    sys.stdout.write(json.dumps(answer) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
