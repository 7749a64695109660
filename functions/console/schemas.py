"""The console's HTTP shapes: the events of the feed and the state of the platform."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from functions.shared.contracts import CameraState, Candidate, ReadingFault


class LiveDetection(BaseModel):
    """`event: detection`, as `GET /api/detections` names the fields. `final` false: it may still change.

    The addresses of the pictures end after GTV_LINK_TTL_S seconds; None where there is no picture.
    """

    id: str
    camera_id: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    final: bool
    type: str | None
    confidence: float | None
    color: str | None
    direction: str | None
    plate: str | None
    plate_read: str | None
    plate_confidence: float | None
    plate_format: str | None
    rows: int | None
    corrected: bool
    uncertain: bool
    candidates: list[Candidate]
    box: tuple[float, float, float, float] | None
    observations: int
    masked: bool = Field(False, description="the plate is masked for your role")
    snapshot_url: str | None
    plate_snapshot_url: str | None
    replaced_by: str | None = Field(description="id of the detection that took this one's place: it is no more")


AlertChange = Literal["raised", "acknowledged", "escalated", "withdrawn"]


class LiveAlert(BaseModel):
    """`event: alert`: something happened to an alert; `GET /api/alerts/{id}` says the rest."""

    id: str
    change: AlertChange
    camera_id: str
    kind: Literal["watch", "not_listed", "cloned"]
    priority: int
    raised_at: AwareDatetime


class LiveCameraStatus(BaseModel):
    """`event: camera-status`: a camera's state has changed."""

    camera_id: str
    previous: CameraState | None
    state: CameraState
    reason: str
    reason_code: str
    since: AwareDatetime
    updated_at: AwareDatetime
    last_frame_at: AwareDatetime | None
    codec: str | None
    width: int | None
    height: int | None
    fps: float | None
    decode: Literal["keyframes", "all"] | None
    decode_reason: str
    reading: list[ReadingFault] | None = Field(
        None, description="set where what is read of it is what changed: what is wrong with it now"
    )


class LiveCameraChange(BaseModel):
    """`event: camera-changed`: the register of cameras has changed."""

    camera_id: str
    change: Literal["created", "updated", "enabled", "disabled", "deleted"]
    name: str
    revision: int
    occurred_at: AwareDatetime


class Clock(BaseModel):
    """`event: clock`: the feed lives; the time of the server."""

    now: AwareDatetime


class Reset(BaseModel):
    """`event: reset`: some of what was missed is gone from the stream; read the lists anew."""

    reason: str


PartState = Literal["ready", "idle", "failing", "down", "unknown"]


class Part(BaseModel):
    """How one part of the platform fares, and in plain words why."""

    state: PartState
    message: str


class InferencePart(Part):
    """How reading fares. `reason` is a short stable word while the models do not answer, `since` when that began."""

    engine: Literal["embedded", "triton"] | None = Field(None, description="null while no reader is at work")
    since: AwareDatetime | None = None
    reason: str | None = None


class CameraCounts(BaseModel):
    total: int = 0
    online: int = 0
    degraded: int = 0
    offline: int = 0
    provisioning: int = 0
    disabled: int = 0


class PlatformStatus(BaseModel):
    """What the console's header shows."""

    now: AwareDatetime
    cameras: CameraCounts | None = Field(description="null while the bus does not answer")
    last_detection_at: AwareDatetime | None = Field(description="when the newest passage was last seen")
    bus: Part
    database: Part
    capture: Part
    inference: InferencePart
    disk: Part = Field(description="failing while a disk of the platform has less room than GTV_DISK_FREE_MIN")
    dead_letters: int | None = Field(
        description="messages of the bus that were given up and are still kept; null while the bus does not answer"
    )
