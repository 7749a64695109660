"""Hotlists and the alerts that they raise."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from functions.shared.tables.base import PLATE, Table

# The list that the migration makes: what it is told of are plates seen at two places that no car reaches in time.
CLONED_LIST = "cloned"
PATTERN = String(32).with_variant(String(32, collation="C"), "postgresql")


class Hotlist(Table):
    """Plates that somebody is to be told of (`watch`), or the only ones that may be seen (`allow`); `cloned` is the
    one list without entries.

    `all_groups`: its rules hold at every camera, those of no group too; else at those of `HotlistGroup`. `hours`:
    [{"days": ["mon"], "start": "22:00", "end": "06:00"}], [] for always. `tolerances`: what a fuzzy entry may be
    away, by the length of its plate. `entries_version` rises with each change of entries, `revision` with each change
    of the list itself. A name is given once among lists that its maker sees, and may be so again elsewhere.
    """

    __tablename__ = "hotlists"
    __table_args__ = (Index("ix_hotlists_name", "name", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(16))
    owner: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(String(500))
    priority: Mapped[int] = mapped_column(Integer)
    enabled: Mapped[bool] = mapped_column(Boolean)
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    hours: Mapped[list[Any]]
    all_groups: Mapped[bool] = mapped_column(Boolean)
    directions: Mapped[list[Any]]
    twins: Mapped[bool] = mapped_column(Boolean)
    tolerances: Mapped[dict[str, Any]]
    escalate_after_min: Mapped[int | None] = mapped_column(Integer)
    emails: Mapped[list[Any]]
    escalation_emails: Mapped[list[Any]]
    hook_encrypted: Mapped[str | None] = mapped_column(Text)
    entries: Mapped[int] = mapped_column(Integer, default=0)
    entries_version: Mapped[int] = mapped_column(Integer, default=0)
    revision: Mapped[int] = mapped_column(Integer, default=1)
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class HotlistGroup(Table):
    """A group of cameras at which a list counts. A list whose last group goes counts nowhere."""

    __tablename__ = "hotlist_groups"

    hotlist_id: Mapped[str] = mapped_column(ForeignKey("hotlists.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[str] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True, index=True)


class HotlistEntry(Table):
    """A plate or a pattern of a list. `version`: the list's `entries_version` that changed it last; one that was taken
    out stays, `removed`, until those who hold the list in memory have surely heard of it."""

    __tablename__ = "hotlist_entries"
    __table_args__ = (
        UniqueConstraint("hotlist_id", "pattern", name="uq_hotlist_entries_pattern"),
        Index("ix_hotlist_entries_version", "hotlist_id", "version"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    hotlist_id: Mapped[str] = mapped_column(ForeignKey("hotlists.id", ondelete="CASCADE"))
    pattern: Mapped[str] = mapped_column(PATTERN)
    match: Mapped[str] = mapped_column(String(8))
    tolerance: Mapped[float | None] = mapped_column(Float)
    note: Mapped[str | None] = mapped_column(String(500))
    valid_until: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(Integer)
    removed: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Alert(Table):
    """What a list was told of, once a passage. `state`: open, acknowledged, or withdrawn (the passage was none, or its
    plate is another by now); one that was acknowledged before it was withdrawn keeps its state.

    List, reason, entry and plate are kept as they were: lists change. `escalate_at` is null once nothing is to be
    escalated any more.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("hotlist_id", "detection_id", name="uq_alerts_passage"),
        Index("ix_alerts_state", "state", "id"),
        Index("ix_alerts_camera", "camera_id", "id"),
        Index("ix_alerts_plate", "plate", "id"),
        Index("ix_alerts_detection", "detection_id"),
        Index("ix_alerts_other", "other_detection_id"),
        Index("ix_alerts_escalate", "escalate_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    hotlist_id: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(16))
    list_name: Mapped[str] = mapped_column(String(120))
    priority: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(String(500))
    camera_id: Mapped[str] = mapped_column(String(63))
    detection_id: Mapped[str] = mapped_column(String(32))
    other_detection_id: Mapped[str | None] = mapped_column(String(32))
    other_camera_id: Mapped[str | None] = mapped_column(String(63))
    seen_at: Mapped[datetime]
    plate: Mapped[str] = mapped_column(PLATE)
    plate_confidence: Mapped[float | None] = mapped_column(Float)
    uncertain: Mapped[bool] = mapped_column(Boolean)
    entry: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    details: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))
    raised_at: Mapped[datetime]
    escalate_at: Mapped[datetime | None]
    escalated_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(String(64))
    outcome: Mapped[str | None] = mapped_column(String(16))
    note: Mapped[str | None] = mapped_column(String(2000))
    withdrawn_at: Mapped[datetime | None]
    withdrawn_reason: Mapped[str | None] = mapped_column(String(500))
    correlation_id: Mapped[str] = mapped_column(String(64))


class AlertNotification(Table):
    """One message to one receiver about an alert. `target`: an address, or the host of a hook, never its secret.

    `due_at` null: nothing is to be done any more. While a process sends it, `due_at` lies ahead: another takes it up
    should that one die.
    """

    __tablename__ = "alert_notifications"
    __table_args__ = (
        Index("ix_alert_notifications_alert", "alert_id", "id"),
        Index("ix_alert_notifications_due", "due_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(String(16))
    channel: Mapped[str] = mapped_column(String(8))
    target: Mapped[str] = mapped_column(String(320))
    status: Mapped[str] = mapped_column(String(8))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
