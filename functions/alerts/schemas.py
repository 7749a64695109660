"""HTTP shapes of hotlists and alerts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.config import JsonDict

from functions.shared.contracts import CAMERA_ID
from functions.shared.never_null import NEVER_NULL
from functions.shared.shapes import LINE, LINE_OR_NONE, MOMENT, URL, Flag, one_line

_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)
_MAIL = re.compile(r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$")
PRIORITIES = {"info": 10, "low": 25, "normal": 50, "high": 75, "critical": 90}


def _sane(at: datetime) -> datetime:
    if not 1970 <= at.year <= 9998 or not _EARLIEST <= at <= _LATEST:
        raise ValueError("must lie between 1970 and 9998")
    return at.astimezone(UTC)


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


def _mail(text: str) -> str:
    if len(text) > 254 or not _MAIL.fullmatch(text):
        raise ValueError("is no e-mail address")
    return text


def _once(found: list[Any]) -> list[Any]:
    return list(dict.fromkeys(found))


def _of_time(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError("must read HH:MM, 00:00 to 23:59")
    return text


Moment = Annotated[AwareDatetime, AfterValidator(_sane), Field(json_schema_extra=MOMENT)]
Line = AfterValidator(one_line)
Name = Annotated[
    str, Field(min_length=1, max_length=120, examples=["Stolen"], json_schema_extra=LINE), Line,
    AfterValidator(_not_empty),
]  # fmt: skip
Owner = Annotated[
    str, Line,
    Field(max_length=120, description="who answers for the list: a person, an office", json_schema_extra=LINE_OR_NONE),
]  # fmt: skip
Reason = Annotated[
    str, Line,
    Field(max_length=500, description="why: a case number or text; shown with each alert",
          json_schema_extra=LINE_OR_NONE),
]  # fmt: skip
Note = Annotated[str, Field(max_length=500, json_schema_extra=LINE_OR_NONE), Line]
_MAILBOX: JsonDict = {"maxLength": 254, "pattern": _MAIL.pattern, "examples": ["desk@city.example"]}
# It needs one letter or digit of its own at least; what else a kind of entry asks for is said in the answer.
_PATTERN: JsonDict = {"pattern": r"^[^\x00-\x1f\x7f]*[A-Za-z0-9][^\x00-\x1f\x7f]*$", "examples": ["ABC1D23"]}
Kind = Literal["watch", "allow", "cloned"]
Match = Literal["exact", "wildcard", "fuzzy"]
Direction = Literal["towards", "away", "left", "right"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Priority = Annotated[
    Annotated[int, Field(ge=0, le=100)] | Literal["info", "low", "normal", "high", "critical"],
    Field(
        description="0 to 100, or info (10), low (25), normal (50), high (75), critical (90)",
        union_mode="left_to_right",
    ),
]
Group = Annotated[str, Field(pattern=CAMERA_ID)]
Groups = Annotated[
    list[Group] | None,
    Field(min_length=1, max_length=200, description="groups of cameras at which the list counts; null: every camera"),
]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["22:00"]), AfterValidator(_of_time)]
Tolerance = Annotated[float, Field(ge=0, le=2, description="how far a plate may be away: see the README")]
Length = Annotated[str, Field(pattern=r"^([1-9]|10)$")]
Mails = Annotated[
    list[Annotated[str, Field(json_schema_extra=_MAILBOX), AfterValidator(_mail)]], Field(max_length=50),
    AfterValidator(_once),
]  # fmt: skip
HEX_ID = r"^[0-9a-f]{32}$"
HotlistId = Annotated[str, Field(pattern=r"^([0-9a-f]{32}|cloned)$")]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Hours(Body):
    """Part of some days of the week, in GTV_TIME_ZONE; an end before the start lies on the next day, an end equal to
    it makes a whole day."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7), AfterValidator(_once)]
    start: Clock
    end: Clock


class HookIn(Body):
    """An address that gets a POST of JSON. Neither is given back: pagers take their keys in them."""

    url: SecretStr = Field(
        description="https://..., or within GTV_WEBHOOK_ALLOWED_NETWORKS", max_length=2000,
        examples=["https://pager.example.org/alert"], json_schema_extra=URL,
    )  # fmt: skip
    body: dict[str, Any] | None = Field(
        None, description="JSON in whose texts {plate}, {list} and such are replaced; null: an object of all fields"
    )


HoursList = Annotated[list[Hours], Field(max_length=21, description="empty: always")]
Directions = Annotated[
    list[Direction], Field(max_length=4, description="of travel; empty: any. It is known when a passage ends"),
    AfterValidator(_once),
]  # fmt: skip
Tolerances = Annotated[
    dict[Length, Tolerance],
    Field(
        max_length=10, description='of fuzzy entries by the length of the plate, e.g. {"7": 0.6}; else the platform\'s'
    ),
]
Escalation = Annotated[
    int, Field(ge=1, le=10_080, description="minutes until an alert that nobody acknowledged goes on")
]


