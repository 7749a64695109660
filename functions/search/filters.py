"""What questions about detections are narrowed by, as conditions that an index answers on both databases."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from functions.search.plates import ESCAPE, PlateTest, after
from functions.shared.contracts import least_id
from functions.shared.formats import ANY
from functions.shared.partitions import SKEW
from functions.shared.scope import EVERYTHING, Scope
from functions.shared.tables import Camera, Detection


@dataclass(frozen=True)
class Filters:
    """None and () narrow nothing. `start` is in, `end` is out. `scope`: the cameras that may be seen at all."""

    plate: PlateTest | None = None
    camera_ids: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    vehicle_types: tuple[str, ...] = ()
    final: bool | None = None
    group_ids: tuple[str, ...] = ()
    colors: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    plate_formats: tuple[str, ...] = ()
    uncertain: bool | None = None
    corrected: bool | None = None
    min_confidence: float | None = None
    scope: Scope = field(default=EVERYTHING)

    def since(self, start: datetime) -> Filters:
        """The same, of no passage that began before `start`."""
        return replace(self, start=start if self.start is None else max(self.start, start))


def is_postgres(session: AsyncSession) -> bool:
    return bool(session.get_bind().dialect.name == "postgresql")


def conditions(session: AsyncSession, filters: Filters, *, by_time: bool = False) -> list[ColumnElement[bool]]:
    """`by_time`: the rows shall be walked in order of time, whatever the plate."""
    table = Detection
    found = [] if filters.plate is None else _plate(session, filters.plate, by_time=by_time)
    several = (
        (table.camera_id, filters.camera_ids), (table.vehicle_type, filters.vehicle_types),
        (table.color, filters.colors), (table.direction, filters.directions),
    )  # fmt: skip
    found += [column.in_(wanted) for column, wanted in several if wanted]
    either = ((table.final, filters.final), (table.uncertain, filters.uncertain), (table.corrected, filters.corrected))
    found += [column.is_(wanted) for column, wanted in either if wanted is not None]
    found += cameras(filters, table.camera_id)
    if filters.plate_formats:
        found.append(_formats(filters.plate_formats))
    if filters.min_confidence is not None:
        found.append(_sure(filters.min_confidence))
    found += during(session, filters.start, filters.end)
    return found


def cameras(filters: Filters, camera_id: Any) -> list[ColumnElement[bool]]:
    """The conditions of groups and scope on a column with a camera's id."""
    found = [] if filters.scope.everything else [filters.scope.cameras(camera_id)]
    if filters.group_ids:
        found.append(camera_id.in_(select(Camera.id).where(Camera.group_id.in_(filters.group_ids))))
    return found


def during(session: AsyncSession, start: datetime | None, end: datetime | None) -> list[ColumnElement[bool]]:
    """That a passage began at or after `start` and before `end`."""
    found: list[ColumnElement[bool]] = []
    if start is not None:
        found.append(Detection.started_at >= start)
        # Spares the partitions of earlier days. Not the later ones: pictures of the past may be handed in any time.
        if is_postgres(session):
            found.append(Detection.id >= least_id(start - SKEW))
    if end is not None:
        found.append(Detection.started_at < end)
    return found


def _formats(names: tuple[str, ...]) -> ColumnElement[bool]:
    """`any` stands for a plate of no format."""
    free = and_(Detection.plate.is_not(None), Detection.plate_format.is_(None)) if ANY in names else false()
    return or_(Detection.plate_format.in_(names), free)


def _sure(least: float) -> ColumnElement[bool]:
    """What a person said is sure."""
    table = Detection
    return and_(table.plate.is_not(None), or_(table.corrected.is_(True), table.plate_confidence >= least))


def ranges(test: PlateTest, *, by_time: bool = False) -> list[ColumnElement[bool]]:
    """The literal ends of a plate, as ranges of indexes; `by_time`: as mere conditions."""
    # An expression, not the bare column, keeps SQLite from sorting all rows of a broad range.
    plate, reverse = (
        (Detection.plate.op("||")(""), Detection.plate_reversed.op("||")(""))
        if by_time
        else (Detection.plate, Detection.plate_reversed)
    )
    found = _range(plate, test.prefix) if test.prefix is not None else []
    return found + (_range(reverse, test.suffix[::-1]) if test.suffix is not None else [])


def _plate(session: AsyncSession, test: PlateTest, *, by_time: bool) -> list[ColumnElement[bool]]:
    found = ranges(test, by_time=by_time)
    if test.any_of is not None:
        found.append(Detection.plate.in_(test.any_of))
    if test.like is None:
        return found
    if by_time or found or is_postgres(session):
        plate = Detection.plate.op("||")("") if by_time else Detection.plate
        return [*found, plate.like(test.like, escape=ESCAPE)]
    # Nothing literal at either end: SQLite reads all plates out of their index, and fetches no row for it.
    other = aliased(Detection)
    return [Detection.id.in_(select(other.id).where(other.plate.like(test.like, escape=ESCAPE)))]


def _range(column: Any, prefix: str) -> list[ColumnElement[bool]]:
    # A range, not LIKE: SQLite's LIKE with ESCAPE never uses an index.
    return [column >= prefix, column < after(prefix)]
