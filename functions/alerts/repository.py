"""The SQL of hotlists and their entries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Table, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.hotlists import visible
from functions.shared.scope import Scope
from functions.shared.tables import Camera, Group, Hotlist, HotlistEntry, HotlistGroup

_CHUNK = 1000


async def lock(session: AsyncSession, name: str) -> None:
    """Wait for every other transaction under this name. SQLite has one writer at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(f"gtv-alerts:{name}".encode()).digest()[:8], "big", signed=True)
        await session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": key})


async def hotlists(
    session: AsyncSession, scope: Scope, behind: tuple[str, str], limit: int, part: str = ""
) -> list[Hotlist]:
    """By name and id, behind a name and an id; `part` is a part of the name."""
    name, hotlist_id = behind
    more = or_(Hotlist.name > name, and_(Hotlist.name == name, Hotlist.id > hotlist_id))
    asked = select(Hotlist).where(visible(scope), more).order_by(Hotlist.name, Hotlist.id).limit(limit)
    if part:
        asked = asked.where(func.lower(Hotlist.name).contains(part.lower(), autoescape=True))
    return list(await session.scalars(asked))


async def hotlist(session: AsyncSession, scope: Scope, hotlist_id: str, *, lock_row: bool = False) -> Hotlist | None:
    asked = select(Hotlist).where(Hotlist.id == hotlist_id, visible(scope))
    return (await session.scalars(asked.with_for_update() if lock_row else asked)).one_or_none()


async def name_taken(session: AsyncSession, scope: Scope, name: str, hotlist_id: str) -> bool:
    """Whether another list of the scope has a name, whatever its case."""
    same = func.lower(Hotlist.name) == func.lower(name)
    asked = select(Hotlist.id).where(visible(scope), same, Hotlist.id != hotlist_id).limit(1)
    return (await session.scalar(asked)) is not None


