"""The SQL of previews: passages of the past by their plates, each question answered by an index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.plates import FIFTHS
from functions.shared.scope import Scope
from functions.shared.tables import Camera, Detection, HotlistEntry


class Where(NamedTuple):
    """Since when, and at which cameras: those of a scope that are in some groups (None: in any or none)."""

    since: datetime
    scope: Scope
    groups: frozenset[str] | None


class Past(NamedTuple):
    id: str
    camera_id: str
    camera_name: str | None
    group_id: str | None
    started_at: datetime
    plate: str | None
    direction: str | None
    uncertain: bool


async def of_plates(session: AsyncSession, where: Where, plates: Sequence[str]) -> list[Past]:
    return await _asked(session, where, Detection.plate.in_(plates), None)


async def of_ends(session: AsyncSession, where: Where, prefix: str, suffix: str, limit: int) -> list[Past]:
    """Plates that begin with `prefix`, or that end with `suffix`; without either the newest of all."""
    if not prefix and not suffix:
        return await newest(session, where, limit)
    column, text = (Detection.plate, prefix) if prefix else (Detection.plate_reversed, suffix[::-1])
    # A range, not LIKE: SQLite's LIKE uses no index here.
    return await _asked(session, where, and_(column >= text, column < text[:-1] + chr(ord(text[-1]) + 1)), limit)


async def of_list(session: AsyncSession, where: Where, hotlist_id: str, limit: int, *, twin: bool) -> list[Past]:
    """Passages whose plate is an exact entry of a list, or (`twin`) differs from one as twins do in the fifth place.

    Each entry is one look into the index of plates: a list of hundreds of thousands is no matter.
    """
    key: ColumnElement[str] = cast("ColumnElement[str]", HotlistEntry.pattern)
    if twin:
        fifth = case(dict(FIFTHS), value=func.substr(key, 5, 1))
        key = func.substr(key, 1, 4) + fifth + func.substr(key, 6)
    own = and_(HotlistEntry.hotlist_id == hotlist_id, HotlistEntry.removed.is_(False), HotlistEntry.match == "exact")
    asked = _select(where, own).join(HotlistEntry, key == Detection.plate).limit(limit)
    return [Past(*row) for row in await session.execute(asked)]


async def newest(session: AsyncSession, where: Where, limit: int) -> list[Past]:
    return await _asked(session, where, Detection.plate.is_not(None), limit, in_time=True)


async def _asked(
    session: AsyncSession, where: Where, condition: ColumnElement[bool], limit: int | None, *, in_time: bool = False
) -> list[Past]:
    asked = _select(where, condition)
    if in_time:
        asked = asked.order_by(Detection.started_at.desc(), Detection.id.desc())
    if limit is not None:
        asked = asked.limit(limit)
    return [Past(*row) for row in await session.execute(asked)]


def _select(where: Where, condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    table = Detection
    asked = (
        select(
            table.id, table.camera_id, Camera.name, Camera.group_id, table.started_at, table.plate, table.direction,
            table.uncertain,
        )
        .outerjoin(Camera, Camera.id == table.camera_id)
        .where(condition, table.started_at >= where.since, where.scope.cameras(table.camera_id))
    )  # fmt: skip
    if where.groups is not None:
        inside = select(Camera.id).where(Camera.group_id.in_(sorted(where.groups)))
        asked = asked.where(table.camera_id.in_(inside))
    return asked
