"""HTTP shapes of search."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from functions.shared.contracts import CAMERA_ID, Candidate
from functions.shared.formats import NAMES
from functions.shared.inference import VehicleColor, VehicleType
from functions.shared.shapes import MOMENT

_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)


def _sane(at: datetime) -> datetime:
    """In UTC, and far enough from the ends of time that a time zone cannot push it over."""
    if not 1970 <= at.year <= 9998 or not _EARLIEST <= at <= _LATEST:
        raise ValueError("must lie between 1970 and 9998")
    return at.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_sane), Field(json_schema_extra=MOMENT)]
CameraIds = Annotated[
    list[Annotated[str, Field(pattern=CAMERA_ID)]],
    Field(max_length=200, description="one camera or more (repeat it)"),
]
Direction = Literal["towards", "away", "left", "right"]
Source = Literal["person", "reread"]
# The longest text that a plate may have; those of Brazil and its neighbours have 6 or 7.
LONGEST_PLATE = 10


def _known_format(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"must be one of {', '.join(NAMES)}")
    return name


FormatName = Annotated[str, AfterValidator(_known_format), Field(json_schema_extra={"enum": list(NAMES)})]


Reason = Annotated[str | None, Field(max_length=500, description="why somebody looks: a case number or text")]
MatchName = Annotated[
    Literal["exact", "prefix", "wildcard", "fuzzy"],
    Field(description="wildcard: * stands for any characters, ? for one; fuzzy: also what is easily misread, by score"),
]


class PlateQuery(BaseModel):
    """What lists and exports are narrowed by. An unknown name is refused: a filter misspelt would find everything."""

    model_config = ConfigDict(extra="forbid")

    plate: str | None = Field(None, description="plate, or a part of it; separators and case do not matter")
    match: MatchName = "exact"
    twins: bool = Field(
        False, description="also the same plate in Brazil's other numbering (ABC1234 is ABC1C34); exact and fuzzy alone"
    )
    camera_id: CameraIds = []
    group_id: list[Annotated[str, Field(pattern=CAMERA_ID)]] = Field(
        default=[], max_length=200, description="cameras of one group or more"
    )
    hotlist_id: list[Annotated[str, Field(pattern=r"^([0-9a-f]{32}|cloned)$")]] = Field(
        default=[],
        max_length=20,
        description="plates on one of these lists, as its entries are now and match (fuzzy ones as far as a distance "
        "of 1, and beyond it what they were alerted of: see hotlists_whole); of `cloned`, passages with an alert",
    )
    start: Moment | None = Field(None, alias="from", description="passages that began at or after this time")
    end: Moment | None = Field(None, alias="to", description="passages that began before this time")
    type: list[VehicleType] = Field(default=[], max_length=len(get_args(VehicleType)))
    color: list[VehicleColor] = Field(default=[], max_length=len(get_args(VehicleColor)))
    direction: list[Direction] = Field(default=[], max_length=len(get_args(Direction)), description="of travel")
    plate_format: list[FormatName] = Field(
        default=[], max_length=len(NAMES), description="any stands for plates of no known format"
    )
    uncertain: bool | None = Field(None, description="true: plates whose confidence is below the camera's threshold")
    min_confidence: float | None = Field(
        None, ge=0, le=1, description="plates read at least this surely, and those that a person vouched for"
    )
    corrected: bool | None = Field(None, description="true: plates that a person set right or confirmed")
    final: bool | None = Field(None, description="true: ended passages alone; false: those still in sight")
    reason: Reason = None


EXPORT_LIMIT = 50_000


class ExportQuery(PlateQuery):
    limit: int = Field(EXPORT_LIMIT, ge=1, le=EXPORT_LIMIT, description="rows at the most")


class DetectionQuery(PlateQuery):
    blind: bool | None = Field(
        None,
        description="whether to tell when the asked cameras did not see; by itself on the first page of a question "
        "that names a plate, a list or a time",
    )
    cursor: str | None = Field(None, description="next_cursor of the page before")
    limit: int = Field(50, ge=1, le=200)


class DetectionView(BaseModel):
    """A passage. `box` is x1, y1, x2, y2 in pixels of the frame shown; links end after some minutes."""

    id: str
    camera_id: str
    camera_name: str | None
    started_at: datetime
    ended_at: datetime
    type: str | None
    confidence: float | None = Field(description="of the vehicle, 0..1")
    plate: str | None = Field(description="what counts: what a person said, else what the readers said")
    plate_read: str | None = Field(description="what the readers last said")
    plate_confidence: float | None = Field(description="the readers' own, in what they read; 0..1")
    plate_format: str | None = Field(description="null for a plate of no known format")
    rows: int | None = Field(description="rows of characters of the plate, 1 or 2")
    corrected: bool = Field(description="a person set the plate right, or confirmed it")
    uncertain: bool = Field(description="the plate's confidence is below the camera's threshold")
    final: bool = Field(description="false while the vehicle may still be in sight")
    candidates: list[Candidate] = Field(description="possible plates, likeliest first")
    box: list[float] | None
    color: str | None
    color_confidence: float | None
    direction: str | None
    observations: int = Field(description="frames that showed the passage")
    score: float | None = Field(None, description="how alike the plate is to the one asked for, 0..1; of fuzzy alone")
    masked: bool = Field(False, description="the plate is masked for your role")
    snapshot_url: str | None
    plate_snapshot_url: str | None


class ObservationView(BaseModel):
    """What one frame showed of a passage."""

    id: str
    captured_at: datetime
    type: str | None
    confidence: float | None
    box: list[float] | None
    plate: str | None
    plate_confidence: float | None
    plate_format: str | None
    plate_box: list[float] | None
    candidates: list[Candidate]


class CorrectionView(BaseModel):
    """A plate that was set right or confirmed: `plate_before` and `plate_after`, null for no plate."""

    id: str
    detection_id: str
    camera_id: str
    created_at: datetime
    created_by: str = Field(description="name of the user")
    source: Source = Field(description="person: somebody looked; reread: read again with another model")
    model: str | None = Field(description="the model that read again")
    reason: str | None
    plate_before: str | None
    plate_after: str | None
    plate_format: str | None
    plate_snapshot_url: str | None = Field(description="the plate as it was read; outlives the detection's picture")


class DetectionDetail(DetectionView):
    seen: list[ObservationView] = Field(description="the observations that were kept, in order of time")
    corrections: list[CorrectionView] = Field(description="in order of time")
    snapshot_sha256: str | None = Field(description="of the vehicle's picture as it was stored; null for older ones")
    plate_snapshot_sha256: str | None = Field(description="of the plate's, likewise")


class EvidenceQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason = None
    lang: Literal["pt-BR", "en"] | None = Field(None, description="by itself what Accept-Language says")


class BlindView(BaseModel):
    """A time in which a camera could not have shown who passed: it was off, or its picture shows nothing."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    camera_id: str
    camera_name: str
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    reason: str = Field(description="a short word: of the camera's state, or not_registered, deleted, no_record")


