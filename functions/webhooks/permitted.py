"""Which types of events an API key may have sent: those whose contents it might read by itself. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from functions.shared.access import Role
from functions.shared.errors import Forbidden
from functions.shared.event_permissions import FOR_PEOPLE, needed
from functions.shared.tokens import Principal
from functions.webhooks.payload import event_types


def _hindrance(who: Principal, event_type: str) -> str | None:
    """Why a key may not have events of a type sent, or None."""
    assert who.permissions is not None
    if event_type.startswith(FOR_PEOPLE):
        # Others than admins are sent none of these (`sending.may_see`), whatever they ask for.
        return "is told to people alone" if who.role is Role.ADMIN else None
    permission = needed(event_type)
    return None if permission is None or permission in who.permissions else f"needs a key with {permission}"


def chosen(who: Principal, types: Sequence[str]) -> list[str]:
    """The types that an endpoint is sent: `types` (none: all) for a person. For a key that may not read them all,
    those that it may. Raises Forbidden where it names another."""
    if who.permissions is None:
        return list(types)
    closed = {name: why for name in event_types() if (why := _hindrance(who, name)) is not None}
    for name in types:
        if name in closed:
            raise Forbidden(f"event_types: {name} {closed[name]}", field="event_types")
    if types or not closed:
        return list(types)
    return [name for name in event_types() if name not in closed]


def require_readable(who: Principal, now: Sequence[str], then: Sequence[str]) -> None:
    """Of an endpoint that is there: who changes it has its events, those that wait too. A key has to be able to read
    the types that it is sent `now` and those that it is sent `then`. Raises Forbidden."""
    if who.permissions is None:
        return
    try:
        whole = chosen(who, now) == list(now)
    except Forbidden:
        whole = False
    if not whole:
        raise Forbidden("this webhook sends events that the key may not read; a person can change it")
    if chosen(who, then) != list(then):
        raise Forbidden("event_types: the key may not read all of them; name those that it may", field="event_types")
