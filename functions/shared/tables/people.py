"""Who may ask: users and their groups, their sessions and API keys, the keys that sign tokens, tries to sign in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, text, true
from sqlalchemy.orm import Mapped, mapped_column

from functions.shared.tables.base import Table


class User(Table):
    """`all_groups`: sees every camera, those of no group too; else only the groups of `UserGroup`.

    `sign_in` is how: "password", "oidc", or "keys" (a machine's account, by API keys alone). Without a password
    `password_hash` is "!", which no password matches. `active_at` is the last sign-in, renewal or use of a key.
    """

    __tablename__ = "users"
    __table_args__ = (Index("ux_users_oidc", "oidc_issuer", "oidc_subject", unique=True),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    full_name: Mapped[str | None] = mapped_column(String(120))
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(16))
    disabled: Mapped[bool] = mapped_column(Boolean, default=False)
    all_groups: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    sign_in: Mapped[str] = mapped_column(String(16), default="password", server_default="password")
    oidc_issuer: Mapped[str | None] = mapped_column(String(255))
    oidc_subject: Mapped[str | None] = mapped_column(String(255))
    revision: Mapped[int] = mapped_column(Integer, default=1, server_default=text("1"))
    created_at: Mapped[datetime]
    last_login_at: Mapped[datetime | None]
    active_at: Mapped[datetime | None]


class SigningKey(Table):
    """An RS256 key pair; the private half is a Fernet token. `retired_at` set: verifies, signs no more.

    `expires_at`: when the longest token that it signed is over, and it verifies no more; null while it signs.
    """

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(43), primary_key=True)
    private_encrypted: Mapped[str] = mapped_column(Text)
    public_jwk: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class UserSession(Table):
    """One sign-in and all tokens that came of it. `ended_at` set: none of them holds any more.

    `expires_at` is the end of its newest refresh token, `network` what `throttle.network_of` makes of the address.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_user", "user_id", "network"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    method: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(64))
    network: Mapped[str] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]


class RefreshToken(Table):
    """One row a refresh token; `family` is its session. A token used twice ends its session."""

    __tablename__ = "refresh_tokens"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    family: Mapped[str] = mapped_column(String(32), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class UserGroup(Table):
    """A group of cameras that a user without `all_groups` may see."""

    __tablename__ = "user_groups"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[str] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True, index=True)


class ApiKey(Table):
    """What a machine signs in by, as the user `user_id` and never more. `key_hash` is SHA-256 (hex) of the whole key,
    which is 256 random bits: no salt and no slow hash is needed. `prefix` is what people know it by."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    prefix: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    permissions: Mapped[list[Any]]
    all_groups: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    last_used_from: Mapped[str | None] = mapped_column(String(64))
    revoked_at: Mapped[datetime | None]


class ApiKeyGroup(Table):
    """A group of cameras that a key without `all_groups` may see, where its user may."""

    __tablename__ = "api_key_groups"

    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[str] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True, index=True)


class SignInTry(Table):
    """Failed sign-ins of one kind and origin (`functions.auth.throttle`). `key` is a keyed hash: people type passwords
    where names belong. `strikes`: how many windows in a row were used up."""

    __tablename__ = "sign_in_tries"

    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    since: Mapped[datetime] = mapped_column(index=True)
    last_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(Integer)
    strikes: Mapped[int] = mapped_column(Integer)
