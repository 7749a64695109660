"""What other systems' reads look like, turned into one shape. Pure: bytes and JSON in, `Read`s out.

Field names after the makers' public pages: Plate Recognizer Stream and Snapshot (guides.platerecognizer.com, stream/
results), Rekor Scout (docs.rekor.ai, application-integration/json-group-results and json-plate-results), CloudEvents
1.0 with its JSON format and HTTP binding. What a sender adds is passed over; what it lacks is null.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from functions.shared.contracts import now
from functions.shared.errors import InvalidInput

Format = Literal["plate_recognizer", "rekor", "cloudevents"]
FORMATS: tuple[str, ...] = get_args(Format)
LONGEST_PLATE, MOST_CANDIDATES, MOST_READS = 10, 8, 100
_AHEAD, _EARLIEST = timedelta(seconds=60), datetime(2000, 1, 1, tzinfo=UTC)
_COLORS = {"gray": "grey", "orange": "other", "purple": "other", "pink": "other", "beige": "other", "tan": "other",
           "gold": "other", "gold-beige": "other"}  # fmt: skip
_OWN_COLORS = frozenset({"white", "silver", "grey", "black", "red", "blue", "green", "yellow", "brown", "other"})
# Words in names of body types, in the order in which they are looked for.
_TYPES = (("motor", "motorcycle"), ("bus", "bus"), ("tractor", "truck"), ("truck", "truck"), ("pickup", "truck"),
          ("trailer", "truck"), ("sedan", "car"), ("suv", "car"), ("van", "car"), ("car", "car"), ("wagon", "car"),
          ("convertible", "car"), ("crossover", "car"), ("compact", "car"))  # fmt: skip
_DIRECTIONS = frozenset({"towards", "away", "left", "right"})
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Read:
    """One passage as another system saw it. `cameras`: names of its camera, the most precise first. Confidences are
    the sender's, 0..1. `box` is of the vehicle, `plate_box` of the plate, x1 y1 x2 y2 in pixels. `per_frame`: the
    sender tells of a passage once for each frame."""

    source: Format
    external_id: str
    cameras: tuple[str, ...]
    started_at: datetime
    ended_at: datetime
    plate: str | None
    confidence: float | None = None
    candidates: tuple[tuple[str, float], ...] = ()
    vehicle_type: str | None = None
    vehicle_confidence: float | None = None
    color: str | None = None
    color_confidence: float | None = None
    direction: str | None = None
    box: tuple[float, float, float, float] | None = None
    plate_box: tuple[float, float, float, float] | None = None
    picture: bytes | None = None
    plate_picture: bytes | None = None
    stationary: bool = False
    per_frame: bool = False


@dataclass(frozen=True)
class Parsed:
    """`ignored`: what the sender told besides reads, heartbeats for instance."""

    reads: tuple[Read, ...]
    ignored: int = 0


def shape_of(body: Any) -> Format:
    """Which sender's a JSON document is. Raises InvalidInput."""
    first = body[0] if isinstance(body, list) and body else body
    if isinstance(first, Mapping):
        if "specversion" in first:
            return "cloudevents"
        if "data_type" in first:
            return "rekor"
        if isinstance(first.get("data"), Mapping) and ("hook" in first or "results" in first["data"]):
            return "plate_recognizer"
        if isinstance(first.get("results"), list):
            return "plate_recognizer"
    raise InvalidInput(f"body: is of none of the shapes {', '.join(FORMATS)}; ?format= names one", field="body")


def parse(body: Any, shape: Format, upload: bytes | None = None) -> Parsed:
    """The reads of a document, or of a list of documents. Raises InvalidInput naming what is wrong."""
    documents = body if isinstance(body, list) else [body]
    found: list[Parsed] = []
    for document in documents:
        if not isinstance(document, Mapping):
            raise InvalidInput("body: must be a JSON object, or a list of them", field="body")
        found.append(_PARSERS[shape](document, upload))
    reads = tuple(read for each in found for read in each.reads)
    if len(reads) > MOST_READS:
        raise InvalidInput(f"body: more than {MOST_READS} reads at once", field="body")
    return Parsed(reads, sum(each.ignored for each in found))


