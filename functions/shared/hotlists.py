"""What more than one room knows of hotlists: who sees one, and what its fuzzy entries may be away."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, and_, exists

from functions.shared.scope import Scope
from functions.shared.tables import Hotlist, HotlistGroup

# What a fuzzy entry without a tolerance of its own may be away, by the length of its plate: a short text has no room
# for a mistake, one of 7 characters for two that a reader easily makes.
TOLERANCES: Mapping[int, float] = {5: 0.3, 6: 0.3, 7: 0.6, 8: 0.6, 9: 0.6, 10: 0.6}


def tolerance(of_list: Mapping[int, float], length: int) -> float:
    """Of a fuzzy entry that has none of its own: the list's for its length, or else the platform's."""
    return of_list.get(length, TOLERANCES.get(length, 0.0))


def visible(scope: Scope) -> ColumnElement[bool]:
    """Lists that have a group in the scope; one of every camera belongs to who sees every camera."""
    if scope.everything:
        return Hotlist.id.is_not(None)
    own = exists().where(HotlistGroup.hotlist_id == Hotlist.id, scope.grouped(HotlistGroup.group_id))
    return and_(Hotlist.all_groups.is_(False), own)
