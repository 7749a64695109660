"""How many vehicles passed in each hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from functions.search import blindness, repository_cameras, repository_movements
from functions.search.filters import Filters
from functions.search.movement_schemas import LONGEST_STATS, Stats, StatsHour, StatsKey, StatsQuery
from functions.search.repository_movements import HOURS, MINUTES, Bucket
from functions.search.service import require_order
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import InvalidInput
from functions.shared.tokens import Principal

BUSIEST = 5
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
NOTHING = "-"


async def stats(context: Context, query: StatsQuery, who: Principal) -> Stats:
    """Vehicles an hour on the city's clocks. Raises InvalidInput."""
    require_order(query.start, query.end)
    end = query.end or max(now(), query.start or now())
    start = query.start or end - _DAY
    if end - start > LONGEST_STATS:
        raise InvalidInput(f"from: lies more than {LONGEST_STATS.days} days before to", field="from")
    zone = ZoneInfo(query.time_zone or context.settings.time_zone)
    filters = Filters(
        camera_ids=tuple(query.camera_id), group_ids=tuple(query.group_id), vehicle_types=tuple(query.type),
        colors=tuple(query.color), directions=tuple(query.direction), start=start, end=end, scope=who.scope,
    )  # fmt: skip
    async with context.db.read() as session:
        buckets = await repository_movements.counts(session, filters, query.by, _width(zone, start, end))
        names = {}
        if query.by == "camera":
            found = await repository_cameras.places_of(session, [str(bucket.key) for bucket in buckets])
            names = {name: place.name for name, place in found.items()}
        told = await blindness.over(session, filters, start, end)
    hours = _hours(buckets, zone, start, end, divided=query.by != "none")
    totals = Counter[str | None]()
    for bucket in buckets:
        totals[bucket.key] += bucket.count
    return Stats(
        start=start, end=end, time_zone=zone.key, by=query.by, total=sum(totals.values()),
        with_plate=sum(bucket.with_plate for bucket in buckets), hours=hours,
        keys=[] if query.by == "none" else _keys(totals, names),
        busiest=sorted((hour for hour in hours if hour.count), key=lambda hour: (-hour.count, hour.at))[:BUSIEST],
        hour_of_day=_by_clock(hours, zone), **told,
    )  # fmt: skip


def _width(zone: ZoneInfo, start: datetime, end: datetime) -> int:
    """Hours of UTC are hours of the clock but in zones that are off by a part of one."""
    offsets = (at.astimezone(zone).utcoffset() or timedelta() for at in (start, start + (end - start) / 2, end))
    return HOURS if all(offset % _HOUR == timedelta() for offset in offsets) else MINUTES


def _keys(totals: Counter[str | None], names: dict[str, str]) -> list[StatsKey]:
    ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0] or ""))
    return [StatsKey(key=key, name=names.get(key or ""), count=count) for key, count in ranked]


def _hours(
    buckets: Iterable[Bucket], zone: ZoneInfo, start: datetime, end: datetime, *, divided: bool
) -> list[StatsHour]:
    """Every hour of the window, in order of time."""
    counts: dict[datetime, Counter[str]] = {}
    at = _began(start, zone)
    while at < end:
        counts[at] = Counter()
        at += _HOUR
    for bucket in buckets:
        began = _began(_time_of(bucket.at), zone)
        counts.setdefault(began, Counter())[bucket.key or NOTHING] += bucket.count
    return [
        StatsHour(
            at=at, local=at.astimezone(zone).strftime("%Y-%m-%d %H:%M"), count=each.total(),
            counts=dict(each) if divided else {},
        )
        for at, each in sorted(counts.items())
    ]  # fmt: skip


def _time_of(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H" if len(text) == HOURS else "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def _began(at: datetime, zone: ZoneInfo) -> datetime:
    """When the hour of the zone's clock began, in UTC."""
    local = at.astimezone(zone)
    offset = local.utcoffset() or timedelta()
    floor = (at.astimezone(UTC) + offset).replace(minute=0, second=0, microsecond=0)
    return floor - offset


def _by_clock(hours: Iterable[StatsHour], zone: ZoneInfo) -> list[float]:
    sums, seen = [0] * 24, [0] * 24
    for hour in hours:
        clock = hour.at.astimezone(zone).hour
        sums[clock] += hour.count
        seen[clock] += 1
    return [round(total / count, 2) if count else 0.0 for total, count in zip(sums, seen, strict=True)]