def _plate_recognizer(document: Json, upload: bytes | None) -> Parsed:
    """A webhook of Stream or Snapshot; results of `detection_mode=vehicle` have objects where others have texts."""
    hook = _object(document.get("hook"))
    if str(hook.get("event") or "recognition") not in ("recognition", "image.done"):
        return Parsed((), 1)
    data = _object(document.get("data")) or document
    results = data.get("results")
    if not isinstance(results, list):
        # Heartbeats, dwell times and clips come under the same address.
        return Parsed((), 1)
    at = _time(data.get("timestamp") or data.get("timestamp_local"), "timestamp")
    camera = _name(data.get("camera_id") or hook.get("id"), "camera_id")
    reads = []
    for number, given in enumerate(results):
        result = _object(given)
        plate = _object(result.get("plate"))
        texts = _pairs(_object(plate.get("props")).get("plate"), "value", "score", 1.0) if plate else ()
        text = texts[0][0] if texts else (None if plate else _plate(result.get("plate")))
        vehicle = _object(result.get("vehicle"))
        props = _object(vehicle.get("props"))
        color = _best(props.get("color"), "value", "score", 1.0) or _best(result.get("color"), "color", "score", 1.0)
        stem = str(data.get("uuid") or data.get("filename") or f"{camera}@{at.isoformat()}")
        reads.append(
            Read(
                "plate_recognizer", _identity(f"{stem}#{number}:{text or ''}@{at.isoformat()}"), (camera,), at, at,
                text, texts[0][1] if texts else _part(result.get("score"), 1.0) if text else None,
                texts or _pairs(result.get("candidates"), "plate", "score", 1.0), _type(vehicle.get("type")),
                _part(vehicle.get("score"), 1.0), *_color(color), direction=_angle(result.get("direction")),
                box=_corners(vehicle.get("box")), plate_box=_corners(plate.get("box") or result.get("box")),
                picture=upload,
            )
        )  # fmt: skip
    return Parsed(tuple(reads))


def _rekor(document: Json, _: bytes | None) -> Parsed:
    """`alpr_group` (a passage) and `alpr_results` (one frame of it); early groups are followed by the whole one."""
    kind = document.get("data_type")
    if kind == "alpr_group" and not _truth(document.get("is_preview")):
        return Parsed((_rekor_group(document),))
    if kind == "alpr_results":
        results = document.get("results")
        if not isinstance(results, list):
            raise InvalidInput("results: is missing", field="results")
        return Parsed(tuple(_rekor_result(document, _object(item), n) for n, item in enumerate(results)))
    return Parsed((), 1)


def _rekor_group(group: Json) -> Read:
    best, vehicle = _object(group.get("best_plate")), _object(group.get("vehicle"))
    start = _epoch(group.get("epoch_start"), "epoch_start")
    end = _epoch(group.get("epoch_end"), "epoch_end") if group.get("epoch_end") else start
    confidence = group.get("best_confidence") if group.get("best_confidence") is not None else best.get("confidence")
    kind = _best(vehicle.get("body_type"), "name", "confidence", 100.0)
    return Read(
        "rekor", _identity(group.get("best_uuid")), _rekor_cameras(group), start, max(start, end),
        _plate(group.get("best_plate_number") or best.get("plate")), _part(confidence, 100.0),
        _pairs(group.get("candidates") or best.get("candidates"), "plate", "confidence", 100.0),
        _type(kind[0]) if kind else None, kind[1] if kind else None,
        *_color(_best(vehicle.get("color"), "name", "confidence", 100.0)), box=_rectangle(best.get("vehicle_region")),
        plate_box=_hull(best.get("coordinates")), picture=_picture(group.get("vehicle_crop_jpeg")),
        plate_picture=_picture(best.get("plate_crop_jpeg")), stationary=_truth(group.get("is_parked")),
    )  # fmt: skip


def _rekor_result(document: Json, result: Json, number: int) -> Read:
    at = _epoch(document.get("epoch_time"), "epoch_time")
    identity = _identity(document.get("uuid"))
    return Read(
        "rekor", identity if number == 0 else _identity(f"{identity}#{number}"), _rekor_cameras(document), at, at,
        _plate(result.get("plate")), _part(result.get("confidence"), 100.0),
        _pairs(result.get("candidates"), "plate", "confidence", 100.0), box=_rectangle(result.get("vehicle_region")),
        plate_box=_hull(result.get("coordinates")), plate_picture=_picture(result.get("plate_crop_jpeg")),
        per_frame=True,
    )  # fmt: skip


