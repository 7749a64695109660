"""What is said on the bus: frozen messages with a version in the subject.

Golden files under tests/contracts/v1/ must parse for ever: an optional field may be added, anything else is v2
beside v1. Times are timezone-aware UTC. The body of a frame is its JPEG, its facts travel as headers (`FrameMeta`).
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

PREFIX = "gtv.v1"
CAMERA_ID = r"^[a-z0-9][a-z0-9_-]{0,62}$"


def new_id() -> str:
    """A time-ordered unique id (UUIDv7 layout, RFC 9562), as 32 hex digits: ids sort by the time they were made."""
    millis = int(datetime.now(UTC).timestamp() * 1000)
    value = (millis << 80) | (0x7 << 76) | (uuid.uuid4().int & ((1 << 76) - 1))
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return f"{value:032x}"


def least_id(at: datetime) -> str:
    """The least id that `new_id` could make at a time: whatever was made then or later sorts at or behind it."""
    return f"{max(0, int(at.timestamp() * 1000)):012x}" + 20 * "0"


def now() -> datetime:
    return datetime.now(UTC)


class CameraState(StrEnum):
    PROVISIONING = "provisioning"
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    DISABLED = "disabled"


class Message(BaseModel, ABC):
    """A CloudEvent: `id` is also the message id by which JetStream drops repeats."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    subject_root: ClassVar[str]
    type: ClassVar[str]

    id: str = Field(default_factory=new_id)
    correlation_id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    occurred_at: AwareDatetime = Field(default_factory=now)

    @property
    @abstractmethod
    def subject(self) -> str:
        """Where the message is published."""


class CameraMessage(Message):
    camera_id: str = Field(pattern=CAMERA_ID)

    @property
    def subject(self) -> str:
        return f"{self.subject_root}.{self.camera_id}"


class FrameMeta(CameraMessage):
    """The facts of one frame; `id` is `<camera>:<capture epoch in ms>`, so two holders of a camera cannot double it."""

    subject_root: ClassVar[str] = f"{PREFIX}.frames"
    type: ClassVar[str] = "gtv.frame.captured.v1"

    captured_at: AwareDatetime
    sequence: int = Field(ge=0, description="rises by one with each published frame of a camera since its start")
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    source: Literal["capture", "ingest"] = "capture"


def frame_id(camera_id: str, captured_at: datetime) -> str:
    return f"{camera_id}:{int(captured_at.timestamp() * 1000)}"


class Candidate(BaseModel):
    model_config = ConfigDict(frozen=True)
    text: str
    confidence: float = Field(ge=0, le=1)


class DetectionRecorded(CameraMessage):
    """A passage was seen (`final` false: a preview that may still change) or has ended (`final` true).

    All of one passage have the same `detection_id`; the newest holds. `final` may come again: when a frame shows the
    vehicle once more, or one that came late changes what was said; after it no preview comes. With `replaced_by` set
    the detection is none any more: a frame that came late showed that it was part of that other one. Such a message is
    never final, and the last of its id.
    """

    subject_root: ClassVar[str] = f"{PREFIX}.detections"
    type: ClassVar[str] = "gtv.detection.recorded.v1"

    detection_id: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    final: bool
    vehicle_type: str | None = None
    vehicle_confidence: float | None = None
    color: str | None = None
    color_confidence: float | None = None
    direction: str | None = Field(None, description="towards, away, left or right, as the camera sees it")
    plate: str | None = None
    plate_read: str | None = Field(None, description="what the readers say, also once `plate` is corrected")
    plate_confidence: float | None = Field(None, description="probability that the whole of `plate_read` is right")
    plate_format: str | None = None
    plate_rows: int | None = None
    corrected: bool = Field(False, description="a person set the plate")
    uncertain: bool = False
    candidates: tuple[Candidate, ...] = ()
    box: tuple[float, float, float, float] | None = None
    observations: int = 0
    snapshot_key: str | None = None
    plate_snapshot_key: str | None = None
    replaced_by: str | None = Field(None, description="id of the detection that took this one's place")
    source: str | None = Field(None, description="the system that read it; none: this one")


