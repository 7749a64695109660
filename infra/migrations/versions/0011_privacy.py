"""retention, legal holds, erasure, bulk look-ups; the audit log can only be added to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = (
    "audit_checkpoints", "retention_rules", "legal_holds", "retention_runs", "doomed_images", "lookup_counts", "leases",
    "standing_alarms",
)  # fmt: skip
PLATE = sa.String(length=16).with_variant(sa.String(length=16, collation="C"), "postgresql")
SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)

# Rows up to the newest checkpoint may go, since their last hash is kept under a seal there; no other, and no change.
_SQLITE = (
    """CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log can only be added to'); END""",
    """CREATE TRIGGER audit_undeleted BEFORE DELETE ON audit
    WHEN OLD.seq > (SELECT COALESCE(MAX(seq), 0) FROM audit_checkpoints)
    BEGIN SELECT RAISE(ABORT, 'the audit log can only be added to'); END""",
    """CREATE TRIGGER audit_head_undeleted BEFORE DELETE ON audit_head
    BEGIN SELECT RAISE(ABORT, 'the audit log has one head'); END""",
    """CREATE TRIGGER audit_head_forward BEFORE UPDATE ON audit_head WHEN NEW.seq < OLD.seq OR NEW.id <> OLD.id
    BEGIN SELECT RAISE(ABORT, 'the audit log cannot be shortened'); END""",
    """CREATE TRIGGER audit_checkpoints_undeleted BEFORE DELETE ON audit_checkpoints
    BEGIN SELECT RAISE(ABORT, 'checkpoints of the audit log are kept'); END""",
    """CREATE TRIGGER audit_checkpoints_unchanged BEFORE UPDATE ON audit_checkpoints
    WHEN NEW.seq <> OLD.seq OR NEW.hash <> OLD.hash OR NEW.previous_seq <> OLD.previous_seq
    BEGIN SELECT RAISE(ABORT, 'checkpoints of the audit log are kept'); END""",
)
_POSTGRESQL = (
    """CREATE FUNCTION gtv_audit_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND OLD.seq <= (SELECT COALESCE(MAX(seq), 0) FROM audit_checkpoints) THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'the audit log can only be added to';
    END $$""",
    "CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION gtv_audit_kept()",
    """CREATE FUNCTION gtv_audit_whole() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the audit log can only be added to'; END $$""",
    "CREATE TRIGGER audit_whole BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION gtv_audit_whole()",
    """CREATE TRIGGER audit_checkpoints_whole BEFORE DELETE OR TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION gtv_audit_whole()""",
    """CREATE TRIGGER audit_head_whole BEFORE DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION gtv_audit_whole()""",
    """CREATE TRIGGER audit_head_forward BEFORE UPDATE ON audit_head FOR EACH ROW
    WHEN (NEW.seq < OLD.seq OR NEW.id <> OLD.id) EXECUTE FUNCTION gtv_audit_whole()""",
    """CREATE TRIGGER audit_checkpoints_unchanged BEFORE UPDATE ON audit_checkpoints FOR EACH ROW
    WHEN (NEW.seq <> OLD.seq OR NEW.hash <> OLD.hash OR NEW.previous_seq <> OLD.previous_seq)
    EXECUTE FUNCTION gtv_audit_whole()""",
)


def upgrade() -> None:
    op.create_table(
        "audit_checkpoints",
        sa.Column("seq", SEQ, nullable=False, autoincrement=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("previous_seq", sa.BigInteger(), nullable=False),
        sa.Column("archive_key", sa.String(length=255), nullable=True),
        sa.Column("archive_sha256", sa.String(length=64), nullable=True),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "retention_rules",
        sa.Column("class_name", sa.String(length=32), nullable=False),
        sa.Column("group_id", sa.String(length=63), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("updated_by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("class_name", "group_id"),
    )
    _holds()
    _runs()
    op.create_index("ix_audit_subject", "audit", ["subject", "seq"])
    pictured = sa.text("snapshot_key IS NOT NULL")
    op.create_index(
        "ix_detections_pictured", "detections", ["started_at", "id"], sqlite_where=pictured, postgresql_where=pictured
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def _holds() -> None:
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("case_number", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("plate", PLATE, nullable=True),
        sa.Column("twin", PLATE, nullable=True),
        sa.Column("camera_id", sa.String(length=63), nullable=True),
        sa.Column("detection_id", sa.String(length=32), nullable=True),
        sa.Column("seen_from", TIME, nullable=True),
        sa.Column("seen_to", TIME, nullable=True),
        sa.Column("until", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("released_at", TIME, nullable=True),
        sa.Column("released_by", sa.String(length=128), nullable=True),
        sa.Column("release_reason", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_legal_holds_created", "legal_holds", ["created_at", "id"])


def _runs() -> None:
    op.create_table(
        "retention_runs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("started_by", sa.String(length=128), nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_retention_runs_started", "retention_runs", ["started_at", "id"])
    op.create_table(
        "doomed_images",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("class_name", sa.String(length=32), nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=True),
        sa.Column("doomed_at", TIME, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_doomed_images_order", "doomed_images", ["doomed_at", "key"])
    op.create_table(
        "lookup_counts",
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("bucket", TIME, nullable=False),
        sa.Column("username", sa.String(length=128), nullable=False),
        sa.Column("lookups", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "bucket"),
    )
    op.create_index("ix_lookup_counts_bucket", "lookup_counts", ["bucket"])
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("holder", sa.String(length=100), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "standing_alarms",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("raised_at", TIME, nullable=False),
        sa.Column("details", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in ("audit_unchanged", "audit_undeleted", "audit_head_undeleted", "audit_head_forward"):
            op.execute(f"DROP TRIGGER {name}")
    else:
        for name, table in (("audit_kept", "audit"), ("audit_whole", "audit"), ("audit_head_whole", "audit_head"),
                            ("audit_head_forward", "audit_head")):  # fmt: skip
            op.execute(f"DROP TRIGGER {name} ON {table}")
    op.drop_index("ix_audit_subject", table_name="audit")
    op.drop_index("ix_detections_pictured", table_name="detections")
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION gtv_audit_kept()")
        op.execute("DROP FUNCTION gtv_audit_whole()")
