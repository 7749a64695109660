"""The HTTP shapes of `cameras`. An RTSP URL goes in and never comes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, SecretStr, model_validator

from functions.cameras.fields import (
    RTSP,
    RTSP_EXAMPLE,
    Body,
    Confidence,
    Formats,
    Fps,
    Group,
    Heading,
    Hours,
    Id,
    IgnoreZones,
    Latitude,
    Location,
    Longitude,
    Name,
    Notes,
    PlateHeight,
    Polygon,
    Quality,
    Regions,
    RetentionDays,
    Schedule,
    Share,
    Side,
    Tags,
    Vendor,
)
from functions.shared.contracts import CameraStatus
from functions.shared.formats import DEFAULT
from functions.shared.never_null import NEVER_NULL
from functions.shared.shapes import Flag

State = Literal["provisioning", "online", "degraded", "offline", "disabled", "unknown"]


def _not_null(given: Any, required: tuple[str, ...]) -> Any:
    if isinstance(given, dict):
        for name in required:
            if name in given and given[name] is None:
                raise ValueError(f"{name} must not be null")
    return given


class CameraCreate(Body):
    id: Id | None = Field(None, description="lower-case letters, digits, - and _; made from the name when absent")
    name: Name
    rtsp_url: SecretStr = Field(
        description="rtsp:// or rtsps://, with user and password where the camera asks", examples=[RTSP_EXAMPLE],
        json_schema_extra=RTSP,
    )  # fmt: skip
    enabled: Flag = True
    group_id: Group | None = None
    location: Location | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    heading: Heading | None = None
    vendor: Vendor | None = None
    model: Vendor | None = None
    tags: Tags = None
    sample_fps: Fps = 1.0
    motion_gate: Flag = True
    motion_threshold: Share = Field(0.0005, description="share of the picture that must change")
    jpeg_quality: Quality | None = None
    max_side: Side | None = None
    min_confidence: Confidence | None = None
    min_plate_height: PlateHeight | None = None
    regions: Regions = None
    ignore_zones: IgnoreZones = None
    schedule: Schedule = None
    retention_days: RetentionDays | None = None
    notes: Notes | None = None


class CameraUpdate(Body):
    """What shall change; fields that are absent stay. `null` empties a field that may be empty."""

    name: Annotated[Name | None, NEVER_NULL] = None
    rtsp_url: Annotated[Annotated[SecretStr, Field(json_schema_extra=RTSP)] | None, NEVER_NULL] = None
    enabled: Annotated[Flag | None, NEVER_NULL] = None
    group_id: Group | None = None
    location: Location | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    heading: Heading | None = None
    vendor: Vendor | None = None
    model: Vendor | None = None
    tags: Tags = None
    sample_fps: Annotated[Fps | None, NEVER_NULL] = None
    motion_gate: Annotated[Flag | None, NEVER_NULL] = None
    motion_threshold: Annotated[Share | None, NEVER_NULL] = None
    jpeg_quality: Quality | None = None
    max_side: Side | None = None
    min_confidence: Confidence | None = None
    min_plate_height: PlateHeight | None = None
    regions: Regions = None
    ignore_zones: IgnoreZones = None
    schedule: Schedule = None
    retention_days: RetentionDays | None = None
    notes: Notes | None = None

    @model_validator(mode="before")
    @classmethod
    def _required_stay(cls, given: Any) -> Any:
        return _not_null(given, ("name", "rtsp_url", "enabled", "sample_fps", "motion_gate", "motion_threshold"))


class CameraQuery(Body):
    """Which cameras a list has."""

    state: State | None = None
    enabled: bool | None = None
    group_id: Group | None = None
    tag: list[str] = Field([], max_length=20, description="has all of these tags; case and accents aside")
    vendor: str | None = Field(None, max_length=80, description="of this maker; case and accents aside")
    deleted: bool = Field(False, description="those that were taken out, instead of those that are there")
    q: str | None = Field(
        None, max_length=100, description="part of name, id, place, maker, model or a tag; case and accents aside"
    )
    cursor: str | None = Field(None, max_length=100)
    limit: int = Field(50, ge=1, le=200)


class ExportQuery(Body):
    """How a CSV file shall be written."""

    separator: Literal["comma", "semicolon"] = Field(
        "comma", description="semicolon: with a decimal comma, as Excel has it in Brazil"
    )
    group_id: Group | None = None


class ImportQuery(Body):
    """What shall become of a CSV file."""

    mode: Literal["all", "valid"] = "all"
    dry_run: bool = False
    upsert: bool = Field(
        False,
        description="a line whose id is a camera that is there changes it, and needs no name and no address then: "
        "cells that are filled are set, empty ones stay as they are",
    )
    create_groups: bool = Field(False, description="make the groups that lines name and that are missing")


class ProbeRequest(Body):
    rtsp_url: SecretStr = Field(examples=[RTSP_EXAMPLE], json_schema_extra=RTSP)


class ProbeResult(BaseModel):
    """What a stream showed: size in pixels, frames a second (null: not announced), seconds that the probe took."""

    ok: Literal[True] = True
    codec: str
    width: int
    height: int
    fps: float | None
    seconds: float
    warnings: list[str] = []


class StatusView(BaseModel):
    """How a camera fares, from its capture pod. `unknown` when the bus is away; the facts are then absent."""

    camera_id: str
    state: State
    reason: str = ""
    reason_code: str = ""
    mend: str = Field("", description="what to do about it; empty where nothing is to be done")
    since: datetime | None = None
    updated_at: datetime | None = None
    last_frame_at: datetime | None = None
    holder: str = ""
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    decode: Literal["keyframes", "all"] | None = None
    decode_reason: str = ""
    keyframe_interval_s: float | None = None
    published: int = 0
    dropped: dict[str, int] = {}
    restarts: int = 0
    faults: list[str] = Field([], description="what is wrong with its pictures, the gravest first")
    picture: dict[str, float] | None = None

    @classmethod
    def of(cls, status: CameraStatus, **changed: object) -> StatusView:
        return cls.model_validate({**status.model_dump(mode="json"), **changed})


class Fault(BaseModel):
    code: str = Field(description="a short stable word, e.g. blurred, moved, few_plates")
    mend: str = Field(description="what to do about it")


class CameraView(BaseModel):
    id: str
    name: str
    enabled: bool
    group_id: str | None
    location: str | None
    latitude: float | None
    longitude: float | None
    heading: float | None
    vendor: str | None
    model: str | None
    tags: list[str] | None
    sample_fps: float
    motion_gate: bool
    motion_threshold: float
    jpeg_quality: int | None
    max_side: int | None
    min_confidence: float | None
    min_plate_height: int | None
    regions: list[Polygon] | None
    ignore_zones: list[Polygon] | None
    schedule: list[Hours] | None
    retention_days: int | None
    notes: str | None
    has_credentials: bool | None = Field(description="whether the address holds a user; null: it cannot be decrypted")
    revision: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    status: StatusView | None = None
    reading: list[Fault] | None = Field(
        None,
        description="what is wrong with what is read of it, against its own past, for two hours or more; "
        "null where the status is",
    )


class CameraPage(BaseModel):
    items: list[CameraView]
    next_cursor: str | None = None


class CameraRestore(Body):
    rtsp_url: SecretStr = Field(
        description="its address again: none is kept of a camera that was taken out", examples=[RTSP_EXAMPLE],
        json_schema_extra=RTSP,
    )  # fmt: skip


class Span(BaseModel):
    """How a camera fared over a span of time, cut to what was asked; `ended_at` null: it lasts."""

    state: State
    reason_code: str
    started_at: datetime
    ended_at: datetime | None


class HistoryQuery(Body):
    """Times are RFC 3339; `from` a day ago and `to` now where they are absent."""

    since: AwareDatetime | None = Field(None, alias="from")
    until: AwareDatetime | None = Field(None, alias="to")


class History(BaseModel):
    """How a camera fared. `uptime`: the share of the time in which it was to be read that it was; null: none was."""

    camera_id: str
    since: datetime = Field(serialization_alias="from")
    until: datetime = Field(serialization_alias="to")
    uptime: float | None
    seen_s: float = Field(description="online or degraded: plates can have been read")
    blind_s: float = Field(description="to be read, but not seen; also what nobody reported on")
    disabled_s: float = Field(description="switched off, or outside its hours")
    spans: list[Span]


class LineFault(BaseModel):
    """What is wrong with a line of a CSV file; line 1 is the header."""

    line: int
    field: str
    reason: str


class LineCamera(BaseModel):
    """A line that was taken. `fields`: what it changed of a camera that was there; names alone."""

    line: int
    id: str
    name: str
    action: Literal["create", "update", "same"] = "create"
    fields: list[str] = []


class ImportReport(BaseModel):
    """What became of a CSV file. `cameras` are those kept, or with `dry_run` those that would be."""

    dry_run: bool
    mode: Literal["all", "valid"]
    lines: int
    created: int
    updated: int = 0
    cameras: list[LineCamera]
    errors: list[LineFault]
    groups: list[str] = Field([], description="ids of the groups that were missing and made, with `create_groups`")


class GroupCreate(Body):
    id: Id | None = Field(None, description="lower-case letters, digits, - and _; made from the name when absent")
    name: Name
    plate_formats: Formats = Field(list(DEFAULT))


class GroupUpdate(Body):
    """What shall change; fields that are absent stay."""

    name: Annotated[Name | None, NEVER_NULL] = None
    plate_formats: Annotated[Formats | None, NEVER_NULL] = None

    @model_validator(mode="before")
    @classmethod
    def _required_stay(cls, given: Any) -> Any:
        return _not_null(given, ("name", "plate_formats"))


class GroupQuery(Body):
    cursor: str | None = Field(None, max_length=100)
    limit: int = Field(50, ge=1, le=200)


class GroupView(BaseModel):
    id: str
    name: str
    plate_formats: list[str]
    cameras: int = Field(description="how many cameras are in it")
    revision: int
    created_at: datetime
    updated_at: datetime


class GroupPage(BaseModel):
    items: list[GroupView]
    next_cursor: str | None = None