class CameraChanged(CameraMessage):
    """The register of cameras changed. Carries no address and no credential; capture reads the KV bucket."""

    subject_root: ClassVar[str] = f"{PREFIX}.cameras.changed"
    type: ClassVar[str] = "gtv.camera.changed.v1"

    change: Literal["created", "updated", "enabled", "disabled", "deleted"]
    name: str
    revision: int = Field(ge=1)


class CameraStatus(BaseModel):
    """How a camera fares; the value of its key in the KV bucket `gtv_camera_status`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    camera_id: str = Field(pattern=CAMERA_ID)
    state: CameraState
    reason: str = Field("", description="plain words, without a credential")
    reason_code: str = Field("", description="a short stable word, e.g. unauthorized, silent, no_video")
    since: AwareDatetime
    updated_at: AwareDatetime
    last_frame_at: AwareDatetime | None = None
    holder: str = Field("", description="the capture pod that holds the camera")
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = Field(None, description="frame rate that the stream announces or shows")
    decode: Literal["keyframes", "all"] | None = None
    decode_reason: str = ""
    keyframe_interval_s: float | None = None
    published: int = Field(0, description="frames published since the holder took the camera")
    dropped: dict[str, int] = Field(default_factory=dict, description="frames not published, by reason")
    restarts: int = 0
    faults: tuple[str, ...] = Field((), description="what is wrong with its pictures, the gravest first")
    picture: dict[str, float] | None = Field(
        None, description="brightness and contrast in grey levels, sharpness, usual_sharpness, view_match (0 to 1)"
    )


class ReadingFault(BaseModel):
    """What is wrong with what is read of a camera, against its own past, and what to do about it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str = Field(description="a short stable word, e.g. few_plates")
    mend: str = ""


class CameraStatusChanged(CameraMessage):
    """A camera's state changed, or the reason for it: online, degraded, offline, ...; or what is read of it."""

    subject_root: ClassVar[str] = f"{PREFIX}.cameras.status"
    type: ClassVar[str] = "gtv.camera.status_changed.v1"

    previous: CameraState | None = None
    status: CameraStatus
    reading: tuple[ReadingFault, ...] | None = Field(
        None, description="set where what is read of it is what changed: what is wrong with it; empty: nothing any more"
    )


DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Hours(BaseModel):
    """Hours of some days of the week in which a camera is read; an `end` that is not after `start` is a day later."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    days: tuple[Day, ...] = Field(min_length=1, max_length=7)
    start: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["06:00"])
    end: str = Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$", examples=["22:00"])

    @model_validator(mode="after")
    def _lasts(self) -> Hours:
        if self.start == self.end:
            raise ValueError("start and end are the same; a whole day is 00:00 to 24:00")
        if len(set(self.days)) < len(self.days):
            raise ValueError("a day stands twice")
        return self


class CameraSpec(BaseModel):
    """What capture needs to know of a camera; the value of its key in the KV bucket `gtv_cameras`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    camera_id: str = Field(pattern=CAMERA_ID)
    name: str
    url_encrypted: str = Field(description="the RTSP URL with its credentials, a Fernet token")
    enabled: bool = True
    revision: int = Field(ge=1)
    sample_fps: float = Field(1.0, gt=0, le=60, description="frames published a second at the most")
    motion_gate: bool = True
    motion_threshold: float = Field(0.0005, ge=0, le=1, description="share of the picture that must change")
    jpeg_quality: int | None = Field(None, ge=40, le=100)
    max_side: int | None = Field(None, ge=320, le=7680, description="longer side of published frames, px")
    schedule: tuple[Hours, ...] | None = Field(None, description="hours in which it is read; None: always")
    timezone: str = Field("UTC", description="time zone of `schedule`, e.g. America/Sao_Paulo")
    view_epoch: int = Field(0, ge=0, description="rises when what the camera shows now is accepted as right")


class AlertMessage(CameraMessage):
    """What happened to an alert. All of one alert have the same `alert_id`, all of one passage `detection_id`."""

    alert_id: str
    hotlist_id: str
    list_name: str
    kind: Literal["watch", "not_listed", "cloned"]
    priority: int = Field(ge=0, le=100)
    reason: str = ""
    detection_id: str
    plate: str
    plate_confidence: float | None = None
    uncertain: bool = False
    seen_at: AwareDatetime = Field(description="when the passage began")
    raised_at: AwareDatetime


