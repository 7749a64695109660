"""HTTP shapes of retention, legal holds, privacy and the audit log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from functions.shared.contracts import CAMERA_ID
from functions.shared.shapes import LINE_OF_THREE, MOMENT, PLATE, Flag, one_line

LONGEST_PLATE = 10
MAX_DAYS = 36_500
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)


def _sane(at: datetime) -> datetime:
    if not 1970 <= at.year <= 9998 or not _EARLIEST <= at <= _LATEST:
        raise ValueError("must lie between 1970 and 9998")
    return at.astimezone(UTC)


def _trimmed(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


Line = AfterValidator(one_line)
Moment = Annotated[AwareDatetime, AfterValidator(_sane), Field(json_schema_extra=MOMENT)]
RowId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Reason = Annotated[
    str, BeforeValidator(_trimmed), Line,
    Field(min_length=3, max_length=500, description="why: a case number or a sentence; it is kept in the audit log",
          json_schema_extra=LINE_OF_THREE),
]  # fmt: skip
PlateText = Annotated[
    str, Field(max_length=40, description="a whole plate; separators and case do not matter", json_schema_extra=PLATE)
]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GroupDays(BaseModel):
    group_id: str
    days: int


class PolicyView(BaseModel):
    """For how long a class of data is kept. `days` 0: for ever, or as `kept` says."""

    name: str
    what: str
    where: str
    basis: str = Field(description="of the LGPD, as this project reads it; have a lawyer confirm")
    setting: str | None = Field(description="the setting whose days hold where no rule was made; null: days are fixed")
    default_days: int
    days: int
    kept: str | None = Field(description="until when, where that is no number of days")
    groups: list[GroupDays] = Field(description="groups of cameras with days of their own")


class PolicyPage(BaseModel):
    items: list[PolicyView]
    next_cursor: str | None = None


class PolicyChange(Body):
    days: int = Field(ge=0, le=MAX_DAYS, description="0: for ever")
    group_id: str | None = Field(None, pattern=CAMERA_ID, description="cameras of this group alone")
    reason: Reason


class HoldCreate(Body):
    """Passages that meet every criterion given are kept, rows and pictures, whatever their age."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in ("plate", "camera_id", "detection_id", "seen_from", "seen_to")
            ],
            "examples": [{"case_number": "2026/0042", "reason": "asked for by the court", "plate": "ABC1D23"}],
        }
    )

    case_number: Annotated[str, BeforeValidator(_trimmed), Line, Field(min_length=1, max_length=120)]
    reason: Reason
    plate: PlateText | None = Field(None, description="and its twin in the other numbering")
    camera_id: str | None = Field(None, pattern=CAMERA_ID)
    detection_id: RowId | None = None
    seen_from: Moment | None = Field(None, description="seen at or after this time")
    seen_to: Moment | None = Field(None, description="seen before this time")
    until: Moment | None = Field(None, description="when the hold ends by itself; null: when it is released")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.plate is None and not (self.camera_id or self.detection_id or self.seen_from or self.seen_to):
            raise ValueError("name at least one of plate, camera_id, detection_id, seen_from, seen_to")
        if self.seen_from is not None and self.seen_to is not None and self.seen_from >= self.seen_to:
            raise ValueError("seen_from: lies after seen_to")
        return self


class HoldView(BaseModel):
    id: str
    case_number: str
    reason: str
    plate: str | None
    twin: str | None = Field(description="the plate in Brazil's other numbering; held too")
    camera_id: str | None
    detection_id: str | None
    seen_from: datetime | None
    seen_to: datetime | None
    until: datetime | None
    created_at: datetime
    created_by: str
    released_at: datetime | None
    released_by: str | None
    release_reason: str | None
    in_force: bool


class HoldPage(BaseModel):
    items: list[HoldView]
    next_cursor: str | None


class HoldQuery(Body):
    all: bool = Field(False, description="true: also holds that were released or are over")
    cursor: str | None = None
    limit: int = Field(50, ge=1, le=200)


class Release(Body):
    reason: Reason


class RunStart(Body):
    dry_run: Flag = Field(False, description="count what is due and delete nothing")


class ReconcileStart(Body):
    days: int | None = Field(None, ge=1, le=MAX_DAYS, description="only the last so many days; null: all there is")
    delete_orphans: Flag = Field(False, description="delete pictures that no row names")
    forget_missing: Flag = Field(False, description="let rows name no picture any more that is not in the store")


RunKind = Literal["run", "reconcile", "erase"]


