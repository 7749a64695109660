"""API keys, sessions, sign-in by OIDC"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _users()
    op.add_column("signing_keys", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    _sessions()
    _api_keys()
    op.create_table(
        "sign_in_tries",
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("strikes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_sign_in_tries_since", "sign_in_tries", ["since"])


def _users() -> None:
    op.add_column("users", sa.Column("full_name", sa.String(length=120), nullable=True))
    op.add_column("users", sa.Column("sign_in", sa.String(length=16), nullable=False, server_default="password"))
    op.add_column("users", sa.Column("oidc_issuer", sa.String(length=255), nullable=True))
    op.add_column("users", sa.Column("oidc_subject", sa.String(length=255), nullable=True))
    op.add_column("users", sa.Column("revision", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.add_column("users", sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("active_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ux_users_oidc", "users", ["oidc_issuer", "oidc_subject"], unique=True)
    # Nobody is locked out for what was not counted before.
    op.execute("UPDATE users SET active_at = CURRENT_TIMESTAMP")


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_sessions_user", "sessions", ["user_id", "network"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    # Who is signed in stays signed in.
    op.execute(
        "INSERT INTO sessions (id, user_id, method, address, network, agent, created_at, seen_at, expires_at, ended_at)"
        " SELECT family, user_id, 'password', '', '', '', MIN(issued_at), MAX(issued_at), MAX(expires_at),"
        " MAX(revoked_at) FROM refresh_tokens GROUP BY family, user_id"
    )
    op.drop_column("refresh_tokens", "revoked_at")


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("all_groups", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_from", sa.String(length=64), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key_hash"),
    )
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])
    op.create_table(
        "api_key_groups",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("group_id", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key_id", "group_id"),
    )
    op.create_index("ix_api_key_groups_group_id", "api_key_groups", ["group_id"])


def downgrade() -> None:
    op.add_column("refresh_tokens", sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE refresh_tokens SET revoked_at ="
        " (SELECT ended_at FROM sessions WHERE sessions.id = refresh_tokens.family)"
    )
    for table in ("sign_in_tries", "api_key_groups", "api_keys", "sessions"):
        op.drop_table(table)
    op.drop_column("signing_keys", "expires_at")
    op.drop_index("ux_users_oidc", "users")
    for column in ("active_at", "last_login_at", "revision", "oidc_subject", "oidc_issuer", "sign_in", "full_name"):
        op.drop_column("users", column)