class AlertRaised(AlertMessage):
    """A list was told of a passage; `again` where an alert that was withdrawn holds after all."""

    subject_root: ClassVar[str] = f"{PREFIX}.alerts.raised"
    type: ClassVar[str] = "gtv.alert.raised.v1"

    again: bool = False
    pattern: str | None = Field(
        None, description="the entry that matched; of a list of all that may pass there is none"
    )
    match: Literal["exact", "wildcard", "fuzzy"] | None = None
    distance: float | None = Field(None, description="how far the plate is from the entry, 0 the same")


class AlertAcknowledged(AlertMessage):
    """Somebody said that it is seen to, and what came of it."""

    subject_root: ClassVar[str] = f"{PREFIX}.alerts.acknowledged"
    type: ClassVar[str] = "gtv.alert.acknowledged.v1"

    acknowledged_by: str
    acknowledged_at: AwareDatetime
    outcome: str | None = None
    note: str | None = None


class AlertEscalated(AlertMessage):
    """Nobody acknowledged it within the minutes that its list allows."""

    subject_root: ClassVar[str] = f"{PREFIX}.alerts.escalated"
    type: ClassVar[str] = "gtv.alert.escalated.v1"

    escalated_at: AwareDatetime


class AlertWithdrawn(AlertMessage):
    """It does not hold: the passage was part of another, or its plate is another by now."""

    subject_root: ClassVar[str] = f"{PREFIX}.alerts.withdrawn"
    type: ClassVar[str] = "gtv.alert.withdrawn.v1"

    withdrawn_at: AwareDatetime
    withdrawn_reason: str


class WebhookDisabled(Message):
    """A webhook was disabled by the platform: its receiver is gone for good, or has failed for too long; or the API key
    that it answers to is over, or lost a permission or a group."""

    subject_root: ClassVar[str] = f"{PREFIX}.webhooks.disabled"
    type: ClassVar[str] = "gtv.webhook.disabled.v1"

    webhook_id: str
    name: str
    owner_id: str
    reason: Literal["gone", "failing", "key_over", "key_narrowed"]
    failing_since: AwareDatetime | None = None

    @property
    def subject(self) -> str:
        return f"{self.subject_root}.{self.webhook_id}"


class DeadLetter(Message):
    """A message that was given up, with the reason; its body is kept as text or base64."""

    subject_root: ClassVar[str] = f"{PREFIX}.dead_letters"
    type: ClassVar[str] = "gtv.dead_letter.v1"

    consumer: str
    original_subject: str
    original_headers: dict[str, str] = Field(default_factory=dict)
    reason: str
    body_base64: str = ""

    @property
    def subject(self) -> str:
        return f"{self.subject_root}.{self.consumer}"


class BulkLookup(Message):
    """One person looked up more than a limit in a window of time; said once a window. It names no plate."""

    subject_root: ClassVar[str] = f"{PREFIX}.alerts.privacy"
    type: ClassVar[str] = "gtv.privacy.bulk_lookup.v1"

    user_id: str
    username: str
    window: Literal["hour", "day"]
    lookups: int = Field(ge=1)
    limit: int = Field(ge=1)

    @property
    def subject(self) -> str:
        return f"{self.subject_root}.bulk"


class StorageLow(Message):
    """A disk of the platform has less room than it should, or (`low` false) has room again; said once a crossing."""

    subject_root: ClassVar[str] = f"{PREFIX}.alerts.storage"
    type: ClassVar[str] = "gtv.storage.low.v1"

    host: str
    place: str = Field(description="what lies there, e.g. data, images")
    low: bool
    free_bytes: int = Field(ge=0)
    total_bytes: int = Field(ge=0)
    least_bytes: int = Field(ge=0, description="free space below which it is low")

    @property
    def subject(self) -> str:
        return f"{self.subject_root}.{'low' if self.low else 'room'}"


EVENTS: tuple[type[Message], ...] = (
    DetectionRecorded, CameraChanged, CameraStatusChanged, AlertRaised, AlertAcknowledged, AlertEscalated,
    AlertWithdrawn, WebhookDisabled, BulkLookup, StorageLow,
)  # fmt: skip
