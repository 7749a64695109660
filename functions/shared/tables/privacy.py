"""How long things are kept, what must not go, what went: retention, legal holds, runs, and counts of look-ups."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from functions.shared.tables.base import PLATE, Table


class RetentionRule(Table):
    """Days that a class of data is kept; `group_id` "" is the whole platform, else cameras of that group."""

    __tablename__ = "retention_rules"

    class_name: Mapped[str] = mapped_column(String(32), primary_key=True)
    group_id: Mapped[str] = mapped_column(String(63), primary_key=True, default="")
    days: Mapped[int] = mapped_column(Integer)
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(String(128))


class LegalHold(Table):
    """What must not be deleted: passages that meet every criterion that is given, at least one.

    `twin` is the plate in Brazil's other numbering. In force until `until` (None: until it is released).
    """

    __tablename__ = "legal_holds"
    __table_args__ = (Index("ix_legal_holds_created", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    case_number: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(String(500))
    plate: Mapped[str | None] = mapped_column(PLATE)
    twin: Mapped[str | None] = mapped_column(PLATE)
    camera_id: Mapped[str | None] = mapped_column(String(63))
    detection_id: Mapped[str | None] = mapped_column(String(32))
    seen_from: Mapped[datetime | None]
    seen_to: Mapped[datetime | None]
    until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(128))
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None] = mapped_column(String(128))
    release_reason: Mapped[str | None] = mapped_column(String(500))


class RetentionRun(Table):
    """One run of what deletes or looks for what is left over, and its report."""

    __tablename__ = "retention_runs"
    __table_args__ = (Index("ix_retention_runs_started", "started_at", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    dry_run: Mapped[bool] = mapped_column(Boolean, default=False)
    state: Mapped[str] = mapped_column(String(16))
    started_at: Mapped[datetime]
    started_by: Mapped[str] = mapped_column(String(128))
    ended_at: Mapped[datetime | None]
    report: Mapped[dict[str, Any]]
    message: Mapped[str | None] = mapped_column(String(500))


class DoomedImage(Table):
    """A picture that no row refers to any more and that is to be deleted from the store.

    Written in the transaction that takes its row away, so that a crash between the two leaves no picture unknown.
    """

    __tablename__ = "doomed_images"
    __table_args__ = (Index("ix_doomed_images_order", "doomed_at", "key"),)

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    class_name: Mapped[str] = mapped_column(String(32))
    run_id: Mapped[str | None] = mapped_column(String(32))
    doomed_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(Integer, default=0)


class LookupCount(Table):
    """How much one person looked up in a span of five minutes from `bucket` on; written with the audit row."""

    __tablename__ = "lookup_counts"

    user_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    bucket: Mapped[datetime] = mapped_column(primary_key=True, index=True)
    username: Mapped[str] = mapped_column(String(128))
    lookups: Mapped[int] = mapped_column(Integer, default=0)


class Lease(Table):
    """Work that one process at a time does: `holder` may until `until`, then anybody."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    holder: Mapped[str] = mapped_column(String(100))
    until: Mapped[datetime]


class StandingAlarm(Table):
    """A state that was told of once, when it began, and is not told of again while it lasts."""

    __tablename__ = "standing_alarms"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    raised_at: Mapped[datetime]
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
