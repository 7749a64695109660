"""HTTP shapes of search."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from functions.shared.contracts import CAMERA_ID, Candidate

_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)


def _sane(at: datetime) -> datetime:
    """In UTC, and far enough from the ends of time that a time zone cannot push it over."""
    if not 1970 <= at.year <= 9998 or not _EARLIEST <= at <= _LATEST:
        raise ValueError("must lie between 1970 and 9998")
    return at.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_sane)]


class DetectionQuery(BaseModel):
    """The query of the list. An unknown name is refused: a filter misspelt would find everything."""

    model_config = ConfigDict(extra="forbid")

    plate: str | None = Field(None, description="plate, or a part of it; separators and case do not matter")
    match: str = Field(
        "exact", description="exact, prefix, or wildcard: * stands for any characters, ? for one", examples=["prefix"]
    )
    camera_id: list[Annotated[str, Field(pattern=CAMERA_ID)]] = Field(
        default=[], max_length=200, description="one camera or more (repeat it)"
    )
    start: Moment | None = Field(None, alias="from", description="passages that began at or after this time")
    end: Moment | None = Field(None, alias="to", description="passages that began before this time")
    type: Literal["car", "motorcycle", "bus", "truck"] | None = None
    final: bool | None = Field(None, description="true: ended passages alone; false: those still in sight")
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
    plate: str | None
    plate_confidence: float | None
    plate_format: str | None
    uncertain: bool = Field(description="the plate's confidence is below the camera's threshold")
    final: bool = Field(description="false while the vehicle may still be in sight")
    candidates: list[Candidate] = Field(description="possible plates, likeliest first")
    box: list[float] | None
    color: str | None
    direction: str | None
    observations: int = Field(description="frames that showed the passage")
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


class DetectionDetail(DetectionView):
    seen: list[ObservationView] = Field(description="the observations that were kept, in order of time")


class DetectionPage(BaseModel):
    items: list[DetectionView]
    next_cursor: str | None
