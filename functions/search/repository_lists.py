"""The SQL of hotlists as a filter: which lists may be asked for, their patterns, which stored plates may be meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.search.filters import Filters, during, in_force, ranges
from functions.search.plates import PlateTest
from functions.shared.hotlists import tolerance, visible
from functions.shared.scope import Scope
from functions.shared.tables import Alert, Detection, Hotlist, HotlistEntry


class Pattern(NamedTuple):
    """A wildcard or a fuzzy entry; `tolerance` of a fuzzy one."""

    text: str
    match: str
    tolerance: float


async def lists(session: AsyncSession, scope: Scope, ids: Sequence[str]) -> list[Hotlist]:
    """Those of these lists that somebody of the scope sees."""
    return list(await session.scalars(select(Hotlist).where(Hotlist.id.in_(ids), visible(scope))))


async def patterns(session: AsyncSession, hotlist: Hotlist, limit: int) -> list[Pattern]:
    table = HotlistEntry
    asked = select(table.pattern, table.match, table.tolerance).where(
        table.hotlist_id == hotlist.id, table.match != "exact", in_force()
    )
    of_list = {int(length): float(far) for length, far in hotlist.tolerances.items()}
    return [
        Pattern(text, match, tolerance(of_list, len(text)) if own is None else own)
        for text, match, own in await session.execute(asked.limit(limit))
    ]


async def alerted_plates(session: AsyncSession, hotlist_id: str, limit: int) -> list[str]:
    """Plates of the list's alerts that were not withdrawn."""
    asked = select(Alert.plate).distinct().where(Alert.hotlist_id == hotlist_id, Alert.state != "withdrawn")
    return list(await session.scalars(asked.limit(limit)))


async def plates(session: AsyncSession, filters: Filters, ends: PlateTest, limit: int) -> list[str]:
    """Plates that are stored with such an end; of the filters, time alone is looked at."""
    bounds = [Detection.plate.is_not(None), *ranges(ends), *during(session, filters.start, filters.end)]
    found = await session.scalars(select(Detection.plate).distinct().where(*bounds).limit(limit))
    return [plate for plate in found if plate is not None]
