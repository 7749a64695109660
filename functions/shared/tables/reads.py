"""Reads that other systems send: how they name our cameras, and which of their reads are here already."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from functions.shared.tables.base import Table


class CameraAlias(Table):
    """A name by which a sender knows a camera, e.g. `1000`, or `AGENT:1000` where several agents number alike."""

    __tablename__ = "camera_aliases"

    alias: Mapped[str] = mapped_column(String(128), primary_key=True)
    camera_id: Mapped[str] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]


class ReceivedRead(Table):
    """A sender's read and the detection that it became: sent again, it changes nothing."""

    __tablename__ = "received_reads"

    camera_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    external_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id", ondelete="CASCADE"), index=True)
    received_at: Mapped[datetime]
