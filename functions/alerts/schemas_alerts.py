"""HTTP shapes of alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from functions.alerts.schemas import Body, HotlistId, Match, Moment
from functions.shared.contracts import CAMERA_ID
from functions.shared.shapes import no_surrogates

AlertKind = Literal["watch", "not_listed", "cloned"]
AlertState = Literal["open", "acknowledged", "withdrawn"]
Outcome = Literal["confirmed", "false_alarm", "no_action", "other"]


class Sighting(BaseModel):
    detection_id: str
    camera_id: str
    camera_name: str | None
    seen_at: datetime


class ClonedEvidence(BaseModel):
    """Two passages of one plate. `differ` names in what the vehicles are seen to differ besides."""

    km: float
    seconds: float
    kmh: int
    differ: list[Literal["color", "type"]]
    colors: list[str | None]
    types: list[str | None]


class NotificationView(BaseModel):
    """One line of the log: when, which way, to whom, how it went."""

    id: str
    event: Literal["raised", "escalated", "withdrawn"]
    channel: Literal["email", "hook"]
    target: str
    status: Literal["waiting", "sending", "sent", "failed", "dropped"]
    attempts: int
    error: str | None
    created_at: datetime
    next_try_at: datetime | None
    sent_at: datetime | None


class AlertView(BaseModel):
    id: str
    kind: AlertKind
    hotlist_id: str
    list_name: str
    priority: int
    reason: str
    state: AlertState
    raised_at: datetime
    camera_id: str
    camera_name: str | None
    detection_id: str
    seen_at: datetime
    plate: str
    plate_format: str | None
    plate_confidence: float | None
    uncertain: bool
    type: str | None
    color: str | None
    direction: str | None
    pattern: str | None = Field(description="the entry that matched")
    match: Match | None
    distance: float | None
    twin: bool
    escalate_at: datetime | None
    escalated_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    outcome: Outcome | None
    note: str | None
    withdrawn_at: datetime | None
    withdrawn_reason: str | None
    cloned: ClonedEvidence | None
    snapshot_url: str | None
    plate_snapshot_url: str | None


class AlertDetail(AlertView):
    sightings: list[Sighting] = Field(description="of a cloned plate, at cameras that you may see")
    notifications: list[NotificationView]


class AlertPage(BaseModel):
    items: list[AlertView]
    next_cursor: str | None = None


class AlertQuery(Body):
    """An unknown name is refused: a filter misspelt would find everything."""

    state: list[AlertState] = Field(default=[], max_length=3)
    escalated: bool | None = None
    kind: list[AlertKind] = Field(default=[], max_length=3)
    hotlist_id: list[HotlistId] = Field(default=[], max_length=50)
    camera_id: list[Annotated[str, Field(pattern=CAMERA_ID)]] = Field(default=[], max_length=200)
    group_id: list[Annotated[str, Field(pattern=CAMERA_ID)]] = Field(default=[], max_length=200)
    plate: str | None = Field(None, max_length=40)
    reason: str | None = Field(None, max_length=500, description="why the plate is looked for, where one is asked")
    min_priority: int | None = Field(None, ge=0, le=100)
    start: Moment | None = Field(None, alias="from", description="raised at or after this time")
    end: Moment | None = Field(None, alias="to", description="raised before this time")
    cursor: str | None = Field(None, max_length=100)
    limit: int = Field(50, ge=1, le=200)


class Acknowledgement(Body):
    note: Annotated[str, Field(max_length=2000), AfterValidator(no_surrogates)] = ""
    outcome: Outcome | None = None


class AlertCounts(BaseModel):
    """Open alerts, counted up to 1000, and those of them that were escalated."""

    open: int
    escalated: int
