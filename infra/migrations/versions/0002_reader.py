"""groups, regions, colour, lattices, corrections"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PLATE = sa.String(length=16).with_variant(sa.String(length=16, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "groups",
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("plate_formats", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "corrections",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("detection_id", sa.String(length=32), nullable=False),
        sa.Column("camera_id", sa.String(length=63), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("plate_before", PLATE, nullable=True),
        sa.Column("plate_after", PLATE, nullable=True),
        sa.Column("plate_format", sa.String(length=16), nullable=True),
        sa.Column("plate_snapshot_key", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_corrections_created", "corrections", ["created_at", "id"])
    op.create_index("ix_corrections_detection_id", "corrections", ["detection_id"])
    op.add_column("cameras", sa.Column("min_plate_height", sa.Integer(), nullable=True))
    op.add_column("cameras", sa.Column("regions", sa.JSON(), nullable=True))
    op.add_column("cameras", sa.Column("ignore_zones", sa.JSON(), nullable=True))
    op.add_column("detections", sa.Column("color_confidence", sa.Float(), nullable=True))
    op.add_column("detections", sa.Column("plate_rows", sa.Integer(), nullable=True))
    op.add_column("detections", sa.Column("plate_read", PLATE, nullable=True))
    op.add_column("detections", sa.Column("corrected", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("observations", sa.Column("plate_rows", sa.Integer(), nullable=True))
    op.add_column("observations", sa.Column("lattice", sa.JSON(), nullable=True))
    op.add_column("observations", sa.Column("color", sa.String(length=16), nullable=True))
    op.add_column("observations", sa.Column("color_confidence", sa.Float(), nullable=True))
    op.add_column("processed_frames", sa.Column("seen", sa.JSON(), nullable=True))
    op.execute("UPDATE detections SET plate_read = plate")
    # What cameras of the first version named as their group becomes a group.
    op.execute(
        "INSERT INTO groups (id, name, plate_formats, created_at, updated_at) "
        'SELECT group_id, group_id, \'["br_old", "br_mercosul"]\', min(created_at), max(updated_at) '
        "FROM cameras WHERE group_id IS NOT NULL GROUP BY group_id"
    )


def downgrade() -> None:
    op.drop_column("processed_frames", "seen")
    for column in ("color_confidence", "color", "lattice", "plate_rows"):
        op.drop_column("observations", column)
    for column in ("corrected", "plate_read", "plate_rows", "color_confidence"):
        op.drop_column("detections", column)
    for column in ("ignore_zones", "regions", "min_plate_height"):
        op.drop_column("cameras", column)
    op.drop_table("corrections")
    op.drop_table("groups")
