"""How well a camera sees and is read: its state, faults of its pictures, its plates hour by hour against its past."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from functions.cameras import feed, reading_rows, status
from functions.cameras.health_schemas import CameraHealth, HealthQuery, HourView, Picture, ReadingView
from functions.cameras.reading_rows import HourCount
from functions.cameras.schemas import Fault
from functions.cameras.service import existing
from functions.shared import audit
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.tables import Camera
from functions.shared.tokens import Principal

HOUR = timedelta(hours=1)
# Fewer passages than this in what is judged, or in what is usual, say nothing.
ENOUGH = 10
FEW, NONE_OF = 0.3, 5.0
"""Share of the usual passages below which they are few; usual passages from which none at all is told."""
WORSE = 0.6
"""Share of the usual share of passages with a plate below which plates are missed."""
UNSURE, UNSURE_MORE = 0.3, 2.0
"""Share of uncertain plates, and how many times the usual one, from which they are too many."""
SMALL_PLATE = 14.0
"""Height of a plate, px, below which characters run together (half of what the reader's crops have)."""
RECENT = 3

MENDS = {**status.SIGHT_MENDS, **status.READING_MENDS}


@dataclass(frozen=True)
class Usual:
    """What is usual at an hour of the day: the medians over the days before."""

    passages: float
    plate_share: float | None
    unsure_share: float | None


@dataclass(frozen=True)
class Judged:
    """The hours that were looked at, and what is wrong with the newest of them. `decided`: the codes of which these
    hours say whether it is so; `plate_height`: median height of the newest plates, px."""

    hours: list[HourView]
    plate_height: float | None
    verdicts: list[str]
    decided: frozenset[str]


def last_whole_hour(at: datetime | None = None) -> datetime:
    """The end of the last hour that is over."""
    return (at or now()).replace(minute=0, second=0, microsecond=0)


async def judged(context: Context, camera: Camera, query: HealthQuery) -> Judged:
    """The last `query.hours` whole hours of a camera, judged by `query.days` before."""
    zone = ZoneInfo(context.settings.time_zone)
    end = last_whole_hour()
    begin = end - query.hours * HOUR
    first = max(begin - timedelta(days=query.days), last_whole_hour(camera.created_at))
    async with context.db.read() as session:
        counts = await reading_rows.hours(session, camera.id, min(first, begin), end)
        boxes = await reading_rows.plate_boxes(session, camera.id, end - timedelta(days=query.days))
    shown = _shown(counts, begin, end, _usual(counts, first, begin, zone), zone)
    height = statistics.median(box[3] - box[1] for box in boxes) if boxes else None
    return Judged(shown, height, _verdicts(shown, height), _decided(shown, height))


async def health(context: Context, camera: Camera, query: HealthQuery) -> CameraHealth:
    """State, faults and reading of a camera. The last `query.hours` whole hours are judged by `query.days` before."""
    how = await status.status_of(context, camera)
    found = await judged(context, camera, query)
    picture = None if how.picture is None else Picture.model_validate(how.picture)
    height = found.plate_height
    return CameraHealth(
        camera_id=camera.id, status=how, faults=[_fault(code) for code in how.faults], picture=picture,
        reading=ReadingView(
            verdicts=[_fault(code) for code in found.verdicts], hours=found.hours,
            timezone=context.settings.time_zone, plate_height=None if height is None else round(height, 1),
        ),
    )  # fmt: skip


async def accept_view(context: Context, camera_id: str, who: Principal) -> Camera:
    """What the camera shows now is right: its scene is learnt anew. Raises NotFound."""
    async with context.db.transaction() as session:
        row = await existing(session, camera_id, who.scope, for_update=True)
        row.view_epoch += 1
        row.revision, row.updated_at = row.revision + 1, now()
        await audit.record(context.vault, session, who, Act("cameras.accept_view", camera_id))
    await feed.announce(context, [camera_id])
    return row


def _fault(code: str) -> Fault:
    return Fault(code=code, mend=MENDS[code])


def _usual(counts: Sequence[HourCount], first: datetime, begin: datetime, zone: ZoneInfo) -> dict[int, Usual]:
    """By hour of the day where the camera stands. Hours without a row had no passage."""
    days: dict[int, int] = defaultdict(int)
    at = first
    while at < begin:
        days[at.astimezone(zone).hour] += 1
        at += HOUR
    by_hour: dict[int, list[HourCount]] = defaultdict(list)
    for count in counts:
        if count.at < begin:
            by_hour[count.at.astimezone(zone).hour].append(count)
    return {hour: _of(by_hour[hour], number) for hour, number in days.items() if number >= RECENT}


def _of(counts: Sequence[HourCount], days: int) -> Usual:
    passages = [float(count.passages) for count in counts] + [0.0] * (days - len(counts))
    total, plates = sum(count.passages for count in counts), sum(count.plates for count in counts)
    unsure = sum(count.uncertain for count in counts)
    return Usual(
        statistics.median(passages), plates / total if total >= ENOUGH else None,
        unsure / plates if plates >= ENOUGH else None,
    )  # fmt: skip


def _shown(
    counts: Sequence[HourCount], begin: datetime, end: datetime, usual: dict[int, Usual], zone: ZoneInfo
) -> list[HourView]:
    found = {count.at: count for count in counts}
    shown = []
    at = begin
    while at < end:
        count, was = found.get(at, HourCount(at, 0, 0, 0)), usual.get(at.astimezone(zone).hour)
        shown.append(
            HourView(
                at=at, passages=count.passages, plates=count.plates, uncertain=count.uncertain,
                usual_passages=None if was is None else was.passages,
                usual_plate_share=_rounded(was.plate_share) if was else None,
                usual_uncertain_share=_rounded(was.unsure_share) if was else None,
            )
        )  # fmt: skip
        at += HOUR
    return shown


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _verdicts(hours: Sequence[HourView], height: float | None) -> list[str]:
    """What is wrong with the newest RECENT hours, against what is usual at these hours."""
    recent = hours[-RECENT:]
    known = [hour for hour in recent if hour.usual_passages is not None]
    found = _of_counts(known) if known else []
    passages, plates = sum(hour.passages for hour in recent), sum(hour.plates for hour in recent)
    shares = [hour.usual_plate_share for hour in recent if hour.usual_plate_share is not None]
    if passages >= ENOUGH and shares and plates / passages < WORSE * statistics.fmean(shares):
        found.append("few_plates")
    unsure = sum(hour.uncertain for hour in recent) / plates if plates >= ENOUGH else 0.0
    before = [hour.usual_uncertain_share for hour in recent if hour.usual_uncertain_share is not None]
    if unsure > UNSURE and (not before or unsure > UNSURE_MORE * statistics.fmean(before)):
        found.append("uncertain")
    if height is not None and height < SMALL_PLATE:
        found.append("small_plates")
    return found


def _decided(hours: Sequence[HourView], height: float | None) -> frozenset[str]:
    """The codes of which the newest RECENT hours say whether it is so: the few vehicles of a night say nothing."""
    recent = hours[-RECENT:]
    expected = sum(hour.usual_passages or 0.0 for hour in recent)
    passages, plates = sum(hour.passages for hour in recent), sum(hour.plates for hour in recent)
    found: set[str] = set()
    if expected >= ENOUGH or passages >= ENOUGH or (passages == 0 and expected >= NONE_OF):
        found |= {"no_passages", "few_passages"}
    if passages >= ENOUGH:
        found.add("few_plates")
    if plates >= ENOUGH:
        found.add("uncertain")
    if height is not None:
        found.add("small_plates")
    return frozenset(found)


def _of_counts(hours: Sequence[HourView]) -> list[str]:
    expected = sum(hour.usual_passages or 0.0 for hour in hours)
    passages = sum(hour.passages for hour in hours)
    if passages == 0 and expected >= NONE_OF:
        return ["no_passages"]
    if expected >= ENOUGH and passages < FEW * expected:
        return ["few_passages"]
    return []
