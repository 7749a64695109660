"""The plates of hotlists, as a filter of detections: by the entries as they are now, matched as alerts match them.

Exact entries are joined in the database, hundreds of thousands if need be. What wildcards and fuzzy ones may mean is
looked up among the plates that are stored, by indexes, and then matched. Of fuzzy entries that reach farther than the
neighbours that an index answers (`fuzzy.FARTHEST`), the plates that alerts were raised of are taken too; others may be
missing, and the answer says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from functions.search import fuzzy, repository, repository_lists
from functions.search.filters import Filters, Listed
from functions.search.looking import Look, require_unmasked
from functions.search.plates import PlateTest
from functions.search.repository_lists import Pattern
from functions.search.schemas import PlateQuery
from functions.shared.access import ACCESS
from functions.shared.context import Context
from functions.shared.errors import Forbidden, InvalidInput
from functions.shared.plates import distance, twins
from functions.shared.scope import Scope
from functions.shared.tables import CLONED_LIST, Hotlist
from functions.shared.tokens import Principal

MOST_PATTERNS = 500
# Stored plates that patterns may be held against, and that may match them.
MOST_LOOKED_AT, MOST_FOUND = 50_000, 10_000
_ANY = re.compile(r"[*?]")
# A twin differs in the fifth character of seven alone: what stands before it, and behind it, is the same.
_BEFORE, _BEHIND = 4, 2


async def narrowed(context: Context, session: AsyncSession, query: PlateQuery, filters: Filters, look: Look) -> Filters:
    """The filters with what `hotlist_id` asks for. Raises Forbidden, and InvalidInput for a list that is none of
    theirs or whose patterns are too many."""
    wanted = sorted(set(query.hotlist_id))
    if not wanted:
        return filters
    _require_access(look.who)
    require_unmasked(context, look, "a list may hold patterns, by which they could be told")
    return await by_lists(session, filters, wanted, look.who.scope)


async def by_lists(session: AsyncSession, filters: Filters, wanted: Sequence[str], scope: Scope) -> Filters:
    """The filters with the plates of lists that somebody of the scope sees, as they are now. Raises InvalidInput."""
    lists = await repository_lists.lists(session, scope, wanted)
    if len(lists) < len(wanted):
        missing = sorted(set(wanted) - {row.id for row in lists})
        raise InvalidInput(f"hotlist_id: there is no list {missing[0]}", field="hotlist_id")
    by_alert = tuple(row.id for row in lists if row.id == CLONED_LIST)
    ids = tuple(row.id for row in lists if row.id != CLONED_LIST)
    twinned = tuple(row.id for row in lists if row.id != CLONED_LIST and row.twins)
    plates, whole = await _by_patterns(session, filters, lists)
    return replace(filters, listed=Listed(ids, twinned, plates, by_alert, whole))


def whole_of(filters: Filters) -> bool | None:
    """Whether no plate of the lists can be missing; None where none was asked for."""
    return None if filters.listed is None else filters.listed.whole


def _require_access(who: Principal) -> None:
    """Who may not read lists learns nothing of them here either."""
    rule = ACCESS["GET /api/hotlists/{hotlist_id}"]
    assert rule is not None
    if who.role not in rule.roles or (who.permissions is not None and rule.permission not in who.permissions):
        raise Forbidden(f"hotlist_id: reading lists is not yours: {rule.permission}", field="hotlist_id")


async def _by_patterns(
    session: AsyncSession, filters: Filters, lists: Iterable[Hotlist]
) -> tuple[tuple[str, ...], bool]:
    """The plates that are stored, in the time that is asked for, and match a wildcard or a fuzzy entry; and whether
    these are all."""
    found: set[str] = set()
    whole = True
    for row in lists:
        patterns = await repository_lists.patterns(session, row, MOST_PATTERNS + 1)
        if len(patterns) > MOST_PATTERNS:
            raise InvalidInput(
                f"hotlist_id: the list has more than {MOST_PATTERNS} wildcards and fuzzy entries; ask for its alerts",
                field="hotlist_id",
            )  # fmt: skip
        far = [pattern for pattern in patterns if pattern.match == "fuzzy" and pattern.tolerance > fuzzy.FARTHEST]
        whole = whole and not far
        alerted = await repository_lists.alerted_plates(session, row.id, MOST_LOOKED_AT) if far else []
        found |= {plate for plate in alerted if any(matches(each, plate, with_twins=row.twins) for each in far)}
        for pattern in patterns:
            plates = await _candidates(session, filters, pattern, with_twins=row.twins)
            found |= {plate for plate in plates if matches(pattern, plate, with_twins=row.twins)}
            if len(found) > MOST_FOUND:
                raise InvalidInput("hotlist_id: too many plates match the list; narrow the time", field="hotlist_id")
    return tuple(sorted(found)), whole


async def _candidates(session: AsyncSession, filters: Filters, pattern: Pattern, *, with_twins: bool) -> set[str]:
    if pattern.match == "fuzzy":
        found: set[str] = set()
        for text in (pattern.text, *(twins(pattern.text) if with_twins else ())):
            found.update(await repository.plates_folded(session, fuzzy.neighbours(text), filters))
        return found
    plates = await repository_lists.plates(session, filters, _ends(pattern.text, with_twins), MOST_LOOKED_AT + 1)
    if len(plates) > MOST_LOOKED_AT:
        raise InvalidInput("hotlist_id: a wildcard of the list is too broad; narrow the time", field="hotlist_id")
    return set(plates)


def _ends(text: str, with_twins: bool) -> PlateTest:
    """What is literal at one end of a wildcard, as a range of an index."""
    parts = _ANY.split(text)
    head, tail = parts[0], parts[-1]
    if with_twins:
        head, tail = head[:_BEFORE], tail[-_BEHIND:]
    return PlateTest(prefix=head or None) if len(head) >= len(tail) else PlateTest(suffix=tail)


def matches(pattern: Pattern, plate: str, *, with_twins: bool) -> bool:
    """Whether a plate, or (`with_twins`) its twin, is what an entry means.

    >>> wild = Pattern("ABC1C*", "wildcard", 0.0)
    >>> matches(wild, "ABC1C34", with_twins=False), matches(wild, "ABC1234", with_twins=False)
    (True, False)
    >>> matches(wild, "ABC1234", with_twins=True)
    True
    """
    return any(_matches(pattern, text) for text in _meant(plate, with_twins))


def _meant(plate: str, with_twins: bool) -> Iterator[str]:
    yield plate
    if with_twins:
        yield from twins(plate)


def _matches(pattern: Pattern, plate: str) -> bool:
    if pattern.match == "fuzzy":
        return distance(pattern.text, plate) <= pattern.tolerance
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(char) or re.escape(char) for char in pattern.text), plate) is not None