class _Facts(Body):
    owner: Owner = ""
    reason: Reason = ""
    priority: Priority = 50
    enabled: Flag = True
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    hours: HoursList = []
    group_ids: Groups = None
    directions: Directions = []
    twins: Flag = Field(True, description="a plate of the old numbering also means its Mercosul twin, and the reverse")
    tolerances: Tolerances = {}
    escalate_after_min: Escalation | None = None
    emails: Mails = []
    escalation_emails: Mails = Field([], description="told when an alert is escalated; empty: `emails` once more")
    hook: HookIn | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise ValueError("valid_until must lie after valid_from")
        return self


class HotlistCreate(_Facts):
    name: Name
    kind: Literal["watch", "allow"] = Field(
        "watch", description="watch: an alert for each plate on it; allow: for each plate that is not on it"
    )


class HotlistUpdate(_Facts):
    """What shall change; fields that are absent stay. `hook` null takes the hook out."""

    name: Annotated[Name | None, NEVER_NULL] = None

    @model_validator(mode="before")
    @classmethod
    def _required_stay(cls, given: Any) -> Any:
        optional = {"valid_from", "valid_until", "group_ids", "escalate_after_min", "hook"}
        if isinstance(given, dict):
            for name, value in given.items():
                if value is None and name not in optional:
                    raise ValueError(f"{name} must not be null")
        return given


class HotlistView(BaseModel):
    id: str
    name: str
    kind: Kind = Field(description="cloned: the platform's own list of plates at two places at once; it has no entries")
    owner: str
    reason: str
    priority: int
    enabled: bool
    valid_from: datetime | None
    valid_until: datetime | None
    hours: list[Hours]
    group_ids: list[str] | None = Field(description="those that you may see; null: every camera")
    directions: list[Direction]
    twins: bool
    tolerances: dict[str, float]
    escalate_after_min: int | None
    emails: list[str]
    escalation_emails: list[str]
    hook_host: str | None = Field(description="host of the hook; the rest of it is a secret")
    entries: int
    may_change: bool = Field(description="whether all of its groups are among yours")
    revision: int
    created_by: str
    created_at: datetime
    updated_at: datetime


class HotlistPage(BaseModel):
    items: list[HotlistView]
    next_cursor: str | None = None


class HotlistQuery(Body):
    q: str | None = Field(None, max_length=120, description="part of the name")
    cursor: str | None = Field(None, max_length=700)
    limit: int = Field(50, ge=1, le=200)


class EntryIn(Body):
    pattern: Annotated[
        str,
        Field(
            min_length=1, max_length=40, description="a plate; in a wildcard * stands for any characters, ? for one",
            json_schema_extra=_PATTERN,
        ),
    ]  # fmt: skip
    match: Match | None = Field(None, description="absent: wildcard where it holds * or ?, else exact")
    tolerance: Tolerance | None = Field(None, description="of a fuzzy entry; absent: the list's for its length")
    note: Note | None = None
    valid_until: Moment | None = None


class EntryView(BaseModel):
    id: str
    pattern: str
    match: Match
    tolerance: float | None
    note: str | None
    valid_until: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime


class EntryPage(BaseModel):
    items: list[EntryView]
    next_cursor: str | None = None


class EntryQuery(Body):
    q: str | None = Field(None, max_length=40, description="part of the plate")
    cursor: str | None = Field(None, max_length=200)
    limit: int = Field(100, ge=1, le=500)


class ImportQuery(Body):
    hotlist_id: HotlistId
    dry_run: bool = Field(False, description="report, and change nothing")
    mode: Literal["all", "valid"] = Field("all", description="all lines or none, or those that are right")
    replace: bool = Field(False, description="take out every entry that the file does not have")


class LineFault(BaseModel):
    """What is wrong with a line of a CSV file; line 1 is the header."""

    line: int
    field: str
    reason: str


class ImportReport(BaseModel):
    """What became of a CSV file, or with `dry_run` what would."""

    dry_run: bool
    mode: Literal["all", "valid"]
    replace: bool
    lines: int
    added: int
    updated: int
    removed: int
    errors: list[LineFault]
    more_errors: int = Field(description="wrong lines beyond those listed")


class RulePreview(_Facts):
    """A rule that is not saved yet, with some entries, those of a list, or both: what would it have been told of?"""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["entries"]}, {"required": ["hotlist_id"]}]})

    kind: Literal["watch", "allow"] = "watch"
    entries: list[EntryIn] = Field([], min_length=1, max_length=200)
    hotlist_id: Annotated[HotlistId | None, NEVER_NULL] = Field(None, description="a list whose entries count too")
    days: int = Field(30, ge=1, le=30)
    limit: int = Field(20, ge=1, le=100)

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if not self.entries and self.hotlist_id is None:
            raise ValueError("entries: name one at least, or a hotlist_id")
        return self


class PreviewQuery(Body):
    days: int = Field(30, ge=1, le=30)
    limit: int = Field(20, ge=1, le=100)


class PreviewHit(BaseModel):
    detection_id: str
    camera_id: str
    camera_name: str | None
    seen_at: datetime
    plate: str
    pattern: str | None
    match: Match | None
    distance: float | None
    twin: bool
    uncertain: bool


class PreviewAnswer(BaseModel):
    """What the list would have been told of. `complete` false: there was more than could be looked at in time, and
    `count` says what was found until then."""

    since: datetime
    count: int
    complete: bool
    looked_at: int = Field(description="detections that were compared")
    items: list[PreviewHit] = Field(description="the newest of them")
