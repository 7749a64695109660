"""The HTTP shapes of `cameras`. An RTSP URL goes in and never comes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from functions.shared.contracts import CAMERA_ID, CameraStatus

# Words that stand in a route beside `{camera_id}`.
RESERVED = frozenset({"probe", "import", "keys", "discover", "export"})
State = Literal["provisioning", "online", "degraded", "offline", "disabled", "unknown"]


def _no_controls(text: str) -> str:
    if any((ord(letter) < 32 and letter not in "\n\t") or ord(letter) == 127 for letter in text):
        raise ValueError("has a control character")
    if any(0xD800 <= ord(letter) < 0xE000 for letter in text):
        raise ValueError("has half of a surrogate pair, which is no character")
    return text.strip()


def _one_line(text: str) -> str:
    if "\n" in text or "\t" in text:
        raise ValueError("must be one line")
    if not text:
        raise ValueError("must not be empty")
    return text


def _not_reserved(text: str) -> str:
    if text in RESERVED:
        raise ValueError(f"must not be one of {', '.join(sorted(RESERVED))}")
    return text


Clean = AfterValidator(_no_controls)
Line = AfterValidator(_one_line)
Id = Annotated[str, Field(pattern=CAMERA_ID), AfterValidator(_not_reserved)]
Name = Annotated[str, Field(min_length=1, max_length=120), Clean, Line]
Group = Annotated[str, Field(pattern=CAMERA_ID)]
Location = Annotated[str, Field(max_length=200), Clean, Line]
Notes = Annotated[str, Field(max_length=4000), Clean]
Fps = Annotated[float, Field(ge=0.1, le=60, description="frames published a second at the most")]
Share = Annotated[float, Field(ge=0, le=1)]
Quality = Annotated[int, Field(ge=40, le=100)]
Side = Annotated[int, Field(ge=320, le=7680, description="longer side of published frames, px")]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class CameraCreate(Body):
    id: Id | None = Field(None, description="lower-case letters, digits, - and _; made from the name when absent")
    name: Name
    rtsp_url: SecretStr = Field(description="rtsp:// or rtsps://, with user and password where the camera asks")
    enabled: bool = True
    group_id: Group | None = None
    location: Location | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    sample_fps: Fps = 1.0
    motion_gate: bool = True
    motion_threshold: Share = Field(0.0005, description="share of the picture that must change")
    jpeg_quality: Quality | None = None
    max_side: Side | None = None
    min_confidence: Share | None = None
    notes: Notes | None = None


class CameraUpdate(Body):
    """What shall change; fields that are absent stay. `null` empties a field that may be empty."""

    name: Name | None = None
    rtsp_url: SecretStr | None = None
    enabled: bool | None = None
    group_id: Group | None = None
    location: Location | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    sample_fps: Fps | None = None
    motion_gate: bool | None = None
    motion_threshold: Share | None = None
    jpeg_quality: Quality | None = None
    max_side: Side | None = None
    min_confidence: Share | None = None
    notes: Notes | None = None

    @model_validator(mode="before")
    @classmethod
    def _required_stay(cls, given: Any) -> Any:
        required = ("name", "rtsp_url", "enabled", "sample_fps", "motion_gate", "motion_threshold")
        if isinstance(given, dict):
            for name in required:
                if name in given and given[name] is None:
                    raise ValueError(f"{name} must not be null")
        return given


class CameraQuery(Body):
    """Which cameras a list has."""

    state: State | None = None
    enabled: bool | None = None
    group_id: Group | None = None
    q: str | None = Field(None, max_length=100, description="part of name, id or place; case and accents aside")
    cursor: str | None = Field(None, max_length=100)
    limit: int = Field(50, ge=1, le=200)


class ProbeRequest(Body):
    rtsp_url: SecretStr


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

    @classmethod
    def of(cls, status: CameraStatus, **changed: object) -> StatusView:
        return cls.model_validate({**status.model_dump(mode="json"), **changed})


class CameraView(BaseModel):
    id: str
    name: str
    enabled: bool
    group_id: str | None
    location: str | None
    latitude: float | None
    longitude: float | None
    sample_fps: float
    motion_gate: bool
    motion_threshold: float
    jpeg_quality: int | None
    max_side: int | None
    min_confidence: float | None
    notes: str | None
    has_credentials: bool | None = Field(description="whether the address holds a user; null: it cannot be decrypted")
    revision: int
    created_at: datetime
    updated_at: datetime
    status: StatusView | None = None


class CameraPage(BaseModel):
    items: list[CameraView]
    next_cursor: str | None = None


class LineFault(BaseModel):
    """What is wrong with a line of a CSV file; line 1 is the header."""

    line: int
    field: str
    reason: str


class LineCamera(BaseModel):
    line: int
    id: str
    name: str


class ImportReport(BaseModel):
    """What became of a CSV file. `cameras` are those kept, or with `dry_run` those that would be."""

    dry_run: bool
    mode: Literal["all", "valid"]
    lines: int
    created: int
    cameras: list[LineCamera]
    errors: list[LineFault]
