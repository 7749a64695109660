"""reads of other systems"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("detections", sa.Column("source", sa.String(length=32), nullable=True))
    op.create_table(
        "camera_aliases",
        sa.Column("alias", sa.String(length=128), nullable=False),
        sa.Column("camera_id", sa.String(length=63), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("alias"),
    )
    op.create_index("ix_camera_aliases_camera_id", "camera_aliases", ["camera_id"])
    op.create_table(
        "received_reads",
        sa.Column("camera_id", sa.String(length=63), nullable=False),
        sa.Column("external_id", sa.String(length=128), nullable=False),
        sa.Column("detection_id", sa.String(length=32), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["detection_id"], ["detections.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("camera_id", "external_id"),
    )
    op.create_index("ix_received_reads_detection_id", "received_reads", ["detection_id"])


def downgrade() -> None:
    op.drop_table("received_reads")
    op.drop_table("camera_aliases")
    op.drop_column("detections", "source")