def _rekor_cameras(document: Json) -> tuple[str, ...]:
    """Each agent numbers its cameras: `AGENT:1000` is one, `1000` may be several."""
    number = _name(document.get("camera_id"), "camera_id")
    agent = document.get("agent_uid")
    return (f"{agent}:{number}"[:128], number) if isinstance(agent, str) and agent else (number,)


def _cloudevent(event: Json, _: bytes | None) -> Parsed:
    """An event whose data is a read in our own words, those of GET /api/detections among them, or another's shape."""
    if event.get("specversion") != "1.0":
        raise InvalidInput("specversion: must be 1.0", field="specversion")
    for name in ("id", "source", "type"):
        if not isinstance(event.get(name), str) or not event[name]:
            raise InvalidInput(f"{name}: is missing", field=name)
    data = event.get("data")
    if not isinstance(data, Mapping):
        raise InvalidInput("data: must be a JSON object", field="data")
    if "camera_id" not in data or "plate" not in data:
        inner = _foreign(data)
        if inner is not None:
            return parse(data, inner)
    start = _time(data.get("started_at") or data.get("captured_at") or event.get("time"), "started_at")
    end = _time(data["ended_at"], "ended_at") if data.get("ended_at") else start
    ours = "plate_confidence" in data
    direction = data.get("direction")
    read = Read(
        "cloudevents", _identity(f"{event['source']} {event['id']}"),
        (_name(data.get("camera_id") or event.get("subject"), "camera_id"),), start, max(start, end),
        _plate(data.get("plate")), _part(data.get("plate_confidence") if ours else data.get("confidence"), 1.0),
        _pairs(data.get("candidates"), "text", "confidence", 1.0), _type(data.get("type") or data.get("vehicle_type")),
        _part(data.get("confidence") if ours else data.get("vehicle_confidence"), 1.0),
        *_color((str(data["color"]), _part(data.get("color_confidence"), 1.0)) if data.get("color") else None),
        direction=direction if isinstance(direction, str) and direction in _DIRECTIONS else None,
        box=_four(data.get("box")), plate_box=_four(data.get("plate_box")), picture=_picture(data.get("picture")),
        plate_picture=_picture(data.get("plate_picture")),
    )  # fmt: skip
    return Parsed((read,))


def _foreign(data: Json) -> Format | None:
    """Another sender's shape inside an event; None where it is none, or an event in an event."""
    try:
        shape = shape_of(data)
    except InvalidInput:
        return None
    return None if shape == "cloudevents" else shape


_PARSERS = {"plate_recognizer": _plate_recognizer, "rekor": _rekor, "cloudevents": _cloudevent}


