"""The HTTP shapes of `cameras`. An RTSP URL goes in and never comes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.config import JsonDict
from pydantic.json_schema import SkipJsonSchema

from functions.cameras import polygons
from functions.shared.contracts import CAMERA_ID, CameraStatus
from functions.shared.formats import DEFAULT, NAMES

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


def _simple(corners: list[list[float]]) -> list[list[float]]:
    fault = polygons.fault(corners)
    if fault is not None:
        raise ValueError(fault)
    return corners


def _none_if_empty(found: list[Any] | None) -> list[Any] | None:
    return found or None


def _known_once(formats: list[str]) -> list[str]:
    for name in formats:
        if name not in NAMES:
            raise ValueError(f"takes of {', '.join(NAMES)}")
        if formats.count(name) > 1:
            raise ValueError(f"{name} stands twice")
    return formats


Clean = AfterValidator(_no_controls)
Line = AfterValidator(_one_line)
# What the two ask for, said in the API's document; their own words are clearer in an answer.
_LINE: JsonDict = {
    "pattern": r"^[^\x00-\x20\x7f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\x00-\x1f\x7f]*$"
}
_RTSP: JsonDict = {
    "pattern": r"^rtsps?://([A-Za-z0-9._~%-]+(:[A-Za-z0-9._~%-]*)?@)?[A-Za-z0-9.-]+(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~%/-]*)?$"
}
_ADDRESS = "rtsp://user:password@192.0.2.10:554/stream1"
Id = Annotated[str, Field(pattern=CAMERA_ID), AfterValidator(_not_reserved)]
Name = Annotated[
    str, Field(min_length=1, max_length=120, examples=["Av. Brasil, km 1"], json_schema_extra=_LINE), Clean, Line
]
Group = Annotated[str, Field(pattern=CAMERA_ID, description="id of a group that is there", examples=["centro"])]
Location = Annotated[str, Field(max_length=200, json_schema_extra=_LINE), Clean, Line]
Notes = Annotated[str, Field(max_length=4000, json_schema_extra={"pattern": r"^[^\x00-\x08\x0b-\x1f\x7f]*$"}), Clean]
Fps = Annotated[float, Field(ge=0.1, le=60, description="frames published a second at the most")]
Share = Annotated[float, Field(ge=0, le=1)]
Quality = Annotated[int, Field(ge=40, le=100)]
Side = Annotated[int, Field(ge=320, le=7680, description="longer side of published frames, px")]
PlateHeight = Annotated[int, Field(ge=8, le=200, description="px of the published frame; lower plates are not read")]
Confidence = Annotated[float, Field(ge=0, le=1, description="a plate's reading below it is marked uncertain")]
Unit = Annotated[float, Field(ge=0, le=1)]
Point = Annotated[list[Unit], Field(min_length=2, max_length=2)]
Polygon = Annotated[
    list[Point], Field(min_length=polygons.MIN_CORNERS, max_length=polygons.MAX_CORNERS), AfterValidator(_simple)
]
_AREA = {"examples": [[[[0.1, 0.4], [0.9, 0.4], [0.9, 1.0], [0.1, 1.0]]]], "max_length": polygons.MAX_POLYGONS}
_AREA_TEXT = (
    "Polygons of corners [x, y] in parts of the picture's width and height, from the upper left; their sides do not "
    "cross, the last corner is joined to the first. A fault is named by the polygon's place: `regions.0` is the first."
)
Regions = Annotated[
    list[Polygon] | None,
    Field(**_AREA, description=f"Where vehicles and plates count; null or []: everywhere. {_AREA_TEXT}"),
    AfterValidator(_none_if_empty),
]
IgnoreZones = Annotated[
    list[Polygon] | None,
    Field(**_AREA, description=f"Where they do not count, also inside a region. {_AREA_TEXT}"),
    AfterValidator(_none_if_empty),
]
Formats = Annotated[
    list[str],
    Field(
        min_length=1,
        max_length=len(NAMES),
        description=f"Formats that plates there may have, the likeliest first: {', '.join(NAMES)}. A plate of no "
        "format is kept all the same, with `plate_format` null.",
        examples=[["br_mercosul", "br_old", "ar_mercosul"]],
        json_schema_extra={"items": {"type": "string", "enum": list(NAMES)}, "uniqueItems": True},
    ),
    AfterValidator(_known_once),
]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


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
        description="rtsp:// or rtsps://, with user and password where the camera asks", examples=[_ADDRESS],
        json_schema_extra=_RTSP,
    )  # fmt: skip
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
    min_confidence: Confidence | None = None
    min_plate_height: PlateHeight | None = None
    regions: Regions = None
    ignore_zones: IgnoreZones = None
    notes: Notes | None = None


class CameraUpdate(Body):
    """What shall change; fields that are absent stay. `null` empties a field that may be empty."""

    name: Name | SkipJsonSchema[None] = None
    rtsp_url: Annotated[SecretStr, Field(json_schema_extra=_RTSP)] | SkipJsonSchema[None] = None
    enabled: bool | SkipJsonSchema[None] = None
    group_id: Group | None = None
    location: Location | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    sample_fps: Fps | SkipJsonSchema[None] = None
    motion_gate: bool | SkipJsonSchema[None] = None
    motion_threshold: Share | SkipJsonSchema[None] = None
    jpeg_quality: Quality | None = None
    max_side: Side | None = None
    min_confidence: Confidence | None = None
    min_plate_height: PlateHeight | None = None
    regions: Regions = None
    ignore_zones: IgnoreZones = None
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
    q: str | None = Field(None, max_length=100, description="part of name, id or place; case and accents aside")
    cursor: str | None = Field(None, max_length=100)
    limit: int = Field(50, ge=1, le=200)


class ImportQuery(Body):
    """What shall become of a CSV file."""

    mode: Literal["all", "valid"] = "all"
    dry_run: bool = False
    create_groups: bool = Field(False, description="make the groups that lines name and that are missing")


class ProbeRequest(Body):
    rtsp_url: SecretStr = Field(examples=[_ADDRESS], json_schema_extra=_RTSP)


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
    min_plate_height: int | None
    regions: list[Polygon] | None
    ignore_zones: list[Polygon] | None
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
    groups: list[str] = Field([], description="ids of the groups that were missing and made, with `create_groups`")


class GroupCreate(Body):
    id: Id | None = Field(None, description="lower-case letters, digits, - and _; made from the name when absent")
    name: Name
    plate_formats: Formats = list(DEFAULT)


class GroupUpdate(Body):
    """What shall change; fields that are absent stay."""

    name: Name | SkipJsonSchema[None] = None
    plate_formats: Formats | SkipJsonSchema[None] = None

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
    created_at: datetime
    updated_at: datetime


class GroupPage(BaseModel):
    items: list[GroupView]
    next_cursor: str | None = None
