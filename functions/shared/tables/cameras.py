"""The register of cameras."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Float, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from functions.shared.tables.base import Table


class Group(Table):
    """Cameras that belong together. `plate_formats`: the formats that plates there may have, likeliest first."""

    __tablename__ = "groups"

    id: Mapped[str] = mapped_column(String(63), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    plate_formats: Mapped[list[Any]]
    revision: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Camera(Table):
    """`regions` and `ignore_zones` are polygons, lists of [x, y] in parts of the picture's width and height.

    `heading`: where it looks, degrees clockwise from north. `schedule`: the hours in which it is read, a list of
    `functions.shared.hours.Hours`, null: always. `retention_days` null: as long as the platform's rule says.
    """

    __tablename__ = "cameras"

    id: Mapped[str] = mapped_column(String(63), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    url_encrypted: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    group_id: Mapped[str | None] = mapped_column(String(63), index=True)
    location: Mapped[str | None] = mapped_column(String(200))
    latitude: Mapped[float | None] = mapped_column(Float)
    longitude: Mapped[float | None] = mapped_column(Float)
    heading: Mapped[float | None] = mapped_column(Float)
    vendor: Mapped[str | None] = mapped_column(String(80))
    model: Mapped[str | None] = mapped_column(String(80))
    tags: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    sample_fps: Mapped[float] = mapped_column(Float, default=1.0)
    motion_gate: Mapped[bool] = mapped_column(Boolean, default=True)
    motion_threshold: Mapped[float] = mapped_column(Float, default=0.0005)
    jpeg_quality: Mapped[int | None] = mapped_column(Integer)
    max_side: Mapped[int | None] = mapped_column(Integer)
    min_confidence: Mapped[float | None] = mapped_column(Float)
    min_plate_height: Mapped[int | None] = mapped_column(Integer)
    regions: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    ignore_zones: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    schedule: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    retention_days: Mapped[int | None] = mapped_column(Integer)
    notes: Mapped[str | None] = mapped_column(Text)
    view_epoch: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    revision: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class CameraSpan(Table):
    """How a camera fared over a span of time; `ended_at` null while it lasts. Spans of one camera do not overlap.

    What is not covered by a span of state `online` or `degraded` is time in which the camera was blind.
    """

    __tablename__ = "camera_spans"
    __table_args__ = (
        Index("ix_camera_spans_camera", "camera_id", "started_at"),
        Index("ix_camera_spans_open", "ended_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    camera_id: Mapped[str] = mapped_column(String(63))
    state: Mapped[str] = mapped_column(String(16))
    reason_code: Mapped[str] = mapped_column(String(32), default="")
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