def _object(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _truth(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "1")


def _identity(value: Any) -> str:
    """A sender's id as it is kept; a long one by the hash that makes it short."""
    text = str(value).strip() if isinstance(value, (str, int)) else ""
    if not text:
        raise InvalidInput(
            "uuid: is missing: without it a repeated read could not be told from a new one", field="uuid"
        )
    if len(text) <= 128 and text.isprintable():
        return text
    import hashlib

    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def _name(value: Any, field: str) -> str:
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not text or len(text) > 128 or not text.isprintable():
        raise InvalidInput(f"{field}: is missing, or is no name of a camera", field=field)
    return text


def _plate(value: Any) -> str | None:
    """Letters and digits alone, upper case; None where the sender read none."""
    if value in (None, ""):
        return None
    text = re.sub(r"[\s.\-\u00b7\u2010-\u2015]", "", str(value)).upper() if isinstance(value, str) else ""
    if not re.fullmatch(rf"[A-Z0-9]{{1,{LONGEST_PLATE}}}", text):
        raise InvalidInput(f"plate: must be 1 to {LONGEST_PLATE} letters and digits", field="plate")
    return text


def _number(value: Any) -> float | None:
    """None for what is no number, or one that no measure has."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -1e15 < value < 1e15 else None


def _part(value: Any, whole: float) -> float | None:
    """A confidence as a part of one, within it; None for what is no number."""
    found = _number(value)
    return None if found is None else round(min(1.0, max(0.0, found / whole)), 4)


def _pairs(value: Any, text: str, score: str, whole: float) -> tuple[tuple[str, float], ...]:
    """Candidates, best first as they came; those that are no plates are left out."""
    found: dict[str, float] = {}
    for item in value if isinstance(value, list) else ():
        try:
            plate = _plate(_object(item).get(text))
        except InvalidInput:
            continue
        if plate is not None:
            found.setdefault(plate, _part(_object(item).get(score), whole) or 0.0)
    return tuple(found.items())[:MOST_CANDIDATES]


def _best(value: Any, text: str, score: str, whole: float) -> tuple[str, float | None] | None:
    items = [_object(item) for item in value] if isinstance(value, list) else []
    named = [(str(item[text]), _part(item.get(score), whole)) for item in items if isinstance(item.get(text), str)]
    return max(named, key=lambda pair: pair[1] or 0.0, default=None)


def _type(value: Any) -> str | None:
    words = value.lower() if isinstance(value, str) else ""
    return next((kind for word, kind in _TYPES if word in words), None)


def _color(found: tuple[str, float | None] | None) -> tuple[str | None, float | None]:
    name = found[0].lower() if found else ""
    ours = _COLORS.get(name, name)
    return (ours, found[1]) if found and ours in _OWN_COLORS else (None, None)


def _angle(value: Any) -> str | None:
    """Plate Recognizer's angle on the unit circle, as the camera sees it: 0 to the right, 90 up and so away."""
    found = _number(value)
    return None if found is None else ("right", "away", "left", "towards")[int(((found + 45) % 360) // 90) % 4]


def _time(value: Any, field: str) -> datetime:
    """ISO 8601; without a zone it is UTC, as the makers' pages say."""
    try:
        at = datetime.fromisoformat(str(value).strip().replace(" ", "T", 1))
    except ValueError:
        raise InvalidInput(f"{field}: is no time", field=field) from None
    return _sane(at if at.tzinfo else at.replace(tzinfo=UTC), field)


def _epoch(value: Any, field: str) -> datetime:
    """Milliseconds since 1970."""
    found = _number(value)
    if found is None or not 0 < found < 1e14:
        raise InvalidInput(f"{field}: must be milliseconds since 1970", field=field)
    return _sane(datetime.fromtimestamp(found / 1000, UTC), field)


def _sane(at: datetime, field: str) -> datetime:
    if at < _EARLIEST:
        raise InvalidInput(f"{field}: lies before the year 2000", field=field)
    if at > now() + _AHEAD:
        raise InvalidInput(f"{field}: lies in the future; the sender's clock is wrong", field=field)
    return at.astimezone(UTC)


def _numbers(values: Iterable[Any]) -> tuple[float, float, float, float] | None:
    found = [number for value in values if (number := _number(value)) is not None]
    if len(found) != 4 or any(not 0 <= value <= 100_000 for value in found):
        return None
    x1, y1, x2, y2 = found
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _four(value: Any) -> tuple[float, float, float, float] | None:
    return _numbers(value) if isinstance(value, list) else None


def _corners(value: Any) -> tuple[float, float, float, float] | None:
    return _numbers(_object(value).get(name) for name in ("xmin", "ymin", "xmax", "ymax"))


def _rectangle(value: Any) -> tuple[float, float, float, float] | None:
    x, y, width, height = (_number(_object(value).get(name)) for name in ("x", "y", "width", "height"))
    if x is None or y is None or width is None or height is None:
        return None
    return _numbers((x, y, x + width, y + height))


def _hull(value: Any) -> tuple[float, float, float, float] | None:
    points = [_object(point) for point in value] if isinstance(value, list) else []
    xs, ys = ([found for point in points if (found := _number(point.get(axis))) is not None] for axis in ("x", "y"))
    return _numbers((min(xs), min(ys), max(xs), max(ys))) if len(xs) == len(ys) >= 3 else None


def _picture(value: Any) -> bytes | None:
    """A picture in base64; what is none is seen when it is decoded."""
    if not isinstance(value, str) or not value:
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b"?"
