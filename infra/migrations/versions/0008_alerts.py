"""hotlists and alerts"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PLATE = sa.String(length=16).with_variant(sa.String(length=16, collation="C"), "postgresql")
PATTERN = sa.String(length=32).with_variant(sa.String(length=32, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "hotlists",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.Column("all_groups", sa.Boolean(), nullable=False),
        sa.Column("directions", sa.JSON(), nullable=False),
        sa.Column("twins", sa.Boolean(), nullable=False),
        sa.Column("tolerances", sa.JSON(), nullable=False),
        sa.Column("escalate_after_min", sa.Integer(), nullable=True),
        sa.Column("emails", sa.JSON(), nullable=False),
        sa.Column("escalation_emails", sa.JSON(), nullable=False),
        sa.Column("hook_encrypted", sa.Text(), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("entries_version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.execute(
        "INSERT INTO hotlists (id, name, kind, owner, reason, priority, enabled, hours, all_groups, directions, "
        "twins, tolerances, emails, escalation_emails, entries, entries_version, revision, created_by, created_at, "
        "updated_at) "
        "VALUES ('cloned', 'Cloned plates', 'cloned', '', 'One plate at two places that no car reaches in time', 80, "
        "true, '[]', true, '[]', false, '{}', '[]', '[]', 0, 0, 1, 'gt-vision', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)"
    )
    op.create_table(
        "hotlist_groups",
        sa.Column("hotlist_id", sa.String(length=32), nullable=False),
        sa.Column("group_id", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["hotlist_id"], ["hotlists.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hotlist_id", "group_id"),
    )
    op.create_index("ix_hotlist_groups_group_id", "hotlist_groups", ["group_id"])
    op.create_table(
        "hotlist_entries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("hotlist_id", sa.String(length=32), nullable=False),
        sa.Column("pattern", PATTERN, nullable=False),
        sa.Column("match", sa.String(length=8), nullable=False),
        sa.Column("tolerance", sa.Float(), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["hotlist_id"], ["hotlists.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hotlist_id", "pattern", name="uq_hotlist_entries_pattern"),
    )
    op.create_index("ix_hotlist_entries_version", "hotlist_entries", ["hotlist_id", "version"])
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("hotlist_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("list_name", sa.String(length=120), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("camera_id", sa.String(length=63), nullable=False),
        sa.Column("detection_id", sa.String(length=32), nullable=False),
        sa.Column("other_detection_id", sa.String(length=32), nullable=True),
        sa.Column("other_camera_id", sa.String(length=63), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("plate", PLATE, nullable=False),
        sa.Column("plate_confidence", sa.Float(), nullable=True),
        sa.Column("uncertain", sa.Boolean(), nullable=False),
        sa.Column("entry", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("escalate_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("note", sa.String(length=2000), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_reason", sa.String(length=500), nullable=True),
        sa.Column("correlation_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hotlist_id", "detection_id", name="uq_alerts_passage"),
    )
    op.create_index("ix_alerts_camera", "alerts", ["camera_id", "id"])
    op.create_index("ix_alerts_detection", "alerts", ["detection_id"])
    op.create_index("ix_alerts_escalate", "alerts", ["escalate_at"])
    op.create_index("ix_alerts_other", "alerts", ["other_detection_id"])
    op.create_index("ix_alerts_plate", "alerts", ["plate", "id"])
    op.create_index("ix_alerts_state", "alerts", ["state", "id"])
    op.create_table(
        "alert_notifications",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("alert_id", sa.String(length=32), nullable=False),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("target", sa.String(length=320), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_alert_notifications_alert", "alert_notifications", ["alert_id", "id"])
    op.create_index("ix_alert_notifications_due", "alert_notifications", ["due_at"])


def downgrade() -> None:
    for table in ("alert_notifications", "alerts", "hotlist_entries", "hotlist_groups", "hotlists"):
        op.drop_table(table)
