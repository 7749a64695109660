"""What an answer tells of the times in which the asked cameras did not see."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from functions.search import repository_cameras
from functions.search.blind import Blind, blind_times
from functions.search.filters import Filters
from functions.search.repository_cameras import Place
from functions.search.schemas import BlindView, WindowView
from functions.shared.contracts import now

# Without a beginning, the last days are told of; a longer window is cut at its old end.
BEFORE, LONGEST = timedelta(days=7), timedelta(days=92)
MOST_CAMERAS, MOST_SPANS, MOST_TOLD = 1000, 20_000, 500


async def over(session: AsyncSession, filters: Filters, start: datetime | None, end: datetime | None) -> dict[str, Any]:
    """The fields of `schemas.Blindness` for the cameras of the filters between two times."""
    until = min(end or now(), now())
    since = max(start or until - BEFORE, until - LONGEST)
    if since >= until:
        return {"blind": [], "blind_window": WindowView(start=until, end=until)}
    asked = await repository_cameras.places(session, filters, MOST_CAMERAS)
    # One that was taken out before is told of where it was named.
    cameras = [place for place in asked if filters.camera_ids or _was_there(place, since)]
    spans = await repository_cameras.spans(session, [place.id for place in cameras], since, until, MOST_SPANS)
    if len(spans) == MOST_SPANS:
        # The last camera's spans may be cut off: nothing is said of it and of those behind.
        cameras = [place for place in cameras if place.id < spans[-1].camera_id]
    found = blind_times(cameras, spans, since, until)
    more = len(found) > MOST_TOLD or len(asked) == MOST_CAMERAS or len(spans) == MOST_SPANS
    shown = [_view(each) for each in found[:MOST_TOLD]]
    return {"blind": shown, "blind_window": WindowView(start=since, end=until, more=more)}


def _was_there(place: Place, since: datetime) -> bool:
    return place.deleted_at is None or place.deleted_at > since


def _view(each: Blind) -> BlindView:
    return BlindView(
        camera_id=each.camera_id, camera_name=each.camera_name, start=each.start, end=each.end, reason=each.reason
    )
