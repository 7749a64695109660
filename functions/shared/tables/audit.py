"""Who did what: an append-only log whose rows are chained by their hashes (`functions.shared.audit`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from functions.shared.tables.base import Table


class AuditRow(Table):
    """One act. `hash` is SHA-256 over the row's facts and the hash of the row before it (`previous`)."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_at", "at"),
        Index("ix_audit_actor", "actor_id", "seq"),
        Index("ix_audit_action", "action", "seq"),
        Index("ix_audit_subject", "subject", "seq"),
    )

    seq: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    at: Mapped[datetime]
    actor_id: Mapped[str | None] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(128))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str | None] = mapped_column(String(500))
    details: Mapped[dict[str, Any]]
    correlation_id: Mapped[str | None] = mapped_column(String(64))
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditHead(Table):
    """The one row that says where the log ends. `seal` is keyed (Vault): who can only write the database cannot
    cut the log's end off, or write it anew from the start, without being found out."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))
    seal: Mapped[str] = mapped_column(String(64))


class AuditCheckpoint(Table):
    """Where the log begins since retention cut its older rows off: `seq` and `hash` of the last row that went.

    `seal` is keyed. Rows up to the newest checkpoint are the only ones that the database lets anybody delete.
    """

    __tablename__ = "audit_checkpoints"

    seq: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    hash: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    rows: Mapped[int] = mapped_column(BigInteger)
    made_at: Mapped[datetime]
    previous_seq: Mapped[int] = mapped_column(BigInteger)
    archive_key: Mapped[str | None] = mapped_column(String(255))
    archive_sha256: Mapped[str | None] = mapped_column(String(64))
    seal: Mapped[str] = mapped_column(String(64))
