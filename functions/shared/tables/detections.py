"""What was seen: passages, what frames showed of them, and what was set right."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Computed, Float, ForeignKey, Index, Integer, String, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from functions.shared.plates import fold_sql
from functions.shared.tables.base import PLATE, Table

# Trigrams, for a pattern with nothing literal at its ends; PostgreSQL's alone, and only where it has pg_trgm.
TRIGRAM_INDEX = "ix_detections_plate_trigram"


class Detection(Table):
    """One passage of one vehicle. `final` false while the vehicle may still be in sight.

    `plate` is what counts: what the readers last said (`plate_read`), or what a person said (`corrected`).
    `source`: the system that read it, null for this one.
    `plate_folded` is `plates.fold` of it, kept by the database itself.
    The hashes are of the pictures as they were stored; null where that was by an older version.
    `settled`: no frame can come any more that changes what is over, and pictures that do not stand for it are gone.
    `resumed`: seen again after its end was told; it will be told once more.

    On PostgreSQL the table is partitioned by day of `id` (`functions.shared.partitions`): ids are time-ordered, so a
    row is found in its one partition by its id alone. No passage starts later than a day after its id was made.
    """

    __tablename__ = "detections"
    __table_args__ = (
        Index("ix_detections_started", "started_at", "id"),
        Index("ix_detections_camera_started", "camera_id", "started_at", "id"),
        Index("ix_detections_plate", "plate", "started_at", "id"),
        Index("ix_detections_plate_reversed", "plate_reversed"),
        Index("ix_detections_plate_folded", "plate_folded", "plate"),
        Index("ix_detections_open", "final", "camera_id", "ended_at"),
        Index("ix_detections_camera_ended", "camera_id", "ended_at"),
        # Each frame asks what stands before its camera; the reader's sweeper asks what is not done with.
        Index(
            "ix_detections_standing", "camera_id", "ended_at",
            sqlite_where=text("stationary = 1"), postgresql_where=text("stationary"),
        ),
        Index(
            "ix_detections_unsettled", "ended_at",
            sqlite_where=text("settled = 0"), postgresql_where=text("NOT settled"),
        ),
        # Retention takes pictures away from rows that stay: it must not look at those that have none any more.
        Index(
            "ix_detections_pictured", "started_at", "id",
            sqlite_where=text("snapshot_key IS NOT NULL"), postgresql_where=text("snapshot_key IS NOT NULL"),
        ),
    )  # fmt: skip

    # What the database generates is not fetched back with each write.
    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012  as SQLAlchemy declares it

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    camera_id: Mapped[str] = mapped_column(String(63))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    final: Mapped[bool] = mapped_column(Boolean, default=False)
    vehicle_type: Mapped[str | None] = mapped_column(String(16))
    vehicle_confidence: Mapped[float | None] = mapped_column(Float)
    color: Mapped[str | None] = mapped_column(String(16))
    color_confidence: Mapped[float | None] = mapped_column(Float)
    direction: Mapped[str | None] = mapped_column(String(16))
    plate: Mapped[str | None] = mapped_column(PLATE)
    plate_reversed: Mapped[str | None] = mapped_column(PLATE)
    plate_folded: Mapped[str | None] = mapped_column(PLATE, Computed(fold_sql("plate")), deferred=True)
    plate_confidence: Mapped[float | None] = mapped_column(Float)
    plate_format: Mapped[str | None] = mapped_column(String(16))
    plate_rows: Mapped[int | None] = mapped_column(Integer)
    plate_read: Mapped[str | None] = mapped_column(PLATE)
    corrected: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    uncertain: Mapped[bool] = mapped_column(Boolean, default=False)
    candidates: Mapped[list[Any]]
    box: Mapped[list[Any] | None]
    last_box: Mapped[list[Any] | None]
    stationary: Mapped[bool] = mapped_column(Boolean, default=False)
    observation_count: Mapped[int] = mapped_column(Integer, default=0)
    best_score: Mapped[float] = mapped_column(Float, default=0.0)
    snapshot_key: Mapped[str | None] = mapped_column(String(255))
    plate_snapshot_key: Mapped[str | None] = mapped_column(String(255))
    snapshot_sha256: Mapped[str | None] = mapped_column(String(64))
    plate_snapshot_sha256: Mapped[str | None] = mapped_column(String(64))
    settled: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    resumed: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    source: Mapped[str | None] = mapped_column(String(32))
    correlation_id: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PassageObservation(Table):
    """What one frame showed of one passage; the votes of a detection are counted over its rows."""

    __tablename__ = "observations"
    __table_args__ = (Index("ix_observations_detection", "detection_id", "captured_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id", ondelete="CASCADE"))
    frame_id: Mapped[str] = mapped_column(String(100))
    captured_at: Mapped[datetime]
    vehicle_type: Mapped[str | None] = mapped_column(String(16))
    vehicle_confidence: Mapped[float | None] = mapped_column(Float)
    vehicle_box: Mapped[list[Any] | None]
    plate: Mapped[str | None] = mapped_column(String(16))
    plate_confidence: Mapped[float | None] = mapped_column(Float)
    plate_format: Mapped[str | None] = mapped_column(String(16))
    plate_box: Mapped[list[Any] | None]
    plate_rows: Mapped[int | None] = mapped_column(Integer)
    candidates: Mapped[list[Any]]
    lattice: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    color: Mapped[str | None] = mapped_column(String(16))
    color_confidence: Mapped[float | None] = mapped_column(Float)
    snapshot_key: Mapped[str | None] = mapped_column(String(255))
    plate_snapshot_key: Mapped[str | None] = mapped_column(String(255))
    snapshot_sha256: Mapped[str | None] = mapped_column(String(64))
    plate_snapshot_sha256: Mapped[str | None] = mapped_column(String(64))


class Correction(Table):
    """A plate that was set right, by a person or by a reading with another model: labelled data.

    It keeps its own picture of the plate, which outlives the detection's.
    """

    __tablename__ = "corrections"
    __table_args__ = (Index("ix_corrections_created", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    detection_id: Mapped[str] = mapped_column(String(32), index=True)
    camera_id: Mapped[str] = mapped_column(String(63))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(16))
    model: Mapped[str | None] = mapped_column(String(100))
    reason: Mapped[str | None] = mapped_column(String(500))
    plate_before: Mapped[str | None] = mapped_column(PLATE)
    plate_after: Mapped[str | None] = mapped_column(PLATE)
    plate_format: Mapped[str | None] = mapped_column(String(16))
    plate_snapshot_key: Mapped[str | None] = mapped_column(String(255))


class ProcessedFrame(Table):
    """Frames that were read, so that one delivered twice changes nothing. `seen`: what late frames' passages need."""

    __tablename__ = "processed_frames"
    __table_args__ = (Index("ix_processed_frames_camera", "camera_id", "captured_at"),)

    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    camera_id: Mapped[str] = mapped_column(String(63))
    captured_at: Mapped[datetime]
    processed_at: Mapped[datetime] = mapped_column(index=True)
    seen: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
