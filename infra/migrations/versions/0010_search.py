"""search: detections folded for fuzzy search; on PostgreSQL partitions by day and trigrams"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

log = logging.getLogger("alembic.gtvision")
PLATE = sa.String(length=16).with_variant(sa.String(length=16, collation="C"), "postgresql")
INDEXES = {
    "ix_detections_started": "started_at, id",
    "ix_detections_camera_started": "camera_id, started_at, id",
    "ix_detections_plate": "plate, started_at, id",
    "ix_detections_plate_reversed": "plate_reversed",
    "ix_detections_open": "final, camera_id, ended_at",
    "ix_detections_camera_ended": "camera_id, ended_at",
}
FOLDED_INDEX = "plate_folded, plate"
# Days that get a partition of their own; ids of no sane time stay in the default one.
FIRST, AHEAD = datetime(2020, 1, 1, tzinfo=UTC), timedelta(days=14)
TRIGRAMS = "CREATE INDEX ix_detections_plate_trigram ON detections USING gin (plate gin_trgm_ops)"


def _folded(column: str = "plate") -> str:
    text = column
    for char, first in zip("ODQILBSZGAT", "00011852647", strict=True):
        text = f"replace({text}, '{char}', '{first}')"
    return text


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _to_partitions()
        _trigrams()
        return
    op.add_column("detections", sa.Column("plate_folded", PLATE, sa.Computed(_folded()), nullable=True))
    op.create_index("ix_detections_plate_folded", "detections", ["plate_folded", "plate"])


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        keys = _set_aside()
        op.execute("CREATE TABLE detections (LIKE detections_before INCLUDING DEFAULTS)")
        op.execute("ALTER TABLE detections DROP COLUMN plate_folded, ADD CONSTRAINT detections_pkey PRIMARY KEY (id)")
        _take_over(keys)
        return
    op.drop_index("ix_detections_plate_folded", "detections")
    op.drop_column("detections", "plate_folded")


def _to_partitions() -> None:
    """The key of the partitions is the id, which is time-ordered: the table's key and all that refer to it stay."""
    keys = _set_aside()
    op.execute(
        "CREATE TABLE detections (LIKE detections_before INCLUDING DEFAULTS, "
        f'plate_folded varchar(16) COLLATE "C" GENERATED ALWAYS AS ({_folded()}) STORED) PARTITION BY RANGE (id)'
    )
    op.execute("ALTER TABLE detections ADD CONSTRAINT detections_pkey PRIMARY KEY (id)")
    op.execute("CREATE TABLE detections_default PARTITION OF detections DEFAULT")
    for day in _days():
        bounds = f"FROM ('{_least(day)}') TO ('{_least(day + timedelta(days=1))}')"
        op.execute(f"CREATE TABLE detections_p{day:%Y%m%d} PARTITION OF detections FOR VALUES {bounds}")
    _take_over(keys)
    op.execute(f"CREATE INDEX ix_detections_plate_folded ON detections ({FOLDED_INDEX})")


def _set_aside() -> list[tuple[str, str, str]]:
    """The old table under another name, without indexes and without what refers to it: (table, name, definition)."""
    bind = op.get_bind()
    asked = (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype = 'f' AND confrelid = 'detections'::regclass AND conparentid = 0"
    )
    keys = [(str(row[0]), str(row[1]), str(row[2])) for row in bind.execute(sa.text(asked))]
    for table, name, _ in keys:
        op.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    asked = "SELECT indexname FROM pg_indexes WHERE tablename = 'detections' AND indexname <> 'detections_pkey'"
    for (name,) in bind.execute(sa.text(asked)).all():
        op.execute(f'DROP INDEX "{name}"')
    op.execute("ALTER TABLE detections DROP CONSTRAINT detections_pkey")
    op.execute("ALTER TABLE detections RENAME TO detections_before")
    return keys


def _take_over(keys: list[tuple[str, str, str]]) -> None:
    """Rows, indexes and foreign keys of the old table for the new one; the old one goes."""
    asked = "SELECT column_name FROM information_schema.columns WHERE table_name = 'detections_before'"
    found = op.get_bind().execute(sa.text(asked + " AND table_schema = current_schema() AND is_generated = 'NEVER'"))
    columns = ", ".join(f'"{row[0]}"' for row in found)
    op.execute(f"INSERT INTO detections ({columns}) SELECT {columns} FROM detections_before")
    op.execute("DROP TABLE detections_before")
    for name, on in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON detections ({on})")
    for table, name, definition in keys:
        op.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')


def _days() -> list[datetime]:
    """From the day of the oldest row to some days ahead."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    last = today + AHEAD
    asked = sa.text("SELECT min(id) FROM detections_before WHERE id >= :first AND id < :last")
    oldest = op.get_bind().execute(asked, {"first": _least(FIRST), "last": _least(last)}).scalar()
    first = today
    if oldest is not None:
        made = datetime.fromtimestamp(int(oldest[:12], 16) / 1000, UTC)
        first = min(today, made.replace(hour=0, minute=0, second=0, microsecond=0))
    return [first + timedelta(days=number) for number in range((last - first).days)]


def _least(at: datetime) -> str:
    return f"{int(at.timestamp() * 1000):012x}" + 20 * "0"


def _trigrams() -> None:
    """An extension that is trusted: whoever may create in the database may install it. All works without, but patterns
    with nothing literal at their ends (*1D2*) look at every plate."""
    bind = op.get_bind()
    if not bind.execute(sa.text("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")).scalar():
        log.warning(
            "PostgreSQL has no pg_trgm (package postgresql-contrib). Later: CREATE EXTENSION pg_trgm; %s", TRIGRAMS
        )
        return
    try:
        with bind.begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            op.execute(TRIGRAMS)
    except DBAPIError as error:
        why = str(error.orig).splitlines()[0]
        log.warning("pg_trgm was not installed (%s). As a superuser: CREATE EXTENSION pg_trgm; %s", why, TRIGRAMS)
