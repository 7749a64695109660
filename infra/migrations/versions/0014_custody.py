"""hashes of pictures as they were stored; passages that are not settled yet"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

HASHES = ("snapshot_sha256", "plate_snapshot_sha256")


def upgrade() -> None:
    for table in ("detections", "observations"):
        for name in HASHES:
            op.add_column(table, sa.Column(name, sa.String(length=64), nullable=True))
    op.add_column("detections", sa.Column("settled", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("detections", sa.Column("resumed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(sa.text("UPDATE detections SET settled = false WHERE NOT final"))
    op.create_index(
        "ix_detections_standing", "detections", ["camera_id", "ended_at"],
        sqlite_where=sa.text("stationary = 1"), postgresql_where=sa.text("stationary"),
    )  # fmt: skip
    op.create_index(
        "ix_detections_unsettled", "detections", ["ended_at"],
        sqlite_where=sa.text("settled = 0"), postgresql_where=sa.text("NOT settled"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_detections_unsettled", table_name="detections")
    op.drop_index("ix_detections_standing", table_name="detections")
    for name in ("resumed", "settled", *HASHES):
        op.drop_column("detections", name)
    for name in HASHES:
        op.drop_column("observations", name)
