"""hotlists: names need not be unique among people who do not see each other's lists"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op
from alembic.operations.base import BatchOperations

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_CHILDREN = ("hotlist_groups", "hotlist_entries")
_NAMING = {"uq": "uq_%(table_name)s_%(column_0_name)s"}
_UNIQUE = "uq_hotlists_name"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _made_anew(lambda table: table.drop_constraint(_UNIQUE, type_="unique"))
    else:
        op.drop_constraint("hotlists_name_key", "hotlists", type_="unique")
    op.create_index("ix_hotlists_name", "hotlists", ["name", "id"])


def downgrade() -> None:
    op.drop_index("ix_hotlists_name", table_name="hotlists")
    # All but the oldest of a name are told apart by their ids.
    op.execute(
        "UPDATE hotlists SET name = substr(name, 1, 80) || ' (' || id || ')' WHERE EXISTS "
        "(SELECT 1 FROM hotlists AS other WHERE other.name = hotlists.name AND other.id < hotlists.id)"
    )
    if op.get_bind().dialect.name == "sqlite":
        _made_anew(lambda table: table.create_unique_constraint(_UNIQUE, ["name"]))
    else:
        op.create_unique_constraint("hotlists_name_key", "hotlists", ["name"])


def _made_anew(change: Callable[[BatchOperations], None]) -> None:
    """SQLite changes no constraint: the table is copied and dropped, and with each row that is dropped those that
    refer to it would go. They are put aside meanwhile."""
    for name in _CHILDREN:
        op.execute(sa.text(f"CREATE TEMPORARY TABLE kept_{name} AS SELECT * FROM {name}"))
    with op.batch_alter_table("hotlists", naming_convention=_NAMING) as table:
        change(table)
    for name in _CHILDREN:
        op.execute(sa.text(f"INSERT INTO {name} SELECT * FROM kept_{name} WHERE true"))
        op.execute(sa.text(f"DROP TABLE kept_{name}"))
