"""Compares the store with the rows, day by day and camera by camera: pictures that no row names, rows whose picture is
not there. Either comes of a process that died between the two, or of a hand that deleted in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from functions.retention.due import Doom
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.tables import Correction, Detection, DoomedImage, PassageObservation

log = logs.get("retention")
KINDS = ("vehicles", "plates", "corrections")
# A picture is written before its row: one this young may have its row still to come.
GRACE = timedelta(hours=1)
EXAMPLES = 20


@dataclass
class Found:
    """Counts over all that was looked at, and the first keys of either kind."""

    files: int = 0
    orphans: int = 0
    orphan_bytes: int = 0
    missing: int = 0
    mended: int = 0
    orphan_examples: list[str] = field(default_factory=list)
    missing_examples: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Span:
    """The days that are looked at: all of the store's, from `since` on, or before `before`."""

    since: datetime | None = None
    before: datetime | None = None

    def holds(self, day: datetime) -> bool:
        after_start = self.since is None or day.date() >= self.since.date()
        return after_start and (self.before is None or day.date() < self.before.date())


@dataclass(frozen=True)
class Mend:
    """What is put right: pictures that no row names are doomed (`orphans`), and with `missing` rows name no picture
    any more that is not there. The latter is never done by itself: a disk that is not mounted looks the same."""

    orphans: Doom | None = None
    missing: bool = False


NOTHING = Mend()


async def look(context: Context, span: Span, mend: Mend) -> dict[str, Any]:
    """Compare the days of a span; counts and examples of what does not agree."""
    found = Found()
    for kind in KINDS:
        days = {day async for day in _days(context, kind)} | await _days_of_rows(context, kind, span)
        for day in sorted(day for day in days if span.holds(day)):
            await _look_at_day(context, kind, day, found, mend)
    return vars(found)


async def _days(context: Context, kind: str) -> AsyncIterator[datetime]:
    for year in await context.store.folders(f"{kind}/"):
        for month in await context.store.folders(f"{kind}/{year}/"):
            for day in await context.store.folders(f"{kind}/{year}/{month}/"):
                try:
                    yield datetime(int(year), int(month), int(day), tzinfo=UTC)
                except ValueError:
                    log.warning("strange_folder", place=f"{kind}/{year}/{month}/{day}"[:100])


async def _days_of_rows(context: Context, kind: str, span: Span) -> set[datetime]:
    """Days that have rows, each found by its first: a day whose whole folder is gone has rows all the same."""
    column = Correction.created_at if kind == "corrections" else Detection.started_at
    days: set[datetime] = set()
    behind = span.since.replace(hour=0, minute=0, second=0, microsecond=0) if span.since is not None else None
    while True:
        ask = select(func.min(column)) if behind is None else select(func.min(column)).where(column >= behind)
        async with context.db.read() as session:
            first: datetime | None = await session.scalar(ask)
        if first is None or (span.before is not None and first >= span.before):
            return days
        day = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        days.add(day)
        behind = day + timedelta(days=1)


async def _look_at_day(context: Context, kind: str, day: datetime, found: Found, mend: Mend) -> None:
    place = f"{kind}/{day:%Y/%m/%d}/"
    async with context.db.read() as session:
        named = set(await _cameras_of(session, kind, day))
    for camera_id in sorted(named | set(await context.store.folders(place))):
        await _look_at_camera(context, f"{place}{camera_id}/", (kind, day, camera_id), found, mend)


async def _look_at_camera(
    context: Context, prefix: str, where: tuple[str, datetime, str], found: Found, mend: Mend
) -> None:
    # Rows are read after the files: a picture whose row came in between is no orphan.
    files = {item.key: item async for item in context.store.listed(prefix)}
    async with context.db.read() as session:
        wanted = await _keys_of(session, *where)
        queued = set(
            await session.scalars(select(DoomedImage.key).where(DoomedImage.key.startswith(prefix, autoescape=True)))
        )
    wanted = {key for key in wanted if key.startswith(prefix)}
    old = now() - GRACE
    orphans = sorted(
        key for key, item in files.items() if key not in wanted and key not in queued and item.modified < old
    )
    missing = sorted(wanted - files.keys())
    found.files += len(files)
    found.orphans += len(orphans)
    found.orphan_bytes += sum(files[key].size for key in orphans)
    found.orphan_examples = (found.orphan_examples + orphans)[:EXAMPLES]
    if missing:
        # One that was written since the listing is there now.
        missing = sorted(set(missing) - {item.key async for item in context.store.listed(prefix)})
    found.missing += len(missing)
    found.missing_examples = (found.missing_examples + missing)[:EXAMPLES]
    await _mend(context, where, orphans if mend.orphans else [], missing if mend.missing else [], mend, found)


async def _mend(
    context: Context, where: tuple[str, datetime, str], orphans: list[str], missing: list[str], mend: Mend, found: Found
) -> None:
    if not orphans and not missing:
        return
    async with context.db.transaction() as session:
        if mend.orphans is not None:
            await mend.orphans.pictures(session, set(orphans))
        if missing:
            await _name_no_more(session, where, missing)
    found.mended += len(orphans) + len(missing)


async def _name_no_more(session: AsyncSession, where: tuple[str, datetime, str], missing: list[str]) -> None:
    kind, day, camera_id = where
    column = "snapshot_key" if kind == "vehicles" else "plate_snapshot_key"
    if kind == "corrections":
        mine = _corrected(day, camera_id)
        await session.execute(
            update(Correction).where(mine, Correction.plate_snapshot_key.in_(missing)).values({column: None})
        )
        return
    mine = _seen(day, camera_id)
    ids = select(Detection.id).where(mine)
    for table, which in ((Detection, mine), (PassageObservation, PassageObservation.detection_id.in_(ids))):
        await session.execute(update(table).where(which, getattr(table, column).in_(missing)).values({column: None}))


async def _cameras_of(session: AsyncSession, kind: str, day: datetime) -> list[str]:
    after = day + timedelta(days=1)
    if kind == "corrections":
        asked = select(Correction.camera_id).where(Correction.created_at >= day, Correction.created_at < after)
    else:
        asked = select(Detection.camera_id).where(Detection.started_at >= day, Detection.started_at < after)
    return list(await session.scalars(asked.distinct()))


def _seen(day: datetime, camera_id: str) -> ColumnElement[bool]:
    """Passages of a camera on a day; one may have begun before, of a vehicle that stood there."""
    after, row = day + timedelta(days=1), Detection
    begun = (row.started_at >= day) & (row.started_at < after)
    return (row.camera_id == camera_id) & or_(begun, (row.ended_at >= day) & (row.started_at < day))


def _corrected(day: datetime, camera_id: str) -> ColumnElement[bool]:
    after, row = day + timedelta(days=1), Correction
    return (row.camera_id == camera_id) & (row.created_at >= day) & (row.created_at < after)


async def _keys_of(session: AsyncSession, kind: str, day: datetime, camera_id: str) -> set[str]:
    """Keys that rows of a camera around a day name."""
    if kind == "corrections":
        asked = select(Correction.plate_snapshot_key).where(_corrected(day, camera_id))
        return {key for key in await session.scalars(asked) if key is not None}
    column, mine = "snapshot_key" if kind == "vehicles" else "plate_snapshot_key", _seen(day, camera_id)
    own = await session.scalars(select(getattr(Detection, column)).where(mine))
    of_frames = select(getattr(PassageObservation, column)).join(
        Detection, Detection.id == PassageObservation.detection_id
    )
    seen = await session.scalars(of_frames.where(mine))
    return {key for found in (own, seen) for key in found if key is not None}
