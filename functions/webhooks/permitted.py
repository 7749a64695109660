"""Which types of events an API key may have sent: those whose contents it might read by itself. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from functions.shared.access import Role
from functions.shared.errors import Forbidden
from functions.shared.tokens import Principal
from functions.webhooks.payload import event_types

# By the beginning of a type. What is not here (a webhook's own end) is told to whoever may keep webhooks.
_NEEDS = {
    "gtv.detection.": "detections:read",
    "gtv.alert.": "alerts:read",
    "gtv.camera.": "cameras:read",
    "gtv.storage.": "status:read",
}
# Told to admins alone (`sending.may_see`), who watch people by it: that is for no key.
_FOR_PEOPLE = "gtv.privacy."


def _hindrance(who: Principal, event_type: str) -> str | None:
    """Why a key may not have events of a type sent, or None."""
    assert who.permissions is not None
    if event_type.startswith(_FOR_PEOPLE):
        return "is told to people alone" if who.role is Role.ADMIN else None
    needed = next((permission for begin, permission in _NEEDS.items() if event_type.startswith(begin)), None)
    return None if needed is None or needed in who.permissions else f"needs a key with {needed}"


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


def require_readable(who: Principal, types: Sequence[str]) -> None:
    """Of an endpoint that is there: who changes its address has its events. Raises Forbidden."""
    if who.permissions is not None and chosen(who, types) != list(types):
        reason = "this webhook sends events that the key may not read; name its event_types"
        raise Forbidden(reason, field="event_types")
