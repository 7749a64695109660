"""HTTP shapes of a plate's movements and of statistics."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self, get_args
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from functions.search.schemas import Blindness, CameraIds, Direction, Moment, Reason
from functions.shared.contracts import CAMERA_ID
from functions.shared.inference import VehicleColor, VehicleType

LONGEST_STATS = timedelta(days=92)


class PlateMovements(BaseModel):
    """The query of what is asked about one plate."""

    model_config = ConfigDict(extra="forbid")

    start: Moment | None = Field(None, alias="from", description="passages that began at or after this time")
    end: Moment | None = Field(None, alias="to", description="passages that began before this time")
    twins: bool = Field(True, description="also the same plate in Brazil's other numbering (ABC1234 is ABC1C34)")
    reason: Reason = None


class RouteQuery(PlateMovements):
    cursor: str | None = Field(None, description="next_cursor of the page before")
    limit: int = Field(200, ge=1, le=1000)


class RoutePoint(BaseModel):
    """One passage of the route. `gap_s`, `distance_km` and `speed_kmh` are from the point before, as the crow flies."""

    detection_id: str
    started_at: datetime
    ended_at: datetime
    plate: str | None
    camera_id: str
    camera_name: str | None
    location: str | None
    latitude: float | None
    longitude: float | None
    heading: float | None = Field(description="where the camera looks, degrees from north")
    direction: str | None
    type: str | None
    color: str | None
    plate_confidence: float | None
    uncertain: bool
    gap_s: float | None
    distance_km: float | None
    speed_kmh: float | None = Field(description="the least that the vehicle must have driven")


class Route(Blindness):
    plates: list[str] = Field(description="the plate, and its twin where it was asked for")
    items: list[RoutePoint] = Field(description="in order of time")
    next_cursor: str | None


class CompanionQuery(PlateMovements):
    minutes: float = Field(5, gt=0, le=60, description="within so many minutes at the same camera")
    at_least: int = Field(3, ge=2, le=100, description="meetings")
    limit: int = Field(50, ge=1, le=200)


class Companion(BaseModel):
    plate: str | None
    meetings: int = Field(description="passages of the plate at which this one was near")
    cameras: int = Field(description="different cameras of them")
    share: float = Field(description="meetings by passages looked at, 0..1")
    first_at: datetime
    last_at: datetime


class Companions(Blindness):
    """Ranked by meetings, then by cameras. `more_passages`: older passages of the plate were not looked at."""

    plates: list[str]
    passages: int = Field(description="passages of the plate that were looked at, the newest")
    more_passages: bool
    items: list[Companion]


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is no time zone of the IANA database, e.g. America/Sao_Paulo")
    return name


StatsBy = Literal["none", "camera", "type", "color"]


class StatsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    start: Moment | None = Field(None, alias="from", description="by itself a day before `to`")
    end: Moment | None = Field(None, alias="to", description="by itself now")
    by: StatsBy = Field("none", description="what each hour is divided by")
    time_zone: Annotated[str, AfterValidator(_zone)] | None = Field(None, description="by itself the city's")
    camera_id: CameraIds = []
    group_id: list[Annotated[str, Field(pattern=CAMERA_ID)]] = Field(default=[], max_length=200)
    type: list[VehicleType] = Field(default=[], max_length=len(get_args(VehicleType)))
    color: list[VehicleColor] = Field(default=[], max_length=len(get_args(VehicleColor)))
    direction: list[Direction] = Field(default=[], max_length=len(get_args(Direction)), description="of travel")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.start is not None and self.end is not None and self.end - self.start > LONGEST_STATS:
            raise ValueError(f"from: lies more than {LONGEST_STATS.days} days before to")
        return self


class StatsKey(BaseModel):
    """`key` is a camera's id, a type or a colour; null where it was not seen."""

    key: str | None
    name: str | None
    count: int


class StatsHour(BaseModel):
    """`at` is when the hour began, `local` the same on the city's clocks."""

    at: datetime
    local: str
    count: int
    counts: dict[str, int] = Field(description="by key; empty where nothing was asked for, `-` for null")


class Stats(Blindness):
    """Vehicles an hour. Hours without any are in the list, too."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    time_zone: str
    by: StatsBy
    total: int
    with_plate: int
    keys: list[StatsKey] = Field(description="by count, the most first")
    hours: list[StatsHour]
    busiest: list[StatsHour] = Field(description="the five hours with the most vehicles")
    hour_of_day: list[float] = Field(description="mean vehicles in each of the 24 hours of the city's clock")
