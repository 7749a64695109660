"""Where a plate went, and what went with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import asin, cos, radians, sin, sqrt

from functions.search import blindness, cursors, looking, repository_cameras, repository_movements
from functions.search.filters import Filters
from functions.search.looking import Look
from functions.search.movement_schemas import (
    Companion,
    CompanionQuery,
    Companions,
    PlateMovements,
    Route,
    RoutePoint,
    RouteQuery,
)
from functions.search.plates import PlateTest, whole, with_twins
from functions.search.repository_cameras import Place
from functions.search.repository_movements import Meeting
from functions.search.service import require_order
from functions.shared import masking
from functions.shared.context import Context
from functions.shared.tables import Detection
from functions.shared.tokens import Principal

# Passages whose company is looked for, the newest; SQLite joins 500 selects at the most.
MOST_PASSAGES = 400
_EARTH_KM = 6371.0


async def route(context: Context, text: str, query: RouteQuery, who: Principal) -> Route:
    """The passages of a plate in order of time. Raises InvalidInput."""
    look, plates, filters = _asked(context, text, query, who)
    after = cursors.decode(query.cursor) if query.cursor else None
    async with context.db.read() as session:
        rows = await repository_movements.passages(session, filters, after, query.limit + 1)
        places = await repository_cameras.places_of(session, [row.camera_id for row in rows])
        told = None if after else await blindness.over(session, filters, query.start, query.end)
    more, rows = len(rows) > query.limit, rows[: query.limit]
    points = _points(rows, places, hidden=look.hides(context))
    details = {"plates": len({row.plate for row in rows}), "count": len(rows), **_window(query)}
    await looking.record(context, look, "detections.route", plates[0], details)
    following = cursors.encode(cursors.Position(rows[-1].started_at, rows[-1].id)) if more else None
    return Route(plates=list(plates), items=points, next_cursor=following, **(told or {}))


async def companions(context: Context, text: str, query: CompanionQuery, who: Principal) -> Companions:
    """Plates that passed the same cameras at about the same time, again and again. Raises InvalidInput."""
    look, plates, filters = _asked(context, text, query, who)
    meeting = Meeting(timedelta(minutes=query.minutes), query.at_least)
    async with context.db.read() as session:
        rows = await repository_movements.passages(session, filters, None, MOST_PASSAGES + 1, newest=True)
        seen = rows[:MOST_PASSAGES]
        found = await repository_movements.companions(session, seen, meeting, Filters(scope=who.scope), query.limit)
        told = await blindness.over(session, filters, query.start, query.end)
    details = {"plates": len(found), "passages": len(seen), "minutes": query.minutes, **_window(query)}
    await looking.record(context, look, "detections.companions", plates[0], details)
    hidden = look.hides(context)
    items = [
        Companion(
            plate=masking.masked(met.plate) if hidden else met.plate, meetings=met.meetings, cameras=met.cameras,
            share=round(met.meetings / len(seen), 3), first_at=met.first_at, last_at=met.last_at,
        )
        for met in found
    ]  # fmt: skip
    return Companions(
        plates=list(plates), passages=len(seen), more_passages=len(rows) > MOST_PASSAGES, items=items, **told
    )  # fmt: skip


def _asked(context: Context, text: str, query: PlateMovements, who: Principal) -> tuple[Look, tuple[str, ...], Filters]:
    plate = whole(text)
    look = looking.look_of(context, who, query.reason, by_plate=True)
    require_order(query.start, query.end)
    plates = with_twins(plate) if query.twins else (plate,)
    return look, plates, Filters(plate=PlateTest(any_of=plates), start=query.start, end=query.end, scope=who.scope)


def _window(query: PlateMovements) -> dict[str, str]:
    given = (("from", query.start), ("to", query.end))
    return {name: at.isoformat() for name, at in given if at is not None}


def _points(rows: Sequence[Detection], places: dict[str, Place], *, hidden: bool) -> list[RoutePoint]:
    points: list[RoutePoint] = []
    for index, row in enumerate(rows):
        place, before = places.get(row.camera_id), rows[index - 1] if index else None
        gap = None if before is None else max(0.0, (row.started_at - before.ended_at).total_seconds())
        apart = None if before is None else distance_km(places.get(before.camera_id), place)
        points.append(
            RoutePoint(
                detection_id=row.id, started_at=row.started_at, ended_at=row.ended_at,
                plate=masking.masked(row.plate) if hidden else row.plate, camera_id=row.camera_id,
                camera_name=place and place.name, location=place and place.location, latitude=place and place.latitude,
                longitude=place and place.longitude, heading=place and place.heading, direction=row.direction,
                type=row.vehicle_type, color=row.color, plate_confidence=row.plate_confidence, uncertain=row.uncertain,
                gap_s=gap, distance_km=None if apart is None else round(apart, 3), speed_kmh=speed_kmh(apart, gap),
            )
        )  # fmt: skip
    return points


def distance_km(one: Place | None, other: Place | None) -> float | None:
    """Between two cameras on the globe (haversine); None where the place of one is not known."""
    if one is None or other is None:
        return None
    if one.latitude is None or one.longitude is None or other.latitude is None or other.longitude is None:
        return None
    lat1, lat2 = radians(one.latitude), radians(other.latitude)
    across = radians(other.longitude - one.longitude)
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin(across / 2) ** 2
    return 2 * _EARTH_KM * asin(min(1.0, sqrt(half)))


def speed_kmh(apart: float | None, gap_s: float | None) -> float | None:
    """None between cameras of one place: there the time says nothing."""
    if apart is None or gap_s is None or apart < 0.05:
        return None
    return round(apart / max(gap_s, 1.0) * 3600, 1)