class WindowView(BaseModel):
    """The time that `blind` is about; `more`: there are further blind times than were listed."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    more: bool = False


class Blindness(BaseModel):
    """`blind` null: it was not asked. No sighting in a blind time is no sign that nobody passed."""

    blind: list[BlindView] | None = Field(None, description="times in which the asked cameras did not see")
    blind_window: WindowView | None = None


class DetectionPage(Blindness):
    items: list[DetectionView]
    next_cursor: str | None
    hotlists_whole: bool | None = Field(
        None,
        description="of hotlist_id; false: fuzzy entries of the lists reach farther than a distance of 1, and what lies"
        " beyond is shown if it raised an alert",
    )


class SearchSettings(BaseModel):
    """What a page must know before it asks."""

    reason: Literal["off", "plate"] = Field(description="plate: a search by plate needs a reason")
    time_zone: str = Field(description="zone of the city")
    masked: bool = Field(description="plates are masked for your role: whole plates alone can be searched for")
    export_limit: int = Field(description="rows of an export at the most")


class DetectionChange(BaseModel):
    """What a person says of a passage. A plate that is given as it stands is thereby confirmed."""

    model_config = ConfigDict(extra="forbid")

    plate: str | None = Field(
        None, max_length=40, description=f"1 to {LONGEST_PLATE} letters and digits, or null where there is no plate"
    )
    type: VehicleType | None = Field(None, description="of ended passages alone")
    color: VehicleColor | None = Field(None, description="of ended passages alone")
    reason: str | None = Field(None, max_length=500)
    expected_plate: str | None = Field(
        None, max_length=16, description="the plate that was seen (null: none): 409 where it is another by now"
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set & {"plate", "type", "color"}:
            raise ValueError("name at least one of plate, type, color")
        return self


class CorrectionQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    camera_id: CameraIds = []
    start: Moment | None = Field(None, alias="from", description="made at or after this time")
    end: Moment | None = Field(None, alias="to", description="made before this time")
    source: Source | None = None
    cursor: str | None = Field(None, description="next_cursor of the page before")
    limit: int = Field(50, ge=1, le=200)


class CorrectionPage(BaseModel):
    items: list[CorrectionView]
    next_cursor: str | None


PlateText = Annotated[str, Field(pattern=rf"^[A-Z0-9]{{1,{LONGEST_PLATE}}}$")]


class RereadCandidate(BaseModel):
    text: PlateText
    confidence: float = Field(ge=0, le=1, strict=True)
    format: FormatName | None = None


class Reread(BaseModel):
    """What another model read of one detection's pictures. `expected_plate` is what the detection had (null: none)."""

    model_config = ConfigDict(extra="forbid")

    detection_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    expected_plate: str | None = Field(max_length=16)
    plate: PlateText
    confidence: float = Field(ge=0, le=1, strict=True, description="calibrated probability that all of it is right")
    plate_format: FormatName | None = Field(None, description="as it was read; null: what the camera's formats say")
    rows: Literal[1, 2] | None = None
    candidates: list[RereadCandidate] = Field(default=[], max_length=8, description="best first")


class RereadRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, max_length=100, description="which model read, for the record")
    items: list[Reread] = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({item.detection_id for item in self.items}) != len(self.items):
            raise ValueError("items: a detection is named twice")
        return self


RereadOutcome = Literal["applied", "unchanged", "conflict", "corrected_by_person", "in_sight", "not_found"]


class RereadResult(BaseModel):
    detection_id: str
    outcome: RereadOutcome
    plate: str | None = Field(description="as it stands now")


class RereadAnswer(BaseModel):
    """In the order asked."""

    items: list[RereadResult]
