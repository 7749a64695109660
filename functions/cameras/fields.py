"""What the fields of cameras and groups may hold, alike for HTTP bodies, CSV and questions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from functions.cameras import polygons
from functions.shared import hours
from functions.shared.contracts import CAMERA_ID
from functions.shared.contracts import Hours as ContractHours
from functions.shared.formats import NAMES

# Words that stand in a route beside `{camera_id}`.
RESERVED = frozenset({"probe", "import", "keys", "discover", "export", "onvif"})


def _no_controls(text: str) -> str:
    if any((ord(letter) < 32 and letter not in "\n\t") or ord(letter) == 127 for letter in text):
        raise ValueError("has a control character")
    if any(0xD800 <= ord(letter) < 0xE000 for letter in text):
        raise ValueError("has half of a surrogate pair, which is no character")
    return text.strip()


def _one_line(text: str) -> str:
    # Also what only `str.splitlines` takes for a break (U+2028, say): a name goes into the headers of mails.
    if "\t" in text or len(text.splitlines()) > 1:
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


def _once(tags: list[str]) -> list[str]:
    """Tags as given, each once: `Ponte` and `ponte` are one."""
    return list({tag.casefold(): tag for tag in reversed(tags)}.values())[::-1]


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
LINE: JsonDict = {
    "pattern": r"^[^\x00-\x20\x7f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
    r"[^\x00-\x1f\x7f\x85\u2028\u2029]*$"
}
RTSP: JsonDict = {
    "pattern": r"^rtsps?://([A-Za-z0-9._~%-]+(:[A-Za-z0-9._~%-]*)?@)?[A-Za-z0-9.-]+(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~%/-]*)?$"
}
RTSP_EXAMPLE = "rtsp://user:password@192.0.2.10:554/stream1"
Id = Annotated[str, Field(pattern=CAMERA_ID), AfterValidator(_not_reserved)]
Name = Annotated[
    str, Field(min_length=1, max_length=120, examples=["Av. Brasil, km 1"], json_schema_extra=LINE), Clean, Line
]
Group = Annotated[str, Field(pattern=CAMERA_ID, description="id of a group that is there", examples=["centro"])]
Location = Annotated[str, Field(max_length=200, json_schema_extra=LINE), Clean, Line]
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
Heading = Annotated[float, Field(ge=0, lt=360, description="where it looks, degrees clockwise from north")]
Vendor = Annotated[str, Field(max_length=80, json_schema_extra=LINE), Clean, Line]
Tag = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^,;|]*$"), Clean, Line]
Tags = Annotated[
    list[Tag] | None,
    Field(max_length=20, description="words to find it by; null or []: none", examples=[["ponte", "norte"]]),
    AfterValidator(lambda tags: _once(tags) if tags else None),
]
RetentionDays = Annotated[
    int, Field(ge=1, le=3650, description="days that its detections and pictures are kept; null: the platform's rule")
]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Hours(ContractHours):
    """Hours of some days in which a camera is read, in the city's time zone; an `end` not after `start` is a day
    later."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Schedule = Annotated[
    list[Hours] | None,
    Field(
        max_length=hours.MOST,
        description="Hours in which it is read, in the city's time zone (GTV_TIME_ZONE); null or []: always. Outside "
        "them its state is `disabled` for the reason `schedule`.",
        examples=[[{"days": ["mon", "tue"], "start": "06:00", "end": "22:00"}]],
    ),
    AfterValidator(_none_if_empty),
]
