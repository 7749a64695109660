"""The shape of memory: every table, once. Queries live in the rooms' `repository.py`.

Times are UTC. Ids of rows that people meet are time-ordered hex (`contracts.new_id`), so that an index on time
and the key agree and a keyset cursor is cheap.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Float, ForeignKey, Index, Integer, String, Text, false
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class Utc(TypeDecorator[datetime]):
    """A time in UTC. SQLite keeps no zone: it is cut off on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone must not be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Plates are ranged over (prefix search), so PostgreSQL must order them by code point, as SQLite does.
PLATE = String(16).with_variant(String(16, collation="C"), "postgresql")


class Table(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Utc, dict[str, Any]: JSON, list[Any]: JSON}


class User(Table):
    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(16))
    disabled: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime]


class SigningKey(Table):
    """An RS256 key pair; the private half is a Fernet token. `retired_at` set: verifies, signs no more."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(43), primary_key=True)
    private_encrypted: Mapped[str] = mapped_column(Text)
    public_jwk: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class RefreshToken(Table):
    """One row a refresh token; a token used twice ends its whole family."""

    __tablename__ = "refresh_tokens"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    family: Mapped[str] = mapped_column(String(32), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Group(Table):
    """Cameras that belong together. `plate_formats`: the formats that plates there may have, likeliest first."""

    __tablename__ = "groups"

    id: Mapped[str] = mapped_column(String(63), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    plate_formats: Mapped[list[Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Camera(Table):
    """`regions` and `ignore_zones` are polygons, lists of [x, y] in parts of the picture's width and height."""

    __tablename__ = "cameras"

    id: Mapped[str] = mapped_column(String(63), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    url_encrypted: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    group_id: Mapped[str | None] = mapped_column(String(63), index=True)
    location: Mapped[str | None] = mapped_column(String(200))
    latitude: Mapped[float | None] = mapped_column(Float)
    longitude: Mapped[float | None] = mapped_column(Float)
    sample_fps: Mapped[float] = mapped_column(Float, default=1.0)
    motion_gate: Mapped[bool] = mapped_column(Boolean, default=True)
    motion_threshold: Mapped[float] = mapped_column(Float, default=0.0005)
    jpeg_quality: Mapped[int | None] = mapped_column(Integer)
    max_side: Mapped[int | None] = mapped_column(Integer)
    min_confidence: Mapped[float | None] = mapped_column(Float)
    min_plate_height: Mapped[int | None] = mapped_column(Integer)
    regions: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    ignore_zones: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    notes: Mapped[str | None] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class Detection(Table):
    """One passage of one vehicle. `final` false while the vehicle may still be in sight.

    `plate` is what counts: what the readers last said (`plate_read`), or what a person said (`corrected`).
    """

    __tablename__ = "detections"
    __table_args__ = (
        Index("ix_detections_started", "started_at", "id"),
        Index("ix_detections_camera_started", "camera_id", "started_at", "id"),
        Index("ix_detections_plate", "plate", "started_at", "id"),
        Index("ix_detections_plate_reversed", "plate_reversed"),
        Index("ix_detections_open", "final", "camera_id", "ended_at"),
        Index("ix_detections_camera_ended", "camera_id", "ended_at"),
    )

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


class OutboxMessage(Table):
    """A message that the transaction of its cause wrote; the relay publishes it, then sets `published_at`."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_waiting", "published_at", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    message_id: Mapped[str] = mapped_column(String(100), unique=True)
    subject: Mapped[str] = mapped_column(String(200))
    headers: Mapped[dict[str, Any]]
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]


class IdempotencyKey(Table):
    """The answer that a POST with this key got: the same key with the same body gets it again."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    owner: Mapped[str] = mapped_column(String(32), primary_key=True)
    route: Mapped[str] = mapped_column(String(100), primary_key=True)
    body_sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(Integer)
    response: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(index=True)