async def groups_of(session: AsyncSession, ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {hotlist_id: [] for hotlist_id in ids}
    asked = select(HotlistGroup.hotlist_id, HotlistGroup.group_id).where(HotlistGroup.hotlist_id.in_(ids))
    for hotlist_id, group_id in await session.execute(asked.order_by(HotlistGroup.group_id)):
        found[hotlist_id].append(group_id)
    return found


async def set_groups(session: AsyncSession, hotlist_id: str, groups: Iterable[str]) -> None:
    await session.execute(delete(HotlistGroup).where(HotlistGroup.hotlist_id == hotlist_id))
    rows = [{"hotlist_id": hotlist_id, "group_id": group_id} for group_id in sorted(set(groups))]
    if rows:
        await session.execute(insert(HotlistGroup), rows)


async def known_groups(session: AsyncSession, groups: Iterable[str]) -> set[str]:
    return set(await session.scalars(select(Group.id).where(Group.id.in_(sorted(set(groups))))))


async def delete_hotlist(session: AsyncSession, hotlist_id: str) -> None:
    await session.execute(delete(Hotlist).where(Hotlist.id == hotlist_id))


class Place(NamedTuple):
    """Where a camera is."""

    group_id: str | None
    name: str
    latitude: float | None
    longitude: float | None


async def places(session: AsyncSession) -> dict[str, Place]:
    """Every camera, those too that were deleted: their passages may still be told of."""
    asked = select(Camera.id, Camera.group_id, Camera.name, Camera.latitude, Camera.longitude)
    return {row[0]: Place(*row[1:]) for row in await session.execute(asked)}


async def all_hotlists(session: AsyncSession) -> list[Hotlist]:
    return list(await session.scalars(select(Hotlist).order_by(Hotlist.id)))


# Entries


def _entries(hotlist_id: str, part: str) -> ColumnElement[bool]:
    own = and_(HotlistEntry.hotlist_id == hotlist_id, HotlistEntry.removed.is_(False))
    return and_(own, HotlistEntry.pattern.contains(part, autoescape=True)) if part else own


async def entries(
    session: AsyncSession, hotlist_id: str, behind: str, limit: int, part: str = ""
) -> list[HotlistEntry]:
    """By pattern, behind a pattern."""
    asked = select(HotlistEntry).where(_entries(hotlist_id, part), HotlistEntry.pattern > behind)
    return list(await session.scalars(asked.order_by(HotlistEntry.pattern).limit(limit)))


async def entries_by_age(session: AsyncSession, hotlist_id: str, behind: str, limit: int) -> list[HotlistEntry]:
    """By id, behind an id: as they came to be, whatever their patterns."""
    asked = select(HotlistEntry).where(_entries(hotlist_id, ""), HotlistEntry.id > behind)
    return list(await session.scalars(asked.order_by(HotlistEntry.id).limit(limit)))


async def pattern_of(session: AsyncSession, hotlist_id: str, entry_id: str) -> str | None:
    """The pattern of an entry, also of one that was taken out."""
    asked = select(HotlistEntry.pattern).where(HotlistEntry.hotlist_id == hotlist_id, HotlistEntry.id == entry_id)
    found: str | None = await session.scalar(asked)
    return found


async def entry(session: AsyncSession, hotlist_id: str, entry_id: str) -> HotlistEntry | None:
    asked = select(HotlistEntry).where(_entries(hotlist_id, ""), HotlistEntry.id == entry_id)
    return (await session.scalars(asked)).one_or_none()


async def entry_of_pattern(session: AsyncSession, hotlist_id: str, pattern: str) -> HotlistEntry | None:
    """Also one that was taken out."""
    asked = select(HotlistEntry).where(HotlistEntry.hotlist_id == hotlist_id, HotlistEntry.pattern == pattern)
    return (await session.scalars(asked)).one_or_none()


class Stored(NamedTuple):
    """Of an entry what is held in memory."""

    id: str
    pattern: str
    match: str
    tolerance: float | None
    valid_until: datetime | None
    removed: bool
    version: int


async def entries_since(session: AsyncSession, hotlist_id: str, version: int, behind: str, limit: int) -> list[Stored]:
    """Entries that changed after a version, by pattern, behind a pattern: an index has them in this order."""
    table = HotlistEntry
    asked = select(
        table.id, table.pattern, table.match, table.tolerance, table.valid_until, table.removed, table.version
    ).where(table.hotlist_id == hotlist_id, table.version > version, table.pattern > behind)
    if version == 0:
        asked = asked.where(table.removed.is_(False))
    return [Stored(*row) for row in await session.execute(asked.order_by(table.pattern).limit(limit))]


async def count_entries(session: AsyncSession, hotlist_id: str) -> int:
    found = await session.scalar(select(func.count()).select_from(HotlistEntry).where(_entries(hotlist_id, "")))
    return int(found or 0)


async def put_entries(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Write entries of one list; one with a known pattern takes the place of the old one and keeps its id."""
    made = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    table = HotlistEntry.__table__
    statement = made(cast(Table, table))
    kept = ("match", "tolerance", "note", "valid_until", "version", "removed", "updated_at")
    changed = {name: getattr(statement.excluded, name) for name in kept}
    upsert = statement.on_conflict_do_update(index_elements=["hotlist_id", "pattern"], set_=changed)
    # One statement for many rows (the driver's executemany): a list of 200,000 is compiled once and not by the chunk.
    for start in range(0, len(rows), _CHUNK):
        await session.execute(upsert, list(rows[start : start + _CHUNK]))


async def remove_older(session: AsyncSession, hotlist_id: str, version: int, at: datetime) -> int:
    """Take out every entry that a version did not write; returns how many."""
    old = and_(_entries(hotlist_id, ""), HotlistEntry.version < version)
    values = {"removed": True, "version": version, "note": None, "updated_at": at}
    found = await session.execute(update(HotlistEntry).where(old).values(**values))
    return int(getattr(found, "rowcount", 0))


async def forget_removed(session: AsyncSession, hotlist_id: str, before: datetime) -> None:
    """Delete for good what was taken out before a time."""
    gone = and_(HotlistEntry.removed.is_(True), HotlistEntry.updated_at < before)
    await session.execute(delete(HotlistEntry).where(HotlistEntry.hotlist_id == hotlist_id, gone))


async def exact_patterns(session: AsyncSession, hotlist_id: str, patterns: Sequence[str]) -> set[str]:
    """Those of some plates that are exact entries of a list."""
    return await known_patterns(session, hotlist_id, patterns, HotlistEntry.match == "exact")


async def known_patterns(
    session: AsyncSession, hotlist_id: str, patterns: Sequence[str], *more: ColumnElement[bool]
) -> set[str]:
    """Those of some patterns that a list has."""
    found: set[str] = set()
    for start in range(0, len(patterns), _CHUNK):
        part = patterns[start : start + _CHUNK]
        asked = select(HotlistEntry.pattern).where(_entries(hotlist_id, ""), HotlistEntry.pattern.in_(part), *more)
        found |= set(await session.scalars(asked))
    return found


async def patterns_of(session: AsyncSession, hotlist_id: str, kinds: Sequence[str], limit: int) -> list[HotlistEntry]:
    asked = select(HotlistEntry).where(_entries(hotlist_id, ""), HotlistEntry.match.in_(kinds))
    return list(await session.scalars(asked.order_by(HotlistEntry.pattern).limit(limit)))