class RunView(BaseModel):
    id: str
    kind: RunKind
    dry_run: bool
    state: Literal["running", "done", "failed", "stopped"]
    started_at: datetime
    started_by: str
    ended_at: datetime | None
    message: str | None = Field(description="why it failed or stopped")
    report: dict[str, Any] = Field(description="what it did: by class rows, images, bytes, what holds kept; errors")


class RunPage(BaseModel):
    items: list[RunView]
    next_cursor: str | None


class RunQuery(Body):
    kind: RunKind | None = None
    cursor: str | None = None
    limit: int = Field(50, ge=1, le=200)


class SubjectRequest(Body):
    plate: PlateText
    reason: Reason


class EraseRequest(SubjectRequest):
    dry_run: Flag = Field(False, description="count what would be erased and change nothing")
    possible: Flag = Field(False, description="also erase the passages that the report lists as possible")


class Picture(BaseModel):
    url: str = Field(description="path of this API")
    kind: Literal["vehicle", "plate", "correction"]
    of: str = Field(description="id of the detection or correction")


class Possible(BaseModel):
    """A passage that was read as another plate, or as none, and that nobody corrected."""

    id: str
    camera_id: str
    started_at: datetime
    ended_at: datetime
    plate: str = Field(description="the plate that was asked for, or its twin")
    probability: float = Field(description="that this is what the passage shows, 0..1")
    read: str | None = Field(description="what was read, masked: it may be somebody else's plate")
    pictures: list[Picture]


class SubjectReport(BaseModel):
    """All that is stored on a plate and its twin; rows are as the tables hold them."""

    plates: list[str]
    made_at: datetime
    complete: bool = Field(description="false: there was more than one answer holds; ask for the rest by search")
    detections: list[dict[str, Any]]
    corrections: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    possible: list[Possible] = Field(
        description="passages that may be of the plate, to be looked at; hand on none before somebody did"
    )
    pictures: list[Picture]
    holds: list[HoldView]
    lookups: list[dict[str, Any]] = Field(description="rows of the audit log that name the plate")
    elsewhere: dict[str, Any] = Field(description="other places that name the plate, with how many rows each")


class EraseReport(BaseModel):
    """What an erasure did. `proof` lists the SHA-256 of every row and picture before it was deleted; `proof_sha256` is
    of that list, and stands in the audit log. `remaining` was counted afterwards."""

    run_id: str
    dry_run: bool
    plates: list[str]
    counts: dict[str, int] = Field(description="by table; `possible`: of the detections, those that were possible ones")
    possible: int = Field(description="passages that may be of the plate and stay, since they were not asked for")
    proof: list[dict[str, str]]
    proof_sha256: str
    remaining: dict[str, int]
    kept: dict[str, str] = Field(description="what an erasure does not touch, and why")


class AuditQuery(Body):
    actor: Annotated[str, Line] | None = Field(None, max_length=128, description="name or id of a user")
    action: Annotated[str, Line] | None = Field(
        None, max_length=64, description="e.g. detections.search; detections.* takes them all"
    )
    subject: Annotated[str, Line] | None = Field(
        None, max_length=128, description="what it was done to: a plate, an id"
    )
    start: Moment | None = Field(None, alias="from")
    end: Moment | None = Field(None, alias="to")
    cursor: str | None = None
    limit: int = Field(50, ge=1, le=200)


class AuditView(BaseModel):
    seq: int
    at: datetime
    actor_id: str | None
    actor: str
    action: str
    subject: str
    reason: str | None
    details: dict[str, Any]
    correlation_id: str | None
    hash: str


class AuditPage(BaseModel):
    items: list[AuditView]
    next_cursor: str | None


class VerifyRequest(Body):
    noted: str | None = Field(
        None,
        max_length=100,
        pattern=r"^[0-9]{1,18}:[0-9a-f]{64}$",
        description="the log's end as noted earlier, SEQ:HASH: it must still pass through it",
    )


class VerdictView(BaseModel):
    whole: bool
    rows: int
    start: str = Field(description="SEQ:HASH of the last row that retention cut off; 0 where nothing was")
    head: str = Field(description="SEQ:HASH of the last row; note it elsewhere")
    first_at: str | None
    last_at: str | None
    broken_at: int | None
    reason: str
    anchor: str | None = Field(description="the end that the last whole check left in the store, and was held against")


class Resealed(BaseModel):
    sealed: int


class LookupsView(BaseModel):
    user_id: str
    username: str
    hour: int
    day: int
    over: list[Literal["hour", "day"]]


class LookupsPage(BaseModel):
    items: list[LookupsView]
    next_cursor: str | None = None
    limit_hour: int
    limit_day: int
    stop: bool


class Allowed(BaseModel):
    user_id: str
    forgotten: int = Field(description="spans of five minutes whose counts were struck")
