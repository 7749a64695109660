"""The HTTP shapes of a camera's health."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from functions.cameras.schemas import Fault, StatusView


class HealthQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    hours: int = Field(24, ge=1, le=168, description="whole hours that are shown")
    days: int = Field(14, ge=3, le=60, description="days before them that say what is usual")


class Picture(BaseModel):
    """Statistics of the newest picture that was looked at."""

    brightness: float = Field(description="mean, grey levels 0 to 255")
    contrast: float = Field(description="standard deviation, grey levels")
    sharpness: float = Field(description="without a unit; comparable with the same camera's alone")
    usual_sharpness: float | None = Field(None, description="of this camera at this time of day; null: not yet known")
    view_match: float | None = Field(None, description="likeness to the scene that was learnt, -1 to 1")


class HourView(BaseModel):
    """One hour (`at` its begin): passages, those with a plate, the uncertain of these; and what is usual then."""

    at: datetime
    passages: int
    plates: int
    uncertain: int
    usual_passages: float | None = Field(description="median at this hour of the day; null: fewer than 3 days known")
    usual_plate_share: float | None = None
    usual_uncertain_share: float | None = None


class ReadingView(BaseModel):
    verdicts: list[Fault]
    hours: list[HourView]
    timezone: str
    plate_height: float | None = Field(description="median height of the newest plates, px; null: none was read")


class CameraHealth(BaseModel):
    camera_id: str
    status: StatusView
    faults: list[Fault] = Field(description="what is wrong with its pictures, the gravest first")
    picture: Picture | None
    reading: ReadingView
