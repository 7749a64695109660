"""What the commands about cameras take, alike in `add` and `update`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.account import read_secret
from cli.polygons import HELP as CORNERS
from functions.shared import hours
from functions.shared.errors import InvalidInput

UrlArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RTSP_URL",
        help="rtsp://USER:PASSWORD@HOST/PATH. Left out, it is asked for without an echo; - reads it from standard "
        "input. As an argument it shows in the process list and in the shell's history: prefer the prompt.",
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="Name for people.")]
Group = Annotated[str | None, typer.Option("--group", help="Group id, see `gtvision groups list`.")]
Location = Annotated[str | None, typer.Option(help="Where it hangs, e.g. a street corner.")]
Latitude = Annotated[float | None, typer.Option(min=-90, max=90, help="Degrees.")]
Longitude = Annotated[float | None, typer.Option(min=-180, max=180, help="Degrees.")]
Heading = Annotated[float | None, typer.Option(min=0, max=360, help="Where it looks, degrees clockwise from north.")]
Vendor = Annotated[str | None, typer.Option(help="Its maker.")]
Model = Annotated[str | None, typer.Option(help="Its model.")]
Tag = Annotated[list[str] | None, typer.Option("--tag", help="A word to find it by; may be repeated.")]
Schedule = Annotated[
    str | None,
    typer.Option(help="Hours in which it is read, in the city's time zone: 'mon-fri 06:00-22:00; sat 08:00-12:00'."),
]
RetentionDays = Annotated[
    int | None, typer.Option(min=1, max=3650, help="Days that its detections and pictures are kept.")
]
Fps = Annotated[float | None, typer.Option("--fps", help="Frames analysed a second at the most.")]
Gate = Annotated[
    bool | None, typer.Option("--motion-gate/--no-motion-gate", help="Drop frames in which nothing moves.")
]
PlateHeight = Annotated[
    int | None, typer.Option(min=8, max=200, help="Plates lower than this are not read, px of the published frame.")
]
Confidence = Annotated[
    float | None, typer.Option(min=0, max=1, help="A plate's reading below this is marked uncertain.")
]
Region = Annotated[list[str] | None, typer.Option("--region", help=f"Only what is inside counts. {CORNERS}")]
IgnoreZone = Annotated[
    list[str] | None, typer.Option("--ignore-zone", help=f"What is inside does not count. {CORNERS}")
]
Notes = Annotated[str | None, typer.Option(help="Anything else.")]
CameraId = Annotated[str, typer.Argument(metavar="CAMERA", help="Id of the camera.")]


class Emptied(StrEnum):
    """What may be empty, as the command line names it."""

    GROUP = "group"
    LOCATION = "location"
    LATITUDE = "latitude"
    LONGITUDE = "longitude"
    HEADING = "heading"
    VENDOR = "vendor"
    MODEL = "model"
    TAGS = "tags"
    MIN_PLATE_HEIGHT = "min-plate-height"
    MIN_CONFIDENCE = "min-confidence"
    REGIONS = "regions"
    IGNORE_ZONES = "ignore-zones"
    SCHEDULE = "schedule"
    RETENTION_DAYS = "retention-days"
    NOTES = "notes"

    @property
    def field(self) -> str:
        return "group_id" if self is Emptied.GROUP else self.value.replace("-", "_")


def rtsp_url(given: str | None) -> str:
    """The address: an argument, a line of standard input (`-`), or typed without an echo."""
    if given is not None and given != "-":
        return given
    return read_secret("RTSP address", from_stdin=given == "-")


def hours_of(text: str | None) -> list[dict[str, Any]] | None:
    """The body of `--schedule`; [] for `always`. Raises InvalidInput."""
    if text is None:
        return None
    try:
        return [item.model_dump(mode="json") for item in hours.parse(text)]
    except ValueError as error:
        reason = str(error) if type(error) is ValueError else "an hour is 00:00 to 24:00, and a day stands once"
        raise InvalidInput(f"--schedule {reason}", field="schedule") from None


def given(**fields: Any) -> dict[str, Any]:
    """Those that are not left out."""
    return {name: value for name, value in fields.items() if value is not None}
