"""What questions about detections are narrowed by, as conditions that an index answers on both databases."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from functions.search.plates import ESCAPE, PlateTest, after
from functions.shared.contracts import least_id, now
from functions.shared.formats import ANY
from functions.shared.partitions import SKEW
from functions.shared.scope import EVERYTHING, Scope
from functions.shared.tables import Alert, Camera, Detection, HotlistEntry

# The fifth character of a plate, and that of its twin in Brazil's other numbering.
_FIFTH = dict(zip("0123456789ABCDEFGHIJ", "ABCDEFGHIJ0123456789", strict=True))


@dataclass(frozen=True)
class Listed:
    """Plates that are on lists: exact entries of `hotlist_ids`, of `twinned` their twins too, `plates`; and passages
    with an alert of `by_alert`, lists without entries. `whole`: no plate that is on them can be missing."""

    hotlist_ids: tuple[str, ...] = ()
    twinned: tuple[str, ...] = ()
    plates: tuple[str, ...] = ()
    by_alert: tuple[str, ...] = ()
    whole: bool = True


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
    listed: Listed | None = None
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
    if filters.listed is not None:
        found.append(_listed(filters.listed))
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


def _listed(listed: Listed) -> ColumnElement[bool]:
    """Never read into memory: a list may have hundreds of thousands of entries."""
    key, row = HotlistEntry.pattern, Detection
    found: list[ColumnElement[bool]] = []
    if listed.hotlist_ids:
        found.append(row.plate.in_(_exact(key, listed.hotlist_ids)))
    if listed.twinned:
        fifth = case(_FIFTH, value=func.substr(key, 5, 1))
        twin = func.substr(key, 1, 4) + fifth + func.substr(key, 6)
        found.append(row.plate.in_(_exact(twin, listed.twinned).where(_has_twin(key))))
    if listed.plates:
        found.append(row.plate.in_(listed.plates))
    for passage in (Alert.detection_id, Alert.other_detection_id) if listed.by_alert else ():
        told = select(passage).where(Alert.hotlist_id.in_(listed.by_alert), Alert.state != "withdrawn")
        found.append(row.id.in_(told.where(passage.is_not(None))))
    return or_(false(), *found)


def _exact(text: Any, hotlist_ids: tuple[str, ...]) -> Select[Any]:
    return select(text).where(HotlistEntry.hotlist_id.in_(hotlist_ids), HotlistEntry.match == "exact", in_force())


def in_force() -> ColumnElement[bool]:
    """That an entry was not taken out and is not over."""
    table = HotlistEntry
    return and_(table.removed.is_(False), or_(table.valid_until.is_(None), table.valid_until > now()))


def _has_twin(text: Any) -> ColumnElement[bool]:
    """As `plates.twins`: ABC1234, or ABC1C34 whose letter stands for a digit."""
    kinds = "AAA0J00"
    ends = {"A": ("A", "Z"), "0": ("0", "9")}
    marks = [func.substr(text, place, 1).between(*ends[kind]) for place, kind in enumerate(kinds, 1) if kind != "J"]
    return and_(func.length(text) == len(kinds), func.substr(text, 5, 1).in_(list(_FIFTH)), *marks)


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
