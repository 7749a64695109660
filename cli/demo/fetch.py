"""What the score needs from a running GT-Vision, by its HTTP API."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from cli.demo.score import CameraTruth, Detection
from functions.shared.errors import InvalidInput, NotFound

Pages = Callable[..., Iterable[dict[str, Any]]]
"""`pages(path, limit, **params)`: the items of a list, as `cli.client.Client.pages`."""


def plain(text: str) -> str:
    """`Praça da Sé` -> `praca-da-se`: how a camera's name is compared."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(letter if letter.isalnum() else "-" for letter in letters if not unicodedata.combining(letter))
    return "-".join(part for part in kept.split("-") if part)


def match_cameras(truths: Iterable[Mapping[str, Any]], cameras: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Id of the registered camera -> name of the demo camera; by id or by name, however it is written."""
    wanted: dict[str, str] = {}
    for truth in truths:
        for label in (truth["camera"], truth.get("title") or truth["camera"]):
            wanted[plain(str(label))] = str(truth["camera"])
    found: dict[str, str] = {}
    for camera in cameras:
        for label in (str(camera["id"]), str(camera.get("name") or "")):
            if plain(label) in wanted:
                found.setdefault(str(camera["id"]), wanted[plain(label)])
    return found


def seconds(text: str, field: str = "time") -> float:
    """An RFC 3339 time as seconds since the epoch. Raises InvalidInput."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{field}: {text!r} is no RFC 3339 time such as 2026-01-31T12:00:00Z", field=field) from None
    if moment.tzinfo is None:
        raise InvalidInput(f"{field}: {text!r} has no zone; add Z or +00:00", field=field)
    return moment.timestamp()


def fetch_detections(
    pages: Pages, truths: Iterable[Mapping[str, Any]], *, since: str | None, until: str | None
) -> list[Detection]:
    """The detections of the demo cameras, by the API. Raises NotFound when none of the cameras is registered."""
    ids = match_cameras(truths, pages("/api/cameras", None))
    if not ids:
        raise NotFound("none of the demo cameras is registered here", mend="start them with `gtvision demo`")
    params = {"camera_id": sorted(ids), "from": since, "to": until}
    items = pages("/api/detections", None, **{key: value for key, value in params.items() if value is not None})
    return [detection_of(item, ids[str(item["camera_id"])]) for item in items if str(item["camera_id"]) in ids]


def detection_of(item: Mapping[str, Any], camera: str) -> Detection:
    start = seconds(str(item["started_at"]))
    end = seconds(str(item["ended_at"])) if item.get("ended_at") else start
    plate = item.get("plate")
    letters = "".join(letter for letter in str(plate).upper() if letter.isalnum()) if plate else None
    return Detection(str(item["id"]), camera, start, max(start, end), letters or None)


def parse_truths(truths: Iterable[dict[str, Any]]) -> list[CameraTruth]:
    return [CameraTruth.parse(truth) for truth in truths]
