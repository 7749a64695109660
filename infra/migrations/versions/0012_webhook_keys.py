"""webhooks: the API key that each answers to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No foreign key: a key that is deleted must neither take its webhooks along nor set them free of its limits.
    op.add_column("webhooks", sa.Column("key_id", sa.String(length=32), nullable=True))


def downgrade() -> None:
    op.drop_column("webhooks", "key_id")
