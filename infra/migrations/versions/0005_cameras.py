"""cameras: where they look, what they are, when they are read, how long what they saw is kept; revisions of groups"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NEW = ("heading", "vendor", "model", "tags", "schedule", "retention_days")


def upgrade() -> None:
    op.add_column("cameras", sa.Column("heading", sa.Float(), nullable=True))
    op.add_column("cameras", sa.Column("vendor", sa.String(length=80), nullable=True))
    op.add_column("cameras", sa.Column("model", sa.String(length=80), nullable=True))
    op.add_column("cameras", sa.Column("tags", sa.JSON(), nullable=True))
    op.add_column("cameras", sa.Column("schedule", sa.JSON(), nullable=True))
    op.add_column("cameras", sa.Column("retention_days", sa.Integer(), nullable=True))
    op.add_column("groups", sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
    op.create_index("ix_camera_spans_open", "camera_spans", ["ended_at"])


def downgrade() -> None:
    op.drop_index("ix_camera_spans_open", "camera_spans")
    op.drop_column("groups", "revision")
    for name in reversed(_NEW):
        op.drop_column("cameras", name)
