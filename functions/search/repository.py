"""The SQL of search; the same statements on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Select, String, and_, any_, case, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from functions.search.cursors import Position
from functions.search.filters import Filters, conditions, is_postgres, ranges
from functions.search.plates import PlateTest
from functions.shared.contracts import now
from functions.shared.formats import DEFAULT
from functions.shared.scope import EVERYTHING, Scope
from functions.shared.tables import Camera, Correction, Detection, Group, PassageObservation

# A page of the newest is mostly found within the first of these; without bounds a database may sort all there is.
SPANS = (timedelta(days=1), timedelta(days=30))
# As many rows as a plate's beginning or end may leave to be sorted by time. Of more, the newest are found soon by
# walking the rows in order of time: within a day, as long as the other filters let some of them through.
MOST_SORTED = 10_000
SHORT = 3
# How far a pattern without a literal end is walked for; behind that every plate is looked at.
WALK = timedelta(hours=1)


@dataclass(frozen=True)
class Found:
    """`score`: how alike the plate is to the one that was asked for, in thousandths."""

    detection: Detection
    camera_name: str | None
    score: int | None = None


async def detections(session: AsyncSession, filters: Filters, behind: Position | None, limit: int) -> list[Found]:
    """Detections, newest first, behind a position."""
    top = behind.started_at if behind is not None else filters.end or now()
    for span in await _spans(session, filters.plate):
        if filters.start is not None and top - span <= filters.start:
            break
        found = await _newest(session, filters.since(top - span), behind, limit, by_time=filters.plate is not None)
        if len(found) >= limit:
            return found
    return await _newest(session, filters, behind, limit)


async def _spans(session: AsyncSession, test: PlateTest | None) -> Sequence[timedelta]:
    """The spans before the newest row in which a page is looked for first."""
    if test is None:
        return SPANS
    if test.any_of is not None:
        return ()
    bounds = ranges(test)
    if not bounds:
        return (WALK,)
    if is_postgres(session):
        # It knows how many rows a beginning leaves, so that a short one alone is worth a first look at the last day.
        return SPANS[:1] if max(len(test.prefix or ""), len(test.suffix or "")) < SHORT else ()
    rows = select(literal(1)).select_from(Detection).where(*bounds).limit(MOST_SORTED).subquery()
    return SPANS[:1] if await session.scalar(select(func.count()).select_from(rows)) == MOST_SORTED else ()


async def _newest(
    session: AsyncSession, filters: Filters, behind: Position | None, limit: int, *, by_time: bool = False
) -> list[Found]:
    asked = _asked().where(*conditions(session, filters, by_time=by_time and filters.plate is not None))
    if behind is not None:
        at, row_id = literal(behind.started_at, Detection.started_at.type), behind.id
        # The first half bounds the index, the second breaks ties.
        asked = asked.where(Detection.started_at <= at, or_(Detection.started_at < at, Detection.id < row_id))
    asked = asked.order_by(Detection.started_at.desc(), Detection.id.desc()).limit(limit)
    return [Found(row, name) for row, name in await session.execute(asked)]


def _asked() -> Select[Detection, str]:
    return select(Detection, Camera.name).outerjoin(Camera, Camera.id == Detection.camera_id)


async def plates_folded(session: AsyncSession, folded: frozenset[str], filters: Filters) -> list[str]:
    """The plates that are stored and fold to one of these texts; of the filters, time alone is looked at."""
    keys = sorted(folded)
    # PostgreSQL would weigh each of hundreds of texts in each partition before it looks one up.
    hidden = select(func.unnest(cast(keys, ARRAY(String)))).scalar_subquery()
    within = (
        Detection.plate_folded == any_(func.array(hidden)) if is_postgres(session) else Detection.plate_folded.in_(keys)
    )
    bounds = Filters(start=filters.start, end=filters.end)
    return list(await session.scalars(select(Detection.plate).distinct().where(within, *conditions(session, bounds))))


async def ranked(
    session: AsyncSession, filters: Filters, scores: Mapping[str, int], behind: Position | None, limit: int
) -> list[Found]:
    """Detections of the plates of `scores`, the best score first and the newest of each first, behind a position."""
    most = max(scores.values(), default=0) if behind is None or behind.score is None else behind.score
    alike = {plate: score for plate, score in scores.items() if score <= most}
    if not alike:
        return []
    table = Detection
    ranks = {score: tuple(sorted(plate for plate in alike if alike[plate] == score)) for score in set(alike.values())}
    # One statement: on PostgreSQL each costs a look into every day.
    rank = case(*((table.plate.in_(plates), score) for score, plates in ranks.items()), else_=0)
    asked = _asked().add_columns(rank)
    asked = asked.where(*conditions(session, replace(filters, plate=PlateTest(any_of=tuple(sorted(alike))))))
    if behind is not None:
        at = literal(behind.started_at, table.started_at.type)
        earlier = or_(table.started_at < at, and_(table.started_at == at, table.id < behind.id))
        asked = asked.where(or_(rank < most, earlier))
    asked = asked.order_by(rank.desc(), table.started_at.desc(), table.id.desc()).limit(limit)
    return [Found(row, name, score) for row, name, score in await session.execute(asked)]


async def detection(session: AsyncSession, detection_id: str, scope: Scope) -> Found | None:
    asked = _asked().where(Detection.id == detection_id, scope.cameras(Detection.camera_id))
    row = (await session.execute(asked)).one_or_none()
    return None if row is None else Found(row[0], row[1])


async def holds(session: AsyncSession, filters: Filters, detection_id: str) -> bool:
    """Whether a detection is among those that the filters leave."""
    asked = select(Detection.id).where(Detection.id == detection_id, *conditions(session, filters))
    return await session.scalar(asked) is not None


async def observations(session: AsyncSession, detection_id: str) -> Sequence[PassageObservation]:
    """In order of time."""
    table = PassageObservation
    asked = select(table).where(table.detection_id == detection_id).order_by(table.captured_at, table.id)
    return list(await session.scalars(asked))


async def detection_for_update(session: AsyncSession, detection_id: str) -> Detection | None:
    """A detection that no other transaction changes until this one ends."""
    asked = select(Detection).where(Detection.id == detection_id).with_for_update()
    return (await session.scalars(asked)).one_or_none()


@dataclass(frozen=True)
class CorrectionFilters:
    """As `Filters`, of corrections by the time they were made."""

    camera_ids: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    source: str | None = None
    scope: Scope = EVERYTHING


async def corrections(
    session: AsyncSession, filters: CorrectionFilters, behind: Position | None, limit: int
) -> list[Correction]:
    """Corrections, newest first, behind a position."""
    table = Correction
    asked = select(table).order_by(table.created_at.desc(), table.id.desc()).limit(limit)
    asked = asked.where(filters.scope.cameras(table.camera_id))
    if filters.camera_ids:
        asked = asked.where(table.camera_id.in_(filters.camera_ids))
    if filters.start is not None:
        asked = asked.where(table.created_at >= filters.start)
    if filters.end is not None:
        asked = asked.where(table.created_at < filters.end)
    if filters.source is not None:
        asked = asked.where(table.source == filters.source)
    if behind is not None:
        at = literal(behind.started_at, table.created_at.type)
        asked = asked.where(table.created_at <= at, or_(table.created_at < at, table.id < behind.id))
    return list(await session.scalars(asked))


async def corrections_of(session: AsyncSession, detection_id: str) -> list[Correction]:
    """In order of time."""
    asked = select(Correction).where(Correction.detection_id == detection_id)
    return list(await session.scalars(asked.order_by(Correction.created_at, Correction.id)))


async def correction(session: AsyncSession, correction_id: str, scope: Scope) -> Correction | None:
    asked = select(Correction).where(Correction.id == correction_id, scope.cameras(Correction.camera_id))
    return (await session.scalars(asked)).one_or_none()


@dataclass(frozen=True)
class CameraRules:
    """What a camera says of its plates; `min_confidence` None is the platform's own."""

    formats: tuple[str, ...]
    min_confidence: float | None


async def camera_rules(session: AsyncSession, camera_id: str) -> CameraRules:
    asked = select(Camera.min_confidence, Group.plate_formats).outerjoin(Group, Group.id == Camera.group_id)
    row = (await session.execute(asked.where(Camera.id == camera_id))).one_or_none()
    return CameraRules(DEFAULT, None) if row is None else CameraRules(tuple(row[1] or DEFAULT), row[0])
